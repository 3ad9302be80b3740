#!/usr/bin/env bash
# Installs the packages that DeepTaxa-MPI needs and that are missing, on Debian 12 or Ubuntu 24.04 and
# later, as root or with sudo. On other systems it prints a list of what is required.
#
#   bash launch/install-deps.sh            everything
#   bash launch/install-deps.sh build      for compiling
#   bash launch/install-deps.sh build data for compiling, and the 16S sequences of the quick start
#   groups: build, data, tests, cluster, lint
set -euo pipefail

# make for `cmake` without -G Ninja; serial HDF5; zlib; libarchive for input in bzip2, xz, zstd and zip;
# jansson for JSON; MPI for several ranks
build=(gcc libc6-dev cmake make ninja-build pkg-config libhdf5-dev zlib1g-dev libarchive-dev
       libjansson-dev libopenmpi-dev openmpi-bin)
# oneDNN, for prediction in bf16 on processors with bf16 instructions
[ "$(uname -m)" != x86_64 ] || build+=(libdnnl-dev)
# 5,181 near full-length 16S sequences of type strains with their lineages (BSD licence)
data=(microbiomeutil-data)
# g++, awk and a CBLAS for the CUDA kernels compiled for the CPU; python3 for reading our files as
# notebooks do; a second MPI library; tcl for reading the file for `module load`
tests=(libcmocka-dev g++ mawk libopenblas-openmp-dev python3 libmpich-dev mpich tcl)
# Slurm, and network namespaces as hosts, for the tests with several ranks; not needed to use DeepTaxa
cluster=(munge slurmctld slurmd slurm-client iproute2 util-linux)
# clang-tidy needs the omp.h of LLVM's OpenMP
lint=(clang-format clang-tidy libomp-dev shellcheck)

wanted=()
for group in "${@:-all}"; do
    case $group in
        all) wanted+=("${build[@]}" "${data[@]}" "${tests[@]}" "${cluster[@]}"
                 "${lint[@]}") ;;
        build) wanted+=("${build[@]}") ;;
        data) wanted+=("${data[@]}") ;;
        tests) wanted+=("${tests[@]}") ;;
        cluster) wanted+=("${cluster[@]}") ;;
        lint) wanted+=("${lint[@]}") ;;
        *) echo "install-deps.sh: unknown group '$group': build, data, tests, cluster, lint or all" >&2; exit 2 ;;
    esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    cat <<END
This is neither Debian nor Ubuntu. Please install:
  a C17 compiler (GCC 10 or later, or Clang), CMake 3.24 or later, Ninja or make, pkg-config
  HDF5 1.10 or later (C library), zlib, jansson
  for input in bzip2, xz, zstd, zip or QIIME 2 artifacts: libarchive 3.3.3 or later
  for prediction in bf16 on x86-64 processors that multiply it: oneDNN 2 or 3 with OpenMP threads
  for many ranks: an MPI library (Open MPI, MPICH, ...); without one a single process can run
  for the tests: cmocka, Python 3, a C++ compiler, OpenBLAS (or another CBLAS), Tcl; to run those of slurm/: munge, slurmctld and slurmd
  for checking the source: clang-format 14, clang-tidy 14 or later, shellcheck
  for the quick start: rRNA16S.gold.fasta of microbiomeutil (name it in DEEPTAXA_GOLD_FASTA)
On Debian these are: ${wanted[*]}
END
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "Nothing to install: all ${#wanted[@]} packages are here."
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps.sh: needs root; ask for: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
