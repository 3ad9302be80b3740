#!/usr/bin/env bash
# The Debian package works on a fresh Debian: `cpack -G DEB` makes it, debootstrap a Debian (or Ubuntu) of
# this machine's release in a temporary folder, apt installs it there. It trains and predicts on real
# sequences without what it only recommends; with that, on two MPI processes and from xz. Purging it
# leaves nothing. Needs root, debootstrap and sources of packages.
#
#   bash launch/packages/check-debian.sh [BUILD-FOLDER]     without one: builds in a temporary folder
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if [ $# -gt 0 ]; then
    build=$(cd "$1" && pwd)
else
    say "Build"
    build=$work/build
    logged cmake -S "$project" -B "$build" -DCMAKE_INSTALL_PREFIX=/usr -DDEEPTAXA_CUDA=OFF -DDEEPTAXA_MPI=ON -DBUILD_TESTING=OFF
    logged cmake --build "$build" -j "$(nproc)"
fi
logged cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/packed"
package=$(ls "$work"/packed/deeptaxa-mpi_*.deb)
say "$(basename "$package"), $(du -k "$package" | cut -f 1) KiB"
dpkg-deb -f "$package" Depends Recommends
if command -v lintian >/dev/null; then lintian "$package" 2>&1 | grep -v "root privileges" || true; fi

say "Install, in a fresh root"
fresh_root root
mkdir "$work/root/packages"
cp "$package" "$work/root/packages"
some_sequences "$work/root/data"
# documents and manual pages are files of the package, which small images may leave out
rm -f "$work"/root/etc/dpkg/dpkg.cfg.d/*
logged in_root root apt-get install -q -y --no-install-recommends "/packages/$(basename "$package")"
in_root root deeptaxa --version
in_root root dpkg --verify deeptaxa-mpi || die "files differ from the package's"
for file in share/man/man1/deeptaxa-train.1.gz share/bash-completion/completions/deeptaxa share/zsh/site-functions/_deeptaxa \
    share/fish/vendor_completions.d/deeptaxa.fish share/doc/deeptaxa-mpi/copyright share/doc/deeptaxa-mpi/docs/tutorial.md; do
    [ -s "$work/root/usr/$file" ] || die "no /usr/$file"
done
# not on this machine's loader path, and no search path of the build
if in_root root ldconfig -p | grep deeptaxa; then die "a private library that every program could find"; fi
for program in "$work"/root/usr/bin/deeptaxa*; do
    program=/usr/bin/$(basename "$program")
    [[ $program != *-tune ]] || continue # a script
    found=$(in_root root ldd "$program" | awk '$1 == "libdeeptaxa-core.so" { print $3 }')
    [[ $(in_root root realpath "$found") == /usr/lib/*deeptaxa-mpi/libdeeptaxa-core.so ]] || die "$program takes its library from '$found'"
done

# train_and_predict OUT [MPIRUN...]
train_and_predict() {
    local out=/data/$1
    shift
    logged in_root root "$@" deeptaxa train --fasta-file /data/train.fasta --taxonomy-file /data/train.tsv \
        --output-dir "$out" "${small_model[@]}" --device cpu
    logged in_root root deeptaxa predict --fasta-file /data/heldout.fasta --tabular --device cpu --output-dir "$out/predictions" \
        --checkpoint "$(cd "$work/root" && ls ".$out"/checkpoints/*_epoch1.h5 | sed 's/^[.]//')"
    [ "$(cat "$work/root$out"/predictions/*_predictions.tsv | wc -l)" -eq 21 ] || die "not 20 predictions"
}
say "Train and predict, without recommended packages"
train_and_predict alone
if in_root root dpkg -s libopenmpi3 >/dev/null 2>&1; then die "an MPI library where none was asked for"; fi

say "With recommended packages: two MPI processes, input in xz"
read -ra recommended < <(dpkg-deb -f "$package" Recommends | sed 's/([^)]*)//g; s/,/ /g')
logged in_root root apt-get install -q -y "${recommended[@]}" xz-utils
[ "$(in_root root dpkg-query -W -f '${db:Status-Status}' deeptaxa-mpi)" = installed ] || die "apt took the package away"
train_and_predict two mpirun -np 2 --oversubscribe
grep -rq 'Ranks: 2 on 1 host' "$work/root/data/two" || die "mpirun -np 2 did not start a run of two ranks"
logged in_root root xz -k /data/train.fasta
logged in_root root deeptaxa tokenizer --fasta-file /data/train.fasta.xz --output-file /data/xz.json --vocabulary-size 100
in_root root deeptaxa tune --help >/dev/null || die "deeptaxa tune does not start"

say "Purge"
in_root root dpkg -L deeptaxa-mpi >"$work/files"
logged in_root root apt-get purge -q -y deeptaxa-mpi
left=$(find "$work/root" -xdev \( -path '*/root/data' -o -path '*/root/packages' -o -path "$work/root/proc" -o -path '*/var/log' -o -path '*/var/cache/apt' \) -prune \
    -o -iname '*deeptaxa*' -print)
while read -r file; do
    if [ ! -d "$work/root$file" ] && [ -e "$work/root$file" ]; then left+=" $file"; fi
done <"$work/files"
[ -z "$left" ] || die "left behind: $left"
echo "$(wc -l <"$work/files") files and folders, none of ours left"
