#!/usr/bin/env bash
# A rank that is late for some seconds is named while the others wait for it, and when it is back; it
# is not killed, and short waits are not told. The runs are at the same time: they sleep.
set -uo pipefail
failures=0
work=$(mktemp -d)
trap 'kill -CONT $(cat "$work"/*/pids/* 2>/dev/null) 2>/dev/null; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# begin NAME VARIABLE=VALUE... -- ARGUMENT...: three ranks in the background
names=()
begin() {
    local name=$1 variables=()
    shift
    names+=("$name")
    while [ "$1" != -- ]; do variables+=("$1"); shift; done
    shift
    mkdir -p "$work/$name/pids"
    (
        env PIDS="$work/$name/pids" ${variables[@]+"${variables[@]}"} \
            timeout -k 5 60 "$MPIEXEC" -n 3 "$RANKS_PROGRAM" "$@" >"$work/$name/out" 2>"$work/$name/err"
        echo $? >"$work/$name/status"
    ) &
}

# resume NAME RANK: continues the rank once it has been stopped for 5 s.
resume() {
    local pid
    for _ in {1..200}; do
        pid=$(cat "$work/$1/pids/$2" 2>/dev/null) && grep -q '^State:.*T' "/proc/$pid/status" && break
        sleep 0.1
    done
    sleep 5
    kill -CONT "$pid" || fail "$1: rank $2 was gone"
}

# says NAME LINE...: a good end, and exactly these messages of the program, in which N stands for seconds and HOST
# for a name
says() {
    local name=$1
    shift
    [ "$(cat "$work/$name/status")" = 0 ] || fail "$name: exit status $(cat "$work/$name/status")"
    diff <([ $# -eq 0 ] || printf '%s\n' "$@") <(grep -E 'waiting for|is back|no rank is late' "$work/$name/err" |
        sed -E 's/ on [^ ]+/ on HOST/; s/(since|after) [0-9]+ s/\1 N s/') >"$work/diff" ||
        fail "$name: $(cat "$work/diff" "$work/$name/err")"
}

begin slow -- late
begin slow0 -- late0
begin short SECONDS_LATE=2 -- late
begin paused -- pause
begin paused0 -- pause0
resume paused 2 &
resume paused0 0 &
if [ "$HAS_CUDA_ON_CPU" = 1 ]; then
    begin device KIND=nccl -- late cuda_on_cpu
    begin device0 KIND=nccl -- late0 cuda_on_cpu
fi
wait

late='notice: waiting for rank 2 on HOST since N s (the sum of gradients)'
late0='notice: waiting for rank 0 on HOST since N s (the sum of gradients)'
for name in "${names[@]}"; do
    case $name in
        paused0) says paused0 'notice: rank 0 on HOST is back after N s: its process was stopped' ;;
        *short) says "$name" ;;
        *0) says "$name" "$late0" 'notice: rank 0 on HOST is back after N s' ;;
        *) says "$name" "$late" 'notice: rank 2 on HOST is back after N s' ;;
    esac
done
[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
