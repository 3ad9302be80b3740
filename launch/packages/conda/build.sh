#!/usr/bin/env bash
# Run by conda in the source folder, with $PREFIX and, of its compilers, $CMAKE_ARGS.
set -euo pipefail
# oneDNN as conda-forge has it may use threads of another kind than the CPU backend's
# shellcheck disable=SC2086 # several arguments
cmake -G Ninja -S . -B conda-build ${CMAKE_ARGS:-} \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib \
    -DDEEPTAXA_CUDA=OFF -DDEEPTAXA_ONEDNN=OFF -DDEEPTAXA_MPI=ON -DDEEPTAXA_ARCHIVE=ON -DBUILD_TESTING=OFF
cmake --build conda-build -j "${CPU_COUNT:-1}"
cmake --install conda-build
