#!/usr/bin/env bash
# One of three ranks is killed at random moments, again and again: every time the run ends within a
# minute and leaves no process behind, all checkpoints are whole, and the same command goes on; the
# run that was killed so often ends with the bits of one that nobody disturbed.
#
#     DEEPTAXA_BIN=build/bin MPIEXEC=mpirun tests/cluster/kills.sh [KILLS [SEED]]
#
# ctest runs it with few kills. What it prints last are the figures of all of them.
source "$(dirname "$0")/../cli/lib.sh"
kills=${1:-50}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$seed
echo "seed $seed"
limit=60 # seconds that a run may take to end
make_gold 60
make_tokenizer

# start FOLDER: trains with 3 processes in the background; a checkpoint after every step
start() {
    # shellcheck disable=SC2086
    "$MPIEXEC" -n 3 "$bin/deeptaxa-train" --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir "$1" --tokenizer-file tokenizer.json \
        $small_model --batch-size 5 --learning-rate 1e-2 --threads 1 --val-split 0.2 \
        --epochs 20 --keep-checkpoints 2 --save-every-steps 1 --resume auto >out 2>err </dev/null &
    launcher=$!
}

now() { date +%s%3N; }

# find_ranks: `pids` becomes the processes of the three ranks; false when the launcher has ended
find_ranks() {
    while kill -0 "$launcher" 2>/dev/null; do
        mapfile -t pids < <(pgrep -P "$launcher" -f deeptaxa-train)
        [ "${#pids[@]}" -lt 3 ] || return 0
        sleep 0.01
    done
    return 1
}

# wait_for_training FOLDER: until this run's rank 0 has locked its folder
wait_for_training() {
    while kill -0 "$launcher" 2>/dev/null; do
        for pid in "${pids[@]}"; do
            grep -q "pid $pid\$" "$1/.deeptaxa.lock" 2>/dev/null && return
        done
        sleep 0.01
    done
}

# alive PID: it runs; one that has ended and was not asked for yet does not
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

# wait_for_end: until the launcher has ended, its exit status in `status`; the time since `killed`
# in `took`
wait_for_end() {
    while alive "$launcher" && [ $(($(now) - killed)) -le $((limit * 1000)) ]; do
        sleep 0.02
    done
    took=$(($(now) - killed))
    if alive "$launcher"; then
        fail "the run does not end within $limit seconds after the kill"
        kill -9 "$launcher" "${pids[@]}" 2>/dev/null
    fi
    status=0
    wait "$launcher" 2>/dev/null || status=$?
}

none_left() {
    local pid
    for pid in "${pids[@]}"; do
        for _ in {1..100}; do
            alive "$pid" || continue 2
            sleep 0.05
        done
        fail "process $pid is left"
        kill -9 "$pid"
    done
}

# all_whole: checkpoints in the folder can be read; an unfinished file was being written
all_whole() {
    local file
    for file in run/checkpoints/*.h5.part-*; do
        [ -e "$file" ] && unfinished=$((unfinished + 1))
    done
    for file in run/checkpoints/*.h5; do
        [ -e "$file" ] || continue
        deeptaxa describe --checkpoint "$file" >describe 2>&1 ||
            fail "kill $made: $(cat describe)"
    done
}

# went_on: the run began where the checkpoints in the folder had left off
went_on() {
    grep -q 'passed over' err && fail "kill $made: $(grep 'passed over' err)"
    [ -z "$had" ] || grep -q -- '--resume auto: resuming from' err || fail "kill $made: it began anew"
}

# completed: the run has ended by itself; the next one starts from nothing
completed() {
    same_model "$(checkpoint run 20)" "$(checkpoint undisturbed 20)"
    same "metrics" "$(ls run/metrics/*epoch*.json | wc -l)" 20
    runs=$((runs + 1))
    rm -rf run
}

start undisturbed
wait "$launcher" || { fail "the undisturbed run: $(cat err)"; finish; }

made=0 early=0 unfinished=0 longest=0 total=0 runs=0
while [ "$made" -lt "$kills" ] && [ "$failures" -eq 0 ]; do
    moment=$((RANDOM % 1200)) victim=$((RANDOM % 3)) from_start=$((RANDOM % 4 == 0))
    had=$(ls run/checkpoints/*.h5 2>/dev/null)
    start run
    find_ranks || { wait "$launcher" || fail "the run did not start: $(cat err)"; completed; continue; }
    [ "$from_start" = 1 ] || wait_for_training run
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    killed=$(now)
    if ! kill -9 "${pids[victim]}" 2>/dev/null; then # it was quicker
        wait "$launcher" || fail "exit status $? without a kill: $(cat err)"
        went_on
        completed
        continue
    fi
    made=$((made + 1))
    early=$((early + from_start))
    wait_for_end
    [ "$status" -ne 0 ] || fail "kill $made: exit status 0"
    none_left
    all_whole
    [ "$from_start" = 1 ] || went_on
    [ "$took" -le "$longest" ] || longest=$took
    total=$((total + took))
    echo "kill $made: process $victim, $moment ms after $([ "$from_start" = 1 ] &&
        echo its start || echo the lock); ended in $took ms; $(ls run/checkpoints 2>/dev/null | tail -1)"
done

had=$(ls run/checkpoints/*.h5 2>/dev/null)
start run
wait "$launcher" || fail "the last run: $(cat err)"
went_on
completed
echo "$made kills ($early of them from the start on), $runs runs completed; a run ended" \
    "$((made ? total / made : 0)) ms after its kill on average, at most $longest ms;" \
    "$unfinished kills came while a checkpoint was written"
finish
