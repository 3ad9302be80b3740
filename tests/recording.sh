#!/usr/bin/env bash
# A net for rebuilding: what some twenty runs of the programs write and say, to compare a build
# before and after a change that must not change results.
#
#   bash tests/recording.sh record BUILD FOLDER    BUILD: a build folder (with its tests); FOLDER: new
#   bash tests/recording.sh compare BUILD A B      two recordings; BUILD has compare_checkpoints
#
# Checkpoints are compared bit by bit (parameters, moments, counters); metrics, tables, JSON, help
# and messages as text, without what differs from run to run (ids, times, paths). Status 1 where
# something differs: each difference is named, texts with their first changed lines. A few minutes.
set -uo pipefail

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

project=$(cd "$(dirname "$0")/.." && pwd)
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}

# ---- recording ----------------------------------------------------------------------------------

# steady: standard input without ids of runs, times, rates, hosts and places
steady() {
    sed -E -e 's/([0-9]{4}_[0-9]{2}_[0-9]{2}T[0-9]{2}_[0-9]{2}_[0-9]{2}_)?[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}/RUN/g' \
        -e "s|$folder|FOLDER|g; s|$bin|BIN|g" \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9:]+)?/TIME/g' \
        -e 's/("[a-z_]*(seconds|_time|per_second|host|hostname|pid|time|timestamp|commit)": )("[^"]*"|[0-9.e+-]+)/\1X/g' \
        -e 's/[0-9.]+ (s|seconds|ms|min|h|sequences\/s|seq\/s|MB\/s|tokens\/s)\b/N \1/g' \
        -e 's/[0-9.]+ a second/N a second/g'
}

# run NAME COMMAND FLAGS...: what it says goes to FOLDER/NAME.out and .err, its status too
run() {
    local name=$1 status=0
    shift
    "$bin/deeptaxa" "$@" >"$folder/raw.out" 2>"$folder/raw.err" </dev/null || status=$?
    { steady <"$folder/raw.out"; echo "status $status"; } >"$folder/$name.out"
    # the lines of checkpoints come from the thread that writes them, sooner or later
    steady <"$folder/raw.err" | grep -v 'left$' >"$folder/raw.steady"
    { grep -v 'checkpoint: ' "$folder/raw.steady"; grep 'checkpoint: ' "$folder/raw.steady"; } \
        >"$folder/$name.err"
    rm -f "$folder/raw.out" "$folder/raw.err" "$folder/raw.steady"
}

# keep NAME: the files below FOLDER/work/NAME, under names without the run's id
keep() {
    local file to
    find "$folder/work/$1" -type f ! -name '*.lock' ! -name train.log ! -name report.html ! -name deeptaxa_uuid.txt |
        sort | while read -r file; do
        to=$folder/$1.files/$(echo "${file#"$folder/work/$1/"}" | steady)
        mkdir -p "$(dirname "$to")"
        case $file in
            *.h5) cp "$file" "$to" ;;
            *_metrics.csv) cut -d, -f 1-5,9- "$file" >"$to" ;; # without its times
            *) steady <"$file" >"$to" ;;
        esac
    done
}

# train NAME FLAGS...: on the small set, with small sizes
# shellcheck disable=SC2086
train() {
    local name=$1
    shift
    run "$name" train --fasta-file "$folder/data/train.fasta" \
        --taxonomy-file "$folder/data/train.tsv" --output-dir "$folder/work/$name" $sizes "$@"
    keep "$name"
}

# newest NAME [EPOCH]: a checkpoint of a run
newest() { find "$folder/work/$1/checkpoints" -name "*epoch${2:-*}.h5" | sort -V | tail -n 1; }

predict() {
    local name=$1 from=$2
    shift 2
    run "$name" predict --fasta-file "$folder/data/heldout.fasta" --checkpoint "$(newest "$from")" \
        --output-dir "$folder/work/$name" --threads 2 "$@"
    keep "$name"
}

record() {
    [ -r "$gold" ] || { echo "recording.sh: $gold is missing" >&2; exit 1; }
    mkdir -p "$folder/data" "$folder/work"
    folder=$(cd "$folder" && pwd)
    awk -v folder="$folder/data" -v limit=150 -f "$project/launch/split-gold.awk" "$gold"
    run tokenizer tokenizer --fasta-file "$folder/data/train.fasta" \
        --output-file "$folder/work/tokenizer.json"
    [ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export DEEPTAXA_TOKENIZER=$folder/work/tokenizer.json
    sizes="--embed-dim 32 --hidden-size 64 --num-hidden-layers 2 --num-attention-heads 2
        --intermediate-size 96 --num-filters 24 --batch-size 16 --learning-rate 3e-3 --threads 2"
    local command type
    for command in '' train prepare extract predict report calibrate describe export convert tokenizer selftest; do
        run "help_$command" $command --help
    done

    for type in hybridcnnbert cnn bert kmer; do
        train "$type" --model-type "$type" --epochs 2
        predict "predict_$type" "$type" --tabular --taxonomy-file "$folder/data/heldout.tsv"
        mkdir "$folder/work/describe_$type"
        run "describe_$type" describe --checkpoint "$(newest "$type")" \
            --export-metrics "$folder/work/describe_$type/metrics.json"
        keep "describe_$type"
    done
    train focal --loss-type focal --focal-gamma 1.5 --epochs 1
    train weighted --class-weights sqrt_inverse --epochs 1
    train focal_weighted --loss-type focal --class-weights inverse --level-weights 1 1 1 2 2 2 2 \
        --epochs 1
    train deep_cnn --model-type cnn --num-conv-layers 2 --max-length 200 --epochs 1
    sizes=${sizes/--embed-dim 32/} train onehot --model-type cnn --encoding onehot \
        --num-conv-layers 2 --max-length 300 --epochs 1
    train masked --mask-padding --accum-steps 2 --micro-batch-size 8 --epochs 1
    train early --early-stopping-patience 1 --early-stopping-min-delta 10 --epochs 4
    train best --save-best-only --epochs 2
    train all --val-split 0 --epochs 1
    train resumed --resume "$(newest hybridcnnbert 1)" --epochs 2
    train extended --resume "$(newest hybridcnnbert 2)" --epochs 3
    train reset --resume "$(newest hybridcnnbert 1)" --epochs 2 --reset-lr-on-resume
    train tuned --init-weights "$(newest hybridcnnbert 2)" --epochs 1
    train two_ranks --ranks 2 --epochs 1
    train validated_alone --ranks 2 --epochs 1 --validate-on rank0
    run prepare prepare --fasta-file "$folder/data/train.fasta" \
        --taxonomy-file "$folder/data/train.tsv" --output-dir "$folder/work/shards" \
        --sequences-per-shard 40
    run stream train --data "$folder/work/shards" --stream-data $sizes --epochs 1 \
        --output-dir "$folder/work/stream"
    keep stream

    predict qiime2 hybridcnnbert --format qiime2 --lineage independent --confidence-threshold 0.95
    predict consistent hybridcnnbert --lineage consistent --tabular --export-sequence-embeddings
    run calibrate calibrate --fasta-file "$folder/data/heldout.fasta" \
        --taxonomy-file "$folder/data/heldout.tsv" --checkpoint "$(newest hybridcnnbert)" \
        --output-file "$folder/work/calibrated.h5"
    run ensemble predict --fasta-file "$folder/data/heldout.fasta" --tabular \
        --checkpoint "$folder/work/calibrated.h5" "$(newest tuned)" \
        --output-dir "$folder/work/ensemble"
    keep ensemble
    run export export --checkpoint "$(newest hybridcnnbert)" --weights-only \
        --output-file "$folder/work/weights.h5"
    rm -rf "$folder/work" "$folder/data"
}

# ---- comparing ----------------------------------------------------------------------------------

compare() {
    local a=$1 b=$2 differences=0 name
    while read -r name; do
        if [ ! -e "$a/$name" ] || [ ! -e "$b/$name" ]; then
            echo "only in one recording: $name"
        elif [[ $name == */checkpoints/*.h5 ]]; then
            "$build/tests/compare_checkpoints" "$a/$name" "$b/$name" >/dev/null 2>&1 && continue
            echo "other bits: $name"
        elif [[ $name == *.h5 ]]; then
            continue # embeddings: in the tables of predictions, too
        else
            cmp -s "$a/$name" "$b/$name" && continue
            echo "other text: $name"
            diff "$a/$name" "$b/$name" | head -n 6 | sed 's/^/    /'
        fi
        differences=$((differences + 1))
    done < <( (cd "$a" && find . -type f; cd "$b" && find . -type f) | sed 's|^\./||' | sort -u)
    echo "$differences differences in $(find "$a" -type f | wc -l) files"
    [ "$differences" -eq 0 ]
}

case ${1:-} in
    record) [ $# -eq 3 ] && [ ! -e "$3" ] || usage ;;
    compare) [ $# -eq 4 ] || usage ;;
    *) usage ;;
esac
build=$(cd "$2" && pwd) || exit 2
bin=$build/bin
if [ "$1" = record ]; then
    folder=$3
    record
else
    compare "$(cd "$3" && pwd)" "$(cd "$4" && pwd)"
fi
