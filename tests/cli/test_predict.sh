#!/usr/bin/env bash
# deeptaxa predict and describe: their output is complete and correct.
source "$(dirname "$0")/lib.sh"
make_gold 200
make_tokenizer
expect 0 train_small run --epochs 4
model=$(checkpoint run 4)
ranks="domain phylum class order family genus species"

predict_to() {
    local folder=$1
    shift
    deeptaxa predict --checkpoint "$model" --output-dir "$folder" "$@"
}
heldout="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"

# shellcheck disable=SC2086
expect 0 predict_to p $heldout --tabular --format qiime2 --lineage independent
for suffix in json tsv qiime2.tsv; do said "^Results: p/heldout_deeptaxa_predictions.$suffix\$"; done
table=p/heldout_deeptaxa_predictions.tsv
columns=sequence_id
for rank in $ranks; do
    for what in predicted raw_score entropy true agreement; do columns="$columns ${rank}_$what"; done
done
same "columns" "$(head -n 1 $table | tr '\t' ' ')" "$columns sequence_length"
same "sequences, in the order of the input" "$(cut -f 1 $table | tail -n +2)" \
    "$(sed -n 's/^>\([^ ]*\).*/\1/p' data/heldout.fasta)"
same "true genera" "$(cut -f 30 $table | tail -n +2)" "$(cut -f 7 data/heldout.tsv | tail -n +2)"
same "lengths" "$(awk -F'\t' 'NR > 1 { print $NF }' $table)" \
    "$(awk '/^>/ { if (n) print n; n = 0; next } { n += length($0) } END { print n }' data/heldout.fasta)"
[ -s p/deeptaxa_uuid.txt ] || fail "no deeptaxa_uuid.txt"

# What has no effect without another flag is named
# shellcheck disable=SC2086
expect 0 predict_to x --fasta-file data/heldout.fasta --tabular-fields predicted --top-k 2
said '^warning: without effect: --tabular-fields \(needs --tabular\), --top-k \(needs --taxonomy-file\)$'

# The metrics equal those computed from the table
level=0
for rank in $ranks; do
    counted=$(awk -F'\t' -v rank="$rank" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        { n++; right += $column[rank "_true"] == $column[rank "_predicted"] }
        END { printf "%.6f", right / n }' $table)
    stated=$(tr -d '\n ' <p/metrics.json | sed 's/.*"performance_metrics"://' |
        sed -n "s/.*\"$level\":{[^}]*\"accuracy\":\([0-9.]*\).*/\1/p" | awk '{ printf "%.6f", $1 }')
    same "accuracy of $rank" "$stated" "$counted"
    level=$((level + 1))
done
for key in version run_uuid model_details prediction_parameters performance_metrics accuracy precision \
    recall f1_score top_k_accuracy auc ece host command_line options; do
    grep -q "\"$key\"" p/metrics.json || fail "metrics.json lacks $key"
done
for key in sequence_ids predictions summary true_labels label raw_score confidence_threshold_flag \
    entropy score agreement mismatch_detail sequence_length; do
    grep -q "\"$key\"" p/heldout_deeptaxa_predictions.json || fail "the predictions lack $key"
done

# Batches, threads, compression and the kind of input do not change a prediction
labels() { cut -f 1,2,7,12,17,22,27,32 "$1"/*_predictions.tsv; }
for change in "--batch-size 1" "--batch-size 7" "--threads 1" "--num-workers 3"; do
    # shellcheck disable=SC2086
    expect 0 predict_to other $heldout --tabular $change
    same "labels with $change" "$(labels other)" "$(labels p)"
    rm -rf other
done
gzip -k data/heldout.fasta
expect 0 predict_to other --fasta-file data/heldout.fasta.gz --tabular
same "name" "$(cd other && ls *.tsv)" heldout_deeptaxa_predictions.tsv
same "labels from gzip" "$(labels other | cut -f 2-)" "$(labels p | cut -f 2-)"
[ -e other/metrics.json ] && fail "measures without true labels"
rm -rf other
deeptaxa predict --checkpoint "$model" --output-dir other --fasta-file - --tabular \
    <data/heldout.fasta >out 2>err || fail "standard input: $(cat err)"
same "labels from standard input" "$(labels other | cut -f 2-)" "$(labels p | cut -f 2-)"
rm -rf other

# Reads in FASTQ, each of them twice: the labels of FASTA, computed once
awk '/^>/ { if (n++) put(); id = substr($1, 2); bases = ""; next } { bases = bases $0 } END { put() }
    function put() {
        for (copy = 0; copy < 2; copy++) print "@" id "\n" bases "\n+\n" bases
    }' data/heldout.fasta | gzip >reads.fastq.gz
expect 0 predict_to other --fasta-file reads.fastq.gz --tabular
same "name" "$(cd other && ls *.tsv)" reads_deeptaxa_predictions.tsv
same "results from FASTQ" "$(tail -n +2 other/*.tsv | awk 'NR % 2' | cut -f 2,3,7,8)" \
    "$(tail -n +2 $table | cut -f 2,3,7,8)"
same "results of the copies" "$(tail -n +2 other/*.tsv | awk 'NR % 2')" \
    "$(tail -n +2 other/*.tsv | awk 'NR % 2 == 0')"
said 'notice: reads.fastq.gz: FASTQ: the quality of the bases is not used'
records=$(tail -n +2 $table | wc -l)
said "^Identical sequences: $records of $((2 * records)) repeat an earlier one and were not computed again\$"
rm -rf other
gzip -dc reads.fastq.gz | head -n -1 >cut.fastq
expect 1 predict_to other --fasta-file cut.fastq
said "cut.fastq: line .*: FASTQ record $((2 * records)), '.*': the file ends within its quality"
expect 1 predict_to other --fasta-file reads.fastq.gz --format qiime2
said 'reads.fastq.gz: line 5: duplicate id'

# Requested columns, in that order
# shellcheck disable=SC2086
expect 0 predict_to other $heldout --tabular --tabular-fields entropy predicted --use-raw-labels-for-true
same "chosen columns" "$(head -n 1 other/*_predictions.tsv | cut -f 1-4 | tr '\t' ' ')" \
    "sequence_id domain_entropy domain_predicted phylum_entropy"
said 'notice: --use-raw-labels-for-true has no effect'
rm -rf other

# For QIIME 2: the lineage down to the last confident rank. Here the threshold is just below the second
# confidence of the first sequence, so that it keeps at least two ranks.
threshold=$(awk -F'\t' 'NR == 2 { printf "%.6f", $8 - 1e-5 }' $table)
expect 0 predict_to other --fasta-file data/heldout.fasta --format qiime2 --lineage independent \
    --confidence-threshold "$threshold"
awk -F'\t' -v threshold="$threshold" '
    NR == 1 { print "Feature ID\tTaxon\tConfidence"; next }
    { taxon = ""; confidence = $3
      for (r = 0; r < 7; r++) {
          label = $(5 * r + 2)
          if ($(5 * r + 3) + 0 < threshold + 0 || label == "Unclassified") break
          if (label !~ /^[a-z]__/) label = substr("dpcofgs", r + 1, 1) "__" label
          taxon = taxon (r ? "; " : "") label; confidence = $(5 * r + 3) }
      print $1 "\t" (taxon == "" ? "Unassigned" : taxon) "\t" confidence }' $table >wanted
cmp wanted other/heldout_deeptaxa_predictions.qiime2.tsv || fail "the table for QIIME 2: $(diff wanted other/*qiime2.tsv | head -n 4)"
grep -q '; p__' wanted || fail "no lineage of two ranks"
[ -s other/heldout_deeptaxa_predictions.json ] || fail "no JSON beside the table for QIIME 2"
rm -rf other

# Consistent lineages are lineages of the training set; a prediction that already is one does not change
# shellcheck disable=SC2086
expect 0 predict_to other $heldout --tabular --lineage consistent
lineages_of() { awk -F'\t' -v OFS='\t' 'NR > 1 { print $2, $7, $12, $17, $22, $27, $32 }' "$1"/*_predictions.tsv; }
tail -n +2 data/train.tsv | cut -f 2- | sort -u >known
lineages_of other >consistent
lineages_of p >independent
same "lineages that the training set lacks" "$(sort -u consistent | comm -23 - known)" ""
strange=$(awk 'NR == FNR { known[$0]; next } !($0 in known)' known independent | wc -l)
[ "$strange" -gt 0 ] || fail "no independent prediction is inconsistent: nothing to see here"
same "changed lineages" "$(sed -n 's/.*"changed_lineages": *\([0-9]*\).*/\1/p' other/*.json)" "$strange"
same "lineages that differ" "$(paste -d: independent consistent | awk -F: '$1 != $2' | wc -l)" "$strange"
said "Lineages: $strange of 40 sequences"
numbers() { grep -o "\"$2\": *[0-9.e-]*" "$1/metrics.json" | sed 's/.*: *//'; }
same "accuracies of each rank by itself" "$(numbers other independent_accuracy)" "$(numbers p accuracy)"
rm -rf other

# Summed lineages are such lineages, too, and no rank is surer than the one above it
# shellcheck disable=SC2086
expect 0 predict_to other $heldout --tabular --lineage summed
lineages_of other >summed
same "summed lineages that the training set lacks" "$(sort -u summed | comm -23 - known)" ""
cmp -s summed independent && fail "no summed lineage differs from the independent labels"
grep -q '"lineage": "summed"' other/*predictions.json || fail "the JSON does not say summed"
awk -F'\t' 'NR > 1 { for (r = 1; r < 7; r++) if ($(5 * r + 3) > $(5 * r - 2)) exit 1 }' other/*.tsv ||
    fail "a rank is surer than the one above it"
same "accuracies of each rank by itself beside the summed ones" "$(numbers other independent_accuracy)" \
    "$(numbers p accuracy)"
rm -rf other

# A checkpoint of an older version has no lineages: it predicts, but not consistently; resumed training
# adds them
"$bin/../tests/drop_lineages" "$model" older.h5 || fail "drop_lineages"
refused 1 'older.h5: has no vocabulary of lineages, .*deeptaxa convert' predict_to other --fasta-file data/heldout.fasta \
    --checkpoint older.h5 --lineage consistent
refused 1 'older.h5: has no vocabulary of lineages, which --lineage summed needs' \
    predict_to other --fasta-file data/heldout.fasta --checkpoint older.h5 --lineage summed
expect 0 predict_to other --fasta-file data/heldout.fasta --checkpoint older.h5 --tabular
same "labels of the older checkpoint" "$(labels other)" "$(labels p)"
rm -rf other
expect 0 deeptaxa describe --checkpoint older.h5 --verbose
grep -q 'lineages:' out && fail "lineages that are not there"
printed '^  bert.embeddings.position_embeddings.weight: \[64, 16\]$'
"$bin/../tests/drop_lineages" "$(checkpoint run 3)" older.h5 || fail "drop_lineages"
cp -r run resumed
expect 0 train_small resumed --epochs 4 --resume older.h5
expect 0 deeptaxa describe --checkpoint "$(checkpoint resumed 4)"
printed "lineages: $(wc -l <known)\$"

# Ensembles: a model three times, once by its run, predicts the same bits; two models predict something else; incompatible
# models are refused
values() { sed -n '/"performance_metrics"/,/^  }/p' "$1/metrics.json"; }
# shellcheck disable=SC2086
expect 0 predict_to other $heldout --tabular --checkpoint "$model" run "$model"
cmp other/heldout_deeptaxa_predictions.tsv $table || fail "an ensemble of a model with itself: other bits"
[ "$(values p | wc -l)" -gt 50 ] || fail "no metrics to compare"
diff <(values other) <(values p) >&2 || fail "an ensemble of a model with itself: other metrics"
rm -rf other
# shellcheck disable=SC2086
expect 0 predict_to other $heldout --tabular --checkpoint "$model" "$(checkpoint run 2)" --lineage consistent
same "sequences of an ensemble" "$(cut -f 1 other/*.tsv)" "$(cut -f 1 $table)"
[ "$(cut -f 33 other/*.tsv)" = "$(cut -f 33 $table)" ] && fail "a second model changes nothing"
same "lineages of an ensemble that are not in the training set" "$(lineages_of other | sort -u | comm -23 - known)" ""
same "models of an ensemble" "$(grep -vE '"(command_line|checkpoint)":' other/metrics.json |
    grep -c 'epoch[24].h5')" 3
rm -rf other
expect 0 train_small short --epochs 1 --max-length 32
refused 1 'short/.*: cannot be combined with run/.*: it reads 32 tokens' \
    predict_to other --fasta-file data/heldout.fasta --checkpoint "$model" "$(checkpoint short 1)"
head -n 100 data/train.tsv >fewer.tsv
expect 0 train_small fewer --epochs 1 --taxonomy-file fewer.tsv
refused 1 'fewer/.*: cannot be combined with run/.*: it has .* at [a-z]+, the other has' \
    predict_to other --fasta-file data/heldout.fasta --checkpoint "$model" "$(checkpoint fewer 1)"
refused 1 'data: is a directory without a complete checkpoint' predict_to other --fasta-file data/heldout.fasta \
    --checkpoint run data
[ -e other ] && fail "a refused ensemble wrote something"

# A bad record ends the run; no file is left
{ cat data/heldout.fasta; printf '>last\n'; } >bad.fasta
expect 1 predict_to other --fasta-file bad.fasta
said 'bad.fasta: .*last'
same "files of a failed prediction" "$(find other -type f 2>/dev/null)" ""

# The published command line works unchanged, with the .pt name
name=$(basename "$model" .h5)
# shellcheck disable=SC2086
expect 0 deeptaxa predict $heldout --checkpoint "run/checkpoints/$name.pt" --tabular --output-dir pt
same "labels by the .pt name" "$(labels pt)" "$(labels p)"

# describe prints the published blocks and keys, and the number of lineages
lineages=$(tail -n +2 data/train.tsv | cut -f 2- | sort -u | wc -l)
expect 0 deeptaxa describe --checkpoint "run/checkpoints/$name.pt" --export-metrics described.json
for line in 'Model Details' 'Training Hyperparameters' 'Dataset Info' 'Taxonomic Levels' 'Timing' \
    'System Info' 'run-uuid: ' 'model-type: hybridcnnbert' 'tokenizer: ' 'epoch: 4' \
    'total-parameters: [0-9,]+' 'max-length: 64' 'embed-dim: 16' 'num-filters: 8' \
    'kernel-sizes: \[3, 5, 7\]' 'num-conv-layers: 1' 'hidden-size: 16' 'num-hidden-layers: 2' \
    'num-attention-heads: 2' 'intermediate-size: 24' 'hidden-dropout-prob: 0.2' \
    'learning-rate: 0.01' 'batch-size: 8' 'target-epochs: 4' 'level-weights: \[1.0, ' \
    "optimizer: \{'lr': 0.01, 'betas': \[0.9, 0.999\], 'eps': 1e-08, 'weight_decay': 0.01\}" \
    'scheduler-steps: 64' 'total-sequences: 160' 'training: 128' 'validation: 32' 'fasta-file: ' \
    'taxonomy-file: ' 'Level 6 - species: [0-9]+ labels' "lineages: $lineages\$" 'training-time: [0-9.]+ seconds' \
    'evaluation-time: [0-9.]+ seconds' 'cuda: ' 'gpu: '; do
    printed "$line"
done
grep -q '"total_parameters"' described.json || fail "no parameters in the exported metrics"

refused 2 'checkpoint' deeptaxa predict --fasta-file data/heldout.fasta --output-dir q
refused 1 'nowhere.fasta: ' predict_to q --fasta-file nowhere.fasta
[ -e q ] && fail "a refused prediction wrote something"

# A taxonomy of other sequences, or of only some
expect 0 predict_to elsewhere --fasta-file data/heldout.fasta --taxonomy-file data/train.tsv
said '^warning: data/train.tsv: no row for any of the [0-9]+ sequences \(wrong file\?\)'
head -n 3 data/heldout.tsv >data/two.tsv
expect 0 predict_to elsewhere --fasta-file data/heldout.fasta --taxonomy-file data/two.tsv
said '^warning: data/two.tsv: no row for [0-9]+ of [0-9]+ sequences, whose true labels count as'
finish
