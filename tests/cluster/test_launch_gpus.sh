#!/usr/bin/env bash
# deeptaxa train --gpus N starts a rank for each GPU: with two emulated GPUs (sysfs lists
# them, the CUDA kernels run on the CPU), the loss curve is that of one.
# shellcheck disable=SC1091,SC2154 # lib.sh, its variables
source "$(dirname "$0")/../cli/lib.sh"
make_gpu
make_gold 25
make_tokenizer
[ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] || skip "one core: there is nothing to share"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# A machine of two GPUs, and a display controller of another maker.
device() {
    mkdir -p "sys/bus/pci/devices/$1"
    echo "$2" >"sys/bus/pci/devices/$1/vendor"
    echo "$3" >"sys/bus/pci/devices/$1/class"
}
device 0000:01:00.0 0x10de 0x030200
device 0000:02:00.0 0x10de 0x030200
device 0000:03:00.0 0x1a03 0x030000
ln -s "$(cd "$bin/../lib" && pwd)"/deeptaxa/libdeeptaxa_{mpi,cuda_on_cpu}.so gpu/lib/deeptaxa/
on_two_gpus() {
    SYSFS_OF_TEST=$work CUDA_ON_CPU_DEVICES=${CUDA_ON_CPU_DEVICES:-2} \
        LD_PRELOAD=$bin/../lib/libsysfs_of_test.so on_gpu "$@"
}
metric() { sed -n "s/^ *\"$3\": \([^,]*\),*\$/\1/p" "$1"/metrics/*_epoch"$2".json; }

# Losses of one GPU, to rounding, whatever sums the gradients
small_model="--embed-dim 16 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 32"
train_fp32() { train_small "$@" --epochs 2 --threads 1 --precision fp32; }
expect 0 on_gpu train_fp32 one --device cuda
while read -r run flags; do
    # shellcheck disable=SC2086
    expect 0 on_two_gpus train_fp32 "$run" --gpus 2 $flags
    said '^Device: CUDA on the CPU'
    said "^Communication: .*gradients are summed by ${run^^}"
    same "lines for the same thing" "$(grep -c '^Sequences: ' err)" 1
    for epoch in 1 2; do
        same "ranks" "$(metric "$run" $epoch world_size)" 2
        for key in training_loss validation_loss; do
            near "$run, $key of epoch $epoch" "$(metric "$run" $epoch $key)" \
                "$(metric one $epoch $key)" 1e-5
        done
    done
done <<END
nccl --device cuda
mpi --comm mpi
END

# A rank that fails alone, and a failure of all: one line, and nobody is left
one_failure() {
    same "lines of '$1'" "$(grep -cE '^(rank [0-9]|deeptaxa)' err)" 1
    said "$1"
    for _ in {1..50}; do
        pgrep -f "$work/gpu/bin/deeptaxa-" >/dev/null || return 0
        sleep 0.1
    done
    fail "after '$1' a rank is left"
}
NCCL_ON_CPU_ERROR=1 expect 1 on_two_gpus train_fp32 fails --gpus 2
one_failure '^rank 1 on [^ ]+: NCCL failed in the sum of gradients: remote error'
CUDA_ON_CPU_CAPABILITY=7 expect 1 on_two_gpus train_fp32 none --gpus 2
one_failure '^deeptaxa train: --gpus asks for GPUs, but .* GPU 0 \(CUDA on the CPU, for tests\) is too old'

# A GPU that fails its self-test is an error; --device cuda does not test
rm -rf "$XDG_CACHE_HOME"
CUDA_ON_CPU_SKIP=adamw_kernel expect 0 on_two_gpus train_fp32 untested --gpus 2 --device cuda
CUDA_ON_CPU_SKIP=adamw_kernel expect 1 on_two_gpus train_fp32 none --gpus 2
one_failure '^deeptaxa train: --gpus asks for GPUs, but the GPU has not passed the self-test: .* update of'
CUDA_ON_CPU_SKIP=adamw_kernel expect 1 on_two_gpus train_fp32 none --gpus 2 --device auto
one_failure '^deeptaxa train: --gpus asks for GPUs, but the GPU has not passed the self-test: .* update of'

# deeptaxa selftest: who has which GPU; the sums of NCCL
expect 0 on_two_gpus deeptaxa selftest --gpus 2 --threads 1
printed '^Communication: .*, 2 ranks on 1 host; gradients are summed by NCCL 1.2.3: each rank has its own GPU$'
printed "^   0  $(hostname) +0000:01:00.0  [0-9,-]+ +CUDA on the CPU, for tests, .*; "
printed "^   1  $(hostname) +0000:02:00.0  [0-9,-]+ +CUDA on the CPU, for tests, .*; "
printed '^   [01]  passed, 54 checks$'
same "sums" "$(grep -cE '^ +(1|8|64) MiB +[0-9.]+ ms +[0-9.]+ GB/s  exact$' out)" 3
NCCL_ON_CPU_WRONG=1 expect 1 on_two_gpus deeptaxa selftest --gpus 2 --threads 1 --device-number 1
printed "^   0  $(hostname) +0000:02:00.0  [0-9,-]+ +CUDA"
printed "^   1  $(hostname) +0000:01:00.0  [0-9,-]+ +CUDA"
one_failure '^deeptaxa selftest: a sum of 262144 numbers over 2 ranks is wrong: number 0 is '

# The preflight: what connects the GPUs, as NVIDIA's library says; sums that are slow for it, and wrong
preflight() { # REGEX VARIABLE=VALUE...
    expect 0 env LD_LIBRARY_PATH="$bin/../lib/nvml" "${@:2}" SYSFS_OF_TEST="$work" CUDA_ON_CPU_DEVICES=2 \
        LD_PRELOAD="$bin/../lib/libsysfs_of_test.so" "$work/gpu/bin/deeptaxa-train" --gpus 2 --threads 1 \
        --preflight-only --output-dir none --fasta-file data/train.fasta --device cuda \
        --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json $small_model
    printed "^Sums: exact; [0-9.]+ MB in [0-9.]+ ms \\([0-9.]+ GB/s\\) over $1\$"
}
preflight NVLink NVLINK=1 NCCL_ON_CPU_SLOW=1 NCCL_P2P_DISABLE=1
said '^warning: sums of gradients are slow: .*, usual over NVLink are .*; NCCL_P2P_DISABLE=1 is set: see'
preflight PCIe NVLINK=0
preflight 'an unknown connection' NCCL_ON_CPU_SLOW=1
grep -q warning err && fail "a warning about a connection of unknown kind"
NCCL_ON_CPU_WRONG=1 expect 1 on_two_gpus train_fp32 none --gpus 2 --device cuda
one_failure '^deeptaxa train: a sum of [0-9]+ numbers over 2 ranks is wrong: number 0 is '

# Fewer GPUs than asked for
refused 2 '--gpus 3: there are 2 NVIDIA GPUs in this machine' on_two_gpus train_fp32 none --gpus 3
CUDA_VISIBLE_DEVICES=1 refused 2 '--gpus 2: there is 1 NVIDIA GPU in CUDA_VISIBLE_DEVICES' \
    on_two_gpus train_fp32 none --gpus 2
[ -e none ] && fail "a refused command wrote something"
finish
