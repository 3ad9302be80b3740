#!/usr/bin/env bash
# What the Apptainer definition does works: its %post runs on this source in a fresh root made by
# debootstrap, and its program trains there. Not checked: Apptainer itself, which is not
# needed here. Needs root, debootstrap, sources of packages.
#
#   bash launch/packages/check-apptainer.sh
set -euo pipefail
source "$(dirname "$0")/lib.sh"
definition=$project/launch/packages/deeptaxa.def
# section NAME: the lines of that section
section() { awk -v name="%$1" '/^%/ { inside = $1 == name; next } inside' "$definition"; }

say "A fresh root"
fresh_root image
local_source "$work/image/opt/deeptaxa-source"

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
