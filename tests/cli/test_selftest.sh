#!/usr/bin/env bash
# deeptaxa selftest, and --device auto, which takes a GPU that has passed it: with the emulator that
# runs the CUDA kernels on the CPU, and with faults planted there.
source "$(dirname "$0")/lib.sh"
unset CUDA_ON_CPU_SKIP CUDA_ON_CPU_HANG
verdicts() { find "$XDG_CACHE_HOME" -name 'selftest-*' 2>/dev/null; }

# The CPU beside itself: no check may differ
expect 0 deeptaxa selftest --device cpu --threads 2
printed '^small +fp32 +gradients +0 +1e-05  passed$'
printed '^default +fp32 +update +0 +0.01  passed$'
same "checks that are not passed" "$(grep -c FAILED out)" 0

# Without a GPU: one line
refused 1 '^deeptaxa selftest: this installation has no CUDA backend' without_gpu deeptaxa selftest
refused 2 '^deeptaxa selftest: --quick tests one device' deeptaxa selftest --quick --ranks 2
refused 2 '^deeptaxa selftest: --gpus cannot be combined with --ranks' deeptaxa selftest --gpus 1 --ranks 2
refused 1 "no module 'nothing'" deeptaxa selftest --device nothing

make_gpu
make_gold 25
make_tokenizer
CUDA_ON_CPU_DEVICES=0 refused 1 '^deeptaxa selftest: no usable GPU' on_gpu deeptaxa selftest
CUDA_ON_CPU_DEVICES=0 refused 1 '^deeptaxa selftest: no GPU was found$' on_gpu deeptaxa selftest --quick
CUDA_ON_CPU_CAPABILITY=7 refused 1 '^deeptaxa selftest: GPU 0 .* is too old' on_gpu deeptaxa selftest --quick

# The emulator passes all checks; of every model and format all kinds are there
expect 0 on_gpu deeptaxa selftest
same "checks that are not passed" "$(grep -c FAILED out)" 0
for what in {small,cnn,kmer}' +'{fp32,bf16,fp16} 'default +bf16'; do
    for check in prediction loss gradients 'gradient of [a-z0-9._]+' update; do
        printed "^$what +$check +[0-9.e-]+ +[0-9.e-]+  passed\$"
    done
done
printed '^small +bf16 +replay +0 +0  passed$'
printed '^default +bf16 +replay +0 +0  passed$'
same "verdicts after a whole test" "$(verdicts)" ""

# A kernel that does nothing fails the check that it is for; with the sanitizers, which make that slow,
# two kernels
kernels='add_norm_kernel prediction
loss_sum_kernel loss
position_gradient_kernel gradients
fused_query_gradient_kernel gradients?(.of.[a-z0-9._]+)?
adamw_kernel update
bag_kernel prediction'
[[ $(deeptaxa --version) != *Debug* ]] || kernels=$(tail -n 2 <<<"$kernels")
while read -r kernel check; do
    CUDA_ON_CPU_SKIP=$kernel refused 1 \
        "^deeptaxa selftest: [0-9]+ of 48 checks failed: $check of the (small|kmer) model in [bf]" \
        on_gpu deeptaxa selftest --quick
done <<<"$kernels"
same "verdicts of failed tests" "$(verdicts)" ""

# --device auto: the CPU, with one notice that says why
fault=adamw_kernel
auto_train() { on_gpu train_small "$@" --epochs 1; }
auto_predict() {
    on_gpu deeptaxa predict --fasta-file data/train.fasta --tabular --output-dir "$@"
}
failed='the GPU has not passed the self-test: 9 of 48 checks failed: update of the small model in fp32'
CUDA_ON_CPU_SKIP=$fault expect 0 auto_train on_cpu
said "^notice: using the CPU: $failed: .*deeptaxa selftest.*--device cpu"
same "notices about the GPU" "$(grep -c 'self-test' err)" 1
said '^Precision: fp32$'
model=$(checkpoint on_cpu 1)
CUDA_ON_CPU_SKIP=$fault expect 0 auto_predict p_cpu --checkpoint "$model"
said "^notice: using the CPU: $failed"
said '^Model: run .*, in fp32 on '

# but never where GPUs were asked for
SLURM_JOB_ID=1 SLURM_JOB_GPUS=0 CUDA_ON_CPU_SKIP=$fault \
    refused 1 "^deeptaxa train: SLURM_JOB_GPUS asks for GPUs, but $failed" auto_train refused
SLURM_JOB_ID=1 SLURM_GPUS_ON_NODE=1 CUDA_ON_CPU_DEVICES=0 refused 1 \
    '^deeptaxa predict: SLURM_GPUS_ON_NODE asks for GPUs, but no GPU was found: ' \
    auto_predict refused --checkpoint "$model"
SLURM_JOB_ID=1 SLURM_GPUS=2 refused 1 \
    'SLURM_GPUS asks for GPUs, but this installation has no CUDA backend: ' without_gpu train_small refused
[ -e refused ] && fail "a refused command wrote something"

# No GPU: the CPU, and nothing about GPUs
CUDA_ON_CPU_DEVICES=0 expect 0 auto_predict p_none --checkpoint "$model"
same "lines about GPUs" "$(grep -ciE 'gpu|self-test|cuda' err)" 0
same "verdicts without a GPU" "$(verdicts)" ""

# A GPU that passes is taken, and its verdict kept and used: what fails later is not seen
expect 0 auto_predict p_gpu --checkpoint "$model"
said '^Model: run .*, in bf16 on CUDA on the CPU'
same "lines about the test" "$(grep -c self-test err)" 0
kept=$(verdicts)
same "number of verdicts" "$(wc -w <<<"$kept")" 1
grep -q '^CUDA on the CPU, for tests, .*driver: ' "$kept" || fail "the verdict does not name the device"
CUDA_ON_CPU_SKIP=$fault expect 0 on_gpu deeptaxa selftest --quick
expect 0 auto_train on_gpu
said '^Device: CUDA on the CPU'
# another device, and a damaged file: tested again
CUDA_ON_CPU_MEMORY=4000000000 CUDA_ON_CPU_SKIP=$fault expect 1 on_gpu deeptaxa selftest --quick
echo damaged >"$kept"
CUDA_ON_CPU_SKIP=$fault expect 1 on_gpu deeptaxa selftest --quick
expect 0 on_gpu deeptaxa selftest --quick
grep -q '^CUDA on the CPU' "$kept" || fail "the damaged verdict was not replaced"
# the same in ~/.cache
unset XDG_CACHE_HOME
HOME=$work/home expect 0 on_gpu deeptaxa selftest --quick
same "files in ~/.cache" "$(find home/.cache/deeptaxa-mpi -name 'selftest-*' | wc -l)" 1
# a folder that cannot be written: tested again, without a word
export XDG_CACHE_HOME=/proc/none
expect 0 auto_predict p_again --checkpoint "$model"
said '^Model: run .*, in bf16 on CUDA on the CPU'
same "lines about the test" "$(grep -cE 'self-test|cache' err)" 0

# Whatever becomes of the process of the test
printf '#!/bin/sh\nkill -SEGV $$\n' >gpu/bin/deeptaxa-selftest
expect 0 auto_predict p_crash --checkpoint "$model"
said '^notice: using the CPU: .* it was ended by signal 11'
rm gpu/bin/deeptaxa-selftest
expect 0 auto_predict p_gone --checkpoint "$model"
said '^notice: using the CPU: .*/deeptaxa-selftest: cannot start: No such file'
expect 0 auto_predict p_untested --checkpoint "$model" --device cuda
said '^Model: run .*, in bf16 on CUDA on the CPU'
finish
