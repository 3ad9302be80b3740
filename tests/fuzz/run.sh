#!/usr/bin/env bash
# Runs the fuzz targets for some minutes each, as many at a time as there are processors (JOBS), and
# prints what they did:
#
#   bash tests/fuzz/run.sh MINUTES [TARGET …]        such as: run.sh 10 fasta torch
#
# A target ends earlier after RUNS executions, where that is set. Needs clang with libFuzzer. Inputs
# that cover more are kept in build-fuzz/corpus/TARGET and used again by the next run; what ends a
# target is in build-fuzz/findings/TARGET, and build-fuzz/tests/fuzz/fuzz_TARGET FILE repeats it.
# Ends with 1 if there are findings.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
export SECONDS_EACH=$((${1} * 60))
shift
build="build-fuzz"

generator=()
if [ ! -f $build/CMakeCache.txt ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake --preset fuzz "${generator[@]}" >/dev/null
cmake --build $build -j "$(nproc)" --target fuzz_targets >$build/fuzz.log ||
    { tail -n 30 $build/fuzz.log; exit 1; }

if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        set -- "$@" "${name#fuzz_}"
    done
fi

# The limits: 2 GB of memory, 1 GB at once, 10 s an input.
one() {
    local target=$1 build=build-fuzz
    local seeds=("$build/tests/fuzz/corpus/$target") options=(-rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10)
    mkdir -p $build/{corpus,findings}/"$target"
    case $target in
    checkpoint | container | shards | torch) options+=(-max_len=400000 -mutate_depth=1) ;;
    *) options+=(-max_len=4096) ;;
    esac
    if [ -d "tests/fuzz/corpus/$target" ]; then seeds+=("tests/fuzz/corpus/$target"); fi
    $build/tests/fuzz/fuzz_"$target" -max_total_time="$SECONDS_EACH" -runs="${RUNS:--1}" -print_final_stats=1 "${options[@]}" \
        -artifact_prefix=$build/findings/"$target"/ $build/corpus/"$target" \
        "${seeds[@]}" \
        >$build/findings/"$target".log 2>&1 || echo "$target: ended with $?: $build/findings/$target.log"
}
export -f one
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I {} bash -c 'one {}'

# executions, edges covered, inputs kept, inputs that ended the target
printf '\n%-14s %12s %9s %8s %9s\n' target executions edges inputs findings
bad=0
for target in "$@"; do
    log=$build/findings/$target.log
    awk -v name="$target" -v found="$(find $build/findings/"$target" -type f | wc -l)" '
        /stat::number_of_executed_units/ { runs = $2 }
        { for (i = 2; i < NF; ++i) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") inputs = $(i + 1) } }
        END { sub("/.*", "", inputs); printf "%-14s %12d %9d %8d %9d\n", name, runs, edges, inputs, found
              exit found > 0 }' "$log" || bad=1
done
exit $bad
