#!/usr/bin/env bash
# Under memory limits (ulimit), threads and memory are planned within the limit, messages name it, and
# nothing crashes.
source "$(dirname "$0")/lib.sh"
awk 'BEGIN { srand(3); print "sequence_id\tdomain\tgenus" >"t.tsv"
    for (i = 0; i < 40; ++i) {
        s = ""; for (j = 0; j < 120; ++j) s = s substr("ACGT", 1 + int(rand() * 4), 1)
        print ">s" i "\n" s >"t.fasta"; print "s" i "\tA\tg" i % 4 >"t.tsv" } }'
expect 0 deeptaxa tokenizer --fasta-file t.fasta --output-file tokenizer.json --vocabulary-size 60
small="--embed-dim 8 --hidden-size 8 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 16 --num-filters 8 --max-length 64"

# within KIND KILOBYTES COMMAND...: under that limit, for at most a minute
within() {
    local kind=$1 kilobytes=$2
    shift 2
    (ulimit "$kind" "$kilobytes"; timeout -k 1 60 "$bin/deeptaxa" "$@")
}
train="train --fasta-file t.fasta --taxonomy-file t.tsv --tokenizer-file tokenizer.json --epochs 1
    --batch-size 8 --output-dir"

many=$(($(env -u OMP_NUM_THREADS nproc --all) + 1))

# more threads than processors, set by the environment, not by the user
# shellcheck disable=SC2086
OMP_NUM_THREADS=$many expect 0 deeptaxa $train plan $small --dry-run
said "notice: OMP_NUM_THREADS=$many, but this process has only [0-9]+"
# shellcheck disable=SC2086
OMP_NUM_THREADS=$many expect 0 deeptaxa $train plan $small --dry-run --threads 2
grep -q OMP_NUM_THREADS err && fail "--threads was given, and OMP_NUM_THREADS is told of"

# the sanitizers need terabytes of address space
(ulimit -v 4000000; deeptaxa --version >/dev/null 2>&1) || finish

# shellcheck disable=SC2086
{
    expect 0 within -v 400000 $train many $small --threads 64
    said 'notice: using [0-9]+ threads? instead of 64: ulimit -v leaves [0-9]+ MB'
    [ -s "$(checkpoint many 1)" ] || fail "nothing was trained under ulimit -v"
    expect 0 within -v 200000 $train one $small
    expect 0 within -d 200000 $train data $small --threads 64
    said 'notice: using [0-9]+ threads? instead of 64: ulimit -d leaves [0-9]+ MB'
    for kilobytes in 40000 60000 80000; do
        refused 1 'ulimit -v leaves [0-9]+ MB, .* needed: raise the limit' \
            within -v $kilobytes $train none $small
        [ -e none ] && fail "something was written under ulimit -v $kilobytes"
    done
    # a model of the published size
    expect 1 within -v 600000 $train none --threads 1
    said 'does not fit .*\(limited by ulimit -v\)'
    [ -e none ] && fail "something was written where the model does not fit"
}

# the other commands that start threads
model=$(checkpoint one 1)
expect 0 within -v 200000 predict --fasta-file t.fasta --checkpoint "$model" --output-dir p
for kilobytes in 60000 80000; do
    refused 1 'ulimit -v leaves' within -v $kilobytes predict --fasta-file t.fasta \
        --checkpoint "$model" --output-dir q
    refused 1 'ulimit -v leaves' within -v $kilobytes calibrate --fasta-file t.fasta \
        --taxonomy-file t.tsv --checkpoint "$model" --output-file c.h5
    refused 1 'ulimit -v leaves' within -v $kilobytes prepare --fasta-file t.fasta \
        --taxonomy-file t.tsv --tokenizer-file tokenizer.json --output-dir none
done
expect 0 within -v 200000 prepare --fasta-file t.fasta --taxonomy-file t.tsv \
    --tokenizer-file tokenizer.json --output-dir shards --threads 64
said 'notice: using [0-9]+ threads? instead of 64: ulimit -v'

# The libraries of a GPU's module are not loaded where they hang
make_gpu
bin=$work/gpu/bin
# shellcheck disable=SC2086
for kilobytes in 150000 290000 600000; do
    refused 1 'ulimit -v leaves [0-9]+ MB, but a GPU.s libraries need at least 1000 MB: raise the limit' \
        within -v $kilobytes $train none $small --device cuda --threads 1
    expect 0 within -v $kilobytes $train auto $small --threads 1
done
finish
