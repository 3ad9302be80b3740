#!/usr/bin/env bash
# What does a larger batch cost in accuracy, and what does scaling the learning rate give back?
#
#   bash benchmarks/batch_size.sh [--batches "64 128 256 512 1024 2048"] [--scalings "none sqrt linear"]
#       [--seeds "1 2 3"] [--epochs 8] [--rate 1e-2] [--optimizer adamw|lamb]
#       [--model cnn|hybrid] [--length 64] [--fasta FILE --taxonomy FILE] [--every 5]
#       [--sequences 0] [--threads 0] [--results FILE] [--build FOLDER] [--work FOLDER]
#
# Trains a small model for equally many epochs with each batch, scaling and seed, and prints the
# accuracy on held-out sequences, every fifth one (--every), at genus and species: the mean over the
# seeds, and their standard deviation. `none` with a larger batch shows what the batch alone costs.
#
# The sequences are microbiomeutil's 16S type strains, or those of a FASTA file whose lineage (two
# columns: id, and seven ranks such as g__Vibrio) reaches the genus; both may be compressed by gzip.
# --sequences: only so many of the training sequences (0: all); --length: the first tokens of each.
# --model cnn: 64 filters of width 3; hybrid: the quick start's, which takes hours.
# With --results, runs that are in that table already are not repeated, so that it can be filled in
# several goes.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
options batches="64 128 256 512 1024 2048" scalings="none sqrt linear" seeds="1 2 3" epochs=8 \
    rate=1e-2 optimizer=adamw every=5 sequences=0 threads=0 model=cnn length=64 fasta= taxonomy= \
    results= -- "$@"
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
case $model in
    hybrid) sizes=("${small_hybrid[@]}") ;;
    cnn) sizes=(--model-type cnn --embed-dim 32 --hidden-size 64 --num-filters 64 --kernel-sizes 3) ;;
    *) usage ;;
esac
results=$(realpath -m "${results:-$work/results.tsv}")
touch "$results"

if [ -n "$fasta" ]; then
    zcat -f "$fasta" | awk -F '\t' -v folder="$work" -v every="$every" '
        FNR == NR { if ($2 ~ /; g__[^;]/) { sub(/; s__$/, "", $2); lineage[$1] = $2 } next }
        /^>/ {
            part = ""
            id = substr($1, 2); sub(/ .*/, "", id)
            if (id in lineage) {
                part = folder "/" (++n % every == 0 ? "heldout" : "train")
                print id "\t" lineage[id] > (part ".tsv")
            }
        }
        part != "" { print > (part ".fasta") }' <(zcat -f "$taxonomy") -
elif [ -r "$gold" ]; then
    awk -v folder="$work" -v every="$every" -f "$project/launch/split-gold.awk" "$gold"
else
    echo "SKIPPED: $gold is missing: bash launch/install-deps.sh data" >&2
    exit 77
fi
if [ "$sequences" -gt 0 ]; then
    awk -v most="$sequences" '/^>/ { n++ } n <= most' "$work/train.fasta" >"$work/some.fasta"
    mv "$work/some.fasta" "$work/train.fasta"
fi
if [ -z "${DEEPTAXA_TOKENIZER:-}" ]; then
    export DEEPTAXA_TOKENIZER=$work/tokenizer.json
    deeptaxa tokenizer --fasta-file "$work/train.fasta" --output-file "$DEEPTAXA_TOKENIZER"
fi

# accuracy FILE LEVEL: of a taxonomic rank in metrics.json
accuracy() {
    tr -d '\n' <"$1" | sed -E "s/.*\"performance_metrics\"//; s/.*\"$2\" *: *[{][^}]*\"accuracy\" *: *([-0-9.e]+).*/\1/"
}

# one BATCH SCALING SEED: trains, predicts and adds a line to the table
one() {
    local run=$work/run checkpoint
    rm -rf "$run" "$work/predictions"
    timed deeptaxa train --fasta-file "$work/train.fasta" --taxonomy-file "$work/train.tsv" \
        --output-dir "$run" "${sizes[@]}" --val-split 0 \
        --max-length "$length" --epochs "$epochs" --optimizer-type "$optimizer" \
        --learning-rate "$rate" --batch-size "$1" --scale-learning-rate "$2" \
        --seed "$3" --threads "$threads"
    checkpoint=$run/checkpoints/deeptaxa_$(cat "$run/deeptaxa_uuid.txt")_epoch$epochs.h5
    timed deeptaxa predict --fasta-file "$work/heldout.fasta" --taxonomy-file "$work/heldout.tsv" \
        --checkpoint "$checkpoint" --output-dir "$work/predictions" --threads "$threads"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$epochs" \
        "$(accuracy "$work/predictions/metrics.json" 5)" \
        "$(accuracy "$work/predictions/metrics.json" 6)" | tee -a "$results"
}

# Seeds are the outer loop: a table that is cut short compares the same batches.
for seed in $seeds; do
    for batch in $batches; do
        for scaling in $scalings; do
            [ "$batch" != 64 ] || [ "$scaling" = none ] || continue # the same run
            grep -q "^$batch	$scaling	$seed	$epochs	" "$results" || one "$batch" "$scaling" "$seed"
        done
    done
done

echo
awk -F '\t' -v epochs="$epochs" '
    $4 == epochs {
        key = $1 "\t" $2
        if (!(key in n)) order[++keys] = key
        n[key]++
        for (k = 5; k <= 6; k++) { sum[key, k] += $k; square[key, k] += $k * $k }
    }
    function spread(key, k,   v) {
        v = n[key] < 2 ? 0 : (square[key, k] - sum[key, k] ^ 2 / n[key]) / (n[key] - 1)
        return sqrt(v > 0 ? v : 0)
    }
    END {
        print "| batch | scaling | seeds | genus | species |\n| --- | --- | --- | --- | --- |"
        for (i = 1; i <= keys; i++) {
            key = order[i]; split(key, part, "\t")
            printf "| %s | %s | %d | %.4f ± %.4f | %.4f ± %.4f |\n", part[1], part[2], n[key],
                sum[key, 5] / n[key], spread(key, 5), sum[key, 6] / n[key], spread(key, 6)
        }
    }' "$results"
