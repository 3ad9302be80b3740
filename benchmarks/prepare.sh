#!/usr/bin/env bash
# How long does `deeptaxa prepare` take for a set of Greengenes2's size, gzip included, and how much
# memory? Creates the set with gg2_scale if it does not exist (a minute; 140 MB).
#
#     bash benchmarks/prepare.sh [--build DIR] [--data DIR] [--scale S] [--tokenizer FILE]
#                                [--repeats N] [--threads N] [--json FILE]
#
# The data is kept in DIR (default: in the build folder); the default tokenizer is
# $DEEPTAXA_TOKENIZER or share/deeptaxa/tokenizer.json. The machine should be idle.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
build=$project/build tokenizer=${DEEPTAXA_TOKENIZER:-$project/share/deeptaxa/tokenizer.json}
data='' scale=1 passed=()
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=$(cd "$2" && pwd) ;;
        --data) data=$2 ;;
        --scale) scale=$2 ;;
        --tokenizer) tokenizer=$2 ;;
        --repeats | --threads | --json) passed+=("$1" "$2") ;;
        *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
[ -x "$build/benchmarks/bench_prepare" ] || { echo "prepare.sh: build the project first" >&2; exit 1; }
[ -r "$tokenizer" ] || { echo "prepare.sh: no tokenizer $tokenizer: bash launch/get-tokenizer.sh" >&2; exit 77; }
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
data=${data:-$build/benchmarks/gg2-$scale}
if [ ! -r "$data/training.tsv.gz" ]; then
    [ -r "$gold" ] || { echo "prepare.sh: $gold is missing: apt-get install microbiomeutil-data" >&2; exit 77; }
    "$build/benchmarks/gg2_scale" --output-dir "$data" --scale "$scale" >&2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$build/benchmarks/bench_prepare" --program "$build/bin/deeptaxa" --data "$data" \
    --tokenizer "$tokenizer" --scratch "$scratch" "${passed[@]}"
