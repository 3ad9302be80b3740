#!/usr/bin/env bash
# The relocatable archive runs on a machine that has nothing but glibc: it is made, unpacked
# somewhere else, every library of every program and module is looked up, and, as root, the programs
# train and predict in a chroot that holds glibc and the archive alone.
#
#   bash tests/package.sh BUILD-FOLDER
set -euo pipefail
build=$(cd "$1" && pwd)
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
echo "$(basename "$archive"): $(du -k "$archive" | cut -f 1) KiB, unpacked $(du -sk "$tree" | cut -f 1) KiB"

# Where each library comes from: the archive, glibc, or NVIDIA (whose modules load on demand)
glibc='^(linux-vdso|ld-linux[-_a-z0-9]*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec))\.so'
nvidia='^lib(cuda|cublas|cudnn|nccl|nvrtc|nvJitLink)'
programs=0
while IFS= read -r file; do
    case $(head -c 4 "$file" | od -An -tx1) in *"7f 45 4c 46"*) ;; *) continue ;; esac
    programs=$((programs + 1))
    while read -r library arrow path _; do
        name=$(basename "$library")
        if [[ $name =~ $glibc || $name =~ $nvidia ]]; then continue; fi
        if [ "$arrow" != "=>" ] || [[ $path != "$tree"/* ]]; then
            fail "${file#"$tree"/} takes $library from ${path:-nowhere}"
        fi
    done < <(env -i "PATH=$PATH" ldd "$file")
    if readelf -d "$file" | grep -E 'R(UN)?PATH' | grep -F "$build" >"$work/paths"; then
        fail "${file#"$tree"/} looks for libraries in the build folder"
    fi
done < <(find "$tree/bin" "$tree/lib/deeptaxa" "$tree/libexec" -type f)
[ "$programs" -ge 15 ] || fail "only $programs programs and modules"
find "$tree" -name 'lib*' -regextype posix-extended \
    -regex '.*/(ld-linux.*|lib(c|m|dl|rt|pthread|cuda|cudart|cublas.*|cudnn.*|nccl)\.so.*)' >"$work/foreign"
[ ! -s "$work/foreign" ] || fail "what belongs to the system is in the archive: $(cat "$work/foreign")"
for wanted in share/doc/DeepTaxa-MPI/gpu.md share/doc/DeepTaxa-MPI/docs/tutorial.md share/doc/DeepTaxa-MPI/libraries/README \
    libexec/deeptaxa/tests/gpu/run.sh libexec/deeptaxa/tests/parity/fixtures/hybrid_small.h5 \
    libexec/deeptaxa/benchmarks/gpu_step libexec/deeptaxa/benchmarks/deeptaxa_torch/model.py; do
    [ -e "$tree/$wanted" ] || fail "the archive lacks $wanted"
done

# The programs themselves, from the other place
version=$(env -i "$tree/bin/deeptaxa" --version)
[[ $version == *[0-9].[0-9]* ]] || fail "no version: '$version'"
gpu=0
env -i "PATH=$PATH" "OUT=$work" bash "$tree/libexec/deeptaxa/tests/gpu/run.sh" --only curve_export \
    >"$work/gpu" 2>&1 || gpu=$?
if [ "$gpu" -eq 77 ]; then
    grep -q SKIPPED "$work/gpu" || fail "run.sh does not say that there is no GPU: $(cat "$work/gpu")"
elif [ "$gpu" -ne 0 ]; then
    fail "run.sh ends with $gpu: $(cat "$work/gpu")"
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
echo "$programs programs and modules need nothing but what the archive holds, glibc and NVIDIA's"
