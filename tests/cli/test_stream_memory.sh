#!/usr/bin/env bash
# A set that does not fit in memory is trained with --stream-data, in the memory of a few shards;
# benchmarks/stream.sh shows the same with 20 million sequences and a control group.
source "$(dirname "$0")/lib.sh"
make=$bin/../benchmarks/stream_set
[ -x "$make" ] || skip "no stream_set"
# the sanitizers need terabytes of address space
(ulimit -v 4000000; deeptaxa --version >/dev/null 2>&1) || skip "no memory limits here"
expect 0 "$make" --output-dir shards --sequences 250000 --sequences-per-shard 4096

# train FOLDER FLAGS...: within 80 MB of data, of which the program itself needs 50
train() {
    (ulimit -d 80000; deeptaxa train --data shards --model-type cnn --num-filters 4 --kernel-sizes 1 \
        --max-length 4 --batch-size 2048 --threads 1 --epochs 1 --output-dir "$@")
}
expect 1 train memory
said 'out of memory|cannot be read'
expect 0 train streamed --stream-data
said 'epoch 1/1: training loss '

# prepare does not hold the tokens in memory: 96 MB, 8,000 sequences of 6,000 bases
awk 'BEGIN { for (i = 0; i < 60; ++i) s = s sprintf("%0100d", 0); gsub("0", "ACGTGTCATT", s)
    s = substr(s, 1, 6000); print "sequence_id\tdomain\tgenus" >"long.tsv"
    for (i = 0; i < 8000; ++i) { print ">s" i "\n" s >"long.fasta"; print "s" i "\tA\tg" i % 4 >"long.tsv" } }'
(ulimit -d 80000; expect 0 deeptaxa prepare --fasta-file long.fasta --taxonomy-file long.tsv \
    --encoding onehot --threads 1 --output-dir long --sequences-per-shard 1000; exit "$failures") ||
    fail "prepare within 80 MB"

# Nothing in a checkpoint grows with the set either
bytes=$(stat -c %s "$(checkpoint streamed 1)")
[ "$bytes" -lt 250000 ] || fail "a checkpoint of $bytes bytes"
finish
