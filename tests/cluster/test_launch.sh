#!/usr/bin/env bash
# deeptaxa train --ranks N: starts mpirun itself, passes signals on and hands the exit status back.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
make_gold 100
make_tokenizer
[ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] || skip "one core: there is nothing to share"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# below PID: the processes that it started, and theirs (MPICH's ranks are its proxy's)
below() {
    local pid
    for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        echo "$pid"
        below "$pid"
    done
}

# Ranks started by the command and by mpirun are the same training
expect 0 train_small started --epochs 2 --ranks 2 --threads 1
grep -q '"world_size": *2' started/metrics/*_epoch2.json || fail "not two ranks"
expect 0 mpirun -np 2 "$bin/deeptaxa" train --fasta-file data/train.fasta \
    --taxonomy-file data/train.tsv --output-dir direct --tokenizer-file tokenizer.json \
    ${small_model:?} --batch-size 8 --learning-rate 1e-2 --threads 1 --val-split 0.2 --epochs 2
same_model "$(checkpoint started 2)" "$(checkpoint direct 2)"

# Both ranks cut the amplicons, and leave out the same sequences
awk '/^>/ { n++ } n % 7 || /^>/ { print; next } { print substr($0, 1, 30) }' data/train.fasta >some.fasta
expect 0 deeptaxa extract --fasta-file some.fasta --region V4 --output-file v4.fasta
for input in v4.fasta "some.fasta --region V4"; do
    expect 0 train_small "v4${#input}" --epochs 1 --ranks 2 --threads 1 --fasta-file $input
done
said '^some.fasta: [4-7][0-9] of 80 sequences are cut to the amplicon'
same_model "$(checkpoint v48 1)" "$(checkpoint v422 1)"

# Ranks that a file of settings requests are started once: each of them reads it, too
echo '{"ranks": 2, "epochs": 2}' >ranks.json
expect 0 train_small requested --config ranks.json --threads 1
same_model "$(checkpoint started 2)" "$(checkpoint requested 2)"

# SIGTERM to the command alone: the ranks save and the status is 75; going on ends in the same bits.
# Ctrl-C (SIGINT), which a shell lets its background ignore, and the end of the terminal are the same.
expect 0 train_small whole --epochs 60 --eval-every 60 --ranks 2 --threads 1
for signal in TERM INT HUP; do
    rm -rf stopped
    env --default-signal=INT "$bin/deeptaxa-train" --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir stopped --tokenizer-file tokenizer.json ${small_model:?} --batch-size 8 \
        --learning-rate 1e-2 --val-split 0.2 --epochs 60 --eval-every 60 --ranks 2 --threads 1 \
        >out 2>err &
    started=$!
    until_there "stopped/checkpoints/*_epoch2.h5"
    kill -"$signal" "$started"
    wait "$started"
    same "exit status after SIG$signal" "$?" 75 || cat err >&2
    expect 0 train_small stopped --resume auto --ranks 2 --threads 1
    same_model "$(checkpoint whole 60)" "$(checkpoint stopped 60)"
done

# The same before the ranks have begun, when mpiexec has none to forward it to
for wait in 0.2 0.4 0.6; do
    rm -rf early
    "$bin/deeptaxa-train" --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir early \
        --tokenizer-file tokenizer.json $small_model --batch-size 8 --epochs 100000 --eval-every 100000 --ranks 2 \
        --threads 1 >out 2>err &
    started=$!
    sleep "$wait"
    kill -TERM "$started"
    wait "$started"
    status=$?
    [ "$status" -eq 75 ] || { [ "$status" -eq 1 ] && grep -q 'stopped by SIGTERM' err; } ||
        fail "exit status $status after SIGTERM at $wait s: $(tail -n 3 err)"
done

# Who reads along goes away, and SIGHUP was ignored from the start: the ranks go on
train_small piped --epochs 60 --eval-every 60 --ranks 2 --threads 1 2>&1 | head -n 1 >/dev/null
same "status of train --ranks 2 | head" "${PIPESTATUS[0]}" 0
same_model "$(checkpoint whole 60)" "$(checkpoint piped 60)"
(
    trap '' HUP
    deeptaxa() { exec "$bin/deeptaxa" "$@"; }
    train_small ignoring --epochs 60 --eval-every 60 --ranks 2 --threads 1 >out 2>err
) &
started=$!
until_there "ignoring/checkpoints/*_epoch2.h5"
kill -HUP "$started"
wait "$started"
same "exit status where SIGHUP is ignored" "$?" 0
same_model "$(checkpoint whole 60)" "$(checkpoint ignoring 60)"

# Killed outright, nothing is left running
"$bin/deeptaxa-train" --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir killed --tokenizer-file tokenizer.json ${small_model:?} --batch-size 8 \
    --epochs 2000 --eval-every 2000 --ranks 2 --threads 1 >out 2>err &
started=$!
until_there "killed/checkpoints/*_epoch1.h5"
mapfile -t left < <(below "$started")
mapfile -t ranks < <(for pid in "${left[@]}"; do
    [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$bin/deeptaxa-train")" ] && echo "$pid"
done)
same "ranks" "${#ranks[@]}" 2
# ... each has cores of its own
mapfile -t bound < <(for pid in "${ranks[@]}"; do sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$pid/status"; done)
[ "${bound[0]:-}" != "${bound[1]:-}" ] || fail "both ranks are bound to the CPUs ${bound[*]}"
kill -9 "$started"
for _ in $(seq 100); do
    kill -0 "${left[@]}" 2>/dev/null || break
    sleep 0.1
done
for pid in "${left[@]}"; do
    kill -0 "$pid" 2>/dev/null && fail "process $pid is left"
done

# The message and the status of a rank that fails
rm -f data/none.tsv
expect 1 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/none.tsv --output-dir no \
    --tokenizer-file tokenizer.json --ranks 2
said 'data/none.tsv: .*No such file'

# Where ranks cannot be started
train=(deeptaxa train --data none --output-dir no --ranks 2)
refused 2 'this is a Slurm job: omit the flag' env SLURM_JOB_ID=7 "$bin/${train[0]}" "${train[@]:1}"
refused 2 'itself started by mpirun' env OMPI_COMM_WORLD_SIZE=2 "$bin/${train[0]}" "${train[@]:1}"
refused 2 '4000 ranks: each needs a processor core' "${train[@]}" --ranks 4000
if [ "$(id -u)" -eq 0 ] && mpirun --version | grep -q 'Open MPI'; then
    unset OMPI_ALLOW_RUN_AS_ROOT
    refused 2 'as root .*OMPI_ALLOW_RUN_AS_ROOT=1' "${train[@]}"
fi
finish
