#!/usr/bin/env bash
# The training loss of an epoch is the mean over the batches of all completed updates.
source "$(dirname "$0")/lib.sh"
cp "$project"/tests/fixtures/formats/{train.fasta,train.tsv,tokenizer.json} .

# run FOLDER FLAGS...: an epoch of 18 sequences, three per batch: six batches
run() {
    deeptaxa train --fasta-file train.fasta --taxonomy-file train.tsv --output-dir "$1" \
        --tokenizer-file tokenizer.json --model-type cnn --max-length 40 --embed-dim 6 \
        --num-filters 4 --val-split 0.25 --batch-size 3 --epochs 1 --threads 1 "${@:2}"
}

# For any number of batches per update, and any remainder in the last one; the model does not change
still() { run "$1" --learning-rate 1e-30 --hidden-dropout-prob 0 "${@:2}"; }
expect 0 still still
for accum in 2 4 5 7; do
    expect 0 still "still$accum" --accum-steps "$accum"
    same "updates with --accum-steps $accum" "$(metric "still$accum" 1 scheduler_steps)" \
        $(((6 + accum - 1) / accum))
    near "training loss with --accum-steps $accum" "$(metric "still$accum" 1 training_loss)" \
        "$(metric still 1 training_loss)" 1e-5
done

# Only the first of these updates has a finite loss; the others are skipped, until the run ends for it
run skipping --learning-rate 1e30 --max-grad-norm 1e30 --scheduler-warmup-ratio 0 --epochs 2 \
    --eval-every 2 >out 2>err
said '^warning: update skipped'
near "training loss of an epoch with skipped updates" \
    "$(sed -n 2p skipping/metrics/*_metrics.csv | cut -d , -f 4)" \
    "$(sed -nE '1s/.*"loss": ([0-9.]+).*/\1/p' skipping/metrics/*steps.jsonl)" 1e-6
finish
