#!/usr/bin/env bash
# The relocatable archive runs on a machine that has nothing but glibc: it is made, unpacked
# somewhere else, every library of every program and module is looked up, with the glibc that it
# requires; first.sh runs every check for a GPU there, on the emulator; and, as root, the programs
# train and predict in a chroot that holds glibc and the archive alone.
#
#   bash tests/package.sh BUILD-FOLDER [MOST-KIB]
#
#   MOST-KIB   the archive must not be larger
set -euo pipefail
build=$(cd "$1" && pwd)
most=${2:-}
# The oldest glibc that programs and the modules for CPU and GPU run on, their libraries included: of
# RHEL 9 (Ubuntu 22.04 has 2.35, Debian 12 2.36). Headers newer than Debian 12's ask for more.
oldest=2.34 headers=2.36
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

(cd "$work" && cpack --config "$build/CPackConfig.cmake" -B "$work/packed" >cpack.log 2>&1) ||
    { cat "$work/cpack.log"; fail "cpack"; exit 1; }
archive=$(ls "$work"/packed/deeptaxa-mpi-*.tar.gz)
mkdir "$work/elsewhere"
tar -xzf "$archive" -C "$work/elsewhere"
tree=$(echo "$work"/elsewhere/*)
size=$(du -k "$archive" | cut -f 1)
echo "$(basename "$archive"): $size KiB, unpacked $(du -sk "$tree" | cut -f 1) KiB"
if [ -n "$most" ] && [ "$size" -gt "$most" ]; then fail "larger than $most KiB"; fi

# newest GLIBC-VERSION...: prints the highest; nothing of nothing
newest() { printf '%s\n' "$@" | sort -V | tail -n 1; }

# glibc_of FILE: prints the version of glibc that it requires; nothing if it calls nothing of it
glibc_of() { readelf -VW "$1" | sed -n 's/.*Name: GLIBC_\([0-9.]*\).*/\1/p' | sort -V | tail -n 1; }

# Where each library comes from: the archive, glibc, or NVIDIA (whose modules load on demand); and the
# glibc that each program or module requires, and its libraries. Only what is loaded on demand, and
# whose libraries the system may have, requires a newer one.
glibc='^(linux-vdso|ld-linux[-_a-z0-9]*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec))\.so'
nvidia='^lib(cuda|cublas|cudnn|nccl|nvrtc|nvJitLink)'
runtime='^lib(stdc\+\+|gcc_s)\.so'
on_demand='libdeeptaxa_(archive|cudnn|mpi|onednn)\.so$'
carried=$(find "$tree/lib" -name '*.so*' -not -name 'libdeeptaxa*' -type f | while read -r file; do glibc_of "$file"; done)
# shellcheck disable=SC2086
highest=$(newest $oldest $carried)
programs=0 all=$oldest all_by=
while IFS= read -r file; do
    case $(head -c 4 "$file" | od -An -tx1) in *"7f 45 4c 46"*) ;; *) continue ;; esac
    programs=$((programs + 1))
    name=${file#"$tree"/}
    if readelf -dW "$file" | grep -oE 'NEEDED.*\[lib(stdc\+\+|gcc_s)' >"$work/runtime"; then
        fail "$name requires a compiler's runtime: $(cat "$work/runtime")"
    fi
    needs=$(glibc_of "$file") by=$name
    [ "$(newest "$needs" "$highest")" = "$highest" ] ||
        fail "$name requires glibc $needs, and the libraries in the archive no more than $highest"
    while read -r library arrow path _; do
        library=$(basename "$library")
        if [[ $library =~ $glibc || $library =~ $nvidia ]]; then continue; fi
        # NVIDIA's libraries find the system's
        if [[ $library =~ $runtime && $name =~ _(cuda|nccl)\.so$ ]]; then continue; fi
        if [ "$arrow" != "=>" ] || [[ $path != "$tree"/* ]]; then
            fail "$name takes $library from ${path:-nowhere}"
            continue
        fi
        theirs=$(glibc_of "$path")
        if [ "$(newest "$needs" "$theirs")" != "$needs" ]; then needs=$theirs by=$library; fi
    done < <(env -i "PATH=$PATH" ldd "$file")
    if [[ $name =~ $on_demand ]]; then
        echo "$name: glibc $needs ($by)"
    elif [ "$(newest "$needs" "$all")" != "$all" ] || [ -z "$all_by" ]; then
        all=$needs all_by=$by
    fi
    if readelf -d "$file" | grep -E 'R(UN)?PATH' | grep -F "$build" >"$work/paths"; then
        fail "$name looks for libraries in the build folder"
    fi
done < <(find "$tree/bin" "$tree/lib/deeptaxa" "$tree/libexec" -type f -not -path '*/cxx/*')
echo "all other programs and modules: glibc $all ($all_by)"
if [ "$(newest "$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" $headers)" = $headers ] && [ "$all" != $oldest ]; then
    fail "$all_by requires glibc $all instead of $oldest"
fi
[ "$programs" -ge 15 ] || fail "only $programs programs and modules"
find "$tree" -name 'lib*' -regextype posix-extended \
    -regex '.*/(ld-linux.*|lib(c|m|dl|rt|pthread|cuda|cudart|cublas.*|cudnn.*|nccl)\.so.*)' >"$work/foreign"
[ ! -s "$work/foreign" ] || fail "what belongs to the system is in the archive: $(cat "$work/foreign")"
for wanted in bin/deeptaxa-tune share/deeptaxa/get-model.sh share/deeptaxa/slurm/tune.sbatch share/doc/DeepTaxa-MPI/docs/make_checkpoint.py \
    share/doc/DeepTaxa-MPI/gpu.md share/doc/DeepTaxa-MPI/docs/tutorial.md share/doc/DeepTaxa-MPI/libraries/README \
    libexec/deeptaxa/tests/gpu/first.sh libexec/deeptaxa/tests/parity/fixtures/hybrid_small.h5 \
    libexec/deeptaxa/benchmarks/gpu_step libexec/deeptaxa/benchmarks/deeptaxa_torch/model.py; do
    [ -e "$tree/$wanted" ] || fail "the archive lacks $wanted"
done

# The table of licences has a row for each library that is carried; what comes from a package of the
# system has its copyright file there, and licences that this names.
licences=$tree/share/doc/DeepTaxa-MPI/libraries
rows=0
while read -r library; do
    row=$(grep -F "$(basename "$library") | " "$licences/README") || { fail "no row for $library in the table of licences"; continue; }
    IFS='|' read -r _ package version names <<<"${row// | /|}"
    rows=$((rows + 1))
    [ "$package" = - ] || [ -s "$licences/$package.txt" ] || fail "no copyright file of $package for $library"
    [ -n "$version" ] && [ -n "$names" ] || fail "no version or licence of $library: $row"
done < <(find "$tree/lib" -name '*.so.*' -type f -not -name 'libdeeptaxa*' -exec readelf -d {} + | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$rows" -ge 5 ] || fail "only $rows carried libraries in the table of licences"
echo "licences of $rows carried libraries, $(grep -c ' | - | ' "$licences/README" || true) of them from no package"

# The programs themselves, from the other place
version=$(env -i "$tree/bin/deeptaxa" --version)
[[ $version == *[0-9].[0-9]* ]] || fail "no version: '$version'"
checks=$tree/libexec/deeptaxa/tests/gpu/first.sh

# first OUT ARGUMENTS...: runs first.sh without the caller's environment; prints its exit status
first() {
    local status=0
    env -i "PATH=$PATH" DEEPTAXA_TEST_FIRST=1 ${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} \
        bash "$checks" "$@" >"$work/first" 2>&1 || status=$?
    echo $status
}

# Where no GPU is, 77 says so; a GPU that cannot be used, here for want of a module, is a failure.
gpu=$(first "$work/none" --only curve_export)
if [ "$gpu" -eq 77 ]; then
    grep -qE 'probe +skipped .*NVIDIA driver' "$work/first" || fail "no reason to skip: $(cat "$work/first")"
elif [ "$gpu" -ne 0 ] && [ -e "$tree/lib/deeptaxa/libdeeptaxa_cuda.so" ]; then
    fail "first.sh ends with $gpu: $(cat "$work/first")"
fi
mkdir "$work/driver"
cat >"$work/driver/driver.c" <<'END'
int cuInit(unsigned flags) { return flags != 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
END
if [ ! -e "$tree/lib/deeptaxa/libdeeptaxa_cuda.so" ] && cc -shared -fPIC -o "$work/driver/libcuda.so.1" "$work/driver/driver.c"; then
    gpu=$(LD_LIBRARY_PATH=$work/driver first "$work/unusable")
    [ "$gpu" -eq 1 ] && grep -q "probe *failed .*no CUDA backend" "$work/first" ||
        fail "a GPU without a module: $gpu, $(cat "$work/first")"
fi

# Every program of the archive, on the emulator; ctest runs all their tests
emulator=$build/lib/deeptaxa/libdeeptaxa_cuda_on_cpu.so
if [ -e "$emulator" ] && [ -e "$tree/lib/deeptaxa/libdeeptaxa_cpu.so" ]; then
    cp "$emulator" "$tree/lib/deeptaxa"
    gpu=$(first "$work/emulated" --device cuda_on_cpu --small --minutes 20)
    rm "$tree/lib/deeptaxa/$(basename "$emulator")"
    sed 's/^/    /' "$work/first"
    [ "$gpu" -eq 0 ] || fail "first.sh ends with $gpu"
    ! grep -qE '^[a-z_0-9]+ +(unfinished|left out)' "$work/first" || fail "first.sh does not end in time"
    [ "$(find "$work/emulated" -type f | wc -l)" -le 4 ] || fail "more than four files: $(ls "$work/emulated")"
    for program in "$tree"/libexec/deeptaxa/tests/gpu/test_*; do
        name=$(basename "$program")
        grep -qE "^${name#test_} +(passed|skipped .*built without cuDNN)" "$work/first" || fail "$name is not run by first.sh"
    done
else
    echo "no emulator in this build: the tests for a GPU are left out"
fi

small_model="--embed-dim 16 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 64 --batch-size 8 --epochs 1 --threads 1"

# in_root COMMAND...: in the chroot, with an empty environment. /proc is not mounted there; all that
# the loader asks it is where the program stands.
in_root() {
    ln -sfn "$1" "$work/root/proc/self/exe"
    env -i "$(command -v chroot)" "$work/root" "$@"
}
if [ "$(id -u)" -eq 0 ] && chroot / true 2>/dev/null; then
    mkdir -p "$work/root"/{lib64,lib,opt,data,tmp,proc/self}
    env -i ldd "$tree/bin/deeptaxa-train" | tr ' \t' '\n\n' | grep '^/' | while read -r library; do
        if [[ $(basename "$library") =~ $glibc ]]; then
            mkdir -p "$work/root$(dirname "$library")"
            cp -L "$library" "$work/root$library"
        fi
    done
    for library in libpthread.so.0 libdl.so.2 librt.so.1 libresolv.so.2; do
        path=$(ldconfig -p 2>/dev/null | awk -v l="$library" '$1 == l && /x86-64/ && !n++ { print $NF }')
        if [ -n "$path" ]; then mkdir -p "$work/root$(dirname "$path")" && cp -L "$path" "$work/root$path"; fi
    done
    cp -r "$tree" "$work/root/opt/deeptaxa"
    "$tree/libexec/deeptaxa/tests/gpu/gpu_check" sequences "$work/root/data" 40
    bin=/opt/deeptaxa/bin
    # shellcheck disable=SC2086
    in_root $bin/deeptaxa-tokenizer --fasta-file /data/reads.fasta --output-file /data/t.json --vocabulary-size 100 &&
        in_root $bin/deeptaxa-train --fasta-file /data/reads.fasta --taxonomy-file /data/reads.tsv \
            --tokenizer-file /data/t.json --output-dir /data/run $small_model --device cpu &&
        model=$(cd "$work/root" && echo data/run/checkpoints/*_epoch1.h5) &&
        in_root $bin/deeptaxa-predict --fasta-file /data/reads.fasta --checkpoint "/$model" \
            --output-dir /data/p --tabular --device cpu || fail "the programs do not run with glibc alone"
    [ "$(cat "$work"/root/data/p/*_predictions.tsv 2>/dev/null | wc -l)" -eq 41 ] || fail "not 40 predictions"
    if [ -e "$tree/lib/deeptaxa/libdeeptaxa_archive.so" ]; then
        "$build/tests/pack" xz "$work/root/data/packed" "$work/root/data/reads.fasta"
        in_root $bin/deeptaxa-tokenizer --fasta-file /data/packed --output-file /data/p.json --vocabulary-size 100 ||
            fail "no input in xz with glibc alone"
        cmp "$work/root/data/t.json" "$work/root/data/p.json" || fail "another vocabulary from xz"
    fi
    if [ -e "$tree/lib/deeptaxa/libdeeptaxa_cuda.so" ]; then
        said=$(in_root $bin/deeptaxa-predict --fasta-file /data/reads.fasta --checkpoint "/$model" \
            --output-dir /data/p --device cuda 2>&1) && fail "a GPU without its libraries"
        [[ $said == *"libcublasLt.so"*"LD_LIBRARY_PATH"* ]] || fail "no remedy in: $said"
    fi
else
    echo "the chroot needs root: left out"
fi

[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
echo "$programs programs and modules require nothing but the archive, glibc and NVIDIA's libraries"
