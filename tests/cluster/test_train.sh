#!/usr/bin/env bash
# Processes under mpirun train what one process trains: losses, measures, checkpoints; they end
# together with one line, and a signal to mpirun stops them so that nothing is lost.
source "$(dirname "$0")/../cli/lib.sh"
make_gold 60
make_tokenizer

# ranks N FOLDER FLAGS...: trains with N processes; batches of 5 leave some ranks fewer sequences
# than others; the last batch of the 38 sequences has 3, so that a fourth rank has none.
ranks() {
    local count=$1 folder=$2
    shift 2
    # shellcheck disable=SC2086
    "$MPIEXEC" -n "$count" "$bin/deeptaxa-train" --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir "$folder" --tokenizer-file tokenizer.json \
        $small_model --batch-size 5 --learning-rate 1e-2 --threads 1 --val-split 0.2 "$@"
}

# values FILE KEY: its values, one a line
values() { sed -nE "s/.*\"$2\": *([-+.0-9e]+).*/\1/p" "$1"; }

# alike BOUND WHAT A B: lists of numbers, alike but for this share of them
alike() {
    [ -n "$3" ] && [ "$(wc -l <<<"$3")" = "$(wc -l <<<"$4")" ] &&
        paste <(echo "$3") <(echo "$4") | awk -v bound="$1" '
            { d = $1 - $2; if (d < 0) d = -d; s = $2 < 0 ? -$2 : $2; if (d > bound * s) bad = 1 }
            END { exit bad }' || fail "$2: $3 instead of $4"
}
close() { alike 1e-5 "$@"; }

file() { echo "$1/$2/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_$3"; }

# like_one FOLDER [ONE]: every line of the steps, and all measures, are those of one process
like_one() {
    local one=${2:-one}
    for key in step loss gradient_norm; do
        close "$key in $1" "$(values "$(file "$1" metrics steps.jsonl)" $key)" \
            "$(values "$(file "$one" metrics steps.jsonl)" $key)"
    done
    for key in training_loss validation_loss accuracy precision recall f1_score; do
        close "$key in $1" "$(values "$(file "$1" metrics epoch3.json)" $key)" \
            "$(values "$(file "$one" metrics epoch3.json)" $key)"
    done
}

# The last epoch was trained as one process trains it.
like_one_epoch3() {
    close "training loss of $1" "$(values "$(file "$1" metrics epoch3.json)" training_loss)" \
        "$(values "$(file one metrics epoch3.json)" training_loss)"
}

# one_line STATUS REGEX COMMAND...: all ranks together end with the status and one line of ours
one_line() {
    local status=$1 pattern=$2
    shift 2
    expect "$status" "$@"
    same "lines of ours" "$(grep -cE '^(deeptaxa train|rank [0-9]+ on)' "$work/err")" 1
    said "$pattern"
}

expect 0 ranks 1 one --epochs 3
said 'Sequences: 38 for training, 10 for validation'
for count in 2 3 4; do
    expect 0 ranks "$count" "r$count" --epochs 3
    like_one "r$count"
    grep -q "\"world_size\": $count," "$(file "r$count" metrics epoch3.json)" || fail "no world size"
    grep -q "\"ranks\": $count" "$(file "r$count" metrics epoch3.json)" || fail "no ranks of a device"
done
said 'Ranks: 4 on 1 host'
said 'ranks 0-3: .*threads?'
said 'Shares: each batch of 5 sequences is divided equally by tokens, on average 1.25 sequences per rank'
same "tables of parameters" "$(grep -c '^Total parameters' err)" 1

expect 0 ranks 3 rank0 --epochs 3 --validate-on rank0 --verbose
like_one rank0
same "logs" "$(cd rank0 && echo *.log)" "train.log train_rank1.log train_rank2.log"

# Nothing that is evaluated
for count in 1 3; do
    expect 0 ranks "$count" "unvalidated$count" --epochs 2 --val-split 0
    same "metrics of epochs" "$(find "unvalidated$count/metrics" -name '*epoch*.json')" ""
done
for key in step loss gradient_norm; do
    close "$key without validation" "$(values "$(file unvalidated3 metrics steps.jsonl)" $key)" \
        "$(values "$(file unvalidated1 metrics steps.jsonl)" $key)"
done

# Lengths of the training sequences: each rank knows those that it tokenised
lengths() { "$bin/../tests/print_array" "$(checkpoint "$1" 3)" deeptaxa-checkpoint training_lengths/bases; }
for count in 3 4; do same "lengths of r$count" "$(lengths "r$count")" "$(lengths one)"; done

# Class weights: of a batch over all ranks
expect 0 ranks 1 weighted1 --epochs 3 --class-weights inverse
expect 0 ranks 2 weighted2 --epochs 3 --class-weights inverse
like_one weighted2 weighted1

# Early stopping and the best epoch: all ranks decide as one process does, each by the same losses
checkpoints() { (cd "$1/checkpoints" && ls | sed -E 's/.*_(epoch.*)\.h5/\1/' | sort -V | tr '\n' ' '); }
evaluations() { find "$1/metrics" -name '*epoch*.json' | wc -l; }
stop="--epochs 12 --early-stopping-patience 2 --save-best-only --learning-rate 0.1"
# shellcheck disable=SC2086
expect 0 ranks 1 ended1 $stop
said 'early stopping: .* in the last 2 evaluations'
[ "$(evaluations ended1)" -lt 12 ] || fail "early stopping does not end this run: nothing is shown"
[ "$(checkpoints ended1)" != "epoch$(evaluations ended1) " ] || fail "the last epoch is the best: nothing is shown"
told=$(grep 'early stopping' err)
for where in all rank0; do
    # shellcheck disable=SC2086
    expect 0 ranks 2 "ended_$where" $stop --validate-on $where --collective-timeout 20
    same "last words" "$(grep 'early stopping' err)" "$told"
    same "checkpoints" "$(checkpoints "ended_$where")" "$(checkpoints ended1)"
    same "evaluations" "$(evaluations "ended_$where")" "$(evaluations ended1)"
done

# What sums the gradients
expect 0 ranks 2 summed --epochs 1 --comm mpi
said '; gradients are summed by MPI: as requested$'
expect 2 ranks 2 none --epochs 1 --comm nccl
said '^deeptaxa train: --comm nccl: rank 0 computes on the CPU; omit the flag or use --comm mpi$'

# A rank that does not come (here: it waits for its input) is given up after --collective-timeout
mkfifo never.json
late=(--fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir late
    --collective-timeout 1)
expect 1 "$MPIEXEC" -n 1 "$bin/deeptaxa-train" --tokenizer-file tokenizer.json "${late[@]}" : \
    -n 1 "$bin/deeptaxa-train" --tokenizer-file never.json "${late[@]}"
said '^rank 0 on [^ ]+: waited 1 seconds for the other ranks in '

# Equal runs on as many ranks give equal bits
expect 0 ranks 3 again --epochs 3
same_model "$(checkpoint r3 3)" "$(checkpoint again 3)"

# Gradients that travel as bf16: other sums, near those in fp32, and the same in equal runs
for folder in half half2; do expect 0 ranks 3 $folder --epochs 3 --grad-dtype bf16; done
said '^Communication: .*; gradients are summed in bf16 by MPI: rank 0 computes on the CPU$'
grep -q 'gradients are summed in bf16' half/*.log || fail "the log does not tell that sums are bf16"
same_model "$(checkpoint half 3)" "$(checkpoint half2 3)"
"$bin/../tests/compare_checkpoints" "$(checkpoint r3 3)" "$(checkpoint half 3)" >/dev/null 2>&1 &&
    fail "--grad-dtype bf16 changes nothing"
alike 1e-2 "loss with --grad-dtype bf16" "$(values "$(file half metrics steps.jsonl)" loss)" \
    "$(values "$(file r3 metrics steps.jsonl)" loss)"
expect 0 ranks 2 none --dry-run --grad-dtype bf16
printed '^Communication: .*, 2 ranks on 1 host; gradients are summed in bf16$'
# ... one process has none to send, also when it has a communicator
expect 0 ranks 1 none --dry-run --grad-dtype bf16
said '^notice: --grad-dtype bf16 has no effect: the run has one process$'
expect 0 ranks 1 alone --epochs 3 --grad-dtype bf16 --comm mpi --validate-on rank0
said '^notice: --comm has no effect: the run has one process$'
said '^notice: --validate-on rank0 has no effect: the run has one process$'
said '^notice: --grad-dtype bf16 has no effect: the run has one process$'
same_model "$(checkpoint alone 3)" "$(checkpoint one 3)"
# ... ranks must agree
both=(--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    --output-dir none)
one_line 2 '^deeptaxa train: rank 0 on [^ ]+ has --grad-dtype bf16, but rank 1 on [^ ]+ has --grad-dtype fp32: ' \
    "$MPIEXEC" -n 1 "$bin/deeptaxa-train" "${both[@]}" --grad-dtype bf16 : \
    -n 1 "$bin/deeptaxa-train" "${both[@]}"

# Checkpoints of any number of ranks go on with any other
expect 0 ranks 2 from3 --resume "$(checkpoint r3 1)"
like_one_epoch3 from3
expect 0 ranks 1 from4 --resume "$(checkpoint r4 2)"
like_one_epoch3 from4
expect 0 ranks 4 from1 --resume "$(checkpoint one 2)"
like_one_epoch3 from1

# ... and find their sequences again in a file of another order, of which each tokenises other ones
awk '/^>/ { n++ } { r[n] = r[n] $0 "\n" } END { while (n) printf "%s", r[n--] }' data/train.fasta >back.fasta
expect 0 ranks 3 back --fasta-file back.fasta --resume "$(checkpoint r3 1)"
said '^notice: the sequences of the input are in a different order'
same_model "$(checkpoint r3 3)" "$(checkpoint back 3)"
sed '/^>/!s/^A/C/' data/train.fasta >changed.fasta
one_line 1 '; [0-9]+ have the same ids but other sequences' \
    ranks 3 none --fasta-file changed.fasta --resume "$(checkpoint r3 1)"

# Exports of many ranks are those of one
for count in 1 3; do
    expect 0 ranks "$count" "export$count" --resume "$(checkpoint one 3)" --export-sequence-embeddings \
        --export-permutation-importance
    "$bin/../tests/print_array" "$(file "export$count" weights epoch3_sequence_embeddings.h5)" \
        deeptaxa-embeddings embeddings | tr '\t' '\n' >"vectors$count"
done
close "vectors of 3 ranks" "$(cat vectors3)" "$(cat vectors1)"
same "vectors" "$(wc -l <vectors1)" 160
cmp "$(file export3 weights epoch3_permutation_importance.tsv)" \
    "$(file export1 weights epoch3_permutation_importance.tsv)" || fail "the importance of 3 ranks"

# What cannot be is told once, by all ranks together
one_line 2 '^deeptaxa train: 6 ranks are more than the 5 sequences of a batch: .*at most 5 ranks' \
    ranks 6 none --epochs 3
# ... also when another rank is the first to end, upon which mpirun kills the rest
for _ in $(seq 15); do
    one_line 2 '^deeptaxa train: 8 ranks are more than the 5 sequences of a batch' ranks 8 none --epochs 3
done
one_line 1 '^deeptaxa train: nothing.h5: cannot open' ranks 3 none --resume nothing.h5
one_line 2 '^deeptaxa train: --fasta-file -: standard input reaches only one of the 2 processes' \
    "$MPIEXEC" -n 2 "$bin/deeptaxa-train" --fasta-file - --taxonomy-file data/train.tsv \
    --output-dir none --tokenizer-file tokenizer.json
# ... also where one rank alone finds it while all of them read
awk '/^>/ {n++} n == 40 && !/^>/ {print "----"; next} {print}' data/train.fasta >empty.fasta
one_line 1 '^deeptaxa train: rank 1 on [^ ]+: empty.fasta: line [0-9]+: .* gap characters only' \
    "$MPIEXEC" -n 3 "$bin/deeptaxa-train" --fasta-file empty.fasta --taxonomy-file data/train.tsv \
    --output-dir none --tokenizer-file tokenizer.json
grep -q 'MPI_ABORT' err && fail "a rank ended the others by force: $(cat err)"
[ -e none ] && fail "a refused run wrote something"

# A signal to mpirun reaches the ranks: 75, and the same command goes on to the same end
stops=0
for _ in $(seq 6); do
    rm -f stopped/.deeptaxa.lock
    (
        # shellcheck disable=SC2086
        exec "$MPIEXEC" -n 3 "$bin/deeptaxa-train" --fasta-file data/train.fasta \
            --taxonomy-file data/train.tsv --output-dir stopped --tokenizer-file tokenizer.json \
            $small_model --batch-size 5 --learning-rate 1e-2 --threads 1 --val-split 0.2 \
            --epochs 3 --resume auto --save-every-steps 3 >out 2>err
    ) &
    pid=$!
    for _ in $(seq 1500); do
        [ -s stopped/.deeptaxa.lock ] && break
        sleep 0.01
    done
    sleep "0.0$((RANDOM % 9 + 1))"
    kill -USR1 "$pid" 2>/dev/null
    status=0
    wait "$pid" || status=$?
    [ "$status" -ne 0 ] || break
    same "exit status after SIGUSR1" "$status" 75
    said '^deeptaxa train: stopped by (SIGUSR1|a signal) (after|before) '
    stops=$((stops + 1))
done
[ "$stops" -gt 0 ] || fail "no run was stopped"
expect 0 ranks 3 stopped --epochs 3 --resume auto
same_model "$(checkpoint r3 3)" "$(checkpoint stopped 3)"
finish
