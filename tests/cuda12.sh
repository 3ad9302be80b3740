#!/usr/bin/env bash
# Compiles cuda/ and mpi/reduce_nccl.c with the headers and the assembler of CUDA 12.4, the oldest
# toolkit that the project supports: with clang, since PyPI has these but no nvcc 12. By hand: the
# packages are 390 MB.
#
#   bash tests/cuda12.sh FOLDER [FILE.cu]...
#
#   FOLDER   a CUDA 12.4 toolkit, or where to unpack one from PyPI if it has none
#   FILE.cu  only these; default: all
#
# Requires clang++ 18 or later (CXX names another) and, to unpack, python3 with pip. Exit status 77
# if one of them is missing.
set -euo pipefail
[ $# -ge 1 ] || { echo "cuda12.sh: no folder: see the beginning of $0" >&2; exit 2; }
mkdir -p "$1"
toolkit=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
files=("$@")
[ $# -gt 0 ] || files=(cuda/*.cu)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() { echo "SKIPPED: $*"; exit 77; }

unpack() {
    python3 -m pip --version >/dev/null 2>&1 || skip "no CUDA 12 in $toolkit, and no pip to bring it"
    python3 -m pip download --quiet --no-deps --dest "$work" nvidia-cuda-nvcc-cu12==12.4.131 \
        nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-cccl-cu12==12.4.127.post1 \
        nvidia-cublas-cu12==12.4.5.8 nvidia-nccl-cu12 nvidia-cudnn-cu12==9.8.0.87 ||
        skip "CUDA 12 cannot be downloaded"
    python3 - "$work" "$toolkit" <<'END'
import glob, os, sys, zipfile
for wheel in glob.glob(os.path.join(sys.argv[1], "*.whl")):
    archive = zipfile.ZipFile(wheel)
    for name in archive.namelist():
        parts = name.split("/")  # nvidia/<package>/<path in a toolkit>
        if parts[0] == "nvidia" and len(parts) > 3 and parts[2] in ("bin", "include", "nvvm"):
            path = os.path.join(sys.argv[2], *parts[2:])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(archive.read(name))
END
    chmod +x "$toolkit/bin/ptxas"
}

[ -e "$toolkit/include/cuda_runtime.h" ] || unpack
for compiler in "${CXX:-}" clang++-20 clang++-19 clang++-18 clang++; do
    if [ -n "$compiler" ] && command -v "$compiler" >/dev/null &&
        [ "$("$compiler" -dumpversion | cut -d . -f 1)" -ge 18 ]; then break; fi
    compiler=
done
[ -n "$compiler" ] || skip "no clang++ 18 or later"
version=$(sed -n 's/^#define CUDART_VERSION *//p' "$toolkit/include/cuda_runtime_api.h")
echo "CUDA $((version / 1000)).$((version % 1000 / 10)), $("$compiler" --version | head -n 1)"

cudnn=false
if [ -e "$toolkit/include/cudnn_graph.h" ]; then cudnn=true; fi
flags=(-x cuda "--cuda-path=$toolkit" --cuda-gpu-arch=sm_80 -std=c++17 -D_GNU_SOURCE -I. -Isrc
    -Wall -Wextra -Werror -Wno-unknown-cuda-version -Wno-error=pass-failed)
failed=0
# compiled COMMAND...: runs it; counts and shows a failure
compiled() {
    "$@" >"$work/said" 2>&1 || { echo "FAILED: $file"; head -n 20 "$work/said"; failed=$((failed + 1)); }
}
for file in "${files[@]}"; do
    case $file in
        *cudnn_nodes.cu | *cudnn_plan.cu) $cudnn || continue ;;
    esac
    output=(-O1 -c -o "$work/device.o")
    # without a kernel: clang would take the host's tables of functions for the device's
    grep -q __global__ "$file" || output=(-fsyntax-only)
    compiled "$compiler" "${flags[@]}" --cuda-device-only "${output[@]}" "$file"
    compiled "$compiler" "${flags[@]}" --cuda-host-only -fsyntax-only "$file"
done
if [ $# -eq 0 ] && [ -e "$toolkit/include/nccl.h" ]; then
    file=mpi/reduce_nccl.c
    compiled "$compiler" -x c -std=c17 -D_GNU_SOURCE -I. -Isrc "-I$toolkit/include" -Wall -Wextra -Werror \
        -fsyntax-only $file
fi
[ $failed -eq 0 ] || exit 1
echo "${#files[@]} files compile"
