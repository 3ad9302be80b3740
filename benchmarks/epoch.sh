#!/usr/bin/env bash
# How long does an epoch take from start to exit, compared with the published program?
#
#   bash benchmarks/epoch.sh [--region full|v4] [--batch N] [--steps N] [--validate N] [--python PYTHON]
#                            [--build DIR] [--json FILE]
#
# Trains the default model for one epoch of N batches on real 16S sequences (full length, or the V4
# region) and validates on a few, with `deeptaxa train` and, with the same flags, with the program
# installed for PYTHON (deeptaxa_torch/program.py). Training times are those that the programs
# report for the epoch; the total includes startup, reading, validation and the checkpoint.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options region=full batch=8 steps=4 validate=4 -- "$@"

trained=$((batch * steps))
data "$region" $((trained + validate))
share=$(compute "($validate - 0.5) / ($trained + $validate)") # int() rounds to `trained`
train=(train --fasta-file "$work/$region.fasta" --taxonomy-file "$work/$region.tsv"
    --epochs 1 --batch-size "$batch" --val-split "$share")

# report NAME FOLDER: adds rows about the run in that folder; sets $seconds
report() {
    local metrics
    metrics=$(echo "$work/$2"/metrics/*epoch1.json)
    seconds=$(number "$metrics" training_time_seconds)
    row "$1: training, $region, $steps steps of $batch" "$seconds" s
    row "$1: one step" "$(compute "$seconds / $steps")" s
    row "$1: sequences a second" "$(compute "$trained / $seconds")" sequences/s
    row "$1: the whole command" "$wall" s
    row "$1: largest process" "$peak" MB
}
rm -rf "$work/ours" "$work/theirs"
timed deeptaxa "${train[@]}" --output-dir "$work/ours"
report deeptaxa ours
ours=$seconds whole=$wall
[ "$region" = v4 ] && aim=">= 14" || aim=">= 3" # docs/performance.md
if [ -n "$python" ]; then
    torch "${train[@]}" --tokenizer-name "$work/tokenizer" --output-dir "$work/theirs"
    timed "${torch[@]}"
    report beside theirs
    row "training: times as fast" "$(compute "$seconds / $ours")" x "$aim"
    row "the whole command: times as fast" "$(compute "$wall / $whole")" x
fi
finish epoch
