#!/usr/bin/env bash
# Builds the fuzz targets for a fuzzing service, by the environment variables of OSS-Fuzz: compilers CC
# and CXX, their flags CFLAGS and CXXFLAGS with those of the sanitizer and of the coverage,
# LIB_FUZZING_ENGINE (flags that link the engine), WORK (a folder to build in), and OUT, which receives
# the targets, their seeds as TARGET_seed_corpus.zip, their options, and in lib/ the libraries that are
# not part of every Linux. To try it:
#
#   CC=clang CXX=clang++ LIB_FUZZING_ENGINE=-fsanitize=fuzzer WORK=/tmp/work OUT=/tmp/out \
#   CFLAGS='-O1 -g -fsanitize=address,fuzzer-no-link' CXXFLAGS=$CFLAGS bash tests/fuzz/build.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CC:?}" "${CXX:?}" "${LIB_FUZZING_ENGINE:?}" "${OUT:?}"
build=${WORK:-/tmp}/deeptaxa-fuzz

# The engine's flags stand in CFLAGS; the origin is for the dynamic linker.
# shellcheck disable=SC2016
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=None -DDEEPTAXA_CUDA=OFF -DDEEPTAXA_MPI=OFF \
    -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_C_FLAGS="${CFLAGS:-} -DDT_SMALL_BLOCKS" \
    -DCMAKE_CXX_FLAGS="${CXXFLAGS:-}" -DDEEPTAXA_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" \
    -DCMAKE_BUILD_RPATH='$ORIGIN/lib'
cmake --build "$build" -j "$(nproc)" --target fuzz_targets

mkdir -p "$OUT/lib/deeptaxa"
for target in "$build"/tests/fuzz/fuzz_*; do
    name=$(basename "$target")
    what=${name#fuzz_}
    cp "$target" "$OUT/"
    printf '[libfuzzer]\nrss_limit_mb = 2048\nmalloc_limit_mb = 1024\ntimeout = 10\n' >"$OUT/$name.options"
    case $what in
    checkpoint | container | shards | torch) echo 'max_len = 400000' >>"$OUT/$name.options" ;;
    esac
    rm -f "$OUT/${name}_seed_corpus.zip"
    find "tests/fuzz/corpus/$what" "$build/tests/fuzz/corpus/$what" -type f 2>/dev/null |
        zip -qj "$OUT/${name}_seed_corpus.zip" -@
    ldd "$target" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
        grep -vE '/(ld-linux|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+)[.-]' |
        while read -r library; do cp -L "$library" "$OUT/lib/"; done
done
cp "$build"/lib/deeptaxa/libdeeptaxa_archive.so "$OUT/lib/deeptaxa/" 2>/dev/null ||
    echo "no libarchive: the target unpack reads gzip alone"
