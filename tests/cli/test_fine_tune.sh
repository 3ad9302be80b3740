#!/usr/bin/env bash
# deeptaxa train: --init-weights, more epochs on --resume, --reset-lr-on-resume.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

# value FOLDER EPOCH KEY: of an epoch's metrics
value() { sed -nE "s/^ *\"$3\": ([-+.0-9e]+),?$/\1/p" "$1"/metrics/*epoch"$2".json; }
# rates FOLDER FIRST: "step rate" of the steps from number FIRST on
rates() {
    sed -nE 's/.*"step": *([0-9]+).*"learning_rate": *([-+.0-9e]+).*/\1 \2/p' "$1"/metrics/*steps.jsonl |
        awk -v first="$2" '$1 >= first'
}
# With a learning rate of 0 nothing is learnt
still="--epochs 1 --learning-rate 1e-30"

expect 0 train_small source --epochs 3
from=$(checkpoint source 3)

# The new run starts with the old one's parameters
# shellcheck disable=SC2086
expect 0 train_small same --init-weights "$from" $still
near "validation loss" "$(value same 1 validation_loss)" "$(value source 3 validation_loss)" 1e-6
[ "$(cat same/deeptaxa_uuid.txt)" != "$(cat source/deeptaxa_uuid.txt)" ] || fail "the same run id"
same "epoch" "$(value same 1 current_epoch)" 1
grep -q 'warning\|afresh' err && fail "equal models, and yet: $(cat err)"
# ... and, if no tokenizer is given, with its tokenizer; a .pt name works, too
# shellcheck disable=SC2086
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir \
    words $small_model --batch-size 8 --threads 2 --init-weights "${from%.h5}.pt" $still
near "validation loss" "$(value words 1 validation_loss)" "$(value source 3 validation_loss)" 1e-6
# shellcheck disable=SC2086
expect 0 train_small drawn $still
[ "$(value drawn 1 validation_loss)" != "$(value same 1 validation_loss)" ] ||
    fail "--init-weights changes nothing"

# Heads with a different number of labels are initialised, with a notice; the others are not
cp data/train.tsv data/whole.tsv
awk -F'\t' -v OFS='\t' 'NR > 1 { $8 = "species" NR % 3 } 1' data/whole.tsv >data/train.tsv
# shellcheck disable=SC2086
expect 0 train_small heads --init-weights "$from" $still
said 'notice: .*: heads initialised randomly, because their shapes differ: classifiers.6$'
accuracy() { grep -A3 "\"$2\": {" "$1"/metrics/*epoch"$3".json | sed -nE 's/.*"accuracy": ([0-9.]+).*/\1/p'; }
same "accuracy of the genus" "$(accuracy heads 5 1)" "$(accuracy source 5 3)"
# the same number of labels with different names is reported
awk -F'\t' -v OFS='\t' 'NR > 1 { $2 = "Other" $2 } 1' data/whole.tsv >data/train.tsv
# shellcheck disable=SC2086
expect 0 train_small names --init-weights "$from" $still
said 'warning: .*: the labels at rank domain differ \('.+' instead of '.+'\), but their number is the same: its head is used nevertheless'
mv data/whole.tsv data/train.tsv
expect 0 deeptaxa tokenizer --fasta-file data/heldout.fasta --output-file other.json --vocabulary-size 200
# shellcheck disable=SC2086
expect 0 train_small tokens --init-weights "$from" $still --tokenizer-file other.json
said 'warning: .* was trained with a different tokenizer'

# A body that does not match is refused, with the sizes that differ
differs() {
    expect 1 train_small none --init-weights "$from" "${@:2}"
    said "^deeptaxa train: --init-weights .*: has other sizes: $1: use its own: deeptaxa describe --checkpoint "
    grep -q '^warning' err && fail "warnings before the error"
}
differs 'intermediate-size 24 \(this model: 32\)' --intermediate-size 32
differs 'kernel-sizes 3 5 7 \(this model: 3 7\), num-hidden-layers 2 \(this model: 3\)' --num-hidden-layers 3 \
    --kernel-sizes 3 7
differs 'num-hidden-layers 2 \(this model: 1\)' --num-hidden-layers 1
differs 'num-hidden-layers 2 \(this model: 1\)' --num-hidden-layers 1 --dry-run
refused 1 'missing.h5: .*No such file' train_small none --init-weights missing.h5
refused 2 '--init-weights cannot be combined with --resume' train_small none --init-weights "$from" --resume "$from"
[ -e none ] && fail "a refused run wrote something"

# With --resume auto it is used only when the run starts
expect 0 train_small auto --init-weights "$from" --resume auto --epochs 1
uuid=$(cat auto/deeptaxa_uuid.txt)
expect 0 train_small auto --init-weights "$from" --resume auto --epochs 1
same "run id" "$(cat auto/deeptaxa_uuid.txt)" "$uuid"
said 'the run is already complete \(epochs: 1\)'

# More epochs: the rest follows the schedule of a run with that many
expect 0 train_small long --epochs 5
expect 0 train_small more --resume "$from" --epochs 5
said 'notice: --epochs: the run is extended to 5 epochs, and so is its learning-rate schedule: the next learning rate is '
next_rate() { sed -n 's/.*the next learning rate is \(.*\) instead of .*/\1/p' err; }
near "next learning rate" "$(next_rate)" "$(rates more 16 | head -n 1 | cut -d ' ' -f 2)" 1e-4
same "learning rates" "$(rates more 16)" "$(rates long 16)"
[ -n "$(rates more 16)" ] || fail "no learning rates"
same "epochs" "$(cd more/metrics && ls *epoch*.json | sed 's/.*epoch//' | tr '\n' ' ')" "4.json 5.json "
same "target" "$(value more 4 target_epochs)" 5
expect 0 train_small rest --resume "$(checkpoint more 4)"
same_model "$(checkpoint more 5)" "$(checkpoint rest 5)"
refused 2 '--epochs 2: the run to resume was started with 3' \
    train_small other --resume "$(checkpoint source 1)" --epochs 2

# A restarted schedule: from its own step 0 to the end, with the given rate
expect 0 train_small anew --resume "$(checkpoint source 1)" --reset-lr-on-resume --learning-rate 2e-3
said 'notice: --reset-lr-on-resume: starting a new schedule of 10 steps with learning rate 0.002$'
same "first rate" "$(rates anew 6 | head -n 1)" "6 0.0"
same "last step" "$(rates anew 6 | tail -n 1 | cut -d ' ' -f 1)" 15
near "last rate" "$(rates anew 6 | tail -n 1 | cut -d ' ' -f 2)" 2.2222222e-4 1e-6
same "steps of the schedule" "$(value anew 3 scheduler_steps)" 10
same "learning rate" "$(value anew 3 learning_rate)" 0.002
same "run id" "$(cat anew/deeptaxa_uuid.txt)" "$(cat source/deeptaxa_uuid.txt)"
expect 0 train_small rest2 --resume "$(checkpoint anew 2)" --learning-rate 2e-3
same_model "$(checkpoint anew 3)" "$(checkpoint rest2 3)"
expect 0 train_small on --resume "$(checkpoint anew 3)" --epochs 4 \
    --learning-rate 2e-3
near "next learning rate" "$(next_rate)" "$(rates on 16 | head -n 1 | cut -d ' ' -f 2)" 1e-4
expect 0 train_small further --resume "$from" --reset-lr-on-resume --epochs 4 \
    --scheduler-warmup-ratio 0.4 --early-stopping-patience 1
said 'notice: --reset-lr-on-resume: starting a new schedule of 5 steps with learning rate 0.01$'
same "first rate" "$(rates further 16 | head -n 1)" "16 0.0"
near "last rate" "$(rates further 16 | tail -n 1 | cut -d ' ' -f 2)" 3.3333333e-3 1e-6
refused 2 '--reset-lr-on-resume: no epochs are left \(trained: 3, --epochs: 3\): raise --epochs' \
    train_small other --resume "$from" --reset-lr-on-resume
refused 2 '--reset-lr-on-resume requires --resume with the name of a checkpoint$' \
    train_small other --reset-lr-on-resume
refused 2 '--reset-lr-on-resume .*with auto, every start would reset the schedule' \
    train_small other --reset-lr-on-resume --resume auto
[ -e other ] && fail "a refused resume wrote something"
finish
