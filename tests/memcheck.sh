#!/usr/bin/env bash
# valgrind's memcheck over the unit tests of a build without sanitizers:
#
#   bash tests/memcheck.sh [-b BUILD] [-j JOBS] [-t SECONDS] [NAME...]    NAME: part of a test's name
#
# BUILD is build unless given; SECONDS (300) is the limit of a test, which takes some thirty times as
# long as alone. Prints a line for each test, with its reports below. Ends with 1 if there is an error
# or a leak; a test that failed, or was not finished, is none.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build
jobs=$(nproc)
limit=300
while getopts b:j:t: option; do
    case $option in
        b) build=$OPTARG ;;
        j) jobs=$OPTARG ;;
        t) limit=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
command -v valgrind >/dev/null || { echo "SKIPPED: valgrind is not installed" >&2; exit 77; }
names=$(IFS='|'; echo "$*")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without the emulator of CUDA, for which valgrind has too few addresses: a copy that lacks its module
mkdir "$work/tests"
cp -a "$build/lib" "$work/lib"
rm -f "$work"/lib/deeptaxa/*cuda_on_cpu*
# valgrind knows no AVX-512: our build for all processors, and libraries that stay below it
export DEEPTAXA_CPU_BUILD=cpu OPENBLAS_CORETYPE=Haswell ONEDNN_MAX_CPU_ISA=AVX2
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
export limit work

# check PROGRAM: its line and reports
check() {
    local name code=0 result
    name=$(basename "$1")
    nice timeout "$limit" valgrind --quiet --error-exitcode=99 --leak-check=full --num-callers=20 \
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --fair-sched=yes \
        --suppressions=tests/memcheck.supp --child-silent-after-fork=yes --log-file="$work/$name.log" \
        "$1" >"$work/$name.out" 2>&1 </dev/null || code=$?
    case $code in
        0) result=clean ;;
        77) result=skipped ;;
        99) result=errors ;;
        124) result="not finished in $limit seconds" ;;
        *) result="exit status $code" ;;
    esac
    if grep -q FAILED "$work/$name.out"; then # what it held then counts as lost
        result="failed, for example because it was too slow"
        grep -qE 'Invalid|uninitialised' "$work/$name.log" && touch "$work/found"
    elif [ -s "$work/$name.log" ]; then
        result=errors
        touch "$work/found"
    fi
    {
        echo "$name: $result"
        grep -E 'ERROR|FAILED|LINE' "$work/$name.out" || true
        cat "$work/$name.log"
    } >"$work/$name.said"
    cat "$work/$name.said"
}
export -f check

# cpu/allocations has a malloc of its own; the others are about the emulator.
find "$build/tests" -maxdepth 1 -name 'test_*' -type f -perm -u+x -exec cp -t "$work/tests" {} +
rm -f "$work"/tests/test_{cpu_allocations,cuda_on_cpu_*,cudnn_plans,checked,emulator,streams,findings,parity_cuda_orders,ptx}
find "$work/tests" -name 'test_*' | sort | { grep -E "$names" || true; } | xargs -r -P "$jobs" -I PROGRAM bash -c 'check PROGRAM'
[ ! -e "$work/found" ]
