#!/usr/bin/env bash
# --device cuda with the model types bert and cnn, and with bases in place of tokens: the CPU's losses
# and labels, by the emulator that runs the CUDA kernels on the CPU.
source "$(dirname "$0")/lib.sh"
make_gpu
make_gold 15
make_tokenizer

# Tiny, because the emulator is slow
small_model="--embed-dim 12 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --kernel-sizes 3 5 --max-length 32"
bases_model="--model-type cnn --encoding onehot --num-filters 8 --kernel-sizes 3 5 --max-length 32"

# train_bases FOLDER FLAGS...: as train_small, without a tokenizer
train_bases() {
    # shellcheck disable=SC2086
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir "$1" \
        $bases_model --batch-size 8 --learning-rate 1e-2 --threads 2 --val-split 0.2 "${@:2}"
}

# same_on_gpu NAME TRAIN FLAGS...: TRAIN is the function that trains
same_on_gpu() {
    local name=$1 train=$2 precision bound epoch
    shift 2
    expect 0 "$train" "$name" --epochs 2 "$@"
    while read -r precision bound; do
        expect 0 on_gpu "$train" "$name.$precision" --epochs 2 --device cuda \
            --precision "$precision" "$@"
        said '^Device: CUDA on the CPU'
        for epoch in 1 2; do
            near "$name in $precision, training loss of epoch $epoch" \
                "$(metric "$name.$precision" $epoch training_loss)" \
                "$(metric "$name" $epoch training_loss)" "$bound"
            near "$name in $precision, validation loss of epoch $epoch" \
                "$(metric "$name.$precision" $epoch validation_loss)" \
                "$(metric "$name" $epoch validation_loss)" "$bound"
        done
    done <<<$'fp32 1e-4\nbf16 3e-2'
    # a checkpoint of the CPU predicts the same there
    expect 0 deeptaxa predict --checkpoint "$(checkpoint "$name" 2)" --tabular \
        --fasta-file data/heldout.fasta --output-dir "$name.p" --tabular-fields predicted
    expect 0 on_gpu deeptaxa predict --checkpoint "$(checkpoint "$name" 2)" --tabular \
        --fasta-file data/heldout.fasta --output-dir "$name.q" --tabular-fields predicted \
        --device cuda --precision fp32
    same "labels of $name" "$(cat "$name".q/*.tsv)" "$(cat "$name".p/*.tsv)"
}

same_on_gpu bert train_small --model-type bert
same_on_gpu cnn train_small --model-type cnn --num-conv-layers 2
same_on_gpu cnn_masked train_small --model-type cnn --mask-padding --loss-type focal
same_on_gpu onehot train_bases
same_on_gpu onehot_deep train_bases --num-conv-layers 2 --mask-padding --class-weights inverse

# A run on the GPU that is resumed ends with the same bits
expect 0 on_gpu train_bases resumed --device cuda --precision fp32 --resume "$(checkpoint onehot.fp32 1)"
same_model "$(checkpoint resumed 2)" "$(checkpoint onehot.fp32 2)"
finish
