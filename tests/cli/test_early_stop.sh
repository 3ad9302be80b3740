#!/usr/bin/env bash
# deeptaxa train: training stops when the validation loss stops decreasing; the best checkpoint is kept.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

checkpoints() { (cd "$1/checkpoints" && ls | sed -E 's/.*_(epoch.*)\.h5/\1/' | sort -V | tr '\n' ' '); }
# best FOLDER: the epoch with the lowest validation loss
best() {
    local file
    for file in "$1"/metrics/*_epoch*.json; do
        echo "$(sed -nE 's/.*"validation_loss": ([0-9.]+).*/\1/p' "$file")" \
            "$(sed -E 's/.*_epoch([0-9]+).json/\1/' <<<"$file")"
    done | sort -g | head -n 1 | cut -d ' ' -f 2
}

# No improvement is that large: the run ends two evaluations after the first one
expect 0 train_small ended --epochs 9 --early-stopping-patience 2 --early-stopping-min-delta 1000
same "checkpoints" "$(checkpoints ended)" "epoch1 epoch2 epoch3 "
said 'early stopping: the validation loss has not improved by more than 1000 in the last 2 evaluations; the best was [0-9.]+ after epoch [123]$'
expect 0 train_small spaced --epochs 9 --eval-every 2 --early-stopping-patience 1 \
    --early-stopping-min-delta 1000
same "checkpoints" "$(checkpoints spaced)" "epoch1 epoch2 epoch3 epoch4 "
# here any improvement counts, and the loss decreases
expect 0 train_small falls --epochs 4 --early-stopping-patience 1 --early-stopping-min-delta 0 \
    --learning-rate 1e-3
same "checkpoints" "$(checkpoints falls)" "epoch1 epoch2 epoch3 epoch4 "
grep -q 'early stopping' err && fail "a run whose loss falls was ended"
expect 0 train_small never --epochs 4 --early-stopping-min-delta 1000
same "checkpoints" "$(checkpoints never)" "epoch1 epoch2 epoch3 epoch4 "

# A resumed run ends where the uninterrupted one ends; a finished run does not continue
expect 0 train_small rest --resume "$(checkpoint ended 2)"
same_model "$(checkpoint ended 3)" "$(checkpoint rest 3)"
same "checkpoints" "$(checkpoints rest)" "epoch3 "
expect 0 train_small rest --resume "$(checkpoint ended 3)"
said 'early stopping: '
same "checkpoints" "$(checkpoints rest)" "epoch3 "
refused 2 '--early-stopping-patience 3: the run to resume was started with 2' \
    train_small other --resume "$(checkpoint ended 1)" --early-stopping-patience 3
refused 2 '--early-stopping-min-delta 1: the run to resume was started with 1000' \
    train_small other --resume "$(checkpoint ended 1)" --early-stopping-min-delta 1
expect 0 deeptaxa describe --checkpoint "$(checkpoint ended 3)"
printed '^  early-stopping-patience: 2$'
printed "^  best-epoch: $(best ended)\$"

# The best epoch's checkpoint is kept, here not the last one; all epochs are reported
expect 0 train_small kept --epochs 6 --learning-rate 0.3
expect 0 train_small alone --epochs 6 --learning-rate 0.3 --save-best-only
best=$(best alone)
[ "$best" -lt 6 ] || fail "the last epoch is the best: nothing is shown"
same "checkpoints" "$(checkpoints alone)" "epoch$best "
same "metrics" "$(ls alone/metrics/*.json | wc -l)" 6
same_model "$(checkpoint kept "$best")" "$(checkpoint alone "$best")"
# if a run resumes from a later one, that file is kept until a newer one exists
mkdir -p again
cp -r kept/. again/
expect 0 train_small again --resume "$(checkpoint again 5)" --save-best-only --learning-rate 0.3
same "checkpoints after a resume" "$(checkpoints again)" "epoch$best "
# a run with nothing to do removes nothing
expect 0 train_small kept --resume "$(checkpoint kept 6)" --save-best-only --learning-rate 0.3
same "checkpoints" "$(checkpoints kept)" "epoch1 epoch2 epoch3 epoch4 epoch5 epoch6 "
# but it removes what a run had no time to remove that was killed after its last checkpoint
expect 0 train_small kept --resume auto --save-best-only --learning-rate 0.3
same "checkpoints after a late kill" "$(checkpoints kept)" "epoch$best "
# and a killed run has the newest one
train_small killed --epochs 4000 --learning-rate 0.3 --save-best-only >/dev/null 2>&1 &
until_there "killed/checkpoints/*_epoch*[1-9][0-9].h5"
kill_holder killed
[ "$(checkpoints killed | wc -w)" -le 3 ] || fail "many checkpoints: $(checkpoints killed)"
newest=$(ls killed/metrics/*_epoch*.json | sed -E 's/.*_epoch([0-9]+).json/\1/' | sort -n | tail -n 1)
[ -n "$newest" ] && [ "$newest" -gt "$(best killed)" ] && [ ! -e "$(checkpoint killed "$newest")" ] &&
    fail "the newest checkpoint, of epoch $newest, is gone: $(checkpoints killed)"

# Invalid values are refused
refused 2 '--save-best-only cannot be combined with --keep-checkpoints' \
    train_small none --save-best-only --keep-checkpoints 3
for flag in save-best-only "early-stopping-patience 2"; do
    # shellcheck disable=SC2086
    expect 2 train_small none --val-split 1e-17 --$flag
    said "^deeptaxa train: --${flag%% *} requires validation sequences; this run has none \(--val-split 1e-17\)"
done
[ -e none ] && fail "a refused run wrote something"
finish
