#!/usr/bin/env bash
# deeptaxa train --stream-data: shards are read as they are needed, in an order of their own, which
# stops, resumes and starts again as any other.
source "$(dirname "$0")/lib.sh"
make_gold 120
make_tokenizer

prepare() {
    expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --tokenizer-file tokenizer.json --output-dir "$1" --sequences-per-shard "$2"
}
train() {
    # shellcheck disable=SC2086
    deeptaxa train --output-dir "$1" $small_model --batch-size 4 --learning-rate 1e-2 --threads 2 \
        --hidden-dropout-prob 0.1 "${@:2}"
}
losses() { grep -o '"training_loss": [^,]*' "$1"/metrics/*epoch"$2".json; }

# 96 sequences in 12 shards of 8: three parts an epoch, and room for eight shards
prepare shards 8
expect 0 train memory --data shards --epochs 2
expect 0 train streamed --data shards --epochs 2 --stream-data --save-every-steps 7
said 'Memory: .* for the model and one micro-batch, 0.0'
[ "$(losses memory 1)" != "$(losses streamed 1)" ] || fail "the order is that of the whole set"
expect 0 train again --data shards --epochs 2 --stream-data --num-workers 2
said '^warning: without effect: --num-workers \(needs --fasta-file\)$'
same_model "$(checkpoint streamed 2)" "$(checkpoint again 2)"

# What is evaluated does not depend on it: the same weights, the same measures
measures() { sed -n '/"validation_metrics"/,/^    }/p' "$1"/metrics/*epoch"$2".json; }
expect 0 train from_memory --data shards --epochs 1 --learning-rate 1e-30
expect 0 train from_stream --data shards --epochs 1 --learning-rate 1e-30 --stream-data
[ -n "$(measures from_memory 1)" ] || fail "no measures"
same "measures of one model" "$(measures from_stream 1)" "$(measures from_memory 1)"

# A run that is stopped within an epoch goes on in the same order, without the flag being repeated
train stopped --data shards --epochs 2 --stream-data --save-every-steps 5 2>err &
until_there "stopped/checkpoints/*_step*.h5"
kill_holder stopped
expect 0 train stopped --data shards --epochs 2 --resume auto
same_model "$(checkpoint streamed 2)" "$(checkpoint stopped 2)"

# Refused: no shards, shards smaller than a batch, other shards than the run's, another order
refused 2 '--stream-data requires --data' train_small none --stream-data
refused 2 'a batch of 16 sequences is larger than a shard of 8: prepare larger shards' \
    deeptaxa train --data shards --output-dir none --batch-size 16 --stream-data
prepare others 10
refused 1 'depends on streamed shards of 8 sequences' \
    train streamed --data others --resume "$(checkpoint streamed 1)"
refused 2 '--stream-data true: the run to resume was started with false' \
    train memory --data shards --resume "$(checkpoint memory 1)" --stream-data

# A shard that is damaged while the run goes on ends it with a line that names the shard
prepare broken 8
damage() { printf 'XX' | dd of="$1" bs=1 seek=3000 conv=notrunc 2>/dev/null; }
damage broken/shard_00005.h5
expect 1 train damaged --data broken --epochs 1 --stream-data
said 'broken/shard_00005.h5: '
finish
