#!/usr/bin/env bash
# Runs gpu_step on this machine's GPU together with PyTorch (if python3 has it), with NVIDIA's
# libraries located as in tests/gpu/first.sh. Requires the archive, or a build folder.
#
#   bash gpu_step.sh [--build FOLDER] [arguments of gpu_step]
#
# Writes gpu-step.json to $OUT or the current folder, or to the file of --json; exits with 77 if
# there is no GPU.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=$here checks=$here/../tests/gpu
if [ "${1:-}" = --build ]; then
    build=$(cd "$2" && pwd)
    programs=$build/benchmarks checks=$build/tests/gpu
    export MODULES=$build/lib/deeptaxa
    shift 2
fi
# PyTorch brings its own libraries, which must not be replaced by others of the same name.
with_torch=(env "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}" python3)
found=$(bash "$here/../tests/gpu/find-cuda.sh")
export LD_LIBRARY_PATH=$found${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# value_of FLAG DEFAULT COUNT ARGUMENTS...: prints the value of the flag in the arguments
value_of() {
    local flag=$1 value=$2 count=$3
    shift 3
    while [ $# -gt "$count" ]; do
        if [ "$1" = "$flag" ]; then value="${*:2:$count}"; fi
        shift
    done
    printf '%s' "$value"
}
device=$(value_of --device cuda 1 "$@")
small=() low_high="263 367"
if [ "${DEEPTAXA_TEST_SIZE:-}" = small ]; then small=(--size small) low_high="20 38"; fi

status=0
said=$("$checks/gpu_check" probe "$device" 2>&1) || status=$?
if [ "$status" -ne 0 ]; then
    echo "SKIPPED: $said"
    exit "$status"
fi
beside=() torch_device=cpu precision=fp32 usable="import torch"
if [ "$device" = cuda ]; then
    torch_device=cuda precision=fp16 usable="import torch; torch.zeros(1).cuda()"
fi
if "${with_torch[@]}" -c "$usable" 2>/dev/null; then
    beside=(--beside "exec ${with_torch[*]@Q} '$here/deeptaxa_torch/train_step.py' --device $torch_device
        --precision $precision --batch $(value_of --batch 64 1 "$@")
        --tokens $(value_of --tokens "$low_high" 2 "$@") ${small[*]:-}")
    beside[1]=${beside[1]//$'\n'/ }
else
    echo "no python3 with a PyTorch that uses this device: nothing to compare with"
fi
arguments=()
for argument; do # run.sh's name for it
    if [ "$argument" = --json ]; then argument=--output; fi
    arguments+=("$argument")
done
exec "$programs/gpu_step" --output "${OUT:-.}/gpu-step.json" "${beside[@]}" "${arguments[@]}"
