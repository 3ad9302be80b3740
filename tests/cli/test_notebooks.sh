#!/usr/bin/env bash
# Notebooks written for DeepTaxa's files can read ours: tests/notebook/read_output.py reads like them.
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is missing: bash launch/install-deps.sh tests"
make_gold 100
make_tokenizer
expect 0 train_small run --epochs 4 --eval-every 2 || finish
model=$(checkpoint run 4)
expect 0 train_small unvalidated --epochs 1 --val-split 0

mkdir described
for epoch in 1 2 3 4; do
    expect 0 deeptaxa describe --checkpoint "$(checkpoint run $epoch)" \
        --export-metrics "described/epoch$epoch.json"
done
heldout="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"
# shellcheck disable=SC2086
expect 0 deeptaxa calibrate --checkpoint "$model" $heldout
calibrated=${model%.h5}_calibrated.h5
expect 0 deeptaxa describe --checkpoint "$calibrated" --export-metrics described/calibrated.json
expect 0 deeptaxa export --checkpoint "$model" --output-file published.h5 --weights-only

# Confidences of such a small model are low; there are some on both sides of this threshold.
predict="deeptaxa predict --tabular --confidence-threshold 0.5"
# shellcheck disable=SC2086
expect 0 $predict $heldout --checkpoint "$model" --output-dir p
# shellcheck disable=SC2086
expect 0 $predict --fasta-file data/heldout.fasta --checkpoint "$model" --output-dir plain
# shellcheck disable=SC2086
expect 0 $predict $heldout --checkpoint "$model" "$calibrated" --output-dir vote

python3 "$project/tests/notebook/read_output.py" . || fail "tests/notebook/read_output.py"
finish
