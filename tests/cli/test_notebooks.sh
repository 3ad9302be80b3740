#!/usr/bin/env bash
# Notebooks written for DeepTaxa's files can read ours: tests/notebook/read_output.py reads like them. And our
# files hold what DeepTaxa's do, key by key, except for declared differences: tests/notebook/compare_files.py.
#
#   bash tests/cli/test_notebooks.sh --write      also writes the table of docs/differences.md
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is missing: bash launch/install-deps.sh tests"
make_gold 100
sed -i 's/^>/>s/' data/*.fasta # DeepTaxa finds no row of an id that is a number
sed -i '2,$s/^/s/' data/*.tsv
make_tokenizer
mkdir console described converted
keep_console() { cat err out >>"console/$1"; }
expect 0 train_small run --epochs 4 --eval-every 2 --export-sequence-embeddings \
    --export-permutation-importance || finish
keep_console train
model=$(checkpoint run 4)
expect 0 train_small unvalidated --epochs 1 --val-split 0

for epoch in 1 2 3 4; do
    expect 0 deeptaxa describe --checkpoint "$(checkpoint run $epoch)" \
        --export-metrics "described/epoch$epoch.json"
    keep_console describe
done
expect 0 deeptaxa convert --checkpoint "$model" --output-file converted/epoch4.pt
for command in train predict describe; do
    expect 0 deeptaxa $command --help
    keep_console ${command}_help
done
heldout="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"
# shellcheck disable=SC2086
expect 0 deeptaxa calibrate --checkpoint "$model" $heldout
mv "${model%.h5}_calibrated.h5" model_calibrated.h5
calibrated=model_calibrated.h5
expect 0 deeptaxa describe --checkpoint "$calibrated" --export-metrics calibrated.json
expect 0 deeptaxa export --checkpoint "$model" --output-file published.h5 --weights-only

# Confidences of such a small model are low; there are some on both sides of this threshold.
predict="deeptaxa predict --tabular --confidence-threshold 0.5"
# shellcheck disable=SC2086
expect 0 $predict $heldout --checkpoint "$model" --output-dir p
keep_console predict
# shellcheck disable=SC2086
expect 0 $predict --fasta-file data/heldout.fasta --checkpoint "$model" --output-dir plain
keep_console predict
# shellcheck disable=SC2086
expect 0 $predict $heldout --checkpoint "$model" "$calibrated" --output-dir vote

python3 "$project/tests/notebook/compare_files.py" . "$bin/../tests" "$@" ||
    fail "tests/notebook/compare_files.py"
python3 "$project/tests/notebook/read_output.py" . || fail "tests/notebook/read_output.py"
finish
