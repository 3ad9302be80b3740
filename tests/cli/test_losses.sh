#!/usr/bin/env bash
# deeptaxa train: the losses and their weights have the documented effect on training.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

differ() { other_model "$1 and $2" "$(checkpoint "$1" 1)" "$(checkpoint "$2" 1)"; }
# run FOLDER FLAGS...: one epoch
run() {
    local folder=$1
    shift
    expect 0 train_small "$folder" --epochs 1 "$@"
}
# value FOLDER KEY: of the metrics
value() { sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?$/\1/p" "$1"/metrics/*epoch1.json; }
first_loss() { sed -nE '1s/.*"loss": *([0-9.]+).*/\1/p' "$1"/metrics/*steps.jsonl; }

run entropy
run focal --loss-type focal
run gamma --loss-type focal --focal-gamma 0.5
run sum --loss-type focal --focal-reduction sum
run inverse --class-weights inverse
run root --class-weights sqrt_inverse
run both --loss-type focal --class-weights inverse
for change in focal gamma sum inverse root both; do differ entropy $change; done
differ focal gamma
differ focal sum
differ focal both
differ inverse root
differ inverse both

# They are recorded in the metrics and in the checkpoint
same "loss type" "$(value gamma loss_type)" focal
same "gamma" "$(value gamma focal_gamma)" 0.5
same "published gamma" "$(value entropy focal_gamma)" 2.0
same "reductions" "$(value sum focal_reduction) $(value focal focal_reduction)" "sum mean"
same "class weights" "$(value root class_weights)" sqrt_inverse
same "no focal weight" "$(value sum focal_weight)" null
expect 0 deeptaxa describe --checkpoint "$(checkpoint both 1)"
printed '^  loss-type: focal$'
printed '^  focal-gamma: 2.0$'
printed '^  class-weights: inverse$'

# With an exponent of 0 the focal loss is the cross entropy
run entropy0 --loss-type focal --focal-gamma 0
same_model "$(checkpoint entropy 1)" "$(checkpoint entropy0 1)"
# Before anything is learnt, 8 sequences summed are 8 times their mean
near "first loss summed" "$(first_loss sum)" \
    "$(awk -v x="$(first_loss focal)" 'BEGIN { print 8 * x }')" 1e-5
# and the focal loss is below the cross entropy
awk -v a="$(first_loss focal)" -v b="$(first_loss entropy)" 'BEGIN { exit !(a < b) }' ||
    fail "the focal loss $(first_loss focal) is not below $(first_loss entropy)"
# The validation loss is of the same kind as the training loss
near "validation loss summed" "$(value sum validation_loss)" \
    "$(value sum training_loss)" 0.5

# The lineage loss is another one; its model predicts in every way, has no .pt file, and resumes to the
# same bits; streamed shards give the same tree
run lineage --loss-type lineage --model-type cnn
run cnn --model-type cnn
differ cnn lineage
for lineage in independent consistent summed; do
    expect 0 deeptaxa predict --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv \
        --checkpoint lineage --output-dir "by_$lineage" --tabular --lineage $lineage
done
# the layer's probability of a phylum is that of the summed lineages
awk -F'\t' 'FNR > 1 && NR == FNR { label[$1] = $7; p[$1] = $8 }
    FNR > 1 && NR != FNR && label[$1] == $7 { n++; d = p[$1] - $8; wrong += d > 1e-5 || d < -1e-5 }
    END { exit wrong || n < 5 }' by_independent/*.tsv by_summed/*.tsv ||
    fail "the summed lineages are not of the heads' outputs"
expect 0 train_small lineages --epochs 2 --loss-type lineage --model-type cnn
expect 0 train_small resumed --resume "$(checkpoint lineages 1)"
same_model "$(checkpoint lineages 2)" "$(checkpoint resumed 2)"
refused 1 'x.pt: DeepTaxa has no lineage layer' \
    deeptaxa convert --checkpoint lineage --output-file x.pt
awk -F'\t' '{ print $1 "\t" $2 }' data/train.tsv >single.tsv
expect 2 train_small none --taxonomy-file single.tsv --loss-type lineage
said '--loss-type lineage requires at least two taxonomic ranks'
[ -e none ] && fail "a refused run wrote something"
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --tokenizer-file tokenizer.json --output-dir shards --sequences-per-shard 20
# shellcheck disable=SC2086
expect 0 deeptaxa train --data shards --output-dir streamed $small_model --batch-size 8 --epochs 1 \
    --loss-type lineage --model-type cnn --stream-data --threads 2
tree() { deeptaxa describe --checkpoint "$1" | grep lineages; }
same "lineages of a streamed set" "$(tree streamed)" "$(tree lineage)"

# Weights that are all 1 have no effect; all 3 in a mean have one
classes=$(sed -nE 's/^ *"labels": ([0-9]+).*/\1/p' entropy/metrics/*epoch1.json)
lists() { awk -v x="$1" '{ if (NR > 1) printf ";"; for (i = 0; i < $1; i++) printf "%s%s", i ? "," : "", x }' <<<"$classes"; }
run ones --loss-type focal --focal-weight "$(lists 1)"
same_model "$(checkpoint focal 1)" "$(checkpoint ones 1)"
run threes --loss-type focal --focal-weight "$(lists 3)"
differ focal threes
grep -qF "\"focal_weight\": \"$(lists 3)\"" threes/metrics/*epoch1.json || fail "no focal weight"
expect 2 train_small none --loss-type focal --focal-weight 1,2
said '^deeptaxa train: --focal-weight: a single list, but domain has '
[ -e none ] && fail "a refused run wrote something"

# Micro-batches change only rounding, also with weights
run pieces --class-weights inverse --micro-batch-size 3
near "training loss in pieces" "$(value pieces training_loss)" "$(value inverse training_loss)" 1e-5

# Validation labels with weight 0 give no loss, rather than a loss of 0: no epoch is the best
awk '/^>/ { n++ } n <= 5' data/train.fasta >few.fasta
head -n 6 data/train.tsv >few.tsv
expect 0 deeptaxa train --fasta-file few.fasta --taxonomy-file few.tsv --output-dir unseen \
    --tokenizer-file tokenizer.json $small_model --epochs 9 --class-weights inverse --threads 2 \
    --early-stopping-patience 2 --save-best-only
said '^warning: no validation loss: the labels of all validation sequences have weight 0'
said '^early stopping: no finite validation loss in the last 2 evaluations'
same "checkpoints" "$(ls unseen/checkpoints | wc -l)" 2
grep -q '"validation_loss": null' unseen/metrics/*epoch2.json || fail "a loss of labels without weight"

# Flags of the other loss are not used, with a warning
run unused --focal-gamma 3
said '^warning: without effect: --focal-gamma \(needs --loss-type focal\)$'
same_model "$(checkpoint entropy 1)" "$(checkpoint unused 1)"

# A resumed run keeps its loss
expect 0 train_small whole --epochs 2 --loss-type focal --focal-weight "$(lists 2)"
expect 0 train_small rest --resume "$(checkpoint whole 1)"
same_model "$(checkpoint whole 2)" "$(checkpoint rest 2)"
refused 2 '--loss-type cross_entropy: the run to resume was started with focal' \
    train_small other --resume "$(checkpoint whole 1)" --loss-type cross_entropy
refused 2 '--focal-gamma 3: the run to resume was started with 2' \
    train_small other --resume "$(checkpoint whole 1)" --focal-gamma 3
refused 2 '--focal-reduction sum: the run to resume was started with mean' \
    train_small other --resume "$(checkpoint whole 1)" --focal-reduction sum
expect 0 train_small whole --resume "$(checkpoint whole 1)" --focal-weight "$(lists 2)"
refused 2 '--focal-weight 1,1: the run to resume was started with 2;2,' \
    train_small other --resume "$(checkpoint whole 1)" --focal-weight 1,1
refused 2 '--class-weights inverse: the run to resume was started with none' \
    train_small other --resume "$(checkpoint whole 1)" --class-weights inverse
[ -e other ] && fail "a refused resume wrote something"
finish
