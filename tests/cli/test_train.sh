#!/usr/bin/env bash
# deeptaxa train: what it writes, and that the command line decides what is trained.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer

# A run writes the files that notebooks look for
expect 0 train_small run --epochs 3 --eval-every 2 --keep-checkpoints 2
uuid=$(cat run/deeptaxa_uuid.txt)
grep -qE '^20[0-9]{2}(_[0-9]{2}){2}T([0-9]{2}_){3}[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}$' \
    run/deeptaxa_uuid.txt || fail "no run id: $uuid"
same "metrics files" "$(cd run/metrics && echo *epoch*.json)" \
    "deeptaxa_${uuid}_epoch2.json deeptaxa_${uuid}_epoch3.json"
same "checkpoints" "$(cd run/checkpoints && echo *)" \
    "deeptaxa_${uuid}_epoch2.h5 deeptaxa_${uuid}_epoch3.h5"
[ -s "run/metadata/deeptaxa_${uuid}_label2id.json" ] || fail "no label2id.json"
[ -s run/train.log ] || fail "no train.log"
same "lines of train.log without a time" "$(grep -vcE '^20[0-9-]{8}T[0-9:.]{15} ' run/train.log)" 0
sed -E 's/^20[0-9T:.-]+ //' run/train.log >said
same "train.log's first lines" "$(head -n 4 said | cut -d: -f1 | paste -sd ' ')" \
    "command host program options"
same "train.log without its times" "$(tail -n +5 said)" "$(cat err)"
grep -q '^command: deeptaxa train .*--epochs 3 --eval-every 2' said || fail "no command line in train.log"
grep -q '^options: .*hidden-size=16, .*learning-rate=0.01, .*accum-steps=1' said ||
    grep -q '^options: .*hidden-size=16.*accum-steps=1.*learning-rate=0.01' said ||
    fail "no options in train.log"
said 'epoch 2/3, checkpoint: .*_epoch2.h5'
said 'epoch 3/3: training loss [0-9.]+, validation loss [0-9.]+'
said '^6 +species +[01]\.'
said '^Training Parameters:$'
said '^  focal-weight: none$'
same "learning rates: none at first, that of an epoch's end is that of the next start, none at last" \
    "$(sed -n 's/^Learning rate at the [a-z]* of epoch [123]: //p' err | uniq -c | awk '{ printf "%s %d ", $1, ($2 > 0) }')" \
    "1 0 2 1 2 1 1 0 "
same "leftovers" "$(find run -name '*.part*')" ""

# The metrics hold DeepTaxa's keys
metrics=run/metrics/deeptaxa_${uuid}_epoch3.json
for key in version run_uuid checkpoint_path timestamp model_details model_type tokenizer_name \
    current_epoch total_parameters max_length dropout_prob training_hyperparameters learning_rate \
    batch_size target_epochs focal_gamma focal_reduction focal_weight level_weights \
    optimizer_summary betas scheduler_steps dataset_info total_sequences training_sequences \
    validation_sequences fasta_file taxonomy_file taxonomic_levels rank labels timing \
    training_time_seconds evaluation_time_seconds session_total_time checkpoint_total_time \
    performance_metrics training_loss validation_loss validation_metrics accuracy precision recall \
    f1_score system_info cuda_available gpu world_size device precision tokens_per_second \
    sequences_per_second host command_line options scheduler_warmup_ratio max_grad_norm val_split \
    eval_every micro_batch_size normalize; do
    grep -q "\"$key\":" "$metrics" || fail "the metrics lack $key"
done
grep -q '"command_line": "deeptaxa train .*--eval-every 2' "$metrics" || fail "no command line in the metrics"
grep -q '"hidden-dropout-prob": "0.2"' "$metrics" || fail "no default option in the metrics"
grep -q '"training_sequences": 64,' "$metrics" || fail "not 64 training sequences"
grep -q '"validation_sequences": 16,' "$metrics" || fail "not 16 validation sequences"
grep -qE '"time": "20[0-9-]{8}T[0-9:.]{15}"' run/metrics/*_steps.jsonl || fail "the steps have no time"
same "steps lines" "$(grep -c '"step":' "run/metrics/deeptaxa_${uuid}_steps.jsonl")" 6

# The loss falls
first=$(sed -n 's/.*epoch 1\/3: training loss \([0-9.]*\).*/\1/p' err)
last=$(sed -n 's/.*epoch 3\/3: training loss \([0-9.]*\),.*/\1/p' err)
awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a) }' || fail "the loss went from $first to $last"

# A second run in the folder is told of the first, a resumed one is not
expect 0 train_small twice --epochs 1
first=$(cat twice/deeptaxa_uuid.txt)
grep -q 'another run' err && fail "a run is told of itself"
expect 0 train_small twice --epochs 2
said "^notice: twice: already contains another run, $first, whose files are kept\$"
expect 0 train_small twice --resume "$(checkpoint twice 1)"
grep -q 'another run' err && fail "a resumed run is told of itself"

# Equal seeds give equal bits, other seeds and flags do not
expect 0 train_small again --epochs 1
expect 0 train_small once --epochs 1
same_model "$(checkpoint again 1)" "$(checkpoint once 1)"
for change in "--seed 43" "--hidden-dropout-prob 0.1" "--learning-rate 5e-3" "--max-grad-norm 0.1" \
    "--batch-size 16" "--accum-steps 2" "--scheduler-warmup-ratio 0.5" "--optimizer-betas 0.8 0.99" \
    "--optimizer-weight-decay 0.1" "--optimizer-eps 1e-3" "--val-split 0.3" \
    "--level-weights 1 1 1 1 1 2 3" "--max-length 32" "--epochs 2"; do
    # shellcheck disable=SC2086
    expect 0 train_small other --epochs 1 $change
    other_model "$change" "$(checkpoint once 1)" "$(checkpoint other 1)"
    rm -rf other
done
for change in "--level-weights 2 2 2 2 2 2 2 --no-level-weights" "--num-workers 3" \
    "--deterministic" "--precision fp32" "--device cpu" "--eval-every 5"; do
    # shellcheck disable=SC2086
    expect 0 train_small other $change --epochs 1
    same_model "$(checkpoint once 1)" "$(checkpoint other 1)"
    rm -rf other
done

# Padding exists where sequences are short
awk '!/^>/ { if (seen) next; $0 = substr($0, 1, 50); seen = 1 } /^>/ { seen = 0 } 1' \
    data/train.fasta >data/short.fasta
short() {
    # shellcheck disable=SC2086
    deeptaxa train --fasta-file data/short.fasta --taxonomy-file data/train.tsv --epochs 1 \
        --tokenizer-file tokenizer.json $small_model --batch-size 8 --output-dir "$@"
}
expect 0 short unmasked
expect 0 short masked --mask-padding
other_model --mask-padding "$(checkpoint unmasked 1)" "$(checkpoint masked 1)"

# Lower case is the same sequence, unless it is kept as it is
awk '!/^>/ { $0 = tolower($0) } 1' data/train.fasta >data/lower.fasta
cp data/train.fasta data/upper.fasta
mv data/lower.fasta data/train.fasta
expect 0 train_small lower --epochs 1
same_model "$(checkpoint once 1)" "$(checkpoint lower 1)"
expect 0 train_small raw --epochs 1 --no-normalize
said 'unknown'
other_model --no-normalize "$(checkpoint once 1)" "$(checkpoint raw 1)"
mv data/upper.fasta data/train.fasta

# --verbose tells where the time went
expect 0 train_small lower --epochs 1 --verbose
said 'training [0-9.]+ s \([0-9.]+ sequences/s, [0-9]+ tokens/s\)'

# Shards give the model that the FASTA file gives
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir shards --tokenizer-file tokenizer.json --sequences-per-shard 33
# shellcheck disable=SC2086
expect 0 deeptaxa train --data shards --output-dir from_shards $small_model --batch-size 8 \
    --learning-rate 1e-2 --threads 2 --val-split 0.2 --epochs 1
same_model "$(checkpoint once 1)" "$(checkpoint from_shards 1)"

# A rank with a single class trains, with a notice
awk -F'\t' -v OFS='\t' 'NR > 1 { $2 = "Bacteria" } 1' data/train.tsv >data/one.tsv
# shellcheck disable=SC2086
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/one.tsv \
    --output-dir one --tokenizer-file tokenizer.json $small_model --epochs 1 --batch-size 8
said "notice: .*domain"

# Pieces of a batch and threads change rounding only
loss_of() { sed -n 's/.*"training_loss": \([0-9.]*\).*/\1/p' "$1"/metrics/*epoch1.json; }
for change in "--micro-batch-size 3" "--micro-batch-size 1" "--threads 1" "--threads 3"; do
    # shellcheck disable=SC2086
    expect 0 train_small pieces --epochs 1 $change
    awk -v a="$(loss_of once)" -v b="$(loss_of pieces)" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d <= 1e-5 * a) }' ||
        fail "$change: training loss $(loss_of pieces) instead of $(loss_of once)"
    rm -rf pieces
done

# A training that diverges ends with an error, and what was saved stays
# (50 skipped updates in a row, which are counted over epochs)
expect 1 train_small diverges --learning-rate 1e30 --max-grad-norm 1e30 --epochs 40 --batch-size 2 \
    --eval-every 40
said 'warning: update skipped: its loss or gradient is not finite \(3 skipped so far\)'
said 'training has diverged: 50 updates in a row without a finite loss or gradient'
same "warnings" "$(grep -c '^warning: update skipped' err)" 3
[ -s "$(checkpoint diverges 1)" ] || fail "the checkpoint of the first epoch is gone"

# Two runs cannot share a folder: the second is refused, the first goes on
train_small busy --epochs 4000 >/dev/null 2>&1 &
for file in busy/.deeptaxa.lock busy/deeptaxa_uuid.txt; do
    until_true 30 test -s $file || fail "no $file in time"
done
expect 1 train_small busy --epochs 1
said "busy: another run is using this output folder \(host .*, pid [0-9]+\)"
kill_holder busy
expect 0 train_small busy --epochs 1

# Before the first evaluation a checkpoint says that there was none, not that its loss was 0
expect 0 train_small late --epochs 2 --eval-every 2
for epoch in 1 2; do
    expect 0 deeptaxa describe --checkpoint "$(checkpoint late $epoch)" --export-metrics "late$epoch.json"
done
grep -q '"validation_loss": null' late1.json || fail "a validation loss before the first evaluation"
grep -q '"evaluation_time_seconds": null' late1.json || fail "a time of no evaluation"
grep -qE '"validation_loss": [0-9]' late2.json || fail "no validation loss after the evaluation"

# A plan that cannot be printed is no success
{ train_small dry --dry-run >/dev/full; } 2>err
same "exit status of --dry-run on a full disk" $? 1
said '^deeptaxa train: cannot write to standard output$'

# --dry-run tells the plan and writes nothing
expect 0 train_small dry --dry-run
printed '^Total parameters +[0-9,]+$'
printed "^Level 6 - species: [0-9]+ labels, such as '.+'\$"
printed '^Steps: 8 per epoch, 80 in 10 epochs, including 8 of warm-up$'
printed '^Memory: '
printed 'threads'
expect 0 train_small dry --dry-run --batch-size 1048576 --accum-steps 65536
printed '^Batch: 68,719,476,736 sequences per step, accumulated over 65536 batches, '
refused 1 'it needs [0-9.]+ GB, but only [0-9.]+ GB can be used: lower --max-length, --hidden-size' \
    deeptaxa train --data shards --output-dir dry --dry-run --hidden-size 16384 \
    --num-attention-heads 4 --intermediate-size 65536 --num-hidden-layers 240
[ -e dry ] && fail "--dry-run wrote something"

# The published model has the published number of parameters
tokenizer=$project/../shared/data/dnabert2-tokenizer.json
[ -r "$tokenizer" ] || tokenizer=${DEEPTAXA_SHARED:-$project/../shared}/data/dnabert2-tokenizer.json
if [ -r "$tokenizer" ]; then
    # a table with 2, 129, ..., 16909 labels, of which a few have sequences
    awk 'BEGIN {
        OFS = "\t"
        print "sequence_id", "domain", "phylum", "class", "order", "family", "genus", "species"
        split("2 129 349 997 2250 7287 16909", classes, " ")
        for (i = 0; i < 16909; i++) {
            row = "s" i
            for (r = 1; r <= 7; r++) row = row OFS "t" (i % classes[r])
            print row
        }
    }' >data/gg2.tsv
    awk '/^>/ { print ">s" n++; next } 1' data/train.fasta >data/gg2.fasta
    expect 0 deeptaxa train --fasta-file data/gg2.fasta --taxonomy-file data/gg2.tsv \
        --tokenizer-file "$tokenizer" --output-dir dry --dry-run
    printed '^Total parameters +76,365,205$'
else
    echo "SKIPPED: $tokenizer is missing, the published number of parameters was not checked" >&2
fi
# --keep-checkpoints after a kill, which may come before what is too many was removed, and while a file
# is written; other files stay
names() { (cd killed && find . -name '*epoch*.h5*' -o -name '*note*' | sed 's/.*deeptaxa_/deeptaxa_/;s/.*\///' | sort | tr '\n' ' '); }
expect 0 train_small killed --epochs 4
id=$(cat killed/deeptaxa_uuid.txt)
touch "killed/checkpoints/deeptaxa_${id}_epoch5.h5.part-0badcafe-a1B2c3" killed/checkpoints/deeptaxa_other_epoch1.h5 \
    killed/checkpoints/mine_epoch1.h5.part-a1B2c3
expect 0 train_small killed --resume auto --keep-checkpoints 2
same "checkpoints after a kill" "$(names)" \
    "deeptaxa_${id}_epoch3.h5 deeptaxa_${id}_epoch4.h5 deeptaxa_other_epoch1.h5 mine_epoch1.h5.part-a1B2c3 "
expect 0 train_small killed --resume auto --keep-checkpoints 1 --epochs 6
same "checkpoints, fewer of them" "$(names)" \
    "deeptaxa_${id}_epoch6.h5 deeptaxa_other_epoch1.h5 mine_epoch1.h5.part-a1B2c3 "

finish
