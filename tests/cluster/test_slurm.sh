#!/usr/bin/env bash
# The batch scripts of slurm/, as they are, in a real Slurm.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/slurm.sh"
slurm_isolate "$@"
make_gold 200
make_tokenizer
slurm_start
export PATH=$bin:$PATH # `deeptaxa`, as users have it
# two ranks of one machine in a test: their copies need not go through the kernel
export OMPI_MCA_btl_vader_single_copy_mechanism=none

log_of() { cat "deeptaxa-$1-$2.log"; }

# ---- predict_array.sbatch: the merged table is the one that a single run writes ------------------
expect 0 train_small model --epochs 2
cp "$(checkpoint model 2)" model.h5
expect 0 deeptaxa predict --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv \
    --checkpoint model.h5 --tabular --output-dir single
gzip -k data/heldout.fasta
predict_array() {
    job=$(FASTA=$1 TAXONOMY=data/heldout.tsv CHECKPOINT=model.h5 OUTPUT=$2 sbatch --parsable \
        --cpus-per-task=1 --array="$3" "$project/slurm/predict_array.sbatch" --batch-size 8)
    same "predict_array of $1 in $3" "$(job_ends "$job" 90)" "$4" ||
        cat deeptaxa-predict-"$job"_*.log >&2
}
predict_array data/heldout.fasta.gz parts3 0-2 COMPLETED
cmp parts3/heldout_deeptaxa_predictions.tsv single/heldout_deeptaxa_predictions.tsv ||
    fail "the merged table differs"
# more parts than records, in the same folder: nothing of the older parts is taken
# (and the mark of an editor before the first record is no part of it)
{ printf '\357\273\277'; head -n 4 data/heldout.fasta; } >data/few.fasta
expect 0 deeptaxa predict --fasta-file data/few.fasta --taxonomy-file data/heldout.tsv \
    --checkpoint model.h5 --tabular --output-dir single
few=data/few.fasta
if command -v xz >/dev/null; then xz $few && few=$few.xz; fi
predict_array $few parts3 0-3 COMPLETED
cmp parts3/few_deeptaxa_predictions.tsv single/few_deeptaxa_predictions.tsv ||
    fail "the merged table of few records differs"
# a file cut short fails every part, and makes no table
head -c 2000 data/heldout.fasta.gz >data/cut.fasta.gz
predict_array data/cut.fasta.gz cut 0-1 FAILED
[ -e cut/cut_deeptaxa_predictions.tsv ] && fail "a table of a damaged file"

# ---- srun ----------------------------------------------------------------------------------------
flags="--tokenizer-file tokenizer.json ${small_model:?} --batch-size 8 --learning-rate 1e-2"
input="--fasta-file data/train.fasta --taxonomy-file data/train.tsv"
expect 0 srun --mpi=pmix --ntasks=2 deeptaxa train $input --output-dir by_srun $flags --threads 1 \
    --epochs 1
grep -q '"world_size": *2' by_srun/metrics/*_epoch1.json || fail "srun --mpi=pmix: not two ranks"
# without PMIx there would be two runs of one rank: refused, with the remedy
expect 1 srun --mpi=none --ntasks=2 deeptaxa train $input --output-dir no_pmix $flags --epochs 1
said 'srun --mpi=pmix'
[ -e no_pmix/checkpoints ] && fail "a launch without PMIx trained"

# ---- train.sbatch --------------------------------------------------------------------------------
export FASTA=data/train.fasta TAXONOMY=data/train.tsv

# submit FOLDER FLAG...: two ranks of one core each
submit() {
    local folder=$1
    shift
    OUTPUT=$folder sbatch --parsable --nodes=1 --ntasks-per-node=2 --cpus-per-task=1 "$@" \
        "$project/slurm/train.sbatch" $flags --epochs "$epochs" --eval-every "$epochs"
}
# begun FOLDER: the second epoch's checkpoint is there
begun() { until_true 60 compgen -G "$1/checkpoints/*_epoch2.h5" || fail "$1: no checkpoint in time"; }
restarts() { job_field "$1" Restarts; }

epochs=60
job=$(submit whole)
same "undisturbed" "$(job_ends "$job" 90)" COMPLETED || log_of train "$job" >&2
same "its restarts" "$(restarts "$job")" 0
grep -q "^Preflight: passed" "deeptaxa-train-$job.log" || fail "no preflight before the training"

# The signal that comes before the time limit: saved, queued again, ended with the same bits
job=$(submit preempted)
begun preempted
scancel --batch --signal=USR1 "$job"
same "preempted" "$(job_ends "$job" 90)" COMPLETED || log_of train "$job" >&2
same "restarts after USR1" "$(restarts "$job")" 1
log_of train "$job" | grep -aq 'exit status 75' || fail "not stopped with status 75"
log_of train "$job" | grep -aq 'stopped and requeued' || fail "not requeued by the script"
same_model "$(checkpoint whole $epochs)" "$(checkpoint preempted $epochs)"

# Taken from the node by Slurm (SIGTERM): Slurm requeues, once
job=$(submit requeued)
begun requeued
scontrol requeue "$job"
same "requeued" "$(job_ends "$job" 90)" COMPLETED || log_of train "$job" >&2
same "restarts after scontrol requeue" "$(restarts "$job")" 1
log_of train "$job" | grep -aq 'exit status 75' || fail "not stopped with status 75 by SIGTERM"
same_model "$(checkpoint whole $epochs)" "$(checkpoint requeued $epochs)"

# scancel ends it for good; submitted again, it goes on
job=$(submit cancelled)
begun cancelled
scancel "$job"
same "cancelled" "$(job_ends "$job" 60)" CANCELLED
log_of train "$job" | grep -aq 'and requeued' && fail "a cancelled job was queued again"
job=$(submit cancelled)
same "submitted again" "$(job_ends "$job" 90)" COMPLETED || log_of train "$job" >&2
same_model "$(checkpoint whole $epochs)" "$(checkpoint cancelled $epochs)"

# What fails is not queued again
job=$(TAXONOMY=data/none.tsv submit failed)
same "failed" "$(job_ends "$job" 60)" FAILED
log_of train "$job" | grep -aq 'data/none.tsv: .*No such file' || fail "no message of a failed job"

# ---- sweep.sbatch --------------------------------------------------------------------------------
printf 'name\tlearning-rate\tkernel-sizes\tmask-padding\n' >settings.tsv
printf '# a comment\n\t1e-2\t3,5\tyes\n' >>settings.tsv
printf 'slow\t1e-3\t\tno\n' >>settings.tsv
job=$(TABLE=settings.tsv OUTPUT=sweep sbatch --parsable --array=1-2 --cpus-per-task=1 \
    "$project/slurm/sweep.sbatch" $flags --epochs 1)
same "sweep" "$(job_ends "$job" 60)" COMPLETED || cat deeptaxa-sweep-"$job"_*.log >&2
expect 0 deeptaxa describe --checkpoint "$(checkpoint sweep/row1 1)"
printed 'learning-rate: 0.01$'
printed 'kernel-sizes: \[3, 5\]'
expect 0 deeptaxa describe --checkpoint "$(checkpoint sweep/slow 1)"
printed 'learning-rate: 0.001$'
printed 'kernel-sizes: \[3, 5, 7\]'
# a row that is not there
job=$(TABLE=settings.tsv OUTPUT=sweep sbatch --parsable --array=3 --cpus-per-task=1 \
    "$project/slurm/sweep.sbatch" $flags --epochs 1)
same "a row that is not there" "$(job_ends "$job" 60)" FAILED
grep -q 'settings.tsv: no valid row 3' "deeptaxa-sweep-${job}_3.log" || fail "no message about row 3"

# ---- tune.sbatch ---------------------------------------------------------------------------------
# Two workers; one is near its time limit: its trial is continued, and nothing is left undone. With the
# stand-in for Optuna of cli/tune.
expect 0 deeptaxa prepare $input --tokenizer-file tokenizer.json --output-dir shards
job=$(PYTHONPATH=$project/tests/cli/optuna_stub DATA=shards MODEL_TYPE=cnn OUTPUT=tuning sbatch --parsable \
    --array=1-2 --cpus-per-task=1 "$project/slurm/tune.sbatch" --n-trials 3 --epochs 30 --batch-size 8 \
    --num-filters 8 --embed-dim 16 --num-conv-layers 1 --max-length 64)
until_there 'tuning/trial_0/metrics/*_epoch2.json'
for task in 1 2; do
    grep -q '^trial 0 ' "deeptaxa-tune-${job}_$task.log" && scancel --batch --signal=USR1 "${job}_$task"
done
same "tune" "$(job_ends "$job" 90)" COMPLETED || cat deeptaxa-tune-"$job"_*.log >&2
cat deeptaxa-tune-"$job"_*.log >tune.log
grep -q 'stopped and requeued' tune.log || fail "a stopped worker was not requeued: $(cat tune.log)"
grep -q '^trial [1-4] in tuning/trial_0 continues trial 0$' tune.log || fail "a stopped trial was not continued"
# the worker that ends last sees no trial of the other any more
grep '^trials: ' tune.log | grep -qvE 'running|waiting|failed' || fail "trials were left: $(cat tune.log)"
expect 0 deeptaxa train --config tuning/deeptaxa_best_params_cnn.json --data shards --output-dir tuned --dry-run
finish
