#!/usr/bin/env bash
# The batch scripts of slurm/, as they are, in a real Slurm.
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
head -n 4 data/heldout.fasta >data/few.fasta
expect 0 deeptaxa predict --fasta-file data/few.fasta --taxonomy-file data/heldout.tsv \
    --checkpoint model.h5 --tabular --output-dir single
predict_array data/few.fasta parts3 0-3 COMPLETED
cmp parts3/few_deeptaxa_predictions.tsv single/few_deeptaxa_predictions.tsv ||
    fail "the merged table of few records differs"
# a file cut short fails every part, and makes no table
head -c 2000 data/heldout.fasta.gz >data/cut.fasta.gz
predict_array data/cut.fasta.gz cut 0-1 FAILED
[ -e cut/cut_deeptaxa_predictions.tsv ] && fail "a table of a damaged file"
finish
