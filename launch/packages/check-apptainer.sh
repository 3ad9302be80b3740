#!/usr/bin/env bash
# What the Apptainer definition does works: its %post runs on this source in a fresh root made by
# debootstrap, and its program trains there. Apptainer itself is not needed, and not checked: that
# needs %files, %environment and %runscript read by it. Needs root, debootstrap, sources of packages.
#
#   bash launch/packages/check-apptainer.sh
set -euo pipefail
source "$(dirname "$0")/lib.sh"
definition=$project/launch/packages/deeptaxa.def
# section NAME: the lines of that section
section() { awk -v name="%$1" '/^%/ { inside = $1 == name; next } inside' "$definition"; }

say "A fresh root"
fresh_root image
mkdir -p "$work/image/opt/deeptaxa-source"
git -C "$project" ls-files -z --cached --others --exclude-standard | (cd "$project" && while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"; done | tar --null -T - -c) | tar -x -C "$work/image/opt/deeptaxa-source"

say "%post"
{ echo "set -e"; section post; } >"$work/image/post.sh"
logged in_root image sh /post.sh
[ ! -e "$work/image/opt/deeptaxa-source" ] || die "%post leaves the source in the image"

say "%environment, %runscript: train"
some_sequences "$work/image/data"
{ section environment; section runscript; } >"$work/image/run.sh"
in_root image sh /run.sh --version
logged in_root image sh /run.sh train --fasta-file /data/train.fasta --taxonomy-file /data/train.tsv \
    --output-dir /data/run "${small_model[@]}" --device cpu
[ -s "$(ls "$work"/image/data/run/checkpoints/*_epoch1.h5)" ] || die "no checkpoint"
echo "the image's program trains"
