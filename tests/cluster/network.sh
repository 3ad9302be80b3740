#!/usr/bin/env bash
# Long runs on two bad hosts, by hand, as root: the figures of docs/reliability.md. Two ranks, one on
# each host (network namespaces, hosts.sh).
#
#     bash tests/cluster/network.sh speed [ROUNDS]
#     bash tests/cluster/network.sh sums|stops|files|fifth
#
# sums:  time and bandwidth of sums of gradients with latency, loss and limited bandwidth
# speed: throughput of a training with latency, loss and limited bandwidth, against undisturbed runs in turn
# stops: a rank that is stopped, a cable that is pulled for seconds, clocks that differ
# files: a slow file system
# fifth: a rank with a fifth of a processor
#
# For the last three: what is said, and that the model is that of an undisturbed run to the bit.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/hosts.sh"
hosts_isolate "$@"
part=${1:?sums, speed, stops, files or fifth} rounds=${2:-2}
make_gold 200
make_tokenizer
export OMP_NUM_THREADS=1

data="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    --threads 1 --learning-rate 1e-3 --val-split 0.2"
# 1.6 million weights: gradients of 6.6 MB
model="--embed-dim 64 --hidden-size 256 --num-hidden-layers 2 --num-attention-heads 4
    --intermediate-size 1024 --num-filters 32 --max-length 128 --batch-size 16"
batch=16

# ---- throughput ----------------------------------------------------------------------------------

# speed_of: sequences a second of a run of three epochs, without the first
speed_of() {
    rm -rf speed
    hosts_mpirun 2 "$bin/deeptaxa" train $data $model --epochs 3 --output-dir speed >out 2>err ||
        { fail "exit status $?: $(cat err)" >&2; return; }
    grep -E 'waiting for|no rank is late' err >&2
    sed -n 's/^ *"sequences_per_second": \([^,]*\),*$/\1/p' speed/metrics/*_epoch[23].json |
        awk '{ s += 1 / $1 } END { printf "%.2f", NR / s }'
}

# compare NAME UNDISTURBED-COMMAND DISTURBING-COMMAND: in turn, $rounds times
compare() {
    local i a b
    for ((i = 0; i < rounds; ++i)); do
        $2
        a=$(speed_of)
        $3
        b=$(speed_of)
        awk -v name="$1" -v a="$a" -v b="$b" -v batch="$batch" 'BEGIN {
            printf "%-22s %7.2f %7.2f %6.2f %8.3f s\n", name, a, b, b / a, batch * (1 / b - 1 / a) }'
    done
}

sums() {
    local condition
    for condition in "hosts_rate 20000" "hosts_rate 1000" "hosts_rate 100" "hosts_line 0 0" \
        "hosts_line 0.1 0" "hosts_line 1 0" "hosts_line 10 0" \
        "hosts_line 1 0.1" "hosts_line 1 1"; do
        $condition
        echo "== $condition"
        hosts_mpirun 2 "$bin/deeptaxa" selftest --device cpu >out 2>err || fail "$condition: $(cat err)"
        grep -E '[KM]i?B|bytes|waiting for|is late' out err
    done
}

speed() {
    echo "condition              undisturbed, disturbed (sequences/s), ratio, seconds more a step"
    compare "1 Gb/s" "hosts_rate 20000" "hosts_rate 1000"
    compare "100 Mb/s" "hosts_rate 20000" "hosts_rate 100"
    compare "0.1 ms" "hosts_line 0 0" "hosts_line 0.1 0"
    compare "1 ms" "hosts_line 0 0" "hosts_line 1 0"
    compare "10 ms" "hosts_line 0 0" "hosts_line 10 0"
    compare "1 ms, 0.1 % lost" "hosts_line 0 0" "hosts_line 1 0.1"
    compare "1 ms, 1 % lost" "hosts_line 0 0" "hosts_line 1 1"
}

# ---- trouble -------------------------------------------------------------------------------------

# host_program BOTH HOST2: what runs instead of deeptaxa, with these settings of other_host.c
host_program() {
    printf '#!/bin/sh\nexport LD_PRELOAD=%s %s\n[ "$(hostname)" = host1 ] || export OTHER=1 %s\nexec %s "$@"\n' \
        "$bin/../lib/libother_host.so" "$1" "$2" "$bin/deeptaxa" >program
    chmod +x program
}

# begin FOLDER EPOCHS FLAGS...: a training over both hosts in the background, until it is in its third
# epoch; $run is mpirun, $pid rank 1
begin() {
    local folder=$1 entry
    epochs=$2
    shift 2
    hosts_mpirun 2 ./program train $data --epochs "$epochs" --eval-every "$epochs" \
        --keep-checkpoints 1 --output-dir "$folder" "$@" >out 2>err &
    run=$!
    until_true 300 compgen -G "$folder/checkpoints/*epoch2*.h5" || fail "no training: $(cat err)"
    for entry in $(host_processes 2); do
        grep -qzx OMPI_COMM_WORLD_RANK=1 "/proc/$entry/environ" 2>/dev/null && pid=$entry
    done
}

# ended WHAT FOLDER: the run ends well, with the model of the run "plain" with as many epochs
ended() {
    local status=0
    wait "$run" || status=$?
    [ "$status" -eq 0 ] || fail "$1: exit status $status: $(tail -n 30 err)"
    same_model "$(checkpoint "$2" "$epochs")" "$(checkpoint "plain$epochs" "$epochs")"
    told "$1"
}

told() {
    echo "== $1"
    grep -hE 'waiting for|is back|waited|no heartbeat|no rank is late|training waits' err |
        sed -E 's/[^ ]*(_epoch[^ ]*)/*\1/' | sort | uniq -c | sort -rn | head -n 6
}

small="$small_model --batch-size 8"

stops() {
    host_program "" ""
    begin plain60 60 $small
    ended "undisturbed" plain60

    begin stopped 60 $small
    kill -STOP "$pid"; sleep 20; kill -CONT "$pid"
    ended "rank 1 stopped for 20 s" stopped

    KEEP_ALIVE=300 begin cut 60 $small
    hosts_cut; sleep 15; hosts_join
    ended "the cable pulled for 15 s" cut

    host_program "" "CLOCK_AHEAD=-86400"
    begin behind 60 $small
    ended "host2 a day behind" behind

    host_program "" ""
    begin dead 60 $small
    kill -STOP "$pid"
    wait "$run" && fail "exit status 0 without rank 1"
    told "rank 1 stopped for ever"
}

# Opening a file takes 1 s, and each of the two calls of fsync for a checkpoint 8 s. Then a file system that does not answer rank 0
# for 40 s, which is longer than ranks go without a heartbeat.
files() {
    host_program "" ""
    begin plain4 4 $small
    ended "undisturbed" plain4
    host_program "SLOW_FOLDER=slow/ SLOW_MS=1000 SLOW_SYNC_MS=8000" ""
    begin slow 4 $small --save-every-steps 10
    ended "a slow file system" slow
    host_program "SLOW_FOLDER=hangs/metrics SLOW_MS=40000" ""
    begin hangs 4 $small
    ended "opening a file of metrics takes 40 s" hangs
}

fifth() {
    host_program "" ""
    begin plain5 5 $model
    ended "undisturbed" plain5
    begin fifth 5 $model --verbose
    while kill -STOP "$pid" 2>/dev/null; do sleep 0.4; kill -CONT "$pid"; sleep 0.1; done
    ended "rank 1 with a fifth of a processor" fifth
    grep -h 'which is slower' err || fail "the slow rank is not named: $(grep waiting err)"
}

case $part in
    sums | speed | stops | files | fifth) hosts_start && $part ;;
    *) echo "network.sh: no part $part" >&2; exit 2 ;;
esac
finish
