#!/usr/bin/env bash
# A run that is stopped by signals or killed at random times, and restarted with the same command
# (--resume auto), ends bitwise equal to the uninterrupted one.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer
small="--epochs 3 --batch-size 4 --accum-steps 3"

# in_background FOLDER FLAGS...: trains there; sets $pid to that of the program, once it has the folder's lock
in_background() {
    local folder=$1
    rm -f "$folder/.deeptaxa.lock"
    (
        deeptaxa() { exec env --default-signal=INT "$bin/deeptaxa" "$@"; } # & lets it ignore it
        # shellcheck disable=SC2086
        train_small "$@" $small >"$work/out" 2>"$work/err"
    ) &
    pid=$!
    for _ in $(seq 3000); do
        grep -q "pid $pid\$" "$folder/.deeptaxa.lock" 2>/dev/null && return
        kill -0 "$pid" 2>/dev/null || return
        sleep 0.01
    done
}

# wait_for_end: sets $status
wait_for_end() {
    status=0
    wait "$pid" 2>/dev/null || status=$?
}

# step and loss of every line of the steps file
steps_of() {
    sed -E 's/.*"step": ([0-9]+).*"loss": ([0-9.]+),.*/\1 \2/' \
        "$1/metrics/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_steps.jsonl"
}

# same_end FOLDER: it ended like `whole`
same_end() {
    same_model "$(checkpoint whole 3)" "$(checkpoint "$1" 3)"
    same "steps of $1" "$(steps_of "$1")" "$(steps_of whole)"
    same "metrics of $1" "$(find "$1/metrics" -name '*epoch*.json' | wc -l)" 3
    for epoch in 1 2 3; do
        same "measures of epoch $epoch in $1" \
            "$(sed -n '/performance_metrics/,/system_info/p' "$1"/metrics/*_epoch$epoch.json)" \
            "$(sed -n '/performance_metrics/,/system_info/p' whole/metrics/*_epoch$epoch.json)"
    done
    same "checkpoints within epochs in $1" "$(find "$1" -name '*_step[0-9]*')" ""
}

began=$(date +%s%N)
# shellcheck disable=SC2086
expect 0 train_small whole $small
milliseconds=$((($(date +%s%N) - began) / 1000000))

# somewhere: sleeps for a random part of the time that a whole run takes on this machine
somewhere() {
    local pause=$((milliseconds * (RANDOM % 90 + 5) / 100))
    sleep "$((pause / 1000)).$(printf '%03d' $((pause % 1000)))"
}

# Signals: status 75, one line that says how to resume, and nothing is lost
stops=0
signals=(USR1 TERM INT HUP)
for round in $(seq 10); do
    in_background stopped --resume auto --save-every-steps 2 --keep-checkpoints 1
    somewhere
    kill -"${signals[round % 4]}" "$pid" 2>/dev/null
    wait_for_end
    [ "$round" -gt 1 ] || said 'notice: --resume auto: no checkpoint in stopped; starting a new run'
    if [ "$status" -eq 0 ]; then
        [ "$stops" -eq 0 ] || break
        rm -rf stopped # it ended before the signal came: from the beginning, and sooner
        milliseconds=$((milliseconds / 2))
        continue
    fi
    same "exit status of round $round" "$status" 75
    same "last words of round $round" "$(tail -n 1 err |
        grep -cE '^deeptaxa train: stopped by SIG(USR1|TERM|INT|HUP) (after|before) ')" 1
    same "checkpoints of epochs in round $round" \
        "$(find stopped/checkpoints -name '*.h5' ! -name '*_step[0-9]*' | wc -l)" \
        "$([ -e "$(checkpoint stopped 1)" ] || [ -e "$(checkpoint stopped 2)" ] ||
            [ -e "$(checkpoint stopped 3)" ] && echo 1 || echo 0)"
    stops=$((stops + 1))
done
[ "$stops" -gt 0 ] || fail "no run was stopped"
# shellcheck disable=SC2086
[ "$status" -eq 0 ] || expect 0 train_small stopped $small --resume auto
same_end stopped

# Kills, while a checkpoint is written after every update
kills=0
for round in $(seq 12); do
    in_background killed --resume auto --save-every-steps 1
    somewhere
    kill -9 "$pid" 2>/dev/null
    wait_for_end
    if [ "$status" -eq 0 ]; then
        [ "$kills" -eq 0 ] || break
        rm -rf killed
        milliseconds=$((milliseconds / 2))
        continue
    fi
    same "exit status of round $round" "$status" 137
    kills=$((kills + 1))
done
[ "$kills" -gt 0 ] || fail "no run was killed"
# shellcheck disable=SC2086
[ "$status" -eq 0 ] || expect 0 train_small killed $small --resume auto
same_end killed

# A damaged checkpoint is skipped
rm -rf damaged
cp -r whole damaged
rm damaged/metrics/*epoch3.json
truncate -s -1000 "$(checkpoint damaged 3)"
middle=$(checkpoint damaged 2)
printf 'xyz' | dd of="$middle" bs=1 seek=$(($(stat -c %s "$middle") - 30000)) conv=notrunc 2>/dev/null
# shellcheck disable=SC2086
expect 0 train_small damaged $small --resume auto
said 'warning: skipped: .*epoch3.h5: .*(truncated|damaged)'
said 'warning: skipped: .*epoch2.h5: .*damaged'
said 'resume auto: resuming from .*epoch1.h5'
same_end damaged

# Metrics that are missing because of a kill are written by the resumed run; the checkpoint does not change
before=$(md5sum <"$(checkpoint damaged 3)")
rm damaged/metrics/*epoch3.json
# shellcheck disable=SC2086
expect 0 train_small damaged $small --resume auto
same_end damaged
same "checkpoint" "$(md5sum <"$(checkpoint damaged 3)")" "$before"

# --save-every-minutes: a fraction of a minute saves within an epoch
# shellcheck disable=SC2086
expect 0 train_small clock $small --save-every-minutes 0.000001
said 'checkpoint: .*_epoch1_step[0-9]+.h5'
same_model "$(checkpoint whole 3)" "$(checkpoint clock 3)"

# A second SIGINT ends the run at once, here during a long update
small="--epochs 1 --batch-size 64 --hidden-size 512 --intermediate-size 2048 --max-length 512
    --embed-dim 512 --num-filters 256 --threads 1 --learning-rate 1e-3"
in_background twice
sleep 0.5
while kill -INT "$pid" 2>/dev/null; do sleep 0.02; done
wait_for_end
same "exit status after several SIGINT" "$status" 130

# … also after another signal in between, and if --ranks 1 started it
in_background between
sleep 0.5
for signal in INT TERM INT; do
    kill -"$signal" "$pid"
    sleep 0.27 # signals of half a second are one request
done
wait_for_end
same "exit status after SIGINT, SIGTERM, SIGINT" "$status" 130
small+=' --ranks 1'
in_background one_rank
sleep 0.5
while kill -INT "$pid" 2>/dev/null; do sleep 0.02; done
wait_for_end
same "exit status of --ranks 1 after several SIGINT" "$status" 130
finish
