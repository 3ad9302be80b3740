#!/usr/bin/env bash
# deeptaxa selftest with several ranks: the table of the ranks, sums, ranks that fail or hang; and
# --device auto, which all ranks decide alike.
# shellcheck disable=SC2154 # variables of lib.sh
source "$(dirname "$0")/../cli/lib.sh"

# On CPUs: the network alone
expect 0 "$MPIEXEC" -n 2 "$bin/deeptaxa" selftest --device cpu --threads 1
printed '^Communication: .*, 2 ranks on 1 host; gradients are summed by MPI: rank 0 computes on the CPU$'
printed "^Rank  Host +PCI address +Processors +Device; network; version$"
printed "^   1  $(hostname) +- .*, 1 thread .*; .+; [0-9.]+ \(.+\)$"
same "ranks that passed" "$(grep -c '^   [01]  passed, 20 checks$' out)" 2
same "sums" "$(grep -cE '^ +(1|8|64) MiB +[0-9.]+ ms +[0-9.]+ GB/s  exact$' out)" 3
same "lines on standard error" "$(wc -l <err)" 0

# A device that is missing on one rank
expect 1 "$MPIEXEC" -n 1 "$bin/deeptaxa" selftest --device cpu --threads 1 : \
    -n 1 "$bin/deeptaxa" selftest --device nothing --threads 1
said "^deeptaxa selftest: rank 1 on [^ ]+: .* this installation has no module 'nothing'"

[ "$HAS_CUDA_ON_CPU" = 1 ] || skip "without the emulator there is no GPU to plant faults in"
make_gpu
make_gold 25
make_tokenizer
ln -s "$(cd "$bin/../lib" && pwd)"/deeptaxa/libdeeptaxa_{mpi,cuda_on_cpu}.so gpu/lib/deeptaxa/

# A rank whose GPU hangs: it is named, and nobody is left
gpu=$work/gpu/bin/deeptaxa-selftest
expect 1 "$MPIEXEC" -n 1 "$gpu" --device cpu --threads 1 --collective-timeout 8 : \
    -n 1 env CUDA_ON_CPU_HANG=add_norm_kernel "$gpu" --threads 1 --collective-timeout 8
printed "^   1  $(hostname) +0000:01:00.0  [0-9,-]+ +CUDA on the CPU"
said '^rank 0 on [^ ]+: waited 8 seconds for the other ranks in a gather: rank 1 on [^ ]+ hangs or is unreachable '
none_left() { ! pgrep -f "$gpu" >/dev/null; }
until_true 10 none_left || fail "a rank is left"

# A rank whose GPU computes wrongly, and sums that are wrong. The rank on the CPU is done long before.
expect 1 "$MPIEXEC" -n 1 "$gpu" --device cpu --threads 1 --collective-timeout 600 : \
    -n 1 env CUDA_ON_CPU_SKIP=adamw_kernel "$gpu" --threads 1 --collective-timeout 600
printed '^   0  passed, 20 checks$'
printed '^   1  FAILED: 10 of 54 checks failed: update of the small model in fp32: '
said '^deeptaxa selftest: rank 1 on [^ ]+: 10 of 54 checks failed: update'

# --device auto: one of two GPUs fails, so both ranks take the CPU, with one notice
train=(--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    --batch-size 8 --threads 1 --epochs 1)
# shellcheck disable=SC2206
train+=($small_model)
two() { # FOLDER VARIABLE=VALUE...: those are the second rank's
    "$MPIEXEC" -n 1 "$work/gpu/bin/deeptaxa-train" "${train[@]}" --output-dir "$1" : \
        -n 1 env "${@:2}" "$work/gpu/bin/deeptaxa-train" "${train[@]}" --output-dir "$1"
}
export XDG_CACHE_HOME=/proc/none # every rank tests
expect 0 two mixed CUDA_ON_CPU_SKIP=adamw_kernel
said "^notice: using the CPU: rank 1's \([^ ]+\) GPU has not passed the self-test: 9 of 48 checks"
same "notices about the GPUs" "$(grep -c 'self-test' err)" 1
said '^Precision: fp32$'
expect 0 two one_gpu CUDA_ON_CPU_DEVICES=0
said '^notice: using the CPU: rank 1 \([^ ]+\): no GPU was found'
SLURM_JOB_ID=1 SLURM_GPUS_ON_NODE=2 expect 1 two refused CUDA_ON_CPU_SKIP=adamw_kernel
said "^deeptaxa train: SLURM_GPUS_ON_NODE asks for GPUs, but rank 1's \([^ ]+\) GPU has not passed"
[ -e refused ] && fail "a refused command wrote something"
expect 0 two both CUDA_ON_CPU_BUS=07
said '^Precision: bf16$'
finish
