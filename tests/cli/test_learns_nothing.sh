#!/usr/bin/env bash
# A run that learns nothing ends with an error that says so, and its last good checkpoint stays; a
# completed run is not trained again.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
advice='is not finite; restart with a lower --learning-rate, or resume from the last checkpoint with it and --reset-lr-on-resume$'

# The loss is not finite after the first epoch: nothing of the run is worth keeping
for rate in 1e30 1e10; do
    rm -rf diverged
    expect 1 train_small diverged --epochs 2 --learning-rate $rate
    same "lines of the error" "$(grep -c '^deeptaxa train: ' err)" 1
    said "^deeptaxa train: training has diverged: the validation loss after epoch 1 $advice"
    same "checkpoints" "$(ls diverged/checkpoints)" ""
    tail -n 1 diverged/train.log | grep -q 'training has diverged' || fail "train.log does not say why it ended"
done
# without an evaluation, what tells is that every update was skipped
expect 1 train_small skipped --epochs 9 --learning-rate 1e30 --eval-every 9
said "^deeptaxa train: training has diverged: every update of epoch 2 was skipped, because its loss or gradient $advice"
# the good epochs before it stay, with their metrics, and the run goes on from them
expect 0 train_small good --epochs 2
expect 1 train_small good --resume "$(checkpoint good 2)" --epochs 9 --learning-rate 1e30 --reset-lr-on-resume
same "checkpoints" "$(ls good/checkpoints | sed 's/.*_//' | tr '\n' ' ')" "epoch1.h5 epoch2.h5 "
same "metrics" "$(ls good/metrics/*.json | sed 's/.*_//' | tr '\n' ' ')" "epoch1.json epoch2.json "
expect 0 train_small good --resume "$(checkpoint good 2)" --epochs 3 --learning-rate 1e-3 --reset-lr-on-resume

# --save-best-only keeps one checkpoint, here not the last: the completed run has nothing left to do
expect 0 train_small best --epochs 6 --learning-rate 0.3 --save-best-only
kept=$(ls best/checkpoints)
[[ $kept != *_epoch6.h5 ]] || fail "the last epoch is the best: nothing is shown"
before=$(cksum best/checkpoints/* best/metrics/*)
expect 0 train_small best --learning-rate 0.3 --save-best-only --resume auto
said '^the run was completed with epoch 6; its best epoch is [1-5], whose checkpoint alone is kept'
same "files of the completed run" "$(cksum best/checkpoints/* best/metrics/*)" "$before"
# but it can be extended
expect 0 train_small best --learning-rate 0.3 --save-best-only --resume auto --epochs 7
said '^epoch 7/7: '
# ended by early stopping
expect 0 train_small early --epochs 9 --early-stopping-patience 2 --early-stopping-min-delta 1000 \
    --save-best-only --learning-rate 0.6
kept=$(ls early/checkpoints)
[[ $kept != *_epoch3.h5 ]] || fail "the last epoch is the best: nothing is shown"
expect 0 train_small early --learning-rate 0.6 --save-best-only --resume auto
said '^the run was completed with epoch 3; '
same "checkpoint of the run that stopped early" "$(ls early/checkpoints)" "$kept"
finish
