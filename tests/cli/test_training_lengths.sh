#!/usr/bin/env bash
# A checkpoint tells how long the sequences were that its model was trained on, in bases.
source "$(dirname "$0")/lib.sh"

# 40 sequences of 60, 63 … 177 letters and one of 1,000, with gaps that are dropped: all of them train
awk 'BEGIN {
    print "sequence_id\tdomain\tgenus" >"in.tsv"
    for (i = 0; i <= 40; ++i) {
        n = i < 40 ? 60 + 3 * i : 1000
        printf ">s%d\n--", i >"in.fasta"
        for (x = i + 1; n-- > 0; x = x * 7921 % 10007) printf "%s", substr("ACGT", x % 4 + 1, 1) >"in.fasta"
        print "." >"in.fasta"
        printf "s%d\tD%d\tG%d\n", i, i % 2, i % 4 >"in.tsv"
    }
}'
lengths="60 60 66 90 120 150 174 1000 1000" # of 0, 1, 5, 25, 50, 75, 95, 99 and 100 per cent
input=(--fasta-file in.fasta --taxonomy-file in.tsv)
expect 0 deeptaxa tokenizer --fasta-file in.fasta --output-file tokenizer.json --vocabulary-size 60

# shellcheck disable=SC2086
train() {
    deeptaxa train --output-dir "$1" $small_model --batch-size 8 --epochs 1 --val-split 0 \
        --threads 1 "${@:2}"
}
stored() { "$bin/../tests/print_array" "$1" deeptaxa-checkpoint training_lengths/bases | tr '\n' ' '; }
keeps() { same "lengths in $1" "$(stored "$(checkpoint "$1" 1)")" "$lengths "; }

expect 0 train run "${input[@]}" --tokenizer-file tokenizer.json
keeps run
expect 0 deeptaxa describe --checkpoint "$(checkpoint run 1)" --export-metrics said.json
printed '^  training-lengths: 60 to 1,000 bases, median 120$'
tr -d ' \n' <said.json | grep -q '"training_length_quantiles":{"0":60,"1":60,"5":66,.*"100":1000}' ||
    fail "no lengths in JSON"

# From shards, streamed or not, and as bases
expect 0 deeptaxa prepare "${input[@]}" --tokenizer-file tokenizer.json --output-dir shards \
    --sequences-per-shard 15
expect 0 train read --data shards
keeps read
expect 0 train streamed --data shards --stream-data
keeps streamed
expect 0 train onehot "${input[@]}" --model-type cnn --encoding onehot --embed-dim 4
keeps onehot

# Only the part that trains counts
expect 0 train part "${input[@]}" --tokenizer-file tokenizer.json --val-split 0.5
[ "$(stored "$(checkpoint part 1)" | wc -w)" -eq 9 ] || fail "no lengths of a part"
[ "$(stored "$(checkpoint part 1)")" != "$lengths " ] || fail "the validation part was counted"

# They go along with a copy; a file from before they were stored has none, until its run goes on
expect 0 deeptaxa export --checkpoint "$(checkpoint run 1)" --output-file light.h5 --weights-only
same "lengths of the copy" "$(stored light.h5)" "$lengths "
"$bin/../tests/drop_lineages" "$(checkpoint run 1)" older.h5 || fail "drop_lineages"
expect 0 deeptaxa describe --checkpoint older.h5
grep -q training-lengths "$work/out" && fail "lengths of a file that has none"
expect 0 train longer "${input[@]}" --resume older.h5 --epochs 2
same "lengths after resuming" "$(stored "$(checkpoint longer 2)")" "$lengths "
finish
