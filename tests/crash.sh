#!/usr/bin/env bash
# Kills and faults of the file system: after each, the same command goes on to the same result, older
# files are whole, and nothing is left over.
#
#     DEEPTAXA_BIN=build/bin MPIEXEC=mpirun bash tests/crash.sh [--short | KILLS [SEED]]
#
# First the faults: every command is killed before, or fails at, every n-th of its calls that open, write,
# sync, rename or remove a file (cli/fail_calls.c). Then KILLS (100) kills at random moments, divided
# among the commands and a training of three ranks (cluster/kills.sh). With --short, as in ctest, one
# or two n of three faults, and no random kills. What it prints last is a table of all, as in docs/reliability.md.
source "$(dirname "$0")/cli/lib.sh"
kills=${1:-100}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
short=0
[ "$kills" != --short ] || { kills=0 short=1; }
RANDOM=$seed
cp "$project"/tests/fixtures/formats/{train.fasta,train.tsv,tokenizer.json} .

# ---- the commands: each writes into the folder `it` -------------------------------------------------

train() {
    "$bin/deeptaxa-train" --fasta-file train.fasta --taxonomy-file train.tsv --output-dir it \
        --tokenizer-file tokenizer.json --model-type cnn --max-length 40 --embed-dim 6 --num-filters 4 \
        --val-split 0.25 --batch-size 6 --threads 1 --epochs 3 --keep-checkpoints 2 --save-every-steps 2 \
        --no-report \
        --resume auto
}
predict() {
    "$bin/deeptaxa-predict" --fasta-file train.fasta --checkpoint model.h5 --output-dir it --threads 1 \
        --tabular --format kraken,qiime2 --taxonomy-file train.tsv
}
prepare() {
    "$bin/deeptaxa-prepare" --fasta-file train.fasta --taxonomy-file train.tsv --output-dir it \
        --tokenizer-file tokenizer.json --sequences-per-shard 9 --threads 1
}
convert() {
    mkdir -p it
    "$bin/deeptaxa-convert" --checkpoint model.h5 --output-file it/model.h5
}
convert_pt() {
    mkdir -p it
    "$bin/deeptaxa-convert" --checkpoint model.h5 --output-file it/model.pt
}

# content COMMAND: what its files contain, without times and ids
content() {
    case $1 in
    train) "$bin/../tests/compare_checkpoints" "$(checkpoint it 3)" model.h5 >/dev/null && echo equal ;;
    predict) cat it/*.tsv it/*kraken.txt ;; # without the id
    *) cksum it/*.* ;;
    esac
}

# left_over: files that no complete run has
left_over() { [ ! -d it ] || find it \( -name '*.part-*' -o -name '*.new' -o -name '.deeptaxa-*' -o -name .deeptaxa.unsaved \); }

# older_whole COMMAND: every file under a final name is complete
older_whole() {
    local file
    while read -r file; do
        "$bin/deeptaxa-describe" --checkpoint "$file" >described 2>&1 || fail "$what: $(cat described)"
    done < <([ ! -d it ] || find it -name 'deeptaxa_*.h5' -o -name 'model.h5')
    [ "$1" != predict ] || [ ! -s it/train_deeptaxa_predictions.tsv ] ||
        cmp -s it/train_deeptaxa_predictions.tsv whole/train_deeptaxa_predictions.tsv ||
        fail "$what: a part of a table under its name"
}

# check COMMAND: the same command again succeeds, with the content of an undisturbed run
check() {
    older_whole "$1"
    "$1" >out 2>err </dev/null || { fail "$what: the next run ends with $?: $(tail -n 1 err)"; return; }
    [ "$(content "$1")" = "$wanted" ] || fail "$what: other content than that of an undisturbed run"
    [ -z "$(left_over)" ] || fail "$what: left over: $(left_over | tr '\n' ' ')"
}

# folder COMMAND N: what a run finds: nothing for an even n, else the files of an earlier run (of a
# training nothing, which would not begin again)
folder() {
    rm -rf it
    [ $(($2 % 2)) = 0 ] || [ "$1" = train ] || cp -r whole it
}

# calls COMMAND CALL N: how many such calls a run makes
calls() {
    folder "$1" "$3"
    rm -f counted
    FAULT_COUNT=$work/counted fault_folder=$work/it faulty "$2" EIO 0 "$1" >/dev/null 2>&1 </dev/null
    stat -c %s counted 2>/dev/null || echo 0
}

# every_fault COMMAND CALL KIND: at the n-th call, for every n
every_fault() {
    local counts n status stride=1
    counts=("$(calls "$1" "$2" 0)" "$(calls "$1" "$2" 1)")
    [ "$short" = 0 ] || stride=$((counts[0] / 2 + 1))
    for ((n = 1 + RANDOM % stride; n <= counts[0] || n <= counts[1]; n += stride)); do
        [ "$n" -le "${counts[n % 2]}" ] || continue
        what="$1, $3 at call $n of ${counts[n % 2]} ($2)"
        folder "$1" $n
        status=0
        (fault_folder=$work/it faulty "$2" "$3" $n "$1") >out 2>err </dev/null || status=$?
        [ "$status" -ne 124 ] && [ "$status" -le 137 ] || fail "$what: exit status $status"
        [ "$3" != kill ] || [ "$status" -eq 137 ] || fail "$what: exit status $status"
        [ "$status" -ne 1 ] || [ "$(grep -c '^deeptaxa' err)" -eq 1 ] || fail "$what: not one line: $(cat err)"
        check "$1"
        faults=$((faults + 1))
        [ "$failures" -le 20 ] || finish
    done
}

# random_kills COMMAND COUNT
random_kills() {
    local made=0 pid usual
    usual=$(($(date +%s%N) / 1000000))
    rm -rf it
    "$1" >/dev/null 2>&1 </dev/null
    usual=$(($(date +%s%N) / 1000000 - usual + 1))
    while [ "$made" -lt "$2" ] && [ "$failures" -le 20 ]; do
        what="$1, random kill $made"
        [ "$1" = train ] && [ $((made % 5)) -ne 0 ] || rm -rf it
        "$1" >/dev/null 2>&1 </dev/null &
        pid=$!
        sleep "$(printf '%d.%03d' $((RANDOM % usual / 1000)) $((RANDOM % usual % 1000)))"
        kill -9 "$(pgrep -P $pid || echo $pid)" 2>/dev/null
        wait "$pid" 2>/dev/null
        check "$1"
        made=$((made + 1))
    done
}

row() { rows+=$(printf '| %s | %s | %s |' "$@")$'\n'; }

echo "seed $seed"
rows=''
for command in train predict prepare convert convert_pt; do
    rm -rf it whole
    [ "$command" != train ] || { : >model.h5; }
    "$command" >out 2>err </dev/null || { fail "$command: $(cat err)"; finish; }
    [ "$command" != train ] || cp "$(checkpoint it 3)" model.h5
    wanted=$(content "$command")
    [ -n "$wanted" ] || fail "$command: no content"
    mv it whole
    faults_to_try=("any kill" "write ENOSPC" "rename EIO")
    [ "$short" = 1 ] || faults_to_try+=("write EIO" "write EINTR" "write short" "sync EIO" "open ENOSPC"
        "remove EIO")
    for fault in "${faults_to_try[@]}"; do
        faults=0
        # shellcheck disable=SC2086
        every_fault $command $fault
        row "$command" "${fault#* } at the n-th ${fault% *} call" "$faults"
    done
    if [ "$kills" -gt 0 ]; then
        random_kills $command $((kills / 6))
        row "$command" "killed at a random moment" $((kills / 6))
    fi
done
if [ "$kills" -gt 0 ] && [ -n "${MPIEXEC:-}" ]; then
    bash "$project/tests/cluster/kills.sh" $((kills / 6)) "$seed" >kills 2>&1 || fail "three ranks: $(tail -n 3 kills)"
    row "train, 3 ranks" "one rank killed at a random moment" $((kills / 6))
fi
printf '| command | fault | times |\n| --- | --- | --- |\n%s' "$rows"
finish
