#!/usr/bin/env bash
# A run that is killed after any epoch and resumed ends bitwise equal to the uninterrupted one.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer

expect 0 train_small whole --epochs 4 --eval-every 2
uuid=$(cat whole/deeptaxa_uuid.txt)

# From each epoch's checkpoint, in a separate folder: the same result, the same run id
for epoch in 1 2 3; do
    expect 0 train_small "from$epoch" --resume "$(checkpoint whole $epoch)"
    same "run id" "$(cat "from$epoch/deeptaxa_uuid.txt")" "$uuid"
    same "settings in effect, of the checkpoint" "$(grep -cE '^  (epochs: 4|eval-every: 2)$' err)" 2
    for later in $(seq $((epoch + 1)) 4); do
        same_model "$(checkpoint whole "$later")" "$(checkpoint "from$epoch" "$later")"
    done
done

# The same with LAMB, which gives another model than AdamW
expect 0 train_small lamb --epochs 4 --eval-every 2 --optimizer-type lamb
other_model "LAMB" "$(checkpoint whole 1)" "$(checkpoint lamb 1)"
expect 0 train_small lamb_from2 --resume "$(checkpoint lamb 2)"
same_model "$(checkpoint lamb 4)" "$(checkpoint lamb_from2 4)"

# Killed as soon as a checkpoint exists, then resumed in the same folder
for epoch in 1 2 3; do
    train_small killed --epochs 4 --eval-every 2 >/dev/null 2>&1 &
    until_there "killed/checkpoints/*_epoch$epoch.h5"
    kill_holder killed
    newest=$(ls killed/checkpoints/*.h5 | sort -V | tail -n 1)
    expect 0 train_small killed --resume "$newest"
    same_model "$(checkpoint whole 4)" "$(checkpoint killed 4)"
    steps=killed/metrics/deeptaxa_$(cat killed/deeptaxa_uuid.txt)_steps.jsonl
    same "lines of the steps file" "$(sed 's/.*"step": *\([0-9]*\).*/\1/' "$steps" | sort -nu | wc -l)" \
        "$(wc -l <"$steps")"
    rm -rf killed
done

# Flags that contradict the checkpoint are refused, and nothing is written
# (7 heads are the default of a new run; this one has 2)
refused 2 '--hidden-size 24: the run to resume was started with 16' \
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir other \
    --resume "$(checkpoint whole 1)" --hidden-size 24
refused 2 '--learning-rate 0.5: the run to resume was started with 0.01' \
    train_small other --resume "$(checkpoint whole 1)" --learning-rate 0.5
head -n 40 data/train.fasta >data/few.fasta
expect 1 deeptaxa train --fasta-file data/few.fasta --taxonomy-file data/train.tsv \
    --output-dir other --resume "$(checkpoint whole 1)"
said 'was trained on 80 sequences, the input has 2'
refused 1 'missing.h5: .*No such file' train_small other --resume missing.h5
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --output-file strange.json \
    --vocabulary-size 150
expect 1 train_small other --resume "$(checkpoint whole 2)" --tokenizer-file strange.json
said 'was trained with a different tokenizer: omit --tokenizer-file'
[ -e other ] && fail "a refused resume wrote something"

while read -r flag other; do
    # shellcheck disable=SC2086
    refused 2 "^deeptaxa train: --$flag .*: the run to resume was started with .*omit the flag" \
        deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir other --resume "$(checkpoint whole 1)" --$flag $other
done <<'END'
max-length 65
embed-dim 17
num-filters 9
num-conv-layers 2
hidden-size 21
num-hidden-layers 3
num-attention-heads 4
intermediate-size 25
hidden-dropout-prob 0.25
mask-padding
kernel-sizes 3 5
kernel-sizes 3 5 9
batch-size 9
accum-steps 2
optimizer-betas 0.8 0.999
optimizer-betas 0.9 0.99
optimizer-eps 1e-7
optimizer-weight-decay 0.02
max-grad-norm 0.6
scheduler-warmup-ratio 0.2
seed 43
val-split 0.25
eval-every 3
no-normalize
END
[ -e other ] && fail "a refused resume wrote something"

# Level weights, tokenizer and normalisation are also settings
refused 2 '--level-weights: 2 weights for 7' \
    train_small other --resume "$(checkpoint whole 1)" --level-weights 1 1
refused 2 '--level-weights: the run to resume was started with others \(1 at ' \
    train_small other --resume "$(checkpoint whole 1)" --level-weights 1 1 1 1 1 1 3
expect 0 train_small weighted --epochs 2 --level-weights 1 1 1 1 1 1 3
refused 2 '--level-weights: the run to resume was started with others \(3 at species' \
    train_small other --resume "$(checkpoint weighted 1)" --no-level-weights
expect 0 train_small weighted2 --resume "$(checkpoint weighted 1)" --level-weights 1 1 1 1 1 1 3
same_model "$(checkpoint weighted 2)" "$(checkpoint weighted2 2)"
mv tokenizer.json first.json
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --output-file tokenizer.json \
    --vocabulary-size 150
expect 1 train_small other --resume "$(checkpoint whole 1)"
said 'trained with a different tokenizer'
mv first.json tokenizer.json
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --tokenizer-file tokenizer.json --no-normalize --output-dir raw
refused 1 'on normalised sequences, but those of the input are not normalised' \
    deeptaxa train --data raw --output-dir other --resume "$(checkpoint whole 1)"
[ -e other ] && fail "a refused resume wrote something"

# A run resumed from an earlier checkpoint sets the later ones aside, and auto resumes that run
expect 0 train_small turned --epochs 4
expect 0 train_small other_way --resume "$(checkpoint turned 1)" --reset-lr-on-resume --epochs 2
expect 0 train_small turned --resume "$(checkpoint turned 1)" --reset-lr-on-resume --epochs 2
same_model "$(checkpoint other_way 2)" "$(checkpoint turned 2)"
said '^notice: renamed 2 checkpoints of epochs after 2 to ….h5.old, because the run was resumed from an earlier one'
same "checkpoints" "$(cd turned/checkpoints && ls | sed 's/.*_//' | tr '\n' ' ')" \
    "epoch1.h5 epoch2.h5 epoch3.h5.old epoch4.h5.old "
expect 0 train_small turned --resume auto --epochs 3
said '^--resume auto: resuming from .*_epoch2.h5$'
same "checkpoints" "$(cd turned/checkpoints && ls | sed 's/.*_//' | tr '\n' ' ')" \
    "epoch1.h5 epoch2.h5 epoch3.h5 epoch4.h5.old "

# A run can be resumed after a prediction into its folder
expect 0 deeptaxa predict --fasta-file data/heldout.fasta --checkpoint "$(checkpoint turned 3)" \
    --output-dir turned
said "^notice: turned: the folder of a training run: its deeptaxa_uuid.txt is kept"
expect 0 train_small turned --resume auto --epochs 4
said '^--resume auto: resuming from .*_epoch3.h5$'

# A .pt name means the .h5 file of the same name
name=$(checkpoint whole 3)
expect 0 train_small pt --resume "${name%.h5}.pt"
said 'notice: .*epoch3.pt does not exist; using .*epoch3.h5'
same_model "$(checkpoint whole 4)" "$(checkpoint pt 4)"
finish
