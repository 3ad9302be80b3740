#!/usr/bin/env bash
# The program works on 64-bit Arm: a fresh Debian of this machine's release, which debootstrap makes in a
# temporary folder, has the cross compiler and Debian's libraries for arm64 (cmake/aarch64.cmake). What is
# built there runs under qemu-user: the core of the test suite, again in part with larger pages, two MPI
# processes, and training. A checkpoint trained here on x86-64 predicts the same taxa there, and back.
#
#   bash launch/packages/check-aarch64.sh [BUILD-FOLDER]     without one: builds in a temporary folder
#
# Needs root, debootstrap, Debian's sources of packages, qemu-user-static and a kernel whose user namespaces
# have their own binfmt_misc (Linux 6.7 or later): nothing of this machine is changed. JOBS=N: that many
# compilers and tests at a time. TESTS=REGEX: these tests instead of the core.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
jobs=${JOBS:-$(nproc)}
tests=${TESTS:-'^(core|io|options|taxonomy|sequence|data|model|cpu|run|eval|predict|report|train|ranks|launch|mpi|profile)/|^parity/(finite|model|losses|tokenizer|numpy)|^cluster/(host_2|gradients_cpu_2)$|^cli/(installation|invocation|threads|training_set|bad_input|extract)$'}
emulator=$(command -v qemu-aarch64-static) || die "install qemu-user-static"

if [ $# -gt 0 ]; then
    here=$(cd "$1" && pwd)/bin
else
    say "Build for this machine"
    logged cmake -S "$project" -B "$work/build" -DDEEPTAXA_CUDA=OFF -DDEEPTAXA_MPI=OFF -DBUILD_TESTING=OFF
    logged cmake --build "$work/build" -j "$jobs"
    here=$work/build/bin
fi

say "A fresh root with a cross compiler and libraries for arm64"
fresh_root root
logged in_root root dpkg --add-architecture arm64
logged in_root root apt-get update -q
libraries=(libhdf5-dev libjansson-dev zlib1g-dev libarchive-dev libopenblas-openmp-dev libopenmpi-dev libcmocka-dev)
logged in_root root apt-get install -q -y --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
    cmake ninja-build pkg-config python3 "${libraries[@]/%/:arm64}"
cp "$emulator" "$work/root/usr/bin/qemu-aarch64-static"
local_source "$work/root/src"
some_sequences "$work/root/data"
cp "$gold" "$work/root/data/gold.fasta"
# as Linux writes it on a Grace processor
printf '%s\n' $'processor\t: 0' $'CPU implementer\t: 0x41' $'CPU part\t: 0xd4f' >"$work/cpuinfo"

# arm COMMAND...: runs it in the root, where the kernel starts programs for aarch64 in the emulator. It
# does so in a user namespace of its own, and nowhere else.
header='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
export work format=":aarch64:M::$header:$mask:$emulator:F"
export -f in_root
arm() {
    unshare --user --map-root-user --mount bash -ec '
        mount -t binfmt_misc none "$work/root/mnt"
        printf %s "$format" >"$work/root/mnt/register"
        mount --bind "$work/cpuinfo" "$work/root/proc/cpuinfo"
        mount -t tmpfs tmpfs "$work/root/dev/shm"
        in_root root "$@"' arm "$@"
}
arm true || die "this kernel has no binfmt_misc for a user namespace"

say "Build for aarch64"
logged arm cmake -S /src -B /build -G Ninja -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DDEEPTAXA_WERROR=ON \
    -DDEEPTAXA_CUDA=OFF -DDEEPTAXA_MPI=ON
logged arm cmake --build /build -j "$jobs"
file=$work/root/build/bin/deeptaxa-train
[ "$(od -An -tx1 -j 18 -N 2 "$file" | tr -d ' ')" = b700 ] || die "$file is not for aarch64"
[ -s "$work/root/build/pages/man/deeptaxa-train.1" ] || die "no manual pages"

# pass REGEX [VARIABLE=VALUE...]
pass() {
    local regex=$1
    shift
    logged arm env DEEPTAXA_GOLD_FASTA=/data/gold.fasta "$@" ctest --test-dir /build -j "$jobs" --timeout 600 --output-on-failure -R "$regex"
    grep -E '% tests passed|Skipped\)$' "$work/log"
}
say "Tests"
pass "$tests"
# HDF5 itself crashes in the emulator with 64 KiB, in H5open()
say "Tests with pages of 64 KiB; of 16 KiB where HDF5 writes"
pass '^(core|io/[^c]|cpu/(allocations|backend)|predict|report|run/[^c])' QEMU_PAGESIZE=65536
pass '^(io/container|run/checkpoint|train/checkpoint_writer)$' QEMU_PAGESIZE=16384

say "Train on both, predict on both"
sequences=(--fasta-file /data/train.fasta --taxonomy-file /data/train.tsv)
logged arm /build/bin/deeptaxa train "${sequences[@]}" --output-dir /data/arm "${small_model[@]}" --device cpu --threads 2
grep -q 'Device: Arm processor 0x41/0xd4f, 2 threads (cpu)' "$work/log" || die "another name of the processor"
logged "$here/deeptaxa" train "${sequences[@]/#\/data/$work/root/data}" --output-dir "$work/root/data/x86" \
    "${small_model[@]}" --device cpu --threads 2

# beside FROM A B: the same taxa in the tables of predictions A and B; how far the scores are apart
beside() {
    awk -F '\t' -v what="$1" '
        NR == FNR { row[FNR] = $0; rows = FNR; next }
        split(row[FNR], was) != NF { exit bad = 1 }
        {
            for (i = 1; i <= NF; ++i)
                if ($i != was[i] && (FNR == 1 || $i !~ /^[0-9.e-]+$/ || was[i] !~ /^[0-9.e-]+$/)) {
                    print "row " FNR ": " was[i] ", and " $i
                    bad = 1
                } else if ($i != was[i]) {
                    apart = $i > was[i] ? $i - was[i] : was[i] - $i
                    if (apart > most) most = apart
                    ++differ
                } else
                    ++same
        }
        END {
            printf "%s: %d sequences, %d values equal, %d apart by at most %.1e\n", what, FNR - 1, same, differ, most
            exit bad || FNR != rows || rows != 21 || most > 1e-5
        }' "$work/root/data/$2"/*_predictions.tsv "$work/root/data/$3"/*_predictions.tsv || die "$1: other predictions"
}
fields=(--tabular --tabular-fields predicted raw_score entropy --device cpu --threads 2)
for model in x86 arm; do
    logged arm /build/bin/deeptaxa predict --fasta-file /data/heldout.fasta --checkpoint /data/$model \
        --output-dir "/data/$model-by-arm" "${fields[@]}"
    logged "$here/deeptaxa" predict --fasta-file "$work/root/data/heldout.fasta" --checkpoint "$work/root/data/$model" \
        --output-dir "$work/root/data/$model-by-x86" "${fields[@]}"
    beside "trained on $model" $model-by-x86 $model-by-arm
done
beside "trained and predicted on one" x86-by-x86 arm-by-arm

echo "not checked: a real Arm processor and its speed, its memory order (this machine's is stricter), SVE, CUDA on
Grace-Hopper, NCCL, bf16 (oneDNN is used on x86-64 only), HDF5 with pages of 64 KiB, more than two processes, most tests of the command line"
