#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, most valuable first: out of the relocatable
# archive (docs/gpu.md), or from a build folder. Requires bash and coreutils; uses python3 with
# PyTorch and compute-sanitizer if they are installed.
#
#   bash first.sh OUT [--minutes N] [--build FOLDER] [--only NAME]...
#                     [--device cuda|cuda_on_cpu|cpu] [--small]
#
#   OUT              folder for results.json (rewritten before and after each check), log.txt,
#                    step.json and step_cudnn.json (benchmarks/gpu_step.c); created if missing
#   --minutes N      leave out checks that are not expected to end within N minutes, and end one
#                    that does not (unfinished); default: 6
#   --build FOLDER   programs of this build folder instead of the archive's
#   --only NAME      only checks whose name contains NAME
#   --device NAME    to try this script without a GPU, best with --small: tiny models
#
# Exit status: 0; 1 if a check failed; 2 for a wrong argument; 77 if there is no driver or no GPU;
# 130 or 143 if interrupted.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$here
bin=$here/../../../../bin
benchmark=("$root/benchmarks/gpu_step.sh")
usage() {
    echo "first.sh: $1: see the beginning of $here/first.sh" >&2
    exit 2
}
out='' device=cuda minutes=6 only=()
while [ $# -gt 0 ]; do
    case $1 in
        --small) export DEEPTAXA_TEST_SIZE=small; shift; continue ;;
        --build | --only | --minutes | --device) [ $# -ge 2 ] || usage "$1 needs a value" ;;
        -*) usage "unknown argument '$1'" ;;
        *) [ -z "$out" ] || usage "second folder '$1'"; out=$1; shift; continue ;;
    esac
    case $1 in
        --build)
            build=$(cd "$2" && pwd)
            programs=$build/tests/gpu bin=$build/bin benchmark+=(--build "$build")
            export MODULES=$build/lib/deeptaxa
            ;;
        --only) only+=("$2") ;;
        --minutes) [[ $2 =~ ^[0-9]+$ ]] || usage "--minutes needs a whole number"; minutes=$2 ;;
        --device) device=$2 ;;
    esac
    shift 2
done
[ -n "$out" ] || usage "no folder for the results"
[ -x "$programs/gpu_check" ] || usage "no programs in $programs (--build names a build folder)"
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/log.txt results=$out/results.json
: >"$log"
work=$(mktemp -d 2>/dev/null || mktemp -d "$out/work.XXXXXX")
cd "$root" # tests read tests/parity/fixtures

# PyTorch has libraries of its own, which must not be replaced by others of the same name.
libraries_before=${LD_LIBRARY_PATH:-}
libraries=$(bash "$here/find-cuda.sh")
if [ -n "$libraries" ]; then
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
export DEEPTAXA_TEST_DEVICE=$device

# ---- results ------------------------------------------------------------------------------------

names=() states=() times=() details=()
child=''

# quoted TEXT: as a JSON string
quoted() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//[$'\x01'-$'\x1f']/ }
    printf '"%s"' "$text"
}

# write_results EXIT-STATUS: null while the script runs
write_results() {
    local i curve separator=
    {
        printf '{\n  "machine": {\n    "date": %s,\n    "program": %s,\n    "device": %s,\n' \
            "$(quoted "$date")" "$(quoted "$version")" "$(quoted "$gpu")"
        printf '    "nvidia_smi": %s,\n    "kernel_and_libc": %s,\n    "libraries": %s\n  },\n' \
            "$(quoted "$smi")" "$(quoted "$system")" "$(quoted "${libraries:-of the system}")"
        printf '  "minutes": %d,\n  "seconds": %d,\n  "exit_status": %s,\n  "checks": [' \
            "$minutes" "$SECONDS" "$1"
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
    } >"$results.part"
    mv "$results.part" "$results"
}

# add NAME STATE SECONDS DETAIL, or replace the last if it has that name
add() {
    local i=${#names[@]}
    if [ "$i" -gt 0 ] && [ "${names[i - 1]}" = "$1" ]; then i=$((i - 1)); fi
    names[i]=$1 states[i]=$2 times[i]=$3 details[i]=$4
    write_results null
    if [ "$2" != running ]; then
        printf '%-24s %-11s %4d s  %s\n' "$1" "$2" "$3" "$4" | tee -a "$log"
    fi
}

# The detail of a check: its line that says most, of a failure the first that names an error.
detail_of() {
    local line=
    if [ "$1" = failed ] || [ "$1" = unfinished ]; then
        line=$(grep -m 1 -E 'ERROR: |error: |Error: |FAILED|differ|cannot|Segmentation|========= Invalid' || true)
    fi <"$work/said"
    [ -n "$line" ] || line=$(grep -v '^[[:space:]]*$' "$work/said" | tail -n 1 || true)
    printf '%.200s' "$line"
}

interrupted() {
    trap '' INT TERM
    if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || true; fi
    if [ "${#names[@]}" -gt 0 ] && [ "${states[-1]}" = running ]; then
        add "${names[-1]}" interrupted "$((SECONDS - began))" ""
    fi
    write_results "$1"
    echo "interrupted: results so far are in $results" >&2
    rm -rf "$work"
    exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# How many times as long as expected a check may take; the emulator is slower than any GPU.
patience=3
if [ "$device" != cuda ]; then patience=20; fi

# check NAME SECONDS COMMAND...: runs it; SECONDS: a generous estimate for an H100
check() {
    local name=$1 seconds=$2 left=$((minutes * 60 - SECONDS)) status=0 state limit filter start
    shift 2
    for filter in "${only[@]:+${only[@]}}"; do
        case $name in *"$filter"*) filter=; break ;; esac
    done
    if [ ${#only[@]} -gt 0 ] && [ -n "$filter" ]; then return 0; fi
    if [ "$seconds" -gt "$left" ]; then
        add "$name" "left out" 0 "takes about $seconds s, and $((left > 0 ? left : 0)) s are left"
        return 0
    fi
    limit=$((seconds * patience < left ? seconds * patience : left))
    began=$SECONDS
    printf '\n==== %s\n' "$name" >>"$log"
    start=$(wc -c <"$log")
    add "$name" running 0 ""
    timeout -k 5 "$limit" "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    wait "$child" || status=$?
    child=
    case $status in
        0) state=passed ;;
        77) state=skipped ;;
        124 | 137)
            state=failed
            if [ "$limit" -eq "$left" ]; then state=unfinished; fi
            echo "error: stopped after $limit s" >>"$log"
            ;;
        *) state=failed ;;
    esac
    tail -c +"$((start + 1))" "$log" >"$work/said"
    add "$name" "$state" "$((SECONDS - began))" "$(detail_of "$state")"
}

# part NAME SECONDS FUNCTION ARGUMENTS...: a check that is a function of this script
part() { check "$1" "$2" bash -euo pipefail -c '"$@"' part "${@:3}"; }

# ---- the machine --------------------------------------------------------------------------------

date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
version=$("$bin/deeptaxa" --version | tr '\n' ';') || version="deeptaxa does not start"
system="$(uname -r), $(getconf GNU_LIBC_VERSION || true)"
smi=$(timeout 20 nvidia-smi --format=csv,noheader \
    --query-gpu=name,driver_version,memory.total,compute_mode,mig.mode.current 2>&1) || smi="none: ${smi:-}"
gpu="not opened"
status=0
said=$("$programs/gpu_check" probe "$device" 2>&1) || status=$?
printf '%s\n' "$version" "$system" "$smi" "libraries: ${libraries:-of the system}" "$said" | tee -a "$log"
if [ "$status" -eq 77 ]; then
    add probe skipped "$SECONDS" "$said"
    write_results 77
    rm -rf "$work"
    exit 77
elif [ "$status" -ne 0 ]; then
    add probe failed "$SECONDS" "$said"
    write_results 1
    rm -rf "$work"
    exit 1
fi
gpu=$said
add probe passed "$SECONDS" "$gpu"

# ---- the checks ---------------------------------------------------------------------------------

cpu_steps=5 steps=50 many=20000
if [ "${DEEPTAXA_TEST_SIZE:-}" = small ]; then steps=6 many=200; fi

# step_by ATTENTION FILE GPU_STEP...: times a step, and PyTorch's beside it
step_by() {
    local status=0
    LD_LIBRARY_PATH=$libraries_before bash "${@:3}" --attention "$1" --output "$2" --repeats 3 \
        --device "$device" >"$work/step" 2>&1 || status=$?
    cat "$work/step"
    if [ "$status" -ne 0 ] && grep -q 'built without cuDNN' "$work/step"; then exit 77; fi
    [ "$status" -eq 0 ] || exit "$status"
    grep -E '^(one step, median|beside) ' "$work/step" | tr -s ' ' | paste -sd ';'
}

# A small model is trained on the CPU; both devices predict with it.
predict_labels() {
    local folder=$work/labels used
    mkdir -p "$folder"
    "$programs/gpu_check" sequences "$folder" 300
    "$bin/deeptaxa" train --device cpu --fasta-file "$folder/reads.fasta" --taxonomy-file "$folder/reads.tsv" \
        --output-dir "$folder/run" --embed-dim 64 --hidden-size 128 --num-hidden-layers 2 \
        --num-attention-heads 1 --intermediate-size 256 --num-filters 32 --epochs 6 --batch-size 16 \
        --learning-rate 2e-3
    for used in cpu $cli_device; do
        "$bin/deeptaxa" predict --device "$used" --tabular --output-dir "$folder/$used" \
            --fasta-file "$folder/reads.fasta" --checkpoint "$folder"/run/checkpoints/*_epoch6.h5
    done
    "$programs/gpu_check" compare-labels "$folder"/{cpu,$cli_device}/reads_deeptaxa_predictions.tsv 0.05
}

# A model of the default sizes is trained for an epoch of few sequences and predicts many.
predict_speed() {
    local folder=$work/speed sizes=()
    mkdir -p "$folder/few" "$folder/many"
    "$programs/gpu_check" sequences "$folder/few" 120
    "$programs/gpu_check" sequences "$folder/many" "$many"
    if [ "${DEEPTAXA_TEST_SIZE:-}" = small ]; then
        sizes=(--embed-dim 64 --hidden-size 128 --num-hidden-layers 2 --num-attention-heads 1
            --intermediate-size 256 --num-filters 32)
    fi
    "$bin/deeptaxa" train --device "$cli_device" --fasta-file "$folder/few/reads.fasta" \
        --taxonomy-file "$folder/few/reads.tsv" --output-dir "$folder/run" --epochs 1 "${sizes[@]}"
    "$bin/deeptaxa" predict --device "$cli_device" --tabular --output-dir "$folder" \
        --fasta-file "$folder/many/reads.fasta" --checkpoint "$folder"/run/checkpoints/*_epoch1.h5 2>&1 |
        tee "$work/predict"
    rm -rf "$folder"
    grep ' seconds (' "$work/predict"
}

nccl_one_rank() {
    if [ "$device" = cuda ] && [ ! -e "$bin/../lib/deeptaxa/libdeeptaxa_nccl.so" ]; then
        echo "this build has no module nccl"
        exit 77
    fi
    "$programs/test_nccl"
}

# near_curve OTHER PRECISION STEPS BOUND
near_curve() {
    check "curve_$2_as_$1" 2 "$programs/gpu_check" compare-curves \
        "$work/curves/${device}_$2.txt" "$work/curves/$1_fp32.txt" "$3" "$4"
}

torch_curve() {
    export LD_LIBRARY_PATH=$libraries_before
    python3 -c 'import torch' 2>/dev/null || { echo "no python3 with PyTorch here"; exit 77; }
    local where=cpu
    if [ "$device" = cuda ]; then where=cuda; fi
    python3 "$here/loss_curve.py" "$work/curves" "$steps" "$where"
}

loss_curves() {
    local precision
    mkdir -p "$work/curves"
    check curve_export 5 "$programs/gpu_check" export "$work/curves"
    check curve_cpu 20 "$programs/gpu_check" curve "$work/curves" cpu fp32 $cpu_steps
    for precision in fp32 bf16 fp16; do
        check "curve_$precision" 15 "$programs/gpu_check" curve "$work/curves" "$device" "$precision" $steps
    done
    # Rounding by 2^-24, 2^-9, 2^-12 in each of some hundred operations, and an update that divides
    # gradients by their own size: what differs doubles with every few steps.
    near_curve cpu fp32 $cpu_steps 1e-4
    near_curve cpu bf16 $cpu_steps 0.01
    near_curve cpu fp16 $cpu_steps 0.002
    part curve_torch 25 torch_curve
    if [ -s "$work/curves/torch_fp32.txt" ]; then
        near_curve torch fp32 $steps 0.002
        near_curve torch bf16 $steps 0.03
        near_curve torch fp16 $steps 0.01
    fi
}

# sanitized TOOL PROGRAM: every kernel, on the small shapes of the unit tests
sanitized() {
    local sanitizer
    sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    [ -x "$sanitizer" ] || { echo "no compute-sanitizer here"; exit 77; }
    [ "$device" = cuda ] || { echo "compute-sanitizer requires a GPU"; exit 77; }
    "$sanitizer" --tool "$1" --error-exitcode 86 "$programs/$2"
}

cli_device=cpu
if [ "$device" = cuda ]; then cli_device=cuda; else benchmark+=(--batch 2 --steps 1); fi
export here programs bin work device cli_device steps many libraries_before
export -f step_by predict_labels predict_speed nccl_one_rank torch_curve sanitized

check selftest 20 "$bin/deeptaxa" selftest --device "$device"
check whole_step 40 "$programs/test_whole_step"
part step_fused 40 step_by fused "$out/step.json" "${benchmark[@]}"
part step_cudnn 40 step_by cudnn "$out/step_cudnn.json" "${benchmark[@]}"
part predict_labels 30 predict_labels
part predict_speed 40 predict_speed
check kernels 20 "$programs/test_kernels"
check real_shapes 30 "$programs/test_real_shapes"
check step 15 "$programs/test_step"
check gradients 5 "$programs/test_gradients"
check graphs 15 "$programs/test_graphs"
part nccl 15 nccl_one_rank
check cudnn 15 "$programs/test_cudnn"
loss_curves
for test in test_kernels test_step; do
    for tool in memcheck racecheck synccheck; do
        part "${tool}_${test#test_}" 60 sanitized $tool $test
    done
done

# ---- the end ------------------------------------------------------------------------------------

# count STATE: prints how many checks are in it
count() {
    local state number=0
    for state in "${states[@]}"; do
        if [ "$state" = "$1" ]; then number=$((number + 1)); fi
    done
    echo "$number"
}

[ "${#names[@]}" -gt 1 ] || usage "no check is named ${only[*]}"
status=0
if [ "$(count failed)" -gt 0 ]; then status=1; fi
write_results "$status"
echo "$(count passed) passed, $(count failed) failed, $(count skipped) skipped," \
    "$(count unfinished) unfinished, $(count 'left out') left out in $SECONDS s: $results" | tee -a "$log"
rm -rf "$work"
exit "$status"
