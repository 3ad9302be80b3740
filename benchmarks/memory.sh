#!/usr/bin/env bash
# How much memory do the programs use?
#
#   bash benchmarks/memory.sh [--sequences N] [--batch N] [--build DIR] [--json FILE]
#
# Peak resident memory of: training the default model for one step of N sequences of full length;
# predicting with the default model; and predicting N and 10 N V4 sequences with a small model, to
# show whether memory grows with the input.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options sequences=2000 batch=64 -- "$@"

data full $((batch + 2))
timed deeptaxa train --fasta-file "$work/full.fasta" --taxonomy-file "$work/full.tsv" --epochs 1 \
    --batch-size "$batch" --val-split "$(compute "1.5 / ($batch + 2)")" --output-dir "$work/run"
row "training, default model, full length, a step of $batch" "$peak" MB
head -16 "$work/full.fasta" >"$work/few.fasta"
timed deeptaxa predict --fasta-file "$work/few.fasta" --checkpoint "$work"/run/checkpoints/*.h5 \
    --output-dir "$work/out"
row "prediction, default model, full length, 8 sequences" "$peak" MB

small=(--embed-dim 64 --hidden-size 64 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 128 --num-filters 32)
timed deeptaxa train --fasta-file "$work/few.fasta" --taxonomy-file "$work/full.tsv" --epochs 1 \
    --batch-size 4 "${small[@]}" --output-dir "$work/small"
for count in "$sequences" $((10 * sequences)); do
    data v4 "$count"
    timed deeptaxa predict --fasta-file "$work/v4.fasta" --tabular --output-dir "$work/out" \
        --checkpoint "$work"/small/checkpoints/*.h5
    row "prediction, small model, V4, $count sequences" "$peak" MB
    row "prediction, small model, V4, $count sequences" "$(compute "$count / $wall")" sequences/s
    before=${after:-$peak} after=$peak
done
row "memory of ten times the sequences / once" "$(compute "$after / $before")" x "<= 1.1"
finish memory
