#!/usr/bin/env bash
# The algorithms of matrix products on a GPU: chosen by timing before the first step, kept in the
# checkpoint, not timed with --deterministic. The emulator lists algorithms that sum in other orders.
source "$(dirname "$0")/lib.sh"
make_gpu
make_gold 25
make_tokenizer

# One product of the CNN, and those of the heads, whose sums have 32 and 24 terms.
small_model="--model-type cnn --embed-dim 32 --num-filters 8 --max-length 32"

# with PROPOSALS FOLDER FLAGS...: trains where these algorithms are proposed
with() { CUDA_ON_CPU_PROPOSALS=$1 on_gpu train_small "${@:2}" --device cuda --precision fp32; }

# stored FILE: the choices in a checkpoint; choices FILE: how many take each algorithm, "<number of
# products> <parts of a sum>;"
stored() { "$bin/../tests/print_array" "$1" deeptaxa-checkpoint device/product_choices 2>/dev/null; }
choices() { stored "$1" | awk 'NR > 1 && NF { print $(NF - 4) }' | sort | uniq -c | awk '{ printf "%d %s;", $1, $2 }'; }

# Chosen once: a run resumed where other algorithms are faster has the bits of the whole run
expect 0 with 1=100,2=50,4=60 whole --epochs 3
case $(choices "$(checkpoint whole 1)") in *" 2;") ;; *) fail "chosen: $(choices "$(checkpoint whole 1)")" ;; esac
expect 0 with 1=10,2=50,4=60 kept --resume "$(checkpoint whole 1)"
same_model "$(checkpoint whole 3)" "$(checkpoint kept 3)"
same "stored choices" "$(stored "$(checkpoint kept 3)")" "$(stored "$(checkpoint whole 1)")"
grep -q "algorithms" err && fail "something is said of the kept choices"
expect 0 with 1=10,2=50,4=60 first --epochs 3
other_model "other algorithms" "$(checkpoint whole 3)" "$(checkpoint first 3)"

# With another library, or micro-batches of another size, they are chosen again
export CUDA_ON_CPU_CUBLASLT=130100
expect 0 with 1=100,2=50,4=10 newer --resume "$(checkpoint whole 1)"
unset CUDA_ON_CPU_CUBLASLT
said "^notice: the checkpoint's algorithms of matrix products are for another device or number format \(CUDA on the CPU, for tests, 4 multiprocessors, cuBLASLt 130000, fp32\): they are chosen again"
case $(choices "$(checkpoint newer 3)") in *" 4;") ;; *) fail "chosen again: $(choices "$(checkpoint newer 3)")" ;; esac
other_model "a newer library" "$(checkpoint whole 3)" "$(checkpoint newer 3)"
expect 0 with 1=100,2=50,4=10 smaller --resume "$(checkpoint whole 1)" --micro-batch-size 2
case $(choices "$(checkpoint smaller 3)") in *" 4;") ;; *) fail "in smaller batches: $(choices "$(checkpoint smaller 3)")" ;; esac

# --deterministic: the first of the proposals, whatever is fast, also in a resumed run
expect 0 with 1=100,2=50,4=60 untimed --epochs 3 --deterministic
same_model "$(checkpoint untimed 3)" "$(checkpoint first 3)"
same "choices" "$(stored "$(checkpoint untimed 1)")" "CUDA on the CPU, for tests, 4 multiprocessors, cuBLASLt 130000, fp32"
expect 0 with 1=100,2=50,4=60 untimed_on --resume "$(checkpoint untimed 1)"
same_model "$(checkpoint untimed 3)" "$(checkpoint untimed_on 3)"
expect 0 with 1=100,2=50,4=60 turned --resume "$(checkpoint whole 1)" --deterministic
said "^notice: --deterministic: the checkpoint's algorithms of matrix products, .* are not used"
other_model "without the choices" "$(checkpoint whole 3)" "$(checkpoint turned 3)"

# A CPU has none, and neither has a file of weights
expect 0 train_small on_cpu --resume "$(checkpoint whole 1)"
same "choices of a run on the CPU" "$(stored "$(checkpoint on_cpu 3)")" ""
expect 0 deeptaxa export --weights-only --checkpoint "$(checkpoint whole 3)" --output-file light.h5
same "choices without the optimizer" "$(stored light.h5)" ""
finish
