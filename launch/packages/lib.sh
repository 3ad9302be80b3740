# Helpers of the scripts that check packages: sourced after `set -euo pipefail`. $work is an empty folder
# of the script's own, which goes when it ends, with what is mounted in it.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
script=$(basename "$0")
work=$(mktemp -d)
mounted=()

clean_up() {
    local folder
    for folder in "${mounted[@]}"; do umount "$folder" || { echo "$script: $folder is left mounted" >&2; return; }; done
    rm -rf "$work"
}
trap clean_up EXIT

say() { printf '\n== %s\n' "$*"; }
die() { echo "$script: $*" >&2; exit 1; }
# logged COMMAND...: its output is shown only if it fails
logged() { "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; die "failed: $*"; }; }

# fresh_root NAME: $work/NAME is a fresh Debian (or Ubuntu) of this machine's release, of the smallest
# kind, with this machine's sources of packages.
fresh_root() {
    local root=$work/$1 suite
    [ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap"
    command -v debootstrap >/dev/null || die "install debootstrap"
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    logged debootstrap --variant=minbase "$suite" "$root"
    rm -f "$root/etc/apt/sources.list"
    cp -r /etc/apt/sources.list* "$root/etc/apt/"
    mkdir -p "$root/usr/share/keyrings"
    cp -n /usr/share/keyrings/*.gpg "$root/usr/share/keyrings/" 2>/dev/null || true
    cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
    mount -t proc proc "$root/proc" && mounted+=("$root/proc")
    in_root "$1" apt-get update -q >"$work/log" 2>&1 || die "no lists of packages: $(tail -n 3 "$work/log")"
}

# in_root NAME COMMAND...: runs it in that root, with an environment of its own
in_root() {
    local root=$work/$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        chroot "$root" "$@"
}

# local_source FOLDER: the files of this tree, as they are now
local_source() {
    mkdir -p "$1"
    git -C "$project" ls-files -z --cached --others --exclude-standard |
        (cd "$project" && while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
            tar --null -T - -c) | tar -x -C "$1"
}

# some_sequences FOLDER: 80 type strains with their lineages and 20 more, as launch/split-gold.awk writes
some_sequences() {
    [ -r "$gold" ] || die "$gold is missing: install microbiomeutil-data, or set DEEPTAXA_GOLD_FASTA"
    mkdir -p "$1"
    awk -v folder="$1" -v limit=100 -f "$project/launch/split-gold.awk" "$gold"
}
# shellcheck disable=SC2034 # for the scripts that source this file
small_model=(--embed-dim 16 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 64 --batch-size 8 --epochs 1)
