#!/usr/bin/env bash
# The batch of a run on many ranks: so much for each of them, the learning rate scaled to it, and what
# the plan says of ranks with too few sequences.
source "$(dirname "$0")/../cli/lib.sh"
make_gold 60
make_tokenizer
python=$(command -v python3) || skip "needs python3 to look into JSON"

files="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json"

# alone FOLDER FLAGS...: trains with one process
# shellcheck disable=SC2086
alone() {
    ${start[@]+"${start[@]}"} "$bin/deeptaxa-train" $files $small_model --learning-rate 1e-2 --threads 1 \
        --val-split 0.2 --epochs 2 --output-dir "$@"
}

# ranks N FOLDER FLAGS...: trains with N processes
ranks() {
    local start=("$MPIEXEC" -n "$1")
    alone "${@:2}"
}

# value FILE KEY...: a member, as JSON
value() { "$python" -c '
import json, sys
at = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    at = at[key]
print(json.dumps(at))' "$@"; }
hyper=training_hyperparameters
metrics() { echo "$1"/metrics/*_epoch"$2".json; }

# Six sequences for each of two ranks are a batch of twelve, in the run too
expect 0 ranks 2 whole --batch-size 12
expect 0 ranks 2 each --batch-size-per-rank 6
same_model "$(checkpoint whole 2)" "$(checkpoint each 2)"
same "batch" "$(value "$(metrics each 2)" $hyper batch_size)" 12
expect 0 alone one --batch-size-per-rank 6 --dry-run
printed '^Batch: 6 sequences per step'
grep -q '^Efficiency' "$work/out" && fail "an efficiency of one rank"
grep -q 'too few' "$work/err" && fail "a single rank is told that it has too few sequences"

# A resumed run keeps its batch, on whatever number of ranks
expect 0 alone none --batch-size-per-rank 12 --resume "$(checkpoint each 1)" --dry-run
grep -q 'notice: --batch' "$work/err" && fail "a notice of the same batch"
expect 0 ranks 3 three --batch-size-per-rank 6 --resume "$(checkpoint each 1)"
said '^notice: --batch-size-per-rank 6 has no effect: the resumed run keeps its batches of 12 sequences, 4 per rank$'
same "batch" "$(value "$(metrics three 2)" $hyper batch_size)" 12

# Beside --batch-size: refused if both are given alike, otherwise the command line overrides the file
refused 2 '^deeptaxa train: --batch-size-per-rank cannot be combined with --batch-size' \
    deeptaxa train --data none --output-dir none --batch-size 64 --batch-size-per-rank 6
echo '{"batch-size": 5, "batch_size_per_rank": 6}' >both.json
refused 2 '^deeptaxa train: --batch-size-per-rank cannot be combined with --batch-size' \
    deeptaxa train --data none --output-dir none --config both.json
expect 0 alone none --config "$(metrics whole 2)" --batch-size-per-rank 3 --dry-run
printed '^Batch: 3 sequences per step'
expect 0 deeptaxa train --data none --output-dir none --batch-size-per-rank 3 --print-config
sed '/"data"\|"output-dir"/d' "$work/out" >per_rank.json
expect 0 alone none --config per_rank.json --dry-run
printed '^Batch: 3 sequences per step'
expect 0 alone none --config per_rank.json --batch-size 8 --dry-run
printed '^Batch: 8 sequences per step'
expect 2 ranks 2 none --batch-size-per-rank 1000000 --dry-run
said 'batch-size-per-rank 1000000: a batch of 2000000 sequences on 2 ranks is more than 1048576'

# The learning rate is scaled to the update's sequences, and the warm-up covers the same sequences
expect 0 alone scaled --batch-size-per-rank 16 --scale-learning-rate sqrt
said 'Learning rate: 0.005, 0.01 scaled by the square root to 16 instead of 64 sequences$'
same "given" "$(value "$(metrics scaled 2)" $hyper learning_rate)" 0.01
same "in effect" "$(value "$(metrics scaled 2)" $hyper optimizer_summary lr)" 0.005
expect 0 alone by_hand --batch-size 16 --learning-rate 0.005
same_model "$(checkpoint by_hand 2)" "$(checkpoint scaled 2)"
expect 0 alone scaled --batch-size-per-rank 16 --scale-learning-rate sqrt \
    --resume "$(checkpoint scaled 1)"
same_model "$(checkpoint by_hand 2)" "$(checkpoint scaled 2)"
expect 0 deeptaxa convert --checkpoint "$(checkpoint scaled 2)" --output-file scaled.pt
expect 0 deeptaxa describe --checkpoint scaled.pt
printed "^  optimizer: \{'lr': 0.005,"
for batch in 4 8; do
    expect 0 alone none --batch-size $batch --accum-steps 2 --scale-learning-rate linear \
        --scheduler-warmup-ratio 0.5 --epochs 10 --dry-run
    same "sequences of the warm-up at $batch" \
        "$(($(sed -n 's/^Steps:.*including \([0-9]*\) of warm-up/\1/p' "$work/out") * batch * 2))" \
        "$(((38 + 2 * batch - 1) / (2 * batch) * 5 * 2 * batch))"
    printed "^Learning rate: $(awk "BEGIN { print 0.01 * 2 * $batch / 64 }"), 0.01 scaled linearly to $((2 * batch)) instead of 64"
done

# Ranks with too few sequences are told of, and what to set helps
wide="--embed-dim 256 --hidden-size 256 --num-attention-heads 4 --intermediate-size 1024"
# shellcheck disable=SC2086
expect 0 ranks 4 none $wide --batch-size 4 --dry-run
printed '^Efficiency: about 0\.[0-6][0-9] \(estimated, without the network\)$'
said 'notice: each rank has too few sequences: about [0-9]+ % of a step is spent on its 1 \(estimated\): set --batch-size-per-rank [0-9]+ \(a batch of [0-9]+; --scale-learning-rate sqrt then makes the learning rate [0-9.]+ instead of 0.01\), or start at most 1 rank$'
same "notices" "$(grep -c 'too few sequences' "$work/err")" 1
share=$(sed -nE 's/.*set --batch-size-per-rank ([0-9]+) .*/\1/p' "$work/err")
rate=$(sed -nE 's/.*learning rate ([0-9.]+) instead.*/\1/p' "$work/err")
# shellcheck disable=SC2086
expect 0 ranks 4 none $wide --batch-size-per-rank "$share" --scale-learning-rate sqrt --dry-run
printed '^Efficiency: about (0\.[7-9][0-9]|1\.00) '
grep -q 'too few sequences' "$work/err" && fail "the advice does not help"
scaled=$(sed -nE 's/^Learning rate: ([0-9.]+),.*/\1/p' "$work/out")
awk -v a="$rate" -v b="$scaled" 'BEGIN { exit !(b > 0.99 * a && b < 1.01 * a) }' ||
    fail "the notice tells of a learning rate of $rate, the plan of $scaled"
# shellcheck disable=SC2086
expect 0 ranks 2 few $wide --batch-size 2 --epochs 1 --val-split 0
same "notices of a training" "$(grep -c 'too few sequences' "$work/err")" 1
# shellcheck disable=SC2086
expect 0 ranks 2 few $wide --epochs 2 --val-split 0 --resume "$(checkpoint few 1)" --dry-run
said 'too few sequences: .* \(estimated\): start at most 1 rank$'
[ ! -e none ] || fail "--dry-run or a refused command wrote something"
finish
