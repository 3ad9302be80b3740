#!/usr/bin/env bash
# The model types bert, cnn and kmer, and bases in place of tokens, on two processes: the losses, norms and
# measures of one process; shards of bases that two processes prepare are those of one.
source "$(dirname "$0")/../cli/lib.sh"
make_gold 40
make_tokenizer

sizes="--hidden-size 16 --num-hidden-layers 2 --num-attention-heads 2 --intermediate-size 24
    --num-filters 8 --max-length 64"

# ranks N FOLDER FLAGS...: batches of 5 leave one rank fewer sequences than the other
ranks() {
    # shellcheck disable=SC2086
    "$MPIEXEC" -n "$1" "$bin/deeptaxa-train" --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir "$2" $sizes --batch-size 5 \
        --learning-rate 1e-2 --threads 1 --epochs 2 --val-split 0.2 "${@:3}"
}
file() { echo "$1/$2/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_$3"; }
values() { sed -nE "s/.*\"$2\": *([-+.0-9e]+).*/\1/p" "$1"; }

# alike NAME: lists of numbers of NAME.1 and NAME.2, alike to 1e-5
alike() {
    local key one two
    for key in loss gradient_norm training_loss validation_loss accuracy f1_score; do
        case $key in loss | gradient_norm) set -- "$1" steps.jsonl ;; *) set -- "$1" epoch2.json ;; esac
        one=$(values "$(file "$1.1" metrics "$2")" $key)
        two=$(values "$(file "$1.2" metrics "$2")" $key)
        [ -n "$one" ] && [ "$(wc -l <<<"$one")" = "$(wc -l <<<"$two")" ] &&
            paste <(echo "$two") <(echo "$one") | awk '
                { d = $1 - $2; if (d < 0) d = -d; s = $2 < 0 ? -$2 : $2; if (d > 1e-5 * s) bad = 1 }
                END { exit bad }' || fail "$key of $1: $two instead of $one"
    done
}

for run in "bert --model-type bert --tokenizer-file tokenizer.json" \
    "cnn --model-type cnn --embed-dim 16 --num-conv-layers 2 --tokenizer-file tokenizer.json" \
    "onehot --model-type cnn --encoding onehot" \
    "kmer --model-type kmer --kmer-size 5"; do
    # shellcheck disable=SC2086
    set -- $run
    expect 0 ranks 1 "$1.1" "${@:2}"
    expect 0 ranks 2 "$1.2" "${@:2}"
    said 'Ranks: 2 on 1 host'
    alike "$1"
    # a checkpoint of two processes goes on with one
    expect 0 ranks 1 "$1.from2" --resume "$(checkpoint "$1.2" 1)"
    near "$1, from two processes to one" \
        "$(values "$(file "$1.from2" metrics epoch2.json)" training_loss)" \
        "$(values "$(file "$1.1" metrics epoch2.json)" training_loss)" 1e-5
done

prepare() {
    "$MPIEXEC" -n "$1" "$bin/deeptaxa-prepare" --encoding onehot --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir "$2" --sequences-per-shard 12 --threads 1
}
expect 0 prepare 1 shards1
expect 0 prepare 2 shards2
diff -r -x .deeptaxa.lock shards1 shards2 >&2 || fail "two processes prepare other shards"
# shellcheck disable=SC2086
expect 0 "$MPIEXEC" -n 2 "$bin/deeptaxa-train" --data shards2 --output-dir sharded \
    --model-type cnn $sizes --batch-size 5 --learning-rate 1e-2 --threads 1 --epochs 2 --val-split 0.2
same_model "$(checkpoint sharded 2)" "$(checkpoint onehot.2 2)"
finish
