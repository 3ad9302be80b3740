#!/usr/bin/env bash
# --encoding onehot: bases instead of tokens, from FASTA or shards, in training, resuming, prediction,
# ensembles and calibration; and what it cannot be combined with.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"

# All archaea of the 16S set, and two bacteria for each
awk '/^>/ { keep = /Archaea;/ ? 1 : (++bacteria % 77 == 0) } keep' "$gold" >two_domains.fasta
gold=$work/two_domains.fasta make_gold 0

# No tokenizer is searched for: here none is readable
export DEEPTAXA_TOKENIZER=$work/nothing.json
onehot="--model-type cnn --encoding onehot"
sizes="--num-filters 32 --kernel-sizes 9 --num-conv-layers 2 --max-length 400 --batch-size 4
    --learning-rate 4e-3 --level-weights 1 1 1 0 0 0 0 --threads 1 --hidden-dropout-prob 0.02"

# train FOLDER FLAGS...: from FASTA; from_shards FOLDER FLAGS...: without files and --encoding
# shellcheck disable=SC2086
train() {
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir "$1" $sizes "${@:2}"
}
# shellcheck disable=SC2086
from_shards() { deeptaxa train --output-dir "$1" --model-type cnn $sizes "${@:2}"; }
predict() {
    deeptaxa predict --checkpoint "$1" --fasta-file "$2" --output-dir "$3" --tabular "${@:4}"
}
labels() { cut -f 2- "$1"/*_predictions.tsv; } # without the ids

# It learns: the loss decreases, and unseen sequences are classified
# shellcheck disable=SC2086
expect 0 train run $onehot --epochs 6
said '^encoding: onehot, without a tokenizer$'
awk -v a="$(metric run 1 training_loss)" -v b="$(metric run 6 training_loss)" \
    'BEGIN { exit !(b < 0.9 * a) }' || fail "the loss does not fall: $(metric run 6 training_loss)"
last=$(checkpoint run 6)
expect 0 predict "$last" data/heldout.fasta p --taxonomy-file data/heldout.tsv
share=$(awk 'NR > 1 { n[$2]++; all++ } END { for (d in n) if (n[d] > most) most = n[d]; print most / all }' \
    data/heldout.tsv)
accuracy=$(sed -n 's/^ *"accuracy": \([^,]*\),$/\1/p' p/metrics.json | head -n 1)
awk -v a="$accuracy" -v b="$share" 'BEGIN { exit !(a >= 0.9 && a > b + 0.1) }' ||
    fail "right domains: $accuracy, where the larger one is $share of all"

# Its entries in the files
for file in run/metrics/*_epoch6.json p/metrics.json; do
    grep -q '^ *"tokenizer_name": "onehot",$' "$file" || fail "$file: no tokenizer_name"
    grep -q '^ *"encoding": "onehot",$' "$file" || fail "$file: no encoding"
    grep -q '^ *"embed_dim": 4,$' "$file" || fail "$file: not four channels"
done
expect 0 deeptaxa describe --checkpoint "$last"
printed '^  tokenizer: onehot$'
printed '^  encoding: onehot$'
grep -q 'tokenizer/json\|merges' "$last" && fail "the checkpoint holds a tokenizer"

# Shards have one byte per base and no tokenizer; training from them is the same, also streamed
expect 0 deeptaxa prepare --encoding onehot --fasta-file data/train.fasta \
    --taxonomy-file data/train.tsv --output-dir shards --sequences-per-shard 30
said "^wrote [0-9]+ sequences, $(grep -v '>' data/train.fasta | tr -d '\n' | wc -c) bases, 7 ranks"
[ -e shards/tokenizer.json ] && fail "shards of bases hold a tokenizer"
expect 0 from_shards prepared --data shards --epochs 6
same_model "$(checkpoint prepared 6)" "$last"
expect 0 from_shards streamed --data shards --epochs 2 --stream-data
expect 0 from_shards streamed_again --data shards --epochs 2 --stream-data
same_model "$(checkpoint streamed 2)" "$(checkpoint streamed_again 2)"
near "the loss of a streamed run" "$(metric streamed 1 training_loss)" \
    "$(metric run 1 training_loss)" 0.2

# A resumed run ends with the same bits, from FASTA or shards, and keeps its encoding
expect 0 train resumed --resume "$(checkpoint run 3)"
same_model "$(checkpoint resumed 6)" "$last"
# shellcheck disable=SC2086
expect 0 train resumed_auto --resume "$(checkpoint run 5)" $onehot
same_model "$(checkpoint resumed_auto 6)" "$last"
expect 0 from_shards resumed_shards --data shards --resume "$(checkpoint run 4)"
same_model "$(checkpoint resumed_shards 6)" "$last"

# A new run from its weights starts with its final loss
# shellcheck disable=SC2086
expect 0 train started $onehot --epochs 1 --init-weights "$last"
awk -v a="$(metric run 1 training_loss)" -v b="$(metric started 1 training_loss)" \
    'BEGIN { exit !(b < 0.9 * a) }' || fail "a new run does not begin with the weights"

# Neither batches (except for rounding) nor the notation of a sequence matter
expect 0 predict "$last" data/heldout.fasta small --batch-size 3 --tabular-fields predicted
awk '/^>/ { print; next } { gsub("T", "U"); print tolower(substr($0, 1, 7)) "-" substr($0, 8) }' \
    data/heldout.fasta >written.fasta
expect 0 predict "$last" written.fasta written
expect 0 predict "$last" data/heldout.fasta plain
same "predictions in other batches" "$(labels small | cut -f 1-7)" "$(labels plain | cut -f 1,6,11,16,21,26,31)"
same "predictions of RNA in lower case with gaps" "$(labels written | rev | cut -f 2- | rev)" \
    "$(labels plain | rev | cut -f 2- | rev)" # the last column is the length as it was written

# Only the first bases count, and all letters that are not bases are equal
base=$(awk '/^>/ { if (++n > 1) exit; next } { all = all $0 } END { print substr(all, 1, 400) }' \
    data/heldout.fasta)
end=${base:390}
printf '>cut\n%s\n>longer\n%sACGTACGTNNNN\n' "$base" "$base" >lengths.fasta
for letter in N R '*' A; do
    printf '>%s\n%s%s\n' "$letter" "$(printf '%390s' '' | tr ' ' "$letter")" "$end"
done >letters.fasta
expect 0 predict "$last" lengths.fasta lengths --tabular-fields raw_score
same "scores of what differs past --max-length" "$(labels lengths | sed -n 3p | rev | cut -f 2- | rev)" \
    "$(labels lengths | sed -n 2p | rev | cut -f 2- | rev)"
expect 0 predict "$last" letters.fasta letters --tabular-fields raw_score
same "different scores of four letters" "$(labels letters | tail -n +2 | sort -u | wc -l)" 2
same "scores of N, R and *" "$(labels letters | sed -n '2,4p' | sort -u | wc -l)" 1

# Calibrated, and in an ensemble with another model of its kind
expect 0 deeptaxa calibrate --checkpoint "$last" --fasta-file data/heldout.fasta \
    --taxonomy-file data/heldout.tsv --output-file calibrated.h5
expect 0 predict calibrated.h5 data/heldout.fasta calibrated
same "labels of a calibrated model" "$(cut -f 2 calibrated/*.tsv)" "$(cut -f 2 plain/*.tsv)"
expect 0 deeptaxa predict --checkpoint "$last" "$(checkpoint streamed 2)" --output-dir ensemble \
    --fasta-file data/heldout.fasta --tabular

# Lower case, if kept, is not a base
expect 0 deeptaxa prepare --encoding onehot --fasta-file data/train.fasta --no-normalize \
    --taxonomy-file data/train.tsv --output-dir kept
tr 'ACGT' 'acgt' <data/train.fasta >lower.fasta
expect 0 deeptaxa prepare --encoding onehot --fasta-file lower.fasta --no-normalize \
    --taxonomy-file data/train.tsv --output-dir kept
said 'warning: lower.fasta: 80 of 80 sequences have many letters other than A, C, G, T and U .* in upper case\?'

# Refused before anything is read or written: flags incompatible with bases
unset DEEPTAXA_TOKENIZER
refused 2 '^deeptaxa train: --encoding onehot requires --model-type cnn' train none --encoding onehot
refused 2 '--encoding onehot requires --model-type cnn' \
    train none --encoding onehot --model-type bert
refused 2 '--embed-dim 16 cannot be combined with --encoding onehot' \
    train none --encoding onehot --model-type cnn --embed-dim 16
refused 2 '--tokenizer-file cannot be combined with --encoding onehot' \
    train none --encoding onehot --model-type cnn --tokenizer-file tokenizer.json
refused 2 '--tokenizer-file cannot be combined with --encoding onehot' \
    deeptaxa prepare --encoding onehot --tokenizer-file tokenizer.json --fasta-file data/train.fasta \
    --taxonomy-file data/train.tsv --output-dir none
refused 2 '--encoding dnabert: the run to resume was started with onehot' \
    train none --resume "$last" --encoding dnabert
refused 2 '--tokenizer-file: the run to resume was started with --encoding onehot' \
    train none --resume "$last" --tokenizer-file tokenizer.json
refused 2 '--encoding dnabert: the shards of --data shards were prepared with --encoding onehot' \
    from_shards none --data shards --encoding dnabert
refused 2 '--encoding onehot cannot be combined with --model-type hybridcnnbert' \
    deeptaxa train --data shards --output-dir none

# ... and tokens with bases
make_tokenizer
# shellcheck disable=SC2086
expect 0 train tokens --model-type cnn --tokenizer-file tokenizer.json --epochs 1
tokens=$(checkpoint tokens 1)
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir token_shards --tokenizer-file tokenizer.json
refused 1 '--init-weights .*: trained with --encoding onehot, but this run uses dnabert' \
    train none --model-type cnn --init-weights "$last"
# shellcheck disable=SC2086
refused 1 '--init-weights .*: trained with --encoding dnabert, but this run uses onehot' \
    train none $onehot --init-weights "$tokens"
refused 2 '--encoding onehot: the run to resume was started with dnabert' \
    train none --resume "$tokens" --encoding onehot
refused 1 'trained with --encoding onehot, but the shards of --data were prepared with dnabert' \
    from_shards none --data token_shards --resume "$(checkpoint run 4)"
refused 1 "tokens/.*: cannot be combined with run/.*: it was trained with --encoding dnabert, the other with onehot" \
    deeptaxa predict --checkpoint "$last" "$tokens" --fasta-file data/heldout.fasta --output-dir none
[ -e none ] && fail "a refused command wrote something"

# A tokenizer name from DeepTaxa's command lines has no effect, with a notice
# shellcheck disable=SC2086
expect 0 train named $onehot --epochs 1 --tokenizer-name zhihan1996/DNABERT-2-117M --dry-run
said '^notice: --tokenizer-name has no effect: --encoding onehot reads bases$'
finish
