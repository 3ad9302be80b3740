#!/usr/bin/env bash
# How long do the programs take to start?
#
#   bash benchmarks/startup.sh [--repeats N] [--python PYTHON] [--build DIR] [--json FILE]
#
# Medians of: --version; predicting one sequence with the default model, file to file; training for
# one epoch of one step of one sequence on existing shards, minus the epoch itself and its
# checkpoint, which gives the time from start to first step. The files are in the system's cache.
# For comparison: the same for the program installed for PYTHON, once each.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options repeats=3 -- "$@"

data full 3
head -2 "$work/full.fasta" >"$work/one.fasta"
deeptaxa prepare --fasta-file "$work/full.fasta" --taxonomy-file "$work/full.tsv" \
    --output-dir "$work/shards" >/dev/null 2>&1
middle() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }

version=() first=() one=()
for _ in $(seq "$repeats"); do
    timed deeptaxa predict --version
    version+=("$wall")
    rm -rf "$work/run"
    timed deeptaxa train --data "$work/shards" --epochs 1 --batch-size 2 --val-split 0.3 \
        --output-dir "$work/run"
    metrics=$(echo "$work"/run/metrics/*epoch1.json)
    began=$wall
    for part in training_time_seconds evaluation_time_seconds checkpoint_writing_time; do
        began=$(compute "$began - $(number "$metrics" $part)")
    done
    first+=("$began")
    mv "$work"/run/checkpoints/*.h5 "$work/model.h5"
    timed deeptaxa predict --fasta-file "$work/one.fasta" --checkpoint "$work/model.h5" \
        --output-dir "$work/out"
    one+=("$wall")
done
row "deeptaxa: --version" "$(middle "${version[@]}")" s
row "deeptaxa: train, start to first step on ready shards" "$(middle "${first[@]}")" s "<= 2"
row "deeptaxa: predict one sequence, file to file" "$(middle "${one[@]}")" s
if [ -n "$python" ]; then
    timed "$python" "$here/deeptaxa_torch/program.py" which
    row "beside: saying its version" "$wall" s
    "$python" "$here/deeptaxa_torch/to_torch.py" "$work/model.h5" "$work/model.pt" "$work/tokenizer"
    torch predict --fasta-file "$work/one.fasta" --checkpoint "$work/model.pt" \
        --output-dir "$work/theirs"
    timed "${torch[@]}"
    row "beside: predict one sequence, file to file" "$wall" s
fi
finish startup
