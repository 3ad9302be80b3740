#!/usr/bin/env bash
# How much performance is lost if the processors of this machine are divided among ranks?
#
#     bash benchmarks/scaling.sh [--build DIR] [--ranks N] [--sequences N] [--batch N] [--pairs N]
#                                [--tokenizer FILE] [--grad-dtype TYPE] [--output FILE]
#
# Trains the default model for one epoch on real full-length 16S sequences, alternately with one
# rank on all processors and with N ranks (default 2) that share them and exchange gradients of TYPE
# (fp32 or bf16). Prints medians of the epoch's time and of its components on rank 0, and the ratio;
# with --output also as JSON. The machine should be idle.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
build=$project/build ranks=2 sequences=160 batch=64 pairs=3 tokenizer=() dtype=fp32 output=
while [ $# -ge 2 ]; do
    case $1 in
        --build) build=$(cd "$2" && pwd) ;;
        --ranks) ranks=$2 ;;
        --sequences) sequences=$2 ;;
        --batch) batch=$2 ;;
        --pairs) pairs=$2 ;;
        --tokenizer) tokenizer=(--tokenizer-file "$(realpath "$2")") ;;
        --grad-dtype) dtype=$2 ;;
        --output) output=$(realpath "$2") ;;
        *) break ;;
    esac
    shift 2
done
[ $# -eq 0 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
[ -r "$gold" ] || { echo "scaling.sh: $gold is missing: apt-get install microbiomeutil-data" >&2; exit 77; }
command -v mpirun >/dev/null || { echo "scaling.sh: no mpirun: apt-get install openmpi-bin" >&2; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir data
awk -v folder=data -v limit="$sequences" -f "$project/launch/split-gold.awk" "$gold"
"$build/bin/deeptaxa" prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    "${tokenizer[@]}" --output-dir shards 2>/dev/null
processors=$(nproc)
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# run FOLDER RANKS: trains for one epoch; appends its times to FOLDER.times
parts=(training data compute waiting evaluation)
run() {
    local launch=() value line=
    [ "$2" -eq 1 ] || launch=(mpirun -np "$2" --bind-to none)
    [ "$2" -eq 1 ] || set -- "$@" --grad-dtype "$dtype"
    rm -rf "$1"
    "${launch[@]}" "$build/bin/deeptaxa" train --data shards --output-dir "$1" --epochs 1 \
        --batch-size "$batch" --threads $((processors / $2)) "${@:3}" 2>"$1.log" ||
        { cat "$1.log" >&2; exit 1; }
    for part in "${parts[@]}"; do
        value=$(sed -n "s/.*\"${part}_time_seconds\": *\([0-9.eE+-]*\).*/\1/p" "$1"/metrics/*epoch1.json)
        line+="$value "
    done
    value=$(sed -n 's/.*"checkpoint_stall_time": *\([0-9.eE+-]*\).*/\1/p' "$1"/metrics/*epoch1.json)
    echo "$line$value" >>"$1.times"
}
for _ in $(seq "$pairs"); do
    run one 1
    run many "$ranks"
done

# median FILE COLUMN
median() { awk -v c="$2" '{print $c}' "$1" | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
name=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
printf '%s, %d processors; default model, %d sequences to train on, batch %d, gradients in %s, medians of %d\n\n' \
    "$name" "$processors" "$(grep -c '>' data/train.fasta)" "$batch" "$dtype" "$pairs"
printf '%-24s %16s %16s\n' "seconds" "1 rank x $processors" "$ranks ranks x $((processors / ranks))"
columns=("training" "  data" "  computing" "  waiting for ranks" "validation" "checkpoint stall")
for c in 1 2 3 4 5 6; do
    printf '%-24s %16.3f %16.3f\n' "${columns[c - 1]}" "$(median one.times "$c")" "$(median many.times "$c")"
done
ratio=$(awk -v a="$(median one.times 1)" -v b="$(median many.times 1)" 'BEGIN {printf "%.3f", a / b}')
printf '\n%-24s %16s   (aim: 0.95)\n' "speed, many / one" "$ratio"
[ -z "$output" ] || cat >"$output" <<END
{"machine": "$name", "processors": $processors, "ranks": $ranks, "batch": $batch, "grad_dtype": "$dtype",
 "pairs": $pairs,
 "one": {"training": $(median one.times 1), "waiting": $(median one.times 4)},
 "many": {"training": $(median many.times 1), "waiting": $(median many.times 4)},
 "ratio": $ratio}
END
