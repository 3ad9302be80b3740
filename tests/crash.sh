#!/usr/bin/env bash
# Kills, power failures and faults of the file system: after each, the same command goes on to the same
# result, older files are whole, and nothing is left over.
#
#     DEEPTAXA_BIN=build/bin MPIEXEC=mpirun bash tests/crash.sh [--only REGEX] [--table FILE] [KILLS [SEED]]
#     DEEPTAXA_BIN=build/bin bash tests/crash.sh --short
#
# First the faults: every command is killed before, loses its power before, or fails at, every n-th of its
# calls that open, write, sync, rename or remove a file (cli/fail_calls.c; but for writes to train.log).
# Then KILLS (100) kills at random moments, divided among the commands and a training of three ranks
# (cluster/kills.sh). It prints a row of a table for every command and fault, and with --table appends it to
# a file; rows that are there are not run again. --only takes the rows that begin so: "| train | kill".
# With --short, as in ctest, one or two n of four faults, and no random kills.
source "$(dirname "$0")/cli/lib.sh"
short=0 only=. table='' whole_of=''
while [[ ${1:-} = --* ]]; do
    case $1 in
    --short) short=1 ;;
    --only) only=$2 && shift ;;
    --table) table=$(cd "$OLDPWD" && realpath "$2") && shift ;;
    *) fail "unknown option $1" && finish ;;
    esac
    shift
done
kills=${1:-100}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$seed
export FAULT_EXCEPT=/train.log FAULT_UNDO=$work/undo
mkdir undo
shopt -s nullglob

# ---- the commands: each reads the folder $input and writes into the folder `it` ----------------------

# program NAME FLAG...; with $launch=exec in place of the shell
program() { ${launch:-} "$bin/deeptaxa-$1" "${@:2}"; }

tiny="--model-type cnn --max-length 40 --embed-dim 6 --num-filters 4 --kernel-sizes 3 --val-split 0.25
    --batch-size 9 --threads 1 --epochs 2 --resume auto --output-dir it"
labelled() { echo "--fasta-file $input/train.fasta --taxonomy-file $input/train.tsv"; }
# shellcheck disable=SC2046,SC2086
train() {
    program train $(labelled) --tokenizer-file tokenizer.json $tiny --save-every-steps 3 --keep-checkpoints 1 \
        --no-report
}
# Without the report, which does not end a training that cannot write it: it says so.
# shellcheck disable=SC2086
train_stream() {
    program train --data shards $tiny --stream-data --store-references --save-best-only --tensorboard \
        --export-sequence-embeddings --no-report
}
# shellcheck disable=SC2046,SC2086
train_3() {
    "$MPIEXEC" -n 3 "$bin/deeptaxa-train" $(labelled) --tokenizer-file tokenizer.json $tiny \
        --save-every-steps 3 --keep-checkpoints 1 --no-report
}
# shellcheck disable=SC2046
predict() {
    program predict $(labelled) --checkpoint "$input/model.h5" --output-dir it --threads 1 --tabular \
        --format deeptaxa,kraken,qiime2,qza,biom --export-sequence-embeddings
}
# shellcheck disable=SC2046
prepare() {
    program prepare $(labelled) --output-dir it --tokenizer-file tokenizer.json --sequences-per-shard 9 \
        --threads 1
}
convert() { mkdir -p it && program convert --checkpoint "$input/model.h5" --output-file it/model.h5; }
convert_pt() { mkdir -p it && program convert --checkpoint "$input/model.h5" --output-file it/model.pt; }
export_weights() {
    mkdir -p it
    program export --checkpoint "$input/model.h5" --output-file it/model.h5 --weights-only
}
# shellcheck disable=SC2046
calibrate() {
    mkdir -p it
    program calibrate --checkpoint "$input/model.h5" $(labelled) --output-file it/model.h5 --threads 1 \
        --add-references "$input/train.fasta" --reference-taxonomy "$input/train.tsv"
}
extract() {
    mkdir -p it
    program extract --fasta-file "$input/amplicons.fasta" --taxonomy-file "$input/train.tsv" --threads 1 \
        --forward-primer AGAGTTTGATCCTGGCTCAG --reverse-primer GGACTACNVGGGTWTCTAAT --min-length 20 \
        --output-file it/a.fasta --output-taxonomy it/a.tsv
}
tokenizer() {
    mkdir -p it
    program tokenizer --fasta-file "$input/train.fasta" --output-file it/tokenizer.json --vocabulary-size 50
}
describe() { mkdir -p it && program describe --checkpoint "$input/model.h5" --export-metrics it/run.json; }
report() { mkdir -p it && program report --run "$input/run" --output-file it/report.html; }

# make_input FOLDER RECORDS: what the commands read, with a model
make_input() {
    input=$1
    mkdir "$1"
    head -n $(($2 * 2)) "$project/tests/fixtures/formats/train.fasta" >"$1/train.fasta"
    head -n $(($2 + 1)) "$project/tests/fixtures/formats/train.tsv" >"$1/train.tsv"
    sed '/^>/!s/.*/AGAGTTTGATCCTGGCTCAG&ATTAGATACCCGGGTAGTCC/' "$1/train.fasta" >"$1/amplicons.fasta"
    train >out 2>err </dev/null || { fail "$1: $(cat err)" && finish; }
    cp "$(checkpoint it 2)" "$1/model.h5"
    mv it "$1/run"
}

# ---- what is compared -------------------------------------------------------------------------------

id='[0-9]{4}_[0-9]{2}_[0-9]{2}T[0-9]{2}_[0-9]{2}_[0-9]{2}(_[0-9a-f]+){5}'
# ids and times, and the flags in metrics, which a resumed run does not know all
varying="s/$id|[0-9a-f]{8}([-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}/ID/g"
varying+='; s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+/TIME/g; s/"sequences_per_second": [^,]*//'
varying+='; /_seconds"|per_second"|_time"/d; /^    "[a-z0-9-]+": ("|null)/d'

# digest FILE: a checksum of what it contains but for what varies; of checkpoints of a training, of locks
# and logs none
digest() {
    case $command/$1 in
    train*.h5 | *.log | *.deeptaxa.lock | *report.html) echo - ;;
    predict*.h5) stat -c %s "$1" && "$bin/../tests/print_hdf5" "$1" | cksum ;;
    calibrate*.h5) "$bin/../tests/print_tensors" "$1" | cksum ;;
    *.qza) stat -c %s "$1" && unzip -tqq "$1" ;;
    *.csv) cut -d , -f 1-5,9- "$1" | cksum ;;
    *) LC_ALL=C sed -E "$varying" "$1" | cksum ;;
    esac 2>/dev/null
}

# digests FOLDER: digests and names of the files
digests() {
    local files file run=none
    if [[ ! $command =~ ^(train|predict|calibrate|report) ]]; then # where nothing varies
        files=("$1"/{*,*/*})
        [ "${#files[@]}" -eq 0 ] || cksum "${files[@]}" 2>/dev/null | sed "s, $1/, ,"
        return
    fi
    [ ! -s "$1/deeptaxa_uuid.txt" ] || run=$(<"$1/deeptaxa_uuid.txt")
    for file in "$1"/{*,*/*}; do
        # what a run wrote that failed by itself shows why, and stays
        [[ $command != train* ]] || [[ ! $file =~ $id ]] || [[ $file = *"$run"* ]] || continue
        [ ! -f "$file" ] || [[ $file = *.tfevents.* ]] ||
            echo "$(digest "$file")" "${file/"$run"/ID}"
    done | sed "s, $1/, ,"
}

same_tensors() { "$bin/../tests/compare_checkpoints" "$1" "$2" >described 2>&1; }

lost() { lost=$((lost + 1)) && fail "$what: $*"; }
left() { left=$((left + 1)) && fail "$what: left over: $*"; }

# left_over: files that no complete run has
left_over() { echo it/{,*/}{*.part-*,*.new,.deeptaxa-*,.deeptaxa.unsave[d],.*.part-*}; }

# older_whole COMMAND: every file under its final name is whole: that of the earlier run or that of this one
older_whole() {
    local line file
    if [[ $1 = train* ]]; then
        for file in it/checkpoints/*.h5; do
            [ ! -e "$file" ] || same_tensors "$file" "$file" || lost "$file: $(tail -n 1 described)"
        done
        return
    fi
    content=$(digests it)
    while read -r line; do
        [ -z "$line" ] || [[ $line =~ \.part-|\.new$ ]] || [ -n "${known[$line]:-}" ] ||
            lost "a file that no run has written: $line"
    done <<<"$content"
    if [ "$1" = prepare ] && [ -e it/dataset.json ]; then
        content=$(grep -v '\.new$\|\.part-' <<<"$content")
        [ "$content" = "$wanted" ] || [ "$content" = "$earlier" ] ||
            lost "a mixture of two sets"
    fi
}

# complete COMMAND KIND: the folder has the content of an undisturbed run
complete() {
    content=$(digests it)
    [ -z "$(left_over)" ] || [ "$3" = may_leave ] || left "$(left_over)"
    if [[ $1 = train* ]]; then
        same_tensors "$(checkpoint it 2)" "$(checkpoint whole 2)" || lost "$(tail -n 1 described)"
        [[ $2 != kill ]] || [ "$(find it -name "*label2id.json" | wc -l)" -eq 1 ] || left "files of a killed run"
        [ "$2" != power ] || return # which may take away the steps, never synced
    fi
    [ "$content" = "$wanted" ] || [ "$3" = may_leave ] ||
        lost "other content: $(diff <(echo "$wanted") <(echo "$content") | tr '\n' ' ')"
}

# check COMMAND KIND: the same command again succeeds, with the content of an undisturbed run
check() {
    "$1" >out 2>err </dev/null || { lost "the next run ends with $?: $(tail -n 1 err)"; return; }
    complete "$1" "$2" -
}

# folder COMMAND N: what a run finds: nothing for an even n, else the files of an earlier run on other
# input, and a training those of one that was killed
folder() {
    rm -rf it undo/*
    [ $(($2 % 2)) = 0 ] || cp -r earlier it
}

# ---- the faults -------------------------------------------------------------------------------------

# calls COMMAND CALL N: how many such calls a run makes
calls() {
    folder "$1" "$3"
    rm -f counted
    FAULT_COUNT=$work/counted fault_folder=$work/it faulty "$2" EIO 0 "$1" >/dev/null 2>&1 </dev/null
    stat -c %s counted 2>/dev/null || echo 0
}

# judge COMMAND KIND STATUS CALL: after a run with a fault
judge() {
    local leave=-
    [ "$4" != remove ] || leave=may_leave
    case $3 in
    0) complete "$1" "$2" "$leave" ;; # whoever ignores a fault has lost nothing by it
    137) older_whole "$1" ;;
    124 | 139 | 134) lost "exit status $3" ;;
    *)
        older_whole "$1"
        [ "$1" = train_3 ] || [ "$(grep -c '^deeptaxa' err)" -eq 1 ] || lost "not one line: $(cat err)"
        [ -z "$(left_over)" ] || [ "$leave" = may_leave ] || [ "$1" = train_3 ] || left "$(left_over)"
        ;;
    esac
}

# every_fault COMMAND CALL KIND: at the n-th call, for every n; a failure of power also after the last
every_fault() {
    local counts n status stride=1 after=0
    counts=("$(calls "$1" "$2" 0)" "$(calls "$1" "$2" 1)")
    [ "$3" != power ] || after=1
    [ "$short" = 0 ] || stride=$((counts[0] / 2 + 1))
    for ((n = 1 + RANDOM % stride; n <= counts[0] + after || n <= counts[1] + after; n += stride)); do
        [ "$n" -le $((counts[n % 2] + after)) ] || continue
        what="$1, $3 at call $n of ${counts[n % 2]} ($2)"
        folder "$1" $n
        status=0
        (fault_folder=$work/it faulty "$2" "$3" $n "$1") >out 2>err </dev/null || status=$?
        judge "$1" "$3" $status "$2"
        check "$1" "$3"
        count=$((count + 1))
        [ $((lost + left)) -le 20 ] || return
    done
}

# random_kills COMMAND COUNT
random_kills() {
    local usual pid moment
    rm -rf it
    usual=$(($(date +%s%N) / 1000000))
    "$1" >/dev/null 2>&1 </dev/null
    usual=$(($(date +%s%N) / 1000000 - usual + 1))
    while [ "$count" -lt "$2" ] && [ $((lost + left)) -le 20 ]; do
        folder "$1" "$count"
        moment=$((RANDOM % usual))
        what="$1, random kill $count after $moment ms"
        (launch='exec' && "$1") >/dev/null 2>&1 </dev/null &
        pid=$!
        sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        older_whole "$1"
        check "$1" kill
        count=$((count + 1))
    done
}

# row COMMAND FAULT FUNCTION ARGUMENT...: a row of the table, unless it is there or not asked for
row() {
    local begin="| $1 | $2 |"
    [[ $begin =~ $only ]] || return
    [ -z "$table" ] || ! grep -qsF "$begin" "$table" || return
    [ "$whole_of" = "$1" ] || prepare_command "$1"
    whole_of=$1
    count=0 lost=0 left=0
    "${@:3}"
    begin+=" $count | $lost | $left |"
    echo "$begin"
    [ -z "$table" ] || echo "$begin" >>"$table"
}

# prepare_command COMMAND: the folders `whole` and `earlier`, of undisturbed runs, and what they contain
prepare_command() {
    local line
    rm -rf it whole earlier
    for input in other data; do
        "$1" >out 2>err </dev/null || { fail "$1: $(cat err)" && finish; }
        [ "$input" = data ] || mv it earlier
    done
    mv it whole
    wanted=$(digests whole)
    if [[ $1 = train* ]]; then
        rm -rf earlier
        (fault_folder=$work/it faulty rename kill $(($(calls "$1" rename 0) * 3 / 4)) "$1") >out 2>&1 </dev/null
        mv it earlier
        compgen -G "earlier/checkpoints/*.h5" >/dev/null || fail "$1: an earlier run without a checkpoint"
    fi
    earlier=$(digests earlier)
    known=()
    while read -r line; do known[$line]=1; done <<<"$wanted"$'\n'"$earlier"
    what=$1 lost=0 left=0
    "$1" >out 2>err </dev/null
    complete "$1" - -
}

three_ranks() {
    bash "$project/tests/cluster/kills.sh" "$1" "$seed" >kills 2>&1 ||
        { what='three ranks' && lost "$(tail -n 3 kills)"; }
    count=$1
}

echo "seed $seed"
echo '| command | fault | times | lost | left over |'
echo '| --- | --- | --- | --- | --- |'
declare -A known
cp "$project"/tests/fixtures/formats/tokenizer.json .
make_input other 16
make_input data 24
prepare >out 2>err || fail "shards: $(cat err)"
mv it shards
commands=(tokenizer describe report extract convert convert_pt export_weights prepare calibrate predict train
    train_stream)

# try_faults FAULT...: of all commands but the training of three ranks
try_faults() {
    local fault
    for command in "${commands[@]}"; do
        for fault in "$@"; do
            # shellcheck disable=SC2086
            row "$command" "${fault#* } at the n-th ${fault% *} call" every_fault $command $fault
        done
    done
}
try_faults "any kill" "any power" "write ENOSPC" "rename EIO"
[ "$short" = 0 ] || finish
for command in "${commands[@]}"; do
    row "$command" "killed at a random moment" random_kills "$command" $((kills / 13))
done
command=train_3
if [ -n "${MPIEXEC:-}" ]; then
    row train_3 "one rank killed at a random moment" three_ranks $((kills / 13))
    for fault in "sync kill" "rename kill" "sync EIO" "rename EIO" "open EIO" "remove EIO"; do
        # shellcheck disable=SC2086
        row train_3 "${fault#* } at the n-th ${fault% *} call" every_fault train_3 $fault
    done
fi
try_faults "open EIO" "remove EIO" "sync EIO" "write EIO" "write EINTR" "write short"
finish
