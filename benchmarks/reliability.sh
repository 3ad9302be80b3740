#!/usr/bin/env bash
# How reliable are scores, and what becomes of sequences of genera that the model does not know?
#
#   bash benchmarks/reliability.sh [--model kmer|hybrid] [--seed 1] [--threads 0] [--build FOLDER] [--work FOLDER]
#
# Of microbiomeutil's 16S type strains, every tenth genus with two or more sequences is left out as new. Of
# each other genus the first sequence is trained on, and of the rest every fifth is held out for the test
# and every fifth for calibrate. Prints, for the held-out sequences of known genera, accuracies, calibration
# errors, coverage and risk-coverage curves at the genus (benchmarks/lineage_accuracy.py) of the network and with neighbours, before and after
# calibrate; then, with calibrate's least similarities, the share of known ones that keep their genus and of
# new ones that are left unassigned at it, and the same by score alone, at the threshold that keeps equally
# many.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
options model=kmer seed=1 threads=0 -- "$@"
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
[ -r "$gold" ] || { echo "SKIPPED: $gold is missing: bash launch/install-deps.sh data" >&2; exit 77; }
measure=$here/lineage_accuracy.py
case $model in
    kmer) sizes=(--model-type kmer) ;;
    hybrid) sizes=("${small_hybrid[@]}" --learning-rate 3e-3 --batch-size 32 --epochs 8) ;;
    *) usage ;;
esac

# The parts: train, calibrate, known (of the test) and new
mkdir -p "$work/data"
awk -F '\t' -v folder="$work/data" '
    FNR == NR {
        if (/^>/) { genus = $NF; sub(/.*; */, "", genus); if (++of[genus] == 2 && ++twice % 10 == 0) fresh[genus] = 1 }
        next
    }
    /^>/ {
        split($NF, taxon, /; */)
        part = folder "/" (taxon[6] in fresh ? "new" : !seen[taxon[6]]++ ? "train" : ++n % 5 == 0 ? "known" : n % 5 == 1 ? "calibrate" : "train")
        id = substr($1, 2)
        sub(/ .*/, "", id)
        print id "\td__" taxon[1] ";p__" taxon[2] ";c__" taxon[3] ";o__" taxon[4] ";f__" taxon[5] ";g__" taxon[6] > (part ".tsv")
        print ">" id > (part ".fasta")
        next
    }
    { print > (part ".fasta") }' "$gold" "$gold"
for part in train calibrate known new; do
    echo "$part: $(wc -l <"$work/data/$part.tsv") sequences"
done

train=$work/train-$model-$seed
timed deeptaxa train --fasta-file "$work/data/train.fasta" --taxonomy-file "$work/data/train.tsv" --output-dir "$train" \
    --resume auto --seed "$seed" "${sizes[@]}" --val-split 0 --keep-checkpoints 1 --store-references --threads "$threads"
timed deeptaxa calibrate --checkpoint "$train" --fasta-file "$work/data/calibrate.fasta" \
    --taxonomy-file "$work/data/calibrate.tsv" --output-file "$work/calibrated.h5" --threads "$threads"
cp "$work/log" "$work/calibrate.log"

tables=()
predict() { # predict NAME PART CHECKPOINT FLAG...
    rm -rf "${work:?}/$1"
    timed deeptaxa predict --checkpoint "$3" --fasta-file "$work/data/$2.fasta" --output-dir "$work/$1" --threads "$threads" \
        --tabular --tabular-fields predicted,raw_score,assigned "${@:4}"
    tables+=("$work/$1/$2_deeptaxa_predictions.tsv")
}
predict "network" known "$train"
predict "network, calibrated" known "$work/calibrated.h5"
predict "summed" known "$train" --lineage summed
predict "summed, calibrated" known "$work/calibrated.h5" --lineage summed
predict "neighbours" known "$train" --neighbours 20
predict "neighbours, calibrated" known "$work/calibrated.h5" --neighbours auto
python3 "$measure" --truth "$work/data/known.tsv" "${tables[@]}"
python3 "$measure" --reliability --truth "$work/data/known.tsv" "${tables[@]}"
python3 "$measure" --curve genus --truth "$work/data/known.tsv" "${tables[@]}"

predict "similarity of known" known "$work/calibrated.h5" --neighbours auto --min-similarity auto
predict "similarity of new" new "$work/calibrated.h5" --neighbours auto --min-similarity auto
python3 - "$work/similarity of known/known_deeptaxa_predictions.tsv" "$work/similarity of new/new_deeptaxa_predictions.tsv" \
    <(cut -d ';' -f 6 "$work/data/train.tsv" | sort -u) "$work/data/known.tsv" <<'END'
import csv
import sys

known, new = (list(csv.DictReader(open(path), delimiter="\t", quoting=csv.QUOTE_NONE)) for path in sys.argv[1:3])
trained = {line.strip() for line in open(sys.argv[3])}
genus = {row.split("\t")[0]: row.strip().split(";")[-1] for row in open(sys.argv[4])}
known = [row for row in known if genus[row["sequence_id"]] in trained]
share = lambda rows, test: sum(map(test, rows)) / len(rows)
assigned = lambda row: row["genus_assigned"].lower() == "true"
kept = share(known, assigned)
scores = sorted((float(row["genus_raw_score"]) for row in known), reverse=True)
least = scores[max(round(kept * len(known)) - 1, 0)]
print(f"{len(known)} sequences of known genera, {len(new)} of new ones")
print("| left unassigned at the genus | known genera, kept | new genera, unassigned |\n| --- | --- | --- |")
print(f"| by the similarity of the nearest | {kept:.4f} | {1 - share(new, assigned):.4f} |")
low = lambda row: float(row["genus_raw_score"]) < least
print(f"| by the score, at {least:.4f} | {1 - share(known, low):.4f} | {share(new, low):.4f} |")
END
