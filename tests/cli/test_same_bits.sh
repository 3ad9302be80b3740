#!/usr/bin/env bash
# On one build of the CPU backend the answer is the same to the last bit: whatever the batch size,
# the micro-batch, the number of threads, how the input is divided, and which kernels an installed
# BLAS chooses; and so are the parameters that training ends with, whatever the number of threads.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"
make_gold 60

sizes="--embed-dim 48 --hidden-size 96 --num-hidden-layers 2 --num-attention-heads 3
    --intermediate-size 200 --num-filters 40 --batch-size 16 --epochs 1 --learning-rate 3e-3"
# train FOLDER FLAGS...
# shellcheck disable=SC2086
train() {
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir "$1" \
        $sizes "${@:2}"
}

# Reads of many lengths: whole sequences, and pieces of them
awk '/^>/ { n++; id[n] = $1; next } { bases[n] = bases[n] $0 }
    END { for (i = 1; i <= 40; i++) {
        print id[i % n + 1] "_" i "\n" bases[i % n + 1]
        print id[i % n + 1] "_v4_" i "\n" substr(bases[i % n + 1], 500, 90 + i * 4)
    } }' data/heldout.fasta >reads.fasta
awk '/^>/ { n++ } { print > (n <= 7 ? "part1.fasta" : n <= 41 ? "part2.fasta" : "part3.fasta") }' \
    reads.fasta

# predict CHECKPOINT FASTA FLAGS...: the table without its first line, on standard output
predict() {
    rm -rf p
    deeptaxa predict --checkpoint "$1" --fasta-file "$2" --output-dir p --tabular "${@:3}" \
        >log 2>&1 || { cat log >&2; return 1; }
    tail -n +2 p/*_predictions.tsv
}

# same_table WHAT CHECKPOINT FLAGS...: the whole input gives `expected`
same_table() {
    predict "$2" reads.fasta "${@:3}" >got || fail "$1: predict failed"
    cmp -s expected got || fail "$1: other bits: $(diff expected got | head -n 4)"
}

check_model() {
    predict "$2" reads.fasta --threads 1 --batch-size 16 >expected || fail "$1: predict failed"
    [ "$(wc -l <expected)" -eq 80 ] || fail "$1: $(wc -l <expected) rows instead of 80"
    for threads in 1 2 3; do
        for batch in 1 8 64; do
            same_table "$1, $threads threads, batch $batch" "$2" --threads "$threads" --batch-size "$batch"
        done
    done
    for part in part1 part2 part3; do predict "$2" "$part.fasta" --threads 2; done >got
    cmp -s expected got || fail "$1: in three parts: other bits"
}

builds=(cpu)
grep -q '\bavx2\b' /proc/cpuinfo && builds+=(cpu_v3)
grep -q '\bavx512vl\b' /proc/cpuinfo && builds+=(cpu_v4)
for build in "${builds[@]}"; do
    export DEEPTAXA_CPU_BUILD=$build
    expect 0 train "hybrid_$build" --threads 1
    expect 0 train "hybrid_3_$build" --threads 3
    same_model "$(checkpoint "hybrid_$build" 1)" "$(checkpoint "hybrid_3_$build" 1)"
    check_model "$build, hybridcnnbert" "$(checkpoint "hybrid_$build" 1)"
    grep -q "threads ($build\b" log || fail "DEEPTAXA_CPU_BUILD=$build: $(grep Model log)"
done

# The model types, on the best build; and a BLAS that takes other kernels changes nothing
unset DEEPTAXA_CPU_BUILD
expect 0 train cnn --model-type cnn --num-conv-layers 2 --max-length 200 --threads 2
check_model cnn "$(checkpoint cnn 1)"
expect 0 train bert --model-type bert --threads 2
check_model bert "$(checkpoint bert 1)"
for kernels in Haswell SkylakeX Prescott; do
    OPENBLAS_CORETYPE=$kernels same_table "OpenBLAS's kernels for $kernels" "$(checkpoint bert 1)"
done
expect 0 train kmer --model-type kmer --threads 2
expect 0 train kmer_1 --model-type kmer --threads 1
same_model "$(checkpoint kmer 1)" "$(checkpoint kmer_1 1)"
check_model kmer "$(checkpoint kmer 1)"

# A build that is not there is refused
DEEPTAXA_CPU_BUILD=cpu_v9 expect 2 train other
said 'DEEPTAXA_CPU_BUILD=cpu_v9: expected cpu, cpu_v3 or cpu_v4'
finish
