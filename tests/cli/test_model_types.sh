#!/usr/bin/env bash
# Every model type can be trained, resumed, used for prediction and described; mismatches are refused.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

# works NAME TYPE FLAGS...: a run of this type, in the folder NAME
works() {
    local name=$1 type=$2
    shift 2
    expect 0 train_small "$name" --epochs 3 --model-type "$type" "$@"
    awk -v a="$(metric "$name" 1 training_loss)" -v b="$(metric "$name" 3 training_loss)" \
        'BEGIN { exit !(b < a) }' || fail "$name: the loss does not fall"
    grep -q "\"model_type\": \"$type\"" "$name"/metrics/*_epoch3.json || fail "$name: no $type in the metrics"

    # a run that was stopped after an epoch ends with the same bits
    expect 0 train_small "$name.resumed" --resume "$(checkpoint "$name" 1)"
    same_model "$(checkpoint "$name" 3)" "$(checkpoint "$name.resumed" 3)"
    rm -rf "$name.resumed"

    # micro-batches change only rounding
    expect 0 train_small "$name.whole" --epochs 1 --model-type "$type" "$@"
    expect 0 train_small "$name.pieces" --epochs 1 --model-type "$type" "$@" --micro-batch-size 3
    near "$name, in pieces" "$(metric "$name.pieces" 1 training_loss)" \
        "$(metric "$name.whole" 1 training_loss)" 1e-4
    rm -rf "$name.whole" "$name.pieces"

    expect 0 deeptaxa describe --checkpoint "$(checkpoint "$name" 3)"
    printed "^  model-type: $type\$"

    # it predicts, independently of the batch size
    local batch
    for batch in 5 2; do
        expect 0 deeptaxa predict --checkpoint "$(checkpoint "$name" 3)" --batch-size $batch \
            --fasta-file data/heldout.fasta --output-dir "$name.$batch" --tabular \
            --tabular-fields predicted
    done
    same "$name: lines of the table" "$(cat "$name".5/*.tsv | wc -l)" \
        "$(($(grep -c '>' data/heldout.fasta) + 1))"
    cmp -s "$name".5/*.tsv "$name".2/*.tsv || fail "$name: other batches, other predictions"
}

works hybrid hybridcnnbert
works two hybridcnnbert --num-conv-layers 2
works masked hybridcnnbert --num-conv-layers 2 --mask-padding --kernel-sizes 1 9
works bert bert
works cnn cnn --num-conv-layers 2
works cnn_masked cnn --mask-padding

# Flags of a part that the type does not have have no effect
expect 0 train_small bert_cnn --epochs 1 --model-type bert --num-filters 5 --num-conv-layers 3
expect 0 train_small bert_only --epochs 1 --model-type bert
same_model "$(checkpoint bert_cnn 1)" "$(checkpoint bert_only 1)"

# A resumed run keeps its type
refused 2 '--model-type hybridcnnbert: the run to resume was started with bert' \
    train_small other --resume "$(checkpoint bert 1)" --model-type hybridcnnbert
expect 0 train_small other --resume "$(checkpoint bert 1)" --model-type bert
finish
