#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, in one command of less than 8 minutes on an
# H100: out of the relocatable archive (docs/gpu.md), or from a build folder. Needs bash and
# coreutils; uses python3 with PyTorch and compute-sanitizer where they are. Prints a table, writes
# JSON, and ends with 1 when something failed, with 77 where there is no GPU.
#
#   bash run.sh [--output FILE] [--logs FOLDER] [--build FOLDER] [--only NAME]... [--minutes N]
#               [--device cuda|cuda_on_cpu|cpu] [--small]
#
#   --output FILE    the results as JSON; default: gpu-tests.json in $OUT, or here
#   --logs FOLDER    what each check said; default: a temporary folder, kept when something failed
#   --build FOLDER   programs of this build folder instead of the archive's
#   --only NAME      only checks whose name holds NAME
#   --minutes N      checks that would begin later are left out, and count as failed; default: 7
#   --device NAME    for trying this script without a GPU, best with --small: tiny models
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$here
bin=$here/../../../../bin
output=${OUT:-.}/gpu-tests.json
logs=
device=cuda
minutes=7
only=()
while [ $# -gt 0 ]; do
    case $1 in
        --small) export DEEPTAXA_TEST_SIZE=small; shift; continue ;;
        --output | --logs | --build | --only | --minutes | --device) ;;
        *) echo "run.sh: unknown argument '$1': see the head of $here/run.sh" >&2; exit 2 ;;
    esac
    [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
        --output) output=$2 ;;
        --logs) logs=$2 ;;
        --build) programs=$(cd "$2" && pwd)/tests/gpu; bin=$(cd "$2" && pwd)/bin ;;
        --only) only+=("$2") ;;
        --minutes) minutes=$2 ;;
        --device) device=$2 ;;
    esac
    shift 2
done
[ -x "$programs/gpu_check" ] || { echo "run.sh: no programs in $programs: name a build folder with --build" >&2; exit 2; }
output=$(cd "$(dirname "$output")" && pwd)/$(basename "$output")
work=$(mktemp -d)
logs=${logs:-$work/logs}
mkdir -p "$logs"
logs=$(cd "$logs" && pwd)
cd "$root" # tests read tests/parity/fixtures

# PyTorch brings libraries of its own, which others of the same name must not replace.
libraries_before=${LD_LIBRARY_PATH:-}
found=$(bash "$here/find-cuda.sh")
if [ -n "$found" ]; then
    export LD_LIBRARY_PATH=$found${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    echo "NVIDIA's libraries: $found"
fi
export DEEPTAXA_TEST_DEVICE=$device

names=() states=() times=() details=()

# quoted TEXT: as a JSON string
quoted() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//[$'\x01'-$'\x1f']/ }
    printf '"%s"' "$text"
}

# detail_of LOG STATE: the line that says most: of a failure the first that names an error
detail_of() {
    local line=
    if [ "$2" = failed ]; then
        line=$(grep -m 1 -E 'ERROR: |error: |Error: |FAILED|differ|cannot|Segmentation|========= Invalid' "$1" || true)
    fi
    [ -n "$line" ] || line=$(grep -v '^[[:space:]]*$' "$1" | tail -n 1 || true)
    printf '%.160s' "$line"
}

# check NAME SECONDS COMMAND...: runs it within so many seconds, and keeps what came of it
check() {
    local name=$1 limit=$2 began=$SECONDS status=0 state filter
    shift 2
    for filter in "${only[@]:+${only[@]}}"; do
        case $name in *"$filter"*) filter=; break ;; esac
    done
    if [ ${#only[@]} -gt 0 ] && [ -n "$filter" ]; then return 0; fi
    if [ "$SECONDS" -ge $((minutes * 60)) ]; then
        echo "left out: more than $minutes minutes have passed" >"$logs/$name.log"
        status=1
    else
        timeout -k 10 "$limit" "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    fi
    case $status in
        0) state=passed ;;
        77) state=skipped ;;
        124 | 137) state=failed; echo "error: stopped after $limit s" >>"$logs/$name.log" ;;
        *) state=failed ;;
    esac
    names+=("$name") states+=("$state") times+=("$((SECONDS - began))")
    details+=("$(detail_of "$logs/$name.log" "$state")")
    printf '%-28s %-8s %4d s  %s\n' "$name" "$state" "${times[-1]}" "${details[-1]}"
}

# write_json EXIT-STATUS
write_json() {
    local i curve separator=
    {
        printf '{\n  "device": %s,\n  "exit_status": %d,\n  "seconds": %d,\n  "checks": [' \
            "$(quoted "$gpu")" "$1" "$SECONDS"
        for i in "${!names[@]}"; do
            printf '%s\n    {"name": %s, "result": %s, "seconds": %d, "detail": %s}' "$separator" \
                "$(quoted "${names[i]}")" "$(quoted "${states[i]}")" "${times[i]}" "$(quoted "${details[i]}")"
            separator=,
        done
        printf '\n  ],\n  "loss": {'
        separator=
        for curve in "$work"/curves/*_*.txt; do
            [ -e "$curve" ] || continue
            printf '%s\n    %s: [%s]' "$separator" "$(quoted "$(basename "$curve" .txt)")" \
                "$(tr '\n' ',' <"$curve" | sed 's/,$//; s/nan/null/g; s/-\{0,1\}inf/null/g')"
            separator=,
        done
        printf '\n  }\n}\n'
    } >"$output.part"
    mv "$output.part" "$output"
}

# ---- is there a GPU? ----------------------------------------------------------------------------

status=0
gpu=$("$programs/gpu_check" probe "$device" 2>&1) || status=$?
if [ "$status" -ne 0 ]; then
    echo "SKIPPED: $gpu"
    if [ "$status" -eq 77 ]; then write_json 77; fi
    rm -rf "$work"
    exit "$status"
fi
echo "$gpu"

# ---- the checks ---------------------------------------------------------------------------------

steps_of_cpu=5 steps=50
loss_curves() {
    local precision
    mkdir -p "$work/curves"
    check curve_export 60 "$programs/gpu_check" export "$work/curves"
    check curve_cpu 120 "$programs/gpu_check" curve "$work/curves" cpu fp32 $steps_of_cpu
    for precision in fp32 bf16 fp16; do
        check "curve_$precision" 120 "$programs/gpu_check" curve "$work/curves" "$device" "$precision" $steps
    done
    # Rounding by 2^-24, 2^-9, 2^-12 in each of some hundred operations, and an update that divides
    # gradients by their own size: what differs doubles with every few steps.
    near_curve cpu fp32 $steps_of_cpu 1e-4
    near_curve cpu bf16 $steps_of_cpu 0.01
    near_curve cpu fp16 $steps_of_cpu 0.002
    part curve_torch 150 torch_curve
    if [ -s "$work/curves/torch_fp32.txt" ]; then
        near_curve torch fp32 $steps 0.002
        near_curve torch bf16 $steps 0.03
        near_curve torch fp16 $steps 0.01
    fi
}

# near_curve OTHER PRECISION STEPS BOUND
near_curve() {
    check "curve_$2_as_$1" 30 "$programs/gpu_check" compare-curves \
        "$work/curves/${device}_$2.txt" "$work/curves/$1_fp32.txt" "$3" "$4"
}

# Its own process, so that a time limit can end it.
torch_curve() {
    export LD_LIBRARY_PATH=$libraries_before
    python3 -c 'import torch' 2>/dev/null || { echo "no python3 with PyTorch here"; exit 77; }
    local where=cpu
    if [ "$device" = cuda ]; then where=cuda; fi
    python3 "$here/loss_curve.py" "$work/curves" "$steps" "$where"
}

# A small model is trained on the CPU; both devices predict with it.
predict_labels() {
    local folder=$work/predict on=cpu used
    if [ "$device" = cuda ]; then on=cuda; fi
    mkdir -p "$folder"
    "$programs/gpu_check" sequences "$folder" 600
    "$bin/deeptaxa" train --device cpu --fasta-file "$folder/reads.fasta" --taxonomy-file "$folder/reads.tsv" \
        --output-dir "$folder/run" --embed-dim 64 --hidden-size 128 --num-hidden-layers 2 \
        --num-attention-heads 1 --intermediate-size 256 --num-filters 32 --epochs 6 --batch-size 16 \
        --learning-rate 2e-3
    for used in cpu $on; do
        "$bin/deeptaxa" predict --device "$used" --tabular --output-dir "$folder/$used" \
            --fasta-file "$folder/reads.fasta" \
            --checkpoint "$folder"/run/checkpoints/*_epoch6.h5
    done
    "$programs/gpu_check" compare-labels "$folder"/{cpu,$on}/reads_deeptaxa_predictions.tsv 0.05
}

# memcheck of every kernel, on the small shapes of the unit tests
sanitized() {
    local tool
    tool=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    [ -x "$tool" ] || { echo "no compute-sanitizer here"; exit 77; }
    [ "$device" = cuda ] || { echo "compute-sanitizer needs a GPU"; exit 77; }
    "$tool" --tool memcheck --error-exitcode 86 "$@"
}

export here root programs bin work device steps libraries_before
export -f torch_curve predict_labels sanitized
part() { check "$1" "$2" bash -euo pipefail -c '"$@"' part "${@:3}"; }

# What can be told soonest comes first; the sanitizer, which can take long, last.
for test in kernels step graphs; do check "$test" 120 "$programs/test_$test"; done
for test in "$programs"/test_*; do
    name=$(basename "$test")
    case $name in test_kernels | test_step | test_graphs) ;; *) check "${name#test_}" 150 "$test" ;; esac
done
part predict_labels 90 predict_labels
loss_curves
part memcheck_kernels 150 sanitized "$programs/test_kernels"
part memcheck_step 90 sanitized "$programs/test_step"

# ---- what came out ------------------------------------------------------------------------------

failed=0 skipped=0 passed=0
for state in "${states[@]:+${states[@]}}"; do
    case $state in
        passed) passed=$((passed + 1)) ;;
        skipped) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
    esac
done
status=0
if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then status=1; fi
write_json "$status"
echo "$passed passed, $failed failed, $skipped skipped in $SECONDS s: $output"
if [ "$failed" -gt 0 ]; then
    for i in "${!names[@]}"; do
        [ "${states[i]}" = failed ] || continue
        printf '\n== %s\n' "${names[i]}"
        tail -n 25 "$logs/${names[i]}.log"
    done
    printf '\nLogs: %s\n' "$logs"
    rm -rf "$work/curves" "$work/predict"
else
    rm -rf "$work"
fi
exit "$status"
