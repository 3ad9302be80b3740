#!/usr/bin/env bash
# Signals, and who goes away: what stops a program, what must not, and what is left.
# shellcheck disable=SC2086 # flags are words
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
input="--fasta-file data/train.fasta --taxonomy-file data/train.tsv"
run="--tokenizer-file tokenizer.json $(echo $small_model) --batch-size 8 --threads 1"

# begin COMMAND...: in the background, with signals as a terminal would have them; sets $pid
begin() {
    env --default-signal=INT,HUP,TERM,USR1 "$@" >"$work/out" 2>"$work/err" <&0 &
    pid=$!
}

# ends STATUS WHAT: within some seconds
ends() {
    local status=0
    until_true 20 eval '! kill -0 $pid' || { fail "$2: does not end"; kill -9 "$pid"; }
    wait "$pid" || status=$?
    same "exit status: $2" "$status" "$1"
}

# The terminal goes away: saved, to go on with (that nothing is lost: test_preemption.sh)
begin "$bin/deeptaxa-train" $input $run --output-dir hung --epochs 100000 --eval-every 100000
until_there "hung/checkpoints/*_epoch2.h5"
kill -HUP "$pid"
ends 75 "train upon SIGHUP"
said '^deeptaxa train: stopped by SIGHUP after .*: continue with --resume auto'

# A second SIGTERM or SIGINT ends at once what cannot end by itself, here a write that hangs; the same
# signal twice at a time, as timeout(1) sends it, is one
for signals in "TERM TERM" "INT TERM" "TERM INT"; do
    rm -rf twice
    begin env FAULT_FOLDER="$work/twice/checkpoints" FAULT_CALL=sync FAULT_KIND=hang FAULT_AT=1 \
        LD_PRELOAD="$bin/../lib/libfail_calls.so" ASAN_OPTIONS=verify_asan_link_order=0 \
        "$bin/deeptaxa-train" $input $run --output-dir twice --epochs 100000 --eval-every 100000
    until_there "twice/checkpoints/*.part-*"
    sleep 0.2
    kill -"${signals% *}" "$pid"
    kill -"${signals% *}" "$pid"
    sleep 0.7
    kill -0 "$pid" 2>/dev/null || fail "train ended upon the first of two signals: $signals"
    kill -"${signals#* }" "$pid"
    ends $((128 + $(kill -l "${signals#* }"))) "train upon $signals"
done

# What was ignored at the start stays so (nohup and others); the other signals do what they do
expect 0 deeptaxa train $input $run --output-dir whole --epochs 12 --eval-every 12
for signal in HUP INT TERM USR1; do
    rm -rf ignoring
    begin sh -c "trap '' $signal; exec '$bin/deeptaxa-train' $input $run --output-dir ignoring \
        --epochs 12 --eval-every 12"
    until_there "ignoring/checkpoints/*_epoch1.h5"
    kill -"$signal" "$pid"
    ends 0 "train that ignores SIG$signal"
    same_model "$(checkpoint whole 12)" "$(checkpoint ignoring 12)"
done
begin nohup "$bin/deeptaxa-train" $input $run --output-dir nohup --epochs 100000 --eval-every 100000
until_there "nohup/checkpoints/*_epoch1.h5"
kill -HUP "$pid"
until_there "nohup/checkpoints/*_epoch4.h5"
kill -TERM "$pid"
ends 75 "train under nohup upon SIGTERM"
said '^deeptaxa train: stopped by SIGTERM after '

# Who reads along goes away: the work goes on, and says so once where it can
lost='notice: cannot write to standard error'
deeptaxa train $input $run --output-dir piped --epochs 12 --eval-every 12 2>&1 | head -n 1 >/dev/null
same "status of train | head" "${PIPESTATUS[0]}" 0
same_model "$(checkpoint whole 12)" "$(checkpoint piped 12)"
same "notices of train | head" "$(grep -c "$lost (Broken pipe)" piped/train.log)" 1
same "epochs in train.log" "$(grep -c ' epoch [0-9]*/12: ' piped/train.log)" 12
deeptaxa train $input $run --output-dir full --epochs 2 2>/dev/full
same "status of train 2>/dev/full" "$?" 0
same "notices of train 2>/dev/full" "$(grep -c "$lost (No space left on device)" full/train.log)" 1
same "epochs in train.log" "$(grep -c ' epoch [0-9]*/2: ' full/train.log)" 2
deeptaxa prepare $input --tokenizer-file tokenizer.json --output-dir shards 2>&1 | :
same "status of prepare | :" "${PIPESTATUS[0]}" 0
[ -s shards/dataset.json ] || fail "no shards"
model=$(checkpoint whole 12)
deeptaxa predict --fasta-file data/heldout.fasta --checkpoint "$model" --output-dir p --tabular 2>&1 | :
same "status of predict | :" "${PIPESTATUS[0]}" 0
[ -s p/heldout_deeptaxa_predictions.tsv ] || fail "no predictions"

# Waiting for input, a signal ends at once: a pipe that nobody writes to, one whose writer says
# no more, standard input, and the table as well
mkfifo silent stalled
half=$(($(wc -c <data/train.fasta) / 2))
# waits SIGNALS STATUS REGEX WHAT COMMAND...
waits() {
    local signal writer signals=$1
    shift
    for signal in $signals; do
        { head -c $half data/train.fasta; exec sleep 1000; } >stalled &
        writer=$!
        begin "${@:4}"
        until_true 20 eval "ls -l /proc/$pid/fd 2>/dev/null | grep -q '$work/$input_file'" ||
            fail "$3: the input was not opened: $(cat err)"
        sleep 0.3
        kill -"$signal" "$pid"
        ends "$1" "$3 upon SIG$signal"
        kill "$writer"
        wait "$writer" 2>/dev/null
        said "$(printf "$2" "$signal")"
        [ "$(wc -l <err)" -le 3 ] || fail "$3: more than that was said: $(cat err)"
        find none -name '*.*' 2>/dev/null | grep -q . && fail "$3: files are left: $(find none)"
        rm -rf none
    done
}
stopped='^deeptaxa train: stopped by SIG%s while reading .*: start again with the same command$'
nothing='^deeptaxa [a-z]*: stopped by SIG%s; no file was written$'
for input_file in silent stalled; do
    waits "TERM INT HUP" 75 "$stopped" "train on a pipe ($input_file)" "$bin/deeptaxa-train" --fasta-file $input_file \
        --taxonomy-file data/train.tsv $run --output-dir none
    waits "TERM INT" 1 "$nothing" "predict on a pipe ($input_file)" "$bin/deeptaxa-predict" \
        --fasta-file $input_file --checkpoint "$model" --output-dir none
    waits "TERM INT HUP USR1" 1 "$nothing" "prepare on a pipe ($input_file)" "$bin/deeptaxa-prepare" \
        --fasta-file $input_file --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json \
        --output-dir none
    mkdir none
    waits TERM 1 "$nothing" "extract on a pipe ($input_file)" "$bin/deeptaxa-extract" \
        --fasta-file $input_file --region V4 --output-file none/v4.fasta
    mkdir none
    waits INT 1 "$nothing" "tokenizer on a pipe ($input_file)" "$bin/deeptaxa-tokenizer" \
        --fasta-file $input_file --output-file none/tokenizer.json
    mkdir none
    waits HUP 1 "$nothing" "calibrate on a pipe ($input_file)" "$bin/deeptaxa-calibrate" \
        --fasta-file $input_file --taxonomy-file data/train.tsv --checkpoint "$model" \
        --output-file none/calibrated.h5
done
input_file=silent
waits TERM 75 "$stopped" "train on a table" "$bin/deeptaxa-train" --fasta-file data/train.fasta \
    --taxonomy-file silent $run --output-dir none
waits "TERM INT" 75 "$stopped" "train on a tokenizer" "$bin/deeptaxa-train" --fasta-file \
    data/train.fasta --taxonomy-file data/train.tsv ${run/tokenizer.json/silent} --output-dir none
waits INT 1 "$nothing" "predict on a table" "$bin/deeptaxa-predict" --fasta-file data/heldout.fasta \
    --taxonomy-file silent --checkpoint "$model" --output-dir none
input_file=stalled
waits INT 75 "$stopped" "train on standard input" sh -c "exec '$bin/deeptaxa-train' --fasta-file - \
    --taxonomy-file data/train.tsv $run --output-dir none <stalled"
waits HUP 1 "$nothing" "predict on standard input" sh -c "exec '$bin/deeptaxa-predict' --fasta-file - \
    --checkpoint '$model' --output-dir none <stalled"

# While it writes, a command that cannot go on later leaves no file, whatever it waits for
hanging=(env FAULT_FOLDER="$work/half" FAULT_CALL=sync FAULT_KIND=hang FAULT_AT=1
    LD_PRELOAD="$bin/../lib/libfail_calls.so" ASAN_OPTIONS=verify_asan_link_order=0)
# half COMMAND FLAGS...
half() {
    mkdir half
    begin "${hanging[@]}" "$bin/deeptaxa-$1" "${@:2}"
    until_true 30 eval "find half -name '*.part-*' | grep -q ." || fail "$1 does not write"
    sleep 0.3
    kill -TERM "$pid"
    ends 1 "$1 upon SIGTERM while it writes"
    same "lines of $1 that say so" "$(grep -c "$(printf "$nothing" TERM)" err)" 1
    same "files of $1" "$(find half -type f)" ""
    rm -r half
}
half export --checkpoint "$model" --output-file half/model.h5
half convert --checkpoint "$model" --output-file half/model.pt
half calibrate --checkpoint "$model" --fasta-file data/heldout.fasta --taxonomy-file \
    data/heldout.tsv --output-file half/model.h5
half report --run whole --output-file half/report.html
half extract --fasta-file data/train.fasta --region V4 --output-file half/v4.fasta
half tokenizer --fasta-file data/train.fasta --output-file half/tokenizer.json
half describe --checkpoint "$model" --export-metrics half/metrics.json

# Once its first file is in place, it goes on to its end
hanging=("${hanging[@]/FAULT_AT=1/FAULT_AT=2}")
mkdir half
begin "${hanging[@]/FAULT_KIND=hang/FAULT_KIND=stop}" "$bin/deeptaxa-export" --checkpoint "$model" \
    --output-file half/model.h5
until_there half/model.h5
until_true 20 eval "grep -q '^State:.*stopped' /proc/$pid/status"
kill -TERM "$pid"
kill -CONT "$pid"
ends 0 "export upon SIGTERM after its checkpoint"
(cd half && sha256sum --quiet -c model.h5.sha256) || fail "the checksum of an export"
rm -r half

# The shards so far go, and those of an earlier call stay
prepare=("$bin/deeptaxa-prepare" --fasta-file data/train.fasta --taxonomy-file data/train.tsv
    --tokenizer-file tokenizer.json --sequences-per-shard 4 --output-dir half)
for earlier in no yes; do
    [ "$earlier" = yes ] && expect 0 "${prepare[@]}"
    ls half >before 2>/dev/null
    begin "${hanging[@]/FAULT_KIND=hang/FAULT_KIND=stop}" "${prepare[@]}"
    until_true 20 eval "grep -q '^State:.*stopped' /proc/$pid/status"
    kill -TERM "$pid"
    kill -CONT "$pid"
    ends 1 "prepare upon SIGTERM while it writes"
    said "$(printf "$nothing" TERM)"
    same "shards, with earlier ones: $earlier" "$(ls half)" "$(cat before)"
done
expect 0 deeptaxa train --data half $small_model --output-dir after --epochs 1

# A pipe that comes late is read to its end
begin "$bin/deeptaxa-train" --fasta-file silent --taxonomy-file data/train.tsv $run \
    --output-dir late --epochs 12 --eval-every 12
sleep 0.3
cat data/train.fasta >silent
ends 0 "train on a pipe that is written late"
same_model "$(checkpoint whole 12)" "$(checkpoint late 12)"
finish
