#!/usr/bin/env bash
# Whatever bytes come in, what is written is UTF-8: ids and labels that are not are refused with file
# and line, names of files and flags are made so; cells of tables are read back as they were.
source "$(dirname "$0")/lib.sh"
export LC_ALL=C.UTF-8

# 24 sequences; labels beyond ASCII, with quotation marks, blanks and non-breaking ones
awk 'BEGIN {
    print "sequence_id\tdomain\tgenus" >"in.tsv"
    split("Bérardia,\"Candidatus\" novus,\"Unended,Été ✓,a b,𝛼-proteo", genus, ",")
    for (i = 0; i < 24; ++i) {
        printf ">%s%d\n", i == 7 ? "\"q" : i == 8 ? "é" : "s", i >"in.fasta"
        n = 60 + i
        for (x = i + 1; n-- > 0; x = x * 7921 % 10007) printf "%s", substr("ACGT", x % 4 + 1, 1) >"in.fasta"
        print "" >"in.fasta"
        printf "%s%d\tD%d\t%s\n", i == 7 ? "\"q" : i == 8 ? "é" : "s", i, i % 2, genus[i % 6 + 1] >"in.tsv"
    }
}'
# shellcheck disable=SC2086
train() {
    deeptaxa train --output-dir "$1" $small_model --batch-size 8 --epochs 1 --threads 1 "${@:2}"
}
# all_utf8 FOLDER: every text file in it is UTF-8, every JSON file is JSON, line by line where it is *.jsonl
all_utf8() {
    python3 - "$1" <<'PY' || fail "a file of $1 is not UTF-8"
import json, os, sys
count = 0
for folder, _, names in os.walk(os.fsencode(sys.argv[1])):
    for name in names:
        if not name.endswith((b".json", b".jsonl", b".tsv", b".log", b".txt")):
            continue
        text = open(os.path.join(folder, name), "rb").read().decode("utf-8")
        count += 1
        if name.endswith(b".json"):
            json.loads(text)
        if name.endswith(b".jsonl"):
            [json.loads(line) for line in text.splitlines()]
assert count, "no text file"
PY
}

# ---- ids -----------------------------------------------------------------------------------------
expect 0 train run --fasta-file in.fasta --taxonomy-file in.tsv
model=$(checkpoint run 1)
latin=$'\xe9'
sed "5s/.*/>s${latin}2 x/" in.fasta >latin.fasta
sed "6s/^s4/s${latin}4/" in.tsv >latin.tsv
wrong="latin.fasta: line 5: the id 's\?2' is not UTF-8 \(byte 0xe9\): convert the file"
refused 1 "$wrong" train bad --fasta-file latin.fasta --taxonomy-file in.tsv
refused 1 "$wrong" train bad --fasta-file latin.fasta --taxonomy-file in.tsv --encoding onehot --model-type cnn --embed-dim 4
refused 1 "$wrong" deeptaxa prepare --fasta-file latin.fasta --taxonomy-file in.tsv --output-dir bad
refused 1 "$wrong" deeptaxa tokenizer --fasta-file latin.fasta --output-file bad
refused 1 "$wrong" deeptaxa predict --fasta-file latin.fasta --checkpoint "$model" --output-dir bad --format qiime2
expect 1 deeptaxa predict --fasta-file latin.fasta --checkpoint "$model" --output-dir bad2
said "$wrong"
same "files of it" "$(find bad2 -type f)" ""
expect 1 deeptaxa calibrate --fasta-file latin.fasta --taxonomy-file in.tsv --checkpoint "$model" --output-file bad
said "$wrong"
refused 1 "latin.tsv: line 6: not UTF-8" train bad --fasta-file in.fasta --taxonomy-file latin.tsv
[ -e bad ] && fail "something was written"
sed "5s/.*/>s2 $latin \xff\xc3(/; 6s/\$/$latin/" in.fasta >after.fasta # after the id, and in the sequence
expect 0 deeptaxa predict --fasta-file after.fasta --checkpoint "$model" --output-dir after --tabular --format qiime2
all_utf8 after
expect 0 train learnt --fasta-file after.fasta --taxonomy-file in.tsv
all_utf8 learnt

# ---- tables are read back as they were -------------------------------------------------------------
expect 0 deeptaxa predict --fasta-file in.fasta --taxonomy-file in.tsv --checkpoint "$model" \
    --output-dir p --tabular --format qiime2
all_utf8 p
python3 - <<'PY' || fail "what goes in does not come out"
import csv, glob, json
def rows(name, quoting=csv.QUOTE_MINIMAL):
    return list(csv.reader(open(name, encoding="utf-8", newline=""), delimiter="\t", quoting=quoting))
given = rows("in.tsv", csv.QUOTE_NONE)
genus = {row[0]: row[2] for row in given[1:]}
table = rows("p/in_deeptaxa_predictions.tsv")
at = table[0].index("genus_true")
labels = {row[at - 3] for row in table[1:]}
assert all(len(row) == len(table[0]) for row in table)
assert {row[0]: row[at] for row in table[1:]} == genus, table
qiime = rows("p/in_deeptaxa_predictions.qiime2.tsv")
assert [row[0] for row in qiime[1:]] == list(genus) and all(len(row) == 3 for row in qiime)
out = json.load(open("p/in_deeptaxa_predictions.json", encoding="utf-8"))
assert out["sequence_ids"] == list(genus)
assert [t["genus"] for t in out["true_labels"]] == list(genus.values())
known = json.load(open(glob.glob("run/metadata/*label2id.json")[0], encoding="utf-8"))
assert set(known["1"]) == set(genus.values())
PY
# and by ourselves
awk -F'\t' -v OFS='\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print "sequence_id", "domain", "genus"; next }
    { print $1, $at["domain_true"], $at["genus_true"] }' p/in_deeptaxa_predictions.tsv >again.tsv
grep -q '^"""q7"' again.tsv || fail "the id that begins with a quotation mark stands bare"
expect 0 deeptaxa predict --fasta-file in.fasta --taxonomy-file again.tsv --checkpoint "$model" --output-dir again
same "sequences without a row" "$(grep -c 'no row' err)" 0

# ---- names of files, and flags ---------------------------------------------------------------------
name="caf$latin"
cp in.fasta "$name.fasta"
cp in.tsv "$name.tsv"
expect 0 train "run$latin" --fasta-file "$name.fasta" --taxonomy-file "$name.tsv" --tokenizer-name "$name" \
    --profile-trace "trace$latin.json" --verbose
all_utf8 "run$latin"
mkdir traces && mv "trace$latin.json" traces/ && all_utf8 traces
grep -q 'caf�.fasta' "run$latin"/metrics/*_epoch1.json || fail "the FASTA file's name is not in the metrics"
model=$(checkpoint "run$latin" 1)
expect 0 deeptaxa describe --checkpoint "$model" --export-metrics described.json
mkdir d && mv described.json d/ && all_utf8 d
grep -q 'fasta-file: caf�.fasta$' out || fail "describe: $(grep -a fasta-file out)"
expect 0 deeptaxa prepare --fasta-file "$name.fasta" --taxonomy-file "$name.tsv" --output-dir "shards$latin"
all_utf8 "shards$latin"
expect 0 train other --data "shards$latin"
all_utf8 other
expect 0 deeptaxa predict --fasta-file "$name.fasta" --taxonomy-file "$name.tsv" --checkpoint "$model" \
    --output-dir "p$latin" --tabular --format qiime2 --export-sequence-embeddings
all_utf8 "p$latin"
[ -s "p$latin/${name}_deeptaxa_predictions.json" ] || fail "the result is not named after the FASTA file"
finish
