#!/usr/bin/env bash
# --val-split 0: all sequences are used for training, nothing is evaluated. Such a run can be resumed,
# described and used for prediction like any other; flags that need an evaluation are refused.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer

expect 0 train_small all --val-split 0 --epochs 3 --verbose
said '^notice: all 80 sequences are used for training \(--val-split 0\): there is no evaluation'
said '^Sequences: 80 for training, 0 for validation$'
said '^epoch 3/3: training loss [0-9.]+$'
grep -qiE 'validation loss|nan' err && fail "it speaks of an evaluation: $(cat err)"
same "metrics of epochs" "$(find all/metrics -name '*_epoch*.json')" ""
same "updates" "$(tail -n 1 all/metrics/*_steps.jsonl | sed 's/.*"step": *\([0-9]*\).*/\1/')" 30
same "sequences that train" \
    "$("$bin/../tests/print_array" "$(checkpoint all 3)" deeptaxa-checkpoint split/training | sort -nu | tr '\n' ' ')" \
    "$(seq 0 79 | tr '\n' ' ')"

# Resumed
expect 0 train_small again --resume "$(checkpoint all 1)" --val-split 0
same_model "$(checkpoint all 3)" "$(checkpoint again 3)"
expect 0 train_small auto --val-split 0 --epochs 3 --resume auto
same_model "$(checkpoint all 3)" "$(checkpoint auto 3)"
refused 2 '--val-split 0.5: the run to resume was started with 0' \
    train_small other --resume "$(checkpoint all 1)" --val-split 0.5

# describe: the last epoch's loss, and null for missing metrics
expect 0 deeptaxa describe --checkpoint "$(checkpoint all 3)" --export-metrics described.json
printed '^  validation: 0$'
printed '^  training-loss: [0-9.]+$'
grep -qiE 'validation-loss|evaluated|accuracy|nan' out && fail "measures: $(cat out)"
for key in validation_loss validation_metrics evaluated_epoch; do
    grep -qE "^ *\"$key\": null" described.json || fail "no null for $key"
done
grep -qE '^ *"training_loss": [0-9.]+,' described.json || fail "no training loss in the export"

# Prediction and calibration
expect 0 deeptaxa predict --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv \
    --checkpoint "$(checkpoint all 3)" --output-dir p --tabular
expect 0 deeptaxa calibrate --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv \
    --checkpoint "$(checkpoint all 3)"

# Flags that need an evaluation are refused, also when a run without validation is resumed
for flag in save-best-only "early-stopping-patience 2" "eval-every 2" "validate-on rank0" \
    export-sequence-embeddings export-permutation-importance; do
    # shellcheck disable=SC2086
    refused 2 "^deeptaxa train: --${flag%% *} cannot be combined with --val-split 0" \
        train_small none --val-split 0 --$flag
done
without_split() { # as train_small, whose --val-split contradicts the run
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir none \
        --resume "$(checkpoint all 1)" "$@"
}
for flag in save-best-only export-sequence-embeddings; do
    expect 2 without_split "--$flag"
    said "^deeptaxa train: --$flag requires validation sequences; this run has none \(--val-split 0\)\$"
done
[ -e none ] && fail "a refused run wrote something"
[ -e other ] && fail "a refused resume wrote something"
finish
