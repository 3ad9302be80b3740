# Helpers for the tests of the command line. A test begins with
#     source "$(dirname "$0")/lib.sh"
# and then works in $work, an empty folder of its own that goes when the test ends. $DEEPTAXA_BIN is
# the folder of the programs (set by ctest).
set -uo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${DEEPTAXA_BIN:-$project/build/bin}
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
failures=0
[ -x "$bin/deeptaxa" ] || { echo "FAILED: no programs in $bin" >&2; exit 1; }
work=$(mktemp -d)
unset DEEPTAXA_TOKENIZER
export CUDA_VISIBLE_DEVICES= # no GPU of this machine; make_gpu adds an emulated one
export XDG_CACHE_HOME=$work/cache

cleanup() {
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

# A failed check; with DEEPTAXA_FAIL_FAST set the test ends there (tests/mutants.sh).
fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
    [ -z "${DEEPTAXA_FAIL_FAST:-}" ] || exit 1
}

# skip REASON: for ctest the test did not run, and says why.
skip() {
    echo "SKIPPED: $*" >&2
    exit 77
}

# finish: the last line of every test.
finish() {
    [ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
    exit 0
}

deeptaxa() { "$bin/deeptaxa" "$@"; }

# same_model A B: the checkpoints hold the same bits: parameters, moments, counters.
same_model() { "$bin/../tests/compare_checkpoints" "$1" "$2" >&2 || fail "the models differ: $1 $2"; }

# other_model WHAT A B: both checkpoints can be read, and do not hold the same bits.
other_model() {
    local status=0
    "$bin/../tests/compare_checkpoints" "$2" "$3" >"$work/differences" 2>&1 || status=$?
    [ "$status" -eq 1 ] || fail "$1: the same model, or none: $2 $3: $(head -c 500 "$work/differences")"
}

# expect STATUS COMMAND...: runs it with its output in $work/out and $work/err.
expect() {
    local wanted=$1 got=0
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
    [ "$got" -eq "$wanted" ] && return 0
    fail "exit status $got instead of $wanted: $*"
    sed 's/^/    /' "$work/err" >&2
    return 1
}

# refused STATUS REGEX COMMAND...: the command ends with this status and says exactly one line on
# standard error that matches, and nothing on standard output.
refused() {
    local wanted=$1 pattern=$2 lines
    shift 2
    expect "$wanted" "$@" || return 1
    lines=$(wc -l <"$work/err")
    if [ "$lines" -ne 1 ]; then
        fail "$lines lines instead of one: $*"
        sed 's/^/    /' "$work/err" >&2
    elif ! grep -qE -- "$pattern" "$work/err"; then
        fail "the message does not match '$pattern': $*"
        sed 's/^/    /' "$work/err" >&2
    fi
    [ -s "$work/out" ] && fail "something on standard output: $*"
    return 0
}

# said REGEX, printed REGEX: the last command's standard error, or output, has a matching line.
said() { grep -qE -- "$1" "$work/err" || fail "no line '$1' on standard error: $(head -c 500 "$work/err")"; }
printed() { grep -qE -- "$1" "$work/out" || fail "no line '$1' on standard output: $(head -c 500 "$work/out")"; }

# same WHAT A B: two values are equal.
same() { [ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"; }

# make_gold N: the first N sequences of the 16S set as data/train.fasta, train.tsv, heldout.fasta and
# heldout.tsv (every fifth is held out). Skips the test where the set is not installed.
make_gold() {
    [ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"
    mkdir -p data
    awk -v folder=data -v limit="$1" -f "$project/launch/split-gold.awk" "$gold" ||
        { fail "cannot split $gold"; finish; }
}

# A model small enough to train in seconds, on make_gold's files.
small_model="--embed-dim 16 --hidden-size 16 --num-hidden-layers 2 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 64"

# train_small FOLDER FLAGS...: trains it on data/train.* into FOLDER.
train_small() {
    local folder=$1
    shift
    # shellcheck disable=SC2086
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir "$folder" --tokenizer-file tokenizer.json $small_model --batch-size 8 \
        --learning-rate 1e-2 --threads 2 --val-split 0.2 "$@"
}

# checkpoint FOLDER EPOCH: its file name
checkpoint() { echo "$1/checkpoints/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_epoch$2.h5"; }

# metric FOLDER EPOCH KEY: a number of the epoch's metrics
metric() { sed -n "s/^ *\"$3\": \([^,]*\),*\$/\1/p" "$1"/metrics/*_epoch"$2".json; }

# make_tokenizer: learns tokenizer.json from data/train.fasta
make_tokenizer() {
    expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --output-file tokenizer.json \
        --vocabulary-size 200
}

# until_true SECONDS COMMAND...: until the command succeeds; 1 when it did not in time
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

# until_there PATTERN: until a file of that name is there, which a program in the background writes.
until_there() { until_true 30 compgen -G "$1" || fail "no $1 in time"; }

# faulty CALL KIND AT COMMAND...: runs it with a fault at that call on files below $work (fail_calls.c)
faulty() {
    local call=$1 kind=$2 at=$3
    shift 3
    FAULT_FOLDER=${fault_folder:-$work} FAULT_CALL=$call FAULT_KIND=$kind FAULT_AT=$at \
        LD_PRELOAD=$bin/../lib/libfail_calls.so ASAN_OPTIONS=verify_asan_link_order=0 "$@"
}

# kill_holder FOLDER: kills the run that has the folder's lock, and waits until it is gone.
kill_holder() {
    local pid
    pid=$(sed 's/.*pid //' "$1/.deeptaxa.lock")
    kill -9 "$pid" 2>/dev/null
    wait 2>/dev/null
}

# machine NAME: a copy of the programs in NAME/bin, with links to libraries and CPU modules, whose
# other modules are the test's to add in NAME/lib/deeptaxa.
machine() {
    local lib
    lib=$(cd "$bin/../lib" && pwd)
    mkdir -p "$1/bin" "$1/lib/deeptaxa"
    cp "$bin"/* "$1/bin/"
    ln -sf "$lib"/libdeeptaxa-core.so* "$1/lib/"
    ln -sf "$lib"/deeptaxa/libdeeptaxa_cpu*.so "$1/lib/deeptaxa/"
}

# make_gpu: a machine whose module "cuda" is the emulator that runs CUDA kernels on the CPU, for
# on_gpu. Skips the test where it was not built.
make_gpu() {
    local lib
    lib=$(cd "$bin/../lib" && pwd)
    [ -r "$lib/deeptaxa/libdeeptaxa_cuda_on_cpu.so" ] ||
        skip "$lib/deeptaxa has no libdeeptaxa_cuda_on_cpu.so: it needs a C++ compiler"
    machine gpu
    unset CUDA_VISIBLE_DEVICES
    ln -s "$lib/deeptaxa/libdeeptaxa_cuda_on_cpu.so" gpu/lib/deeptaxa/libdeeptaxa_cuda.so
}

# on_gpu COMMAND...: runs it with the programs of make_gpu.
on_gpu() {
    local bin=$work/gpu/bin
    "$@"
}

# without_gpu COMMAND...: the same on a machine that has no CUDA module.
without_gpu() {
    [ -d "$work/no_gpu" ] || machine no_gpu
    local bin=$work/no_gpu/bin
    "$@"
}

# near WHAT A B BOUND: two numbers whose difference is at most BOUND times B.
near() {
    awk -v a="$2" -v b="$3" -v bound="$4" 'BEGIN {
        d = a - b; if (d < 0) d = -d; if (b < 0) b = -b
        exit !(a != "" && b != "" && d <= bound * b)
    }' || fail "$1: $2 instead of $3 (allowed: a difference of $4)"
}
