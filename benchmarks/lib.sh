# Functions for benchmark scripts: options, data, timing, and the table with its JSON. Usage:
#
#   . "$(dirname "$0")/lib.sh"
#   options sequences=64 batch=64 -- "$@"   # --sequences N, --batch N; --build, --python and --json
#                                           # (and --work FOLDER, to keep what was made) always
#   data full 64                            # full.fasta, full.tsv and tokenizer/ in $work
#   timed deeptaxa predict …                # sets $wall, $cpu (s) and $peak (MB)
#   row "what" 1.25 s ">= 1"                # the aim, where there is one
#   finish predict                          # prints the table, writes the JSON
#
# $project, $build, $python (empty: nothing to compare with), $beside (what it is), $work.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/.." && pwd)
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # what is compared with takes the processor's own kernels
build=$project/build python='' json='' work='' beside=''
rows=() notes=()
# The sizes of the quick start's hybrid.
# shellcheck disable=SC2034 # used by scripts
small_hybrid=(--embed-dim 128 --hidden-size 128 --num-hidden-layers 1 --num-attention-heads 4
    --intermediate-size 256 --num-filters 128)

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

options() {
    local known=' build python json work ' name
    while [ "$1" != -- ]; do
        known+="${1%%=*} "
        printf -v "${1%%=*}" '%s' "${1#*=}"
        shift
    done
    shift
    while [ $# -gt 0 ]; do
        name=${1#--}
        case $known in *" $name "*) ;; *) usage ;; esac
        [ "$1" != "$name" ] && [ $# -ge 2 ] || usage
        printf -v "$name" '%s' "$2"
        shift 2
    done
    build=$(cd "$build" && pwd)
    [ -x "$build/benchmarks/bench_command" ] ||
        { echo "$0: no benchmarks in $build: cmake --preset cpu && cmake --build build" >&2; exit 1; }
    [ -z "$json" ] || json=$(realpath "$json")
    PATH=$build/bin:$PATH
    if [ -n "$work" ]; then
        mkdir -p "$work"
        work=$(cd "$work" && pwd)
    else
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
    fi
    [ -z "$python" ] || beside=$("$python" "$here/deeptaxa_torch/program.py" which)
    export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
    unset PYTHONDONTWRITEBYTECODE # else Python reads its sources anew at each start
}

# data REGION COUNT: creates the data: real sequences (sequences.awk), and the tokenizer for all
# programs
data() {
    local gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
    [ -r "$gold" ] || {
        echo "SKIPPED: $gold is missing: bash launch/install-deps.sh data, or DEEPTAXA_GOLD_FASTA" >&2
        exit 77
    }
    awk -v count="$2" -v region="$1" -v fasta="$work/$1.fasta" -v table="$work/$1.tsv" \
        -f "$here/sequences.awk" "$gold"
    [ ! -f "$work/tokenizer/tokenizer.json" ] || return 0
    mkdir -p "$work/tokenizer"
    local known=${DEEPTAXA_TOKENIZER:-$project/share/deeptaxa/tokenizer.json}
    if [ -f "$known" ]; then
        cp "$known" "$work/tokenizer/tokenizer.json"
    else # not DNABERT-2's: more tokens per sequence
        echo "learning a tokenizer: bash launch/get-tokenizer.sh gets DNABERT-2's" >&2
        deeptaxa tokenizer --fasta-file "$gold" --output-file "$work/tokenizer/tokenizer.json"
    fi
    export DEEPTAXA_TOKENIZER=$work/tokenizer/tokenizer.json
    cat >"$work/tokenizer/tokenizer_config.json" <<'END'
{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "cls_token": "[CLS]",
 "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]", "model_max_length": 512}
END
}

# timed COMMAND…: runs it with its output in $work/log, which is printed if it fails
timed() {
    try_timed "$@" || {
        tail -20 "$work/log" >&2
        echo "$0: failed: $*" >&2
        exit 1
    }
}

# The same for a command that may fail.
try_timed() {
    "$build/benchmarks/bench_command" "$work/taken" "$@" >"$work/log" 2>&1 || return
    local others
    read -r wall cpu peak others <"$work/taken"
    [ "$(compute "$others > 0.1 * $wall + 0.05")" -eq 0 ] || notes+=(
        "the machine was not idle: others took $others processors' seconds of ${1##*/} ${2##*/}'s $wall s")
}

# torch train|predict …: the command line of the program to compare with, as an array for timed
torch=()
torch() { torch=("$python" "$here/deeptaxa_torch/program.py" "$@"); }

# number FILE KEY: prints the first number with that key in a JSON file
number() { sed -n "s/.*\"$2\": *\([-0-9.eE+]*\).*/\1/p" "$1" | head -1; }

compute() { awk "BEGIN { printf(\"%.6g\", ($1)) }"; }

# row WHAT VALUE UNIT [">= N"]: adds a row; the last argument is an aim
row() { rows+=("$1"$'\t'"$2"$'\t'"${3:- }"$'\t'"${4:-}"); }

# met VALUE AIM: succeeds if the aim is met
met() { [ "$(compute "$1 $2")" -eq 1 ]; }

# finish NAME: prints the machine and the rows, and writes the JSON that report.h describes
finish() {
    local what value unit aim processor
    processor=$(sed -n 's/^model name[ \t]*: *//p' /proc/cpuinfo | head -1)
    printf '%s: %s, %s processors\n' "$1" "$processor" "$(nproc)"
    for line in "${rows[@]}"; do
        IFS=$'\t' read -r what value unit aim <<<"$line"
        printf '%-52s %12s %-12s%s\n' "$what" "$(awk "BEGIN { v = $value
            printf(\"%.*f\", (v >= 1000 ? 0 : v >= 100 ? 1 : v >= 10 ? 2 : 3), v) }")" "$unit" \
            "${aim:+ aim $aim: $(met "$value" "$aim" && echo met || echo missed)}"
    done
    [ -z "$beside" ] || notes=("beside: $beside" "${notes[@]}")
    [ ${#notes[@]} -eq 0 ] || printf '%s\n' "${notes[@]}"
    [ -n "$json" ] || return 0
    write_json "$1" "$processor" >"$json.part"
    mv "$json.part" "$json"
}

write_json() {
    local what value unit aim between=''
    printf '{\n  "benchmark": "%s",\n  "machine": "%s",\n  "processors": %s,\n  "date": "%s",\n' \
        "$1" "$2" "$(nproc)" "$(date +%F)"
    printf '  "results": ['
    for line in "${rows[@]}"; do
        IFS=$'\t' read -r what value unit aim <<<"$line"
        printf '%s\n    {"name": "%s", "value": %s, "unit": "%s"' "$between" "$what" "$value" "${unit# }"
        [ -z "$aim" ] || printf ', "aim": "%s", "met": %s' "$aim" \
            "$(met "$value" "$aim" && echo true || echo false)"
        printf '}'
        between=,
    done
    between=''
    printf '\n  ],\n  "notes": ['
    for line in "${notes[@]}"; do
        printf '%s"%s"' "$between" "$line"
        between=', '
    done
    printf ']\n}\n'
}
