#!/usr/bin/env bash
# slurm/pipeline.sh in a real Slurm, from FASTA to the report: a chain of jobs, with a training that is
# requeued on the way, and with seeds whose models are averaged.
# shellcheck disable=SC1091,SC2154 # lib.sh, its variables
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/slurm.sh"
slurm_isolate "$@"
make_gold 200
make_tokenizer
slurm_start
export PATH=$bin:$PATH OMPI_MCA_btl_vader_single_copy_mechanism=none
export FASTA=data/train.fasta TAXONOMY=data/train.tsv READS=data/heldout.fasta READS_TAXONOMY=data/heldout.tsv
export PREPARE_FLAGS="--tokenizer-file tokenizer.json" PARTS=2
export PREPARE_JOB=--cpus-per-task=1 PREDICT_JOB=--cpus-per-task=1
# shellcheck disable=SC2206 # words
flags=(${small_model:?} --batch-size 8 --learning-rate 1e-2)

# pipeline FOLDER FLAG...: submits; $jobs are the four
pipeline() {
    export OUTPUT=$1
    shift
    expect 0 bash "$project/slurm/pipeline.sh" "${flags[@]}" "$@" || finish
    mapfile -t jobs < <(sed -n 's/^[a-z]*: job //p' out)
    same "jobs" "${#jobs[@]}" 4
}
logs() { tail -n 30 "$OUTPUT"/logs/*.log >&2; }

# One model; the training is stopped once, as before its time limit, and the jobs after it wait for its end
TRAIN_JOB="--nodes=1 --ntasks-per-node=2 --cpus-per-task=1" pipeline one --epochs 12 --eval-every 12
until_true 60 compgen -G "one/model/checkpoints/*_epoch2.h5" || { fail "no checkpoint in time"; logs; }
scancel --batch --signal=USR1 "${jobs[1]}"
same "report" "$(job_ends "${jobs[3]}" 90)" COMPLETED || logs
same "restarts of the training" "$(job_field "${jobs[1]}" Restarts)" 1
[ -s "$(checkpoint one/model 12)" ] || fail "not trained to the end"
expect 0 deeptaxa predict --fasta-file $READS --taxonomy-file $READS_TAXONOMY --checkpoint one/model \
    --tabular --output-dir by_hand
cmp one/predictions/heldout_deeptaxa_predictions.tsv by_hand/heldout_deeptaxa_predictions.tsv ||
    fail "the chain predicts something else"
# the accuracies of the report are those of the program
accuracy() { sed -n "s/^$1  *.* \([0-9.]*\)\$/\1/p" "$2"; }
for rank in phylum genus; do
    same "accuracy at $rank" "$(accuracy "  $rank" one/report/report.txt)" \
        "$(awk -v rank=$rank '$1 == rank { print $4 }' err)"
done
grep -q 'model: epoch 12, validation loss [0-9.]*$' one/report/report.txt || fail "$(cat one/report/report.txt)"
most=$(cut -f 27 by_hand/heldout_deeptaxa_predictions.tsv | tail -n +2 | sort | uniq -c | sort -k 1,1nr -k 2 | head -n 20)
same "the most frequent genera" "$(sed '1,/most frequent genera/d' one/report/report.txt | awk '{ print $1, $2 }')" \
    "$(awk '{ print $1, $2 }' <<<"$most")"
grep -q '^  epoch: 12' one/report/model.txt || fail "no description of the model"
grep -q '"name": "model"' one/report/report.html || fail "no charts of the training"

# Seeds, in the same folder: what was prepared is kept; the three models are averaged
TRAIN_JOB=--cpus-per-task=1 SEEDS=7-9 pipeline one --epochs 1
same "report of seeds" "$(job_ends "${jobs[3]}" 90)" COMPLETED || logs
grep -q 'one/shards is up to date' "one/logs/deeptaxa-prepare-${jobs[0]}.log" || fail "prepared again"
expect 0 deeptaxa describe --checkpoint one/seeds/seed8
printed '  seed: 8$'
expect 0 deeptaxa predict --fasta-file $READS --taxonomy-file $READS_TAXONOMY --tabular \
    --checkpoint one/seeds/seed7 one/seeds/seed8 one/seeds/seed9 --output-dir by_hand
cmp one/predictions/heldout_deeptaxa_predictions.tsv by_hand/heldout_deeptaxa_predictions.tsv ||
    fail "the chain averages something else"
same "models of the report" "$(grep -c 'seed[789]: epoch 1, ' one/report/report.txt)" 3
same "models in the charts" "$(grep -o '"name": "seed[789]"' one/report/report.html | wc -l)" 3

# A step that fails takes those after it out of the queue; nothing is submitted without the files
printf '>a\nACGT\n' >unknown.fasta
FASTA=unknown.fasta TRAIN_JOB=--cpus-per-task=1 pipeline failing
same "prepare" "$(job_ends "${jobs[0]}" 30)" FAILED
for job in "${jobs[@]:1}"; do same "after a failure" "$(job_ends "$job" 30)" CANCELLED; done
refused 2 'none.fasta: cannot be read' env READS=none.fasta bash "$project/slurm/pipeline.sh"
submitted=$(squeue -h -o %i --states=all | sort -n | tail -n 1)
expect 1 env TRAIN_JOB=--no-such-option bash "$project/slurm/pipeline.sh"
said '^pipeline.sh: sbatch refused the job train'
same "prepare without a training" "$(job_ends "$((submitted + 1))" 30)" CANCELLED
finish
