#!/usr/bin/env bash
# --shard-optimizer: the ranks of a host share the optimizer's moments, and the model and its
# checkpoints have the bits that they have without; each resumes from the checkpoints of the other.
# shellcheck disable=SC1091,SC2086,SC2154 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
make_gold 60
make_tokenizer
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
small_model="--embed-dim 16 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 32"
flags="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    $small_model --batch-size 15 --learning-rate 1e-2 --threads 1 --epochs 2 --val-split 0"

# ranks N FOLDER FLAGS...
ranks() {
    "$MPIEXEC" -n "$1" "$bin/deeptaxa-train" $flags --output-dir "$2" "${@:3}"
}

# pair N NAME FLAGS...: trains NAME without and NAME-shared with the flag, on GPUs if $gpu is on_gpu
gpu=""
pair() {
    expect 0 $gpu ranks "$1" "$2" "${@:3}"
    expect 0 $gpu ranks "$1" "$2-shared" "${@:3}" --shard-optimizer
    said "^Optimizer: the moments are shared by the $1 ranks of a host, 0\.000 GB on each"
    same_model "$(checkpoint "$2" 2)" "$(checkpoint "$2-shared" 2)"
}

pair 3 three
pair 4 four --grad-dtype bf16 --accum-steps 2
# All skip the same updates, and learn nothing
for shared in '' --shard-optimizer; do
    # shellcheck disable=SC2086
    expect 1 ranks 2 "skipped$shared" --learning-rate 1e30 $shared
    said 'update skipped'
    grep -a 'update skipped' err >"said$shared"
done
same "updates that are skipped" "$(cat said--shard-optimizer)" "$(cat said)"

# Any number of ranks goes on, shared or not, from a checkpoint of either
expect 0 ranks 3 shared-now --resume "$(checkpoint three 1)" --shard-optimizer
same_model "$(checkpoint three 2)" "$(checkpoint shared-now 2)"
expect 0 ranks 3 shared-once --resume "$(checkpoint three-shared 1)"
same_model "$(checkpoint three 2)" "$(checkpoint shared-once 2)"
expect 0 ranks 2 fewer --resume "$(checkpoint three 1)"
expect 0 ranks 2 fewer-shared --resume "$(checkpoint three-shared 1)" --shard-optimizer
same_model "$(checkpoint fewer 2)" "$(checkpoint fewer-shared 2)"

# LAMB needs whole tensors, also in a resumed run
expect 2 ranks 2 lamb-shared --shard-optimizer --optimizer-type lamb
said '^deeptaxa train: --shard-optimizer cannot be combined with --optimizer-type lamb'
expect 0 ranks 1 lamb --optimizer-type lamb
expect 2 ranks 2 lamb-resumed --resume "$(checkpoint lamb 1)" --shard-optimizer
said '^deeptaxa train: --shard-optimizer cannot be combined with --optimizer-type lamb'

# A process alone has nothing to share; ranks must agree
expect 0 ranks 1 alone --shard-optimizer --dry-run
said '^notice: --shard-optimizer has no effect: no other process of the run is on this host'
grep -q '^Optimizer:' out && fail "a plan of shares for one process"
expect 2 "$MPIEXEC" -n 1 "$bin/deeptaxa-train" $flags --output-dir none --shard-optimizer : \
    -n 1 "$bin/deeptaxa-train" $flags --output-dir none
said '^deeptaxa train: rank 0 on [^ ]+ has --shard-optimizer true, but rank 1 on [^ ]+ has --shard-optimizer false: '

# On GPUs (in the emulator): NCCL, the copy of the parameters in the format of activations, skipped
# updates that lower the loss scale; and two ranks on one GPU, through MPI
if [ "${HAS_CUDA_ON_CPU:-0}" = 1 ]; then
    make_gpu
    ln -s "$(cd "$bin/../lib" && pwd)"/deeptaxa/libdeeptaxa_{mpi,cuda_on_cpu}.so gpu/lib/deeptaxa/
    gpu=on_gpu
    flags="$flags --device cuda --batch-size 20"
    export CUDA_ON_CPU_DEVICES=2 CUDA_ON_CPU_STREAMS=late NCCL_ON_CPU_EARLY=1
    pair 2 fp16 --precision fp16 --grad-dtype bf16 --level-weights 4 4 4 4 4 4 4
    said 'gradients are summed in bf16 by NCCL'
    grep -q 'update skipped' err || fail "no update was skipped on GPUs: nothing is shown"
    other_model "later updates" "$(checkpoint fp16 1)" "$(checkpoint fp16 2)"
    CUDA_ON_CPU_DEVICES=1 pair 2 one-gpu --accum-steps 2
    said 'gradients are summed by MPI: ranks 0 and 1 share GPU'
fi
finish
