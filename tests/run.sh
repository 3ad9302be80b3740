#!/usr/bin/env bash
# Builds and tests everything: optimised, and with AddressSanitizer and UndefinedBehaviorSanitizer;
# checks form and source with clang-format, clang-tidy and shellcheck, and the compiled form of the
# CUDA kernels. Ends with ctest's closing lines.
#
#   bash tests/run.sh [ctest options, as -R cli]
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
# Several tests run at a time: OpenMP threads that wait must not burn the others' processor.
export OMP_WAIT_POLICY=passive
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

say() { printf '\n== %s\n' "$*"; }

# build PRESET FOLDER
build() {
    say "Build: $1"
    local generator=()
    if [ ! -f "$2/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
    cmake --preset "$1" "${generator[@]}" -DBUILD_TESTING=ON >"$results/configure" ||
        { cat "$results/configure"; exit 1; }
    cmake --build "$2" -j "$jobs"
}

# The CUDA backend by NVIDIA's compiler, for one architecture, and the archive with it, whose size is
# bounded (KiB): tests/cuda_on_cpu/ runs its sources.
build_cuda() {
    say "Build: cuda"
    if ! command -v nvcc >/dev/null; then
        echo "SKIPPED: nvcc is not installed; the same sources are compiled for the CPU"
        return
    fi
    local generator=()
    if [ ! -f build-cuda/CMakeCache.txt ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
    cmake --preset cuda "${generator[@]}" -DBUILD_TESTING=ON -DCMAKE_CUDA_ARCHITECTURES=90a-real \
        -DDEEPTAXA_ARCHIVE=OFF -DDEEPTAXA_WERROR=ON >"$results/configure" ||
        { cat "$results/configure"; exit 1; }
    cmake --build build-cuda -j "$jobs" --target packaged
    bash tests/package.sh build-cuda 46080 >"$results/package" 2>&1 || failed+=("archive of build-cuda")
    grep -E 'KiB|glibc|FAILED|require' "$results/package"
}

check_gpu_code() {
    say "Compiled kernels: cuobjdump"
    local status=0
    bash tests/gpu_code.sh build-cuda/lib/deeptaxa/libdeeptaxa_cuda.so || status=$?
    case $status in
        0 | 77) ;; # it has said so
        *) failed+=("compiled kernels") ;;
    esac
}

check_format() {
    say "Form: clang-format"
    local status=0
    bash tests/format.sh || status=$?
    case $status in
        0) echo "every file is as clang-format leaves it" ;;
        77) ;; # it has said so
        *) failed+=(clang-format) ;;
    esac
}

check_scripts() {
    say "Scripts: shellcheck"
    if ! command -v shellcheck >/dev/null; then
        echo "SKIPPED: shellcheck is not installed"
    elif find . -path './build*' -prune -o \( -name '*.sh' -o -name '*.sbatch' -o -path ./.ci/run \) -print0 |
        xargs -0 -P "$jobs" -n 10 shellcheck -x -S warning; then
        echo "nothing found"
    else
        failed+=(shellcheck)
    fi
}

check_source() {
    say "Source: clang-tidy"
    local tool
    tool=$(bash tests/clang_tool.sh clang-tidy) || true
    # Two at a time, each file by a process of its own (with several, version 14 reports va_lists
    # that are fine); a file that is compiled several times is checked once. The tests are left
    # out: the analyser does not know that cmocka's assertions do not return.
    if [ -z "$tool" ]; then
        echo "SKIPPED: clang-tidy 14 or later is not installed"
    elif sed -n 's/^ *"file": "\(.*\.c\)",\{0,1\}$/\1/p' build-debug/compile_commands.json |
        grep -v '/tests/' | sort -u | xargs -P 2 -n 1 "$tool" -p build-debug --quiet 2>"$results/tidy"; then
        echo "nothing found"
    else
        grep -vE 'warnings? (generated|treated)' "$results/tidy" || true
        failed+=(clang-tidy)
    fi
}

# run_tests PRESET: ctest's whole output is shown and kept. One more than processors: some tests
# wait most of the time (for timeouts, for MPI and Slurm to start).
run_tests() {
    say "Tests: $1"
    ctest --preset "$1" -j $((jobs + 1)) "${@:2}" 2>&1 | tee "$results/$1" || failed+=("tests of $1")
}

failed=()
bash tests/gpu/get-tools.sh
build cpu build
build debug build-debug
build_cuda
check_gpu_code
check_format
check_source
check_scripts
run_tests debug "$@"
run_tests cpu "$@"

say "Closing lines: debug (sanitizers), then cpu (optimised)"
for preset in debug cpu; do
    sed -n '/tests did not run/,$p' "$results/$preset" | grep -i skipped || true
    grep 'tests passed' "$results/$preset" || true
done
[ ${#failed[@]} -eq 0 ] || { printf 'FAILED: %s\n' "${failed[@]}" >&2; exit 1; }
