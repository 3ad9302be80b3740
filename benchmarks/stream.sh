#!/usr/bin/env bash
# Does --stream-data train on a set that is far larger than memory, and as fast as from memory?
#
#   bash benchmarks/stream.sh [--sequences N] [--limit MB] [--seconds S] [--ranks N] [--length N]
#       [--small N] [--pairs N] [--threads N] [--build DIR] [--work DIR] [--json FILE]
#
# (a) A set of N (20,000,000) sequences of 100 to 150 bases is made (stream_set: 3.6 GB; --work
#     FOLDER keeps it) and trained for S (120) seconds within --limit (75) MB a rank, then stopped by a
#     signal and resumed. The limit is that of a control group, which counts files in memory too; this
#     needs root. Prints the memory that cannot be given back, at ten times.
# (b) A set of --small (200,000) sequences that fits is trained for an epoch from memory and streamed
#     in turn, --pairs (3) times: sequences a second of the training part.
#
# The model is as small as possible, which is the hardest case for the reader; --length (150) is the
# number of bases it looks at: a few make it pass through many shards in a short time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options sequences=20000000 limit=75 seconds=120 ranks=1 length=150 small=200000 pairs=3 threads=1 -- "$@"
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ---- the control group, version 2 or 1 ----------------------------------------------------------
group='' kind=none
if [ -w /sys/fs/cgroup/cgroup.procs ] && grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null
then
    group=/sys/fs/cgroup/deeptaxa_stream kind=v2
    echo +memory >/sys/fs/cgroup/cgroup.subtree_control
elif [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
    group=/sys/fs/cgroup/memory/deeptaxa_stream kind=v1
fi
[ "$kind" = none ] || mkdir -p "$group"
case $kind in
    v2) echo $((ranks * limit * 1000000)) >$group/memory.max ;;
    v1) echo $((ranks * limit * 1000000)) >$group/memory.limit_in_bytes ;;
    none) notes+=("no control group here: no limit, memory of the first process") ;;
esac
kept=$work
[ -z "$(trap -p EXIT)" ] || kept='' # --work was not given
child=''
clean() {
    [ -z "$child" ] || { kill -KILL "$child" && wait "$child"; } 2>/dev/null || true
    [ "$kind" = none ] || rmdir "$group" || true
    [ -n "$kept" ] || rm -rf "$work"
}
trap clean EXIT

# anonymous: MB that cannot be given back; charged: MB in all
anonymous() {
    case $kind in
        v2) awk '$1 == "anon" { printf "%.1f\n", $2 / 1e6 }' $group/memory.stat ;;
        v1) awk '$1 == "total_rss" { printf "%.1f\n", $2 / 1e6 }' $group/memory.stat ;;
        none) awk '$1 == "RssAnon:" { printf "%.1f\n", $2 / 1e3 }' "/proc/$1/status" ;;
    esac
}
charged() {
    case $kind in
        v2) awk '{ printf "%.1f\n", $1 / 1e6 }' $group/memory.peak ;;
        v1) awk '{ printf "%.1f\n", $1 / 1e6 }' $group/memory.max_usage_in_bytes ;;
        none) echo 0 ;;
    esac
}
killed() {
    case $kind in
        v2) awk '$1 == "oom_kill" { print $2 }' $group/memory.events ;;
        v1) awk '$1 == "oom_kill" { print $2 }' $group/memory.oom_control ;;
        none) echo 0 ;;
    esac
}

train=(deeptaxa train --model-type cnn --num-filters 4 --kernel-sizes 3 --max-length "$length"
    --batch-size 512 --epochs 1 --threads "$threads" --verbose)
[ "$ranks" -eq 1 ] || train+=(--ranks "$ranks")

# limited COMMAND…: in the background, within the limit; sets $child
limited() {
    (
        case $kind in v1 | v2) echo $BASHPID >$group/cgroup.procs ;; esac
        exec "$@"
    ) >>"$work/log" 2>&1 &
    child=$!
}

# updates: the number of the last one that is in the file of steps
updates() {
    tail -qn 1 "$work"/run/metrics/*steps.jsonl 2>/dev/null |
        sed -n 's/^{"step": \([0-9]*\),.*/\1/p' || true
}

# part NAME FLAGS…: trains for $seconds from the first update on, stops, and prints rows
part() {
    local name=$1 at=0 most=0 before now first last began stopped
    shift
    before=$(updates)
    limited "${train[@]}" --data "$work/set" --output-dir "$work/run" "$@"
    began=$(date +%s)
    while [ "$(updates)" = "$before" ]; do
        kill -0 $child || { tail -5 "$work/log" >&2; exit 1; }
        sleep 0.2
    done
    row "$name: until the first update" "$(($(date +%s) - began))" s
    first=$(updates)
    for ((at = 1; at <= 10; ++at)); do
        sleep "$(compute "$seconds / 10")"
        now=$(anonymous $child)
        row "$name: memory in use after $at/10" "$now" MB
        [ $at -ne 1 ] || low=$now
        most=$now
    done
    last=$(updates)
    row "$name: updates of 512 sequences meanwhile" "$((last - ${first:-0}))" ''
    row "$name: memory in use, end / beginning" "$(compute "$most / $low")" x "<= 1.05"
    kill -USR1 $child
    stopped=0
    wait $child || stopped=$?
    child=
    [ $stopped -eq 75 ] || { tail -5 "$work/log" >&2; echo "$0: exit status $stopped" >&2; exit 1; }
    row "$name: most that was charged, with files" "$(charged)" MB
}

: >"$work/log"
[ -f "$work/set/dataset.json" ] ||
    made=$("$build/benchmarks/stream_set" --output-dir "$work/set" --sequences "$sequences")
notes+=("${made:-the set was there}; $(du -sm "$work/set" | cut -f 1) MB on disk")
rm -rf "$work/run"
part "started" --stream-data
part "resumed" --resume auto
row "processes killed for lack of memory" "$(killed)" '' "<= 0"

# ---- (b) ----------------------------------------------------------------------------------------
if [ "$pairs" -gt 0 ]; then
    [ -f "$work/small/dataset.json" ] ||
        "$build/benchmarks/stream_set" --output-dir "$work/small" --sequences "$small" >/dev/null
    for ((pair = 1; pair <= pairs; ++pair)); do
        for how in memory streamed; do
            rm -rf "$work/fits"
            flag=()
            [ $how = memory ] || flag=(--stream-data)
            timed "${train[@]}" --data "$work/small" --output-dir "$work/fits" --val-split 0.5 \
                "${flag[@]}"
            rate=$(sed -n 's/.*training [0-9.]* s (\([0-9.]*\) sequences\/s.*/\1/p' "$work/log" | tail -n 1)
            row "$how, pair $pair" "$rate" sequences/s
            if [ $how = memory ]; then
                from_memory=$rate
            else
                row "streamed / memory, pair $pair" "$(compute "$rate / $from_memory")" x ">= 0.95"
            fi
        done
    done
fi
finish stream
