#!/usr/bin/env bash
# A rank that dies, hangs, stops or meets an error ends the whole run: in time, with a message that
# names it or what it was waited for in, and without leaving a process behind.
set -uo pipefail
failures=0
work=$(mktemp -d)
trap 'kill -CONT $(cat "$work"/pids/* 2>/dev/null) 2>/dev/null; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/    /' "$work/err" >&2
    failures=$((failures + 1))
}

# alive PID: it runs (one that has ended and that nobody has asked for yet does not)
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

# No process of the last run is left: mpirun's daemon kills them when it ends, which takes a moment.
none_left() {
    local pid
    for pid in $(cat "$work"/pids/*); do
        for _ in {1..50}; do
            alive "$pid" || continue 2
            sleep 0.1
        done
        fail "$1: process $pid is left"
    done
}

# ends NAME STATUS SECONDS REGEX RANKS VARIABLE=VALUE... -- ARGUMENT...: the run ends within the
# seconds with this exit status (nonzero: any but 0) and says a line that matches.
ends() {
    local name=$1 status=$2 limit=$3 pattern=$4 ranks=$5 got=0 variables=() begin
    shift 5
    while [ "$1" != -- ]; do variables+=("$1"); shift; done
    shift
    rm -rf "$work/pids"
    mkdir "$work/pids"
    begin=$SECONDS
    env PIDS="$work/pids" ${variables[@]+"${variables[@]}"} \
        timeout -k 5 100 "$MPIEXEC" -n "$ranks" "$RANKS_PROGRAM" "$@" >"$work/out" 2>"$work/err" || got=$?
    local took=$((SECONDS - begin))
    [ "$took" -le "$limit" ] || fail "$name: took $took seconds instead of $limit"
    case $status in
        nonzero) [ "$got" -ne 0 ] || fail "$name: exit status 0" ;;
        *) [ "$got" -eq "$status" ] || fail "$name: exit status $got instead of $status" ;;
    esac
    grep -qE "$pattern" "$work/err" || fail "$name: nothing said that matches $pattern"
    [ "$(ls "$work/pids" | wc -l)" -eq "$ranks" ] || fail "$name: not all ranks were there"
    none_left "$name"
}

# times N REGEX: so many lines of the last run match.
times() {
    local count
    count=$(grep -cE "$2" "$work/err")
    [ "$count" -eq "$1" ] || fail "$count lines match $2 instead of $1"
}

ends "a rank exits" nonzero 15 'exited|non-zero status|EXIT CODE: 3' 3 -- exit
ends "a rank hangs" 1 20 'rank [012] on [^ ]+: waited 3 seconds for the other ranks in the sum of gradients' \
    4 TIMEOUT=3 -- hang
ends "a rank aborts" 1 15 '^rank 2 on [^ ]+: record 7 is wrong$' 3 -- abort
times 1 '^rank [0-9]'
ends "all ranks meet the same error" 2 15 '^rank [0-3] on [^ ]+: there is no such file$' 4 -- together
times 1 '^rank [0-9]'
ends "all ranks meet the same error, and the launcher is slow" 2 15 \
    '^rank [0-3] on [^ ]+: there is no such file$' 4 SLOW_LAUNCHER=1 -- together
times 1 '^rank [0-9]'
ends "a rank is stopped" nonzero 40 \
    'rank 0 on [^ ]+: no heartbeat from rank 2 on [^ ]+ for 5 seconds' 3 SILENCE=5 -- stop
ends "rank 0 is stopped" nonzero 40 \
    'rank [12] on [^ ]+: no heartbeat from rank 0 on [^ ]+ for 5 seconds' 3 SILENCE=5 -- stop0
ends "a rank that has failed does not end by itself" 1 30 \
    'rank 0 on [^ ]+: waited 2 seconds' 2 TIMEOUT=2 -- stubborn
ends "--comm nccl without GPUs" 2 15 '^rank [01] on [^ ]+: --comm nccl: rank 0 computes on the CPU' \
    2 KIND=nccl -- gradients
times 1 '^rank [0-9]'

# Gradients on devices: the host waits in the driver, and the module's thread ends the run
if [ "$HAS_CUDA_ON_CPU" = 1 ]; then
    ends "a rank that NCCL waits for hangs" 1 20 \
        'rank [01] on [^ ]+: waited 3 seconds for the other ranks in the sum of gradients' \
        3 TIMEOUT=3 KIND=nccl -- hang cuda_on_cpu
    ends "NCCL finds an error" 1 20 \
        '^rank 1 on [^ ]+: NCCL failed in the sum of gradients: remote error' \
        2 KIND=nccl NCCL_ON_CPU_ERROR=1 -- gradients cuda_on_cpu
    ends "--comm nccl with one GPU for two" 2 15 \
        '^rank [01] on [^ ]+: --comm nccl: ranks 0 and 1 share GPU 0000:07:00.0 on .*, and NCCL requires one for each rank; omit' \
        2 KIND=nccl ONE_GPU=1 -- gradients cuda_on_cpu
fi

[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
