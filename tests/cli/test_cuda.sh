#!/usr/bin/env bash
# --device cuda from the command line, with the emulator that runs the CUDA kernels on the CPU: number
# formats, ways of attention, checkpoints that move between devices, too little memory, refusals.
source "$(dirname "$0")/lib.sh"
make_gpu
make_gold 25
make_tokenizer

# Tiny, because the emulator is slow; one head of 64 elements, which the fused attention takes.
small_model="--embed-dim 16 --hidden-size 64 --num-hidden-layers 2 --num-attention-heads 1
    --intermediate-size 24 --num-filters 8 --max-length 32"

# train_gpu FOLDER FLAGS...
train_gpu() { on_gpu train_small "$@" --device cuda; }

# scales FOLDER: the loss scales of the steps file
scales() { sed 's/.*"step": \([0-9]*\),.*"loss_scale": \([0-9.]*\),.*/\1:\2/' "$1"/metrics/*_steps.jsonl | tr '\n' ' '; }

# same_losses WHAT FOLDER OTHER BOUND: the losses of both epochs
same_losses() {
    local epoch
    for epoch in 1 2; do
        near "$1, training loss of epoch $epoch" "$(metric "$2" $epoch training_loss)" \
            "$(metric "$3" $epoch training_loss)" "$4"
        near "$1, validation loss of epoch $epoch" "$(metric "$2" $epoch validation_loss)" \
            "$(metric "$3" $epoch validation_loss)" "$4"
    done
}

# The CPU's losses in every format, to its rounding: 4 units of 2^-8 in bf16, of 2^-11 in fp16. (The
# small weights keep fp16's first loss scale from overflowing, which would skip updates.)
weights="--level-weights 0.02 0.02 0.02 0.02 0.02 0.02 0.02"
# shellcheck disable=SC2086
expect 0 train_small cpu --epochs 2 $weights
said '^Precision: fp32$'
while read -r precision flags bound; do
    # shellcheck disable=SC2086
    expect 0 train_gpu "$precision" --epochs 2 $weights ${flags//,/ }
    said "^Precision: $precision(, loss scale 16384)?\$"
    said '^Device: CUDA on the CPU'
    same_losses "$precision" "$precision" cpu "$bound"
    for epoch in 1 2; do
        grep -q "^ *\"precision\": \"$precision\"" "$precision"/metrics/*_epoch$epoch.json ||
            fail "the metrics of epoch $epoch do not say $precision"
    done
    expect 0 deeptaxa describe --checkpoint "$(checkpoint "$precision" 2)"
    printed "^  precision: $precision\$"
    printed '^  gpu: CUDA on the CPU'
done <<END
fp32 --precision,fp32 1e-4
bf16 --precision,auto 1.6e-2
fp16 --precision,fp16 2e-3
END
other_model "bf16 and fp32" "$(checkpoint bf16 1)" "$(checkpoint fp32 1)"
other_model "fp16 and bf16" "$(checkpoint fp16 1)" "$(checkpoint bf16 1)"
same "loss scales of fp16" "$(scales fp16)" "1:16384.0 2:16384.0 3:16384.0 4:16384.0 "
same "loss scales of bf16" "$(scales bf16)" "1:1.0 2:1.0 3:1.0 4:1.0 "

# Checkpoints move between devices: fp32 inside, whatever computed them
expect 0 train_gpu from_cpu --resume "$(checkpoint cpu 1)" --precision fp32
near "from the CPU to the GPU" "$(metric from_cpu 2 training_loss)" "$(metric cpu 2 training_loss)" 1e-4
expect 0 train_small from_gpu --resume "$(checkpoint fp32 1)"
near "from the GPU to the CPU" "$(metric from_gpu 2 training_loss)" "$(metric cpu 2 training_loss)" 1e-4
expect 0 train_small bf16_on_cpu --resume "$(checkpoint bf16 1)"
said '^notice: precision changes from bf16 to fp32$'
near "from bf16 to the CPU" "$(metric bf16_on_cpu 2 training_loss)" "$(metric cpu 2 training_loss)" 1.6e-2
expect 0 train_gpu to_fp16 --resume "$(checkpoint bf16 1)" --precision fp16
said '^notice: precision changes from bf16 to fp16; the loss scale is reset to its initial value$'
same "loss scales of a run that turns to fp16" "$(scales to_fp16)" "3:16384.0 4:16384.0 "

# In fp16 overflows lower the loss scale, and a resumed run goes on with it: same bits, same scale.
# Without --precision a resumed run keeps its format.
expect 0 train_gpu whole --epochs 3 --precision fp16
said "warning: update skipped: .* \(1 skipped so far\); the fp16 loss scale is lowered"
case $(scales whole) in "0:8192.0 "*) ;; *) fail "the first scales are $(scales whole)" ;; esac
case $(scales whole) in *":16384.0 "*) fail "the scale rose: $(scales whole)" ;; esac
for epoch in 1 2; do
    expect 0 train_gpu "from$epoch" --resume "$(checkpoint whole $epoch)"
    same_model "$(checkpoint whole 3)" "$(checkpoint "from$epoch" 3)"
    case "$(scales whole)" in *" $(scales "from$epoch")") ;; *)
        fail "resumed from epoch $epoch the scales are $(scales "from$epoch"), in one go $(scales whole)" ;;
    esac
done

# Predictions: the CPU's labels in fp32 and nearly its confidences in every format
# shellcheck disable=SC2054
predict_with() {
    local folder=$1
    shift
    deeptaxa predict --checkpoint "$(checkpoint cpu 2)" --fasta-file data/train.fasta --tabular \
        --taxonomy-file data/train.tsv --output-dir "$folder" "$@"
}
labels() { cut -f 1,2,7,12,17,22,27,32 "$1"/*_predictions.tsv; }
scores() { cut -f 3,8,13,18,23,28,33 "$1"/*_predictions.tsv | tail -n +2 | tr '\t' '\n'; }
expect 0 predict_with p_cpu
said '^Model: run .*, in fp32 on '
for precision in fp32 bf16 fp16; do
    expect 0 on_gpu predict_with "p_$precision" --device cuda --precision "$precision"
    said "^Model: run .*, in $precision on CUDA on the CPU"
    grep -q "\"precision\": \"$precision\"" "p_$precision/metrics.json" || fail "no $precision in metrics.json"
    off=$(paste <(scores p_cpu) <(scores "p_$precision") |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d } END { print most + 0 }')
    same "numbers of scores" "$(scores "p_$precision" | wc -l)" "$(scores p_cpu | wc -l)"
    case $precision in fp32) bound=1e-5 ;; bf16) bound=1.6e-2 ;; fp16) bound=2e-3 ;; esac
    awk -v a="$off" -v b="$bound" 'BEGIN { exit !(a <= b) }' ||
        fail "scores in $precision are off by $off"
done
same "labels on both devices" "$(labels p_fp32)" "$(labels p_cpu)"
expect 0 on_gpu predict_with p_default --device cuda
same "the default format" "$(cat p_default/*.tsv)" "$(cat p_bf16/*.tsv)"

# Ways of attention: other roundings of the same numbers
# shellcheck disable=SC2086
expect 0 train_gpu fused --epochs 2 $weights --attention fused
same_model "$(checkpoint fused 2)" "$(checkpoint bf16 2)"
# shellcheck disable=SC2086
expect 0 train_gpu plain --epochs 2 $weights --attention plain
other_model "plain and fused attention" "$(checkpoint plain 2)" "$(checkpoint bf16 2)"
same_losses "plain attention" plain bf16 1.6e-2
expect 0 on_gpu predict_with p_plain --device cuda --precision fp32 --attention plain
same "predictions with plain attention in fp32" "$(cat p_plain/*.tsv)" "$(cat p_fp32/*.tsv)"

# The same for temperatures
calibrate_with() {
    deeptaxa calibrate --checkpoint "$(checkpoint cpu 2)" --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-file "$1.h5" "${@:2}"
}
# temperatures: of the table that the last command has told
temperatures() { awk '/^Lineages/ { exit } seen && NF >= 8 { print $4 } /^Rank/ { seen = 1 }' err; }
expect 0 calibrate_with t_cpu
temperatures >t_cpu
while read -r name precision bound flags; do
    # shellcheck disable=SC2086
    expect 0 on_gpu calibrate_with "$name" --device cuda $flags
    said "^Model: run .*, in $precision on CUDA on the CPU"
    temperatures | paste t_cpu - | awk -v bound="$bound" '
        { d = ($1 - $2) / $1; if (d > bound || d < -bound) exit 1; n++ } END { if (n != 7) exit 1 }' ||
        fail "temperatures in $name: $(temperatures | paste t_cpu -)"
    temperatures >"$name"
done <<END
t_fp32 fp32 1e-3 --precision fp32
t_plain fp32 1e-3 --precision fp32 --attention plain
t_bf16 bf16 5e-2 --precision auto
t_bf16_plain bf16 5e-2 --attention plain
END
cmp -s t_bf16 t_fp32 && fail "calibrate: --precision changes nothing"
cmp -s t_bf16 t_bf16_plain && fail "calibrate: --attention changes nothing"

# Too little memory: the batch is halved with one notice, and the losses stay. The backend's fixed
# 96 MiB come first; then 8 sequences and the vectors need about 3 MB, one sequence 1.5 MB.
fixed=$((96 << 20))
short_of() { CUDA_ON_CPU_MEMORY=$((fixed + $1)) on_gpu "${@:2}"; }
# shellcheck disable=SC2086
expect 0 short_of 2500000 train_small less --epochs 2 $weights --device cuda --precision fp32
said "^notice: --micro-batch-size is lowered from 8 to [124] to fit the device's memory"
same "notices of memory" "$(grep -c "to fit the device's memory" err)" 1
said '^Batch: 8 sequences per step, in micro-batches of at most [124]'
same_losses "in pieces" less fp32 1e-5
# shellcheck disable=SC2086
expect 1 \
    short_of 2500000 train_small refused $weights --device cuda --precision fp32 --micro-batch-size 8
said "^deeptaxa train: --micro-batch-size 8 does not fit in the device's memory: it needs [0-9.]+ MB, but only 2.2 MB can be used: lower or omit it\$"
expect 1 short_of 500000 train_small refused --device cuda --precision fp32
said "does not fit in the device's memory, not even with one sequence at a time: .*: lower --max-length, --hidden-size"
expect 0 short_of 900000 predict_with p_less --device cuda --precision fp32
said "^notice: --batch-size is lowered from 64 to [0-9]+ to fit the device's memory"
same "predictions in pieces" "$(labels p_less)" "$(labels p_fp32)"
refused 1 'not even with one sequence at a time: .*: free some of its memory' \
    short_of 100000 predict_with refused --device cuda --precision fp32

# What cannot be computed is refused in one line, before anything is read or written
refused 2 'the CPU backend trains in fp32 only .*: omit --precision' \
    train_small refused --device cpu --precision bf16
refused 2 'the CPU backend has a single implementation of attention: omit --attention' \
    train_small refused --device cpu --attention plain
refused 2 'the CPU backend has a single implementation of attention' predict_with refused --attention fused
refused 2 "--precision: .*'fp8'.*auto.*fp32.*bf16.*fp16" train_small refused --precision fp8
refused 2 '--attention fused: supports heads of 32, 64 or 128 elements .* heads of 16 in bf16' \
    train_gpu refused --attention fused --num-attention-heads 4
refused 2 '--attention fused: .* heads of 64 in fp32: use --attention auto or plain' \
    train_gpu refused --attention fused --precision fp32
refused 2 '--attention fused: .* heads of 64 in fp32' \
    on_gpu predict_with refused --device cuda --attention fused --precision fp32
export CUDA_ON_CPU_CUDNN=missing
refused 1 '(cuDNN cannot be loaded|built without cuDNN).*--attention auto' \
    train_gpu refused --attention cudnn
unset CUDA_ON_CPU_CUDNN
[ -e refused ] && fail "a refused command wrote something"

# What a machine lacks
refused 1 'this installation has no CUDA backend \(libdeeptaxa_cuda.so\): use --device cpu, or build' \
    without_gpu train_small refused --device cuda
refused 1 'this installation has no CUDA backend' without_gpu predict_with refused --device cuda
CUDA_ON_CPU_DRIVER=0 refused 1 'no NVIDIA driver is installed on this machine: .*--device cpu$' \
    train_gpu refused
CUDA_ON_CPU_DRIVER=11040 refused 1 'the NVIDIA driver is too old: it supports CUDA 11.4, but CUDA 13 is needed; update the driver to 580 or later.*--device cpu$' \
    train_gpu refused
CUDA_ON_CPU_DEVICES=0 CUDA_VISIBLE_DEVICES='' \
    refused 1 "no usable GPU: .* \(CUDA_VISIBLE_DEVICES is ''\); use --device cpu" train_gpu refused
CUDA_ON_CPU_CAPABILITY=7 refused 1 'GPU 0 \(.*\) is too old: it has compute capability 7.0' \
    train_gpu refused
CUDA_ON_CPU_TAKEN=1 refused 1 'GPU 0 \(.*\) is used by another process, and its compute mode allows only one .*: wait' \
    train_gpu refused
rm gpu/lib/deeptaxa/libdeeptaxa_cuda.so
echo "no library" >gpu/lib/deeptaxa/libdeeptaxa_cuda.so
refused 1 "module 'cuda' cannot be loaded: .*; fix this, or use --device cpu" train_gpu refused
[ -e refused ] && fail "a refused command wrote something"
finish
