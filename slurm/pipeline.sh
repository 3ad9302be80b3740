#!/usr/bin/env bash
# From reference sequences and reads to a report in one command: four Slurm jobs, each of which starts
# when the one before it has succeeded.
#
#     FASTA=train.fna.gz TAXONOMY=train.tsv.gz READS=reads.fna.gz OUTPUT=work \
#         bash slurm/pipeline.sh [flags of deeptaxa train]
#
#     prepare   tokenises the reference                         $OUTPUT/shards
#     train     train.sbatch                                    $OUTPUT/model
#               or, with SEEDS=42-46, a run for each seed       $OUTPUT/seeds/seed42 …
#     predict   predict_array.sbatch; averages the seeds        $OUTPUT/predictions
#     report    models, curves and predictions in brief         $OUTPUT/report
#
# Run it where `sbatch` works; it submits and returns. A training that reaches its time limit is requeued
# and continues; the jobs after it wait. If a job fails, those after it are removed from the queue.
# Run the same command again to continue: shards of the same files and trained models are kept.

set -euo pipefail

# ---- input and output ----------------------------------------------------------------------------
FASTA=${FASTA:-train.fna.gz}       # reference sequences
TAXONOMY=${TAXONOMY:-train.tsv.gz} # their taxonomy
READS=${READS:-reads.fna.gz}       # sequences to classify
READS_TAXONOMY=${READS_TAXONOMY:-} # their true taxonomy, if known: the report then has accuracies
OUTPUT=${OUTPUT:-pipeline}         # folder for everything
SEEDS=${SEEDS:-}                   # seeds as array indices, such as 42-46 or 1,2,3%2; empty: one model
PARTS=${PARTS:-8}                  # jobs that share the prediction
DEEPTAXA=${DEEPTAXA:-deeptaxa}     # command to run the program, and MPI: see train.sbatch
PREPARE_FLAGS=${PREPARE_FLAGS:-}   # more flags of deeptaxa prepare
PREDICT_FLAGS=${PREDICT_FLAGS:-}   # more flags of deeptaxa predict, such as "--lineage consistent"
# Resources of each job: options of sbatch. For all jobs set sbatch's own variables, such as
# SBATCH_ACCOUNT and SBATCH_PARTITION; the log files are in $OUTPUT/logs.
PREPARE_JOB=${PREPARE_JOB:-}       # such as "--cpus-per-task=16"
TRAIN_JOB=${TRAIN_JOB:-}           # such as "--nodes=2 --ntasks-per-node=4 --gpus-per-node=4"
PREDICT_JOB=${PREDICT_JOB:-}       # such as "--gpus-per-node=1 --time=01:00:00"
REPORT_JOB=${REPORT_JOB:-}

# ---- no changes are needed below -----------------------------------------------------------------
# ---- the jobs "prepare" and "report", in which this script runs again ------------------------------
prepare() {
    local made="$PREPARE_FLAGS"$'\n' file
    for file in "$FASTA" "$TAXONOMY"; do made+=$(stat -L -c '%n %s %Y' "$file")$'\n'; done
    if [ "$(cat "$OUTPUT/shards.from" 2>/dev/null)" = "$(cat <<<"$made")" ]; then
        echo "== $OUTPUT/shards is up to date"
        return
    fi
    rm -f "$OUTPUT/shards.from"
    # shellcheck disable=SC2086 # a list of flags
    "${program[@]}" prepare --fasta-file "$FASTA" --taxonomy-file "$TAXONOMY" \
        --output-dir "$OUTPUT/shards" $PREPARE_FLAGS
    printf '%s' "$made" >"$OUTPUT/shards.from"
}

# The runs whose models predict
runs() {
    if [ -n "$SEEDS" ]; then
        printf '%s\n' "$OUTPUT"/seeds/seed*
    else
        echo "$OUTPUT/model"
    fi
}

# Validation accuracies of a run's last evaluated epoch, by taxonomic rank
validation() {
    local metrics
    metrics=$(find "$1/metrics" -name '*_epoch*.json' | sort -V | tail -n 1)
    [ -n "$metrics" ] || return 0
    awk -v run="$1" '
        /"current_epoch":/ { gsub(/[^0-9]/, ""); epoch = $0 }
        /"rank":/ { split($0, part, "\""); name[ranks++] = part[4] }
        /"validation_loss":/ { gsub(/.*: |,/, ""); loss = $0 }
        /"accuracy":/ { gsub(/.*: |,/, ""); if (known < ranks) accuracy[known++] = $0 }
        END {
            printf "  %s: epoch %d, validation loss %.4f\n   ", run, epoch, loss
            for (i = 0; i < known; i++) printf " %s %.4f", name[i], accuracy[i]
            print ""
        }' "$metrics"
}

# Predictions by rank: mean score, share of at least 0.95, labels, accuracy where the truth is known
predictions() {
    awk -F'\t' '
        NR == 1 {
            for (i = 1; i <= NF; i++) {
                column[$i] = i
                if (sub(/_predicted$/, "", $i)) name[ranks++] = $i
            }
            next
        }
        {
            for (r = 0; r < ranks; r++) {
                label = $column[name[r] "_predicted"]
                truth = $column[name[r] "_true"]
                score = $column[name[r] "_raw_score"]
                labels[r] += !seen[r, label]++
                sum[r] += score
                sure[r] += score >= 0.95
                known[r] += truth != ""
                right[r] += truth == label
            }
        }
        END {
            printf "  %-12s %10s %10s %10s %10s\n", "rank", "mean score", ">= 0.95", "labels", "accuracy"
            for (r = 0; r < ranks && NR > 1; r++)
                printf "  %-12s %10.4f %10.4f %10d %10s\n", name[r], sum[r] / (NR - 1),
                    sure[r] / (NR - 1), labels[r], known[r] ? sprintf("%.4f", right[r] / known[r]) : "-"
        }' "$1"
}

# The most frequent labels at the genus, with their numbers of sequences
frequent() {
    awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "genus_predicted") column = i; next }
        column { count[$column]++ } END { for (label in count) printf "  %10d  %s\n", count[label], label }' \
        "$1" | sort -k 1,1nr -k 2 | awk 'NR <= 20'
}

report() {
    local run table trained
    mkdir -p "$OUTPUT/report"
    mapfile -t trained < <(runs)
    for run in "${trained[@]}"; do
        "${program[@]}" describe --checkpoint "$run" \
            --export-metrics "$OUTPUT/report/${run##*/}.json" >"$OUTPUT/report/${run##*/}.txt"
    done
    "${program[@]}" report --run "${trained[@]}" --output-file "$OUTPUT/report/report.html"
    table=$(ls -t "$OUTPUT"/predictions/*_deeptaxa_predictions.tsv | head -n 1)
    {
        echo "Trained on $FASTA and $TAXONOMY; accuracy on the sequences held out:"
        for run in "${trained[@]}"; do validation "$run"; done
        echo "$table: $(($(wc -l <"$table") - 1)) sequences of $READS"
        predictions "$table"
        echo "The most frequent genera:"
        frequent "$table"
    } >"$OUTPUT/report/report.txt"
    cat "$OUTPUT/report/report.txt"
}

scripts=${PIPELINE_SCRIPTS:-$(cd "$(dirname "$0")" && pwd)} # a job runs a copy of this script
read -ra program <<<"$DEEPTAXA"
if [ -n "${PIPELINE_STEP:-}" ]; then
    "$PIPELINE_STEP"
    exit
fi

# ---- submitting ----------------------------------------------------------------------------------
refuse() {
    echo "pipeline.sh: $*" >&2
    exit 2
}
for file in "$FASTA" "$TAXONOMY" "$READS" ${READS_TAXONOMY:+"$READS_TAXONOMY"}; do
    [ -r "$file" ] || refuse "$file: cannot be read; set FASTA, TAXONOMY and READS"
done
command -v sbatch >/dev/null || refuse "sbatch is missing: run this where Slurm jobs are submitted"
root=$OUTPUT
mkdir -p "$root/logs"
export DEEPTAXA PIPELINE_SCRIPTS=$scripts

jobs=()
trap '[ $? -eq 0 ] || [ ${#jobs[@]} -eq 0 ] || scancel "${jobs[@]}"' EXIT # no half of a pipeline

# submit NAME LOG OPTION... SCRIPT [FLAG...]: a job that starts when the one before has succeeded
submit() {
    local name=$1 log=$2 job after=()
    shift 2
    [ ${#jobs[@]} -eq 0 ] || after=("--dependency=afterok:${jobs[-1]}" --kill-on-invalid-dep=yes)
    job=$(sbatch --parsable --job-name="deeptaxa-$name" --output="$root/logs/%x-$log.log" \
        --open-mode=append "${after[@]}" "$@") ||
        { echo "pipeline.sh: sbatch refused the job $name: nothing runs" >&2; exit 1; }
    jobs+=("${job%%;*}") # "job;cluster" on sites with several
    echo "$name: job ${jobs[-1]}"
}

# shellcheck disable=SC2086 # lists of options and flags
{
    PIPELINE_STEP=prepare submit prepare %j --ntasks=1 --cpus-per-task=8 --time=02:00:00 $PREPARE_JOB \
        "$scripts/pipeline.sh"
    if [ -n "$SEEDS" ]; then
        array=$SEEDS
        SEEDS=yes DATA=$root/shards OUTPUT=$root/seeds submit train %A_%a $TRAIN_JOB --array="$array" \
            "$scripts/sweep.sbatch" "$@"
    else
        DATA=$root/shards OUTPUT=$root/model submit train %j $TRAIN_JOB "$scripts/train.sbatch" "$@"
    fi
    CHECKPOINT=$root/model
    [ -z "$SEEDS" ] || CHECKPOINT="$root/seeds/seed*"
    FASTA=$READS TAXONOMY=$READS_TAXONOMY OUTPUT=$root/predictions CHECKPOINT=$CHECKPOINT \
        submit predict %A_%a $PREDICT_JOB --array="0-$((PARTS - 1))" "$scripts/predict_array.sbatch" \
        $PREDICT_FLAGS
    PIPELINE_STEP=report submit report %j --ntasks=1 --cpus-per-task=1 --time=00:30:00 $REPORT_JOB \
        "$scripts/pipeline.sh"
}
echo "logs in $root/logs, the end in $root/report/report.txt; all jobs: ${jobs[*]}"
