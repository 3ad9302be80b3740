#!/usr/bin/env bash
# --model-type kmer: defaults of its own, from FASTA or shards, in training, resuming, on ranks, in
# prediction, ensembles, calibration and exports; and what it cannot be combined with.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"

# All archaea of the 16S set, and two bacteria for each
awk '/^>/ { keep = /Archaea;/ ? 1 : (++bacteria % 77 == 0) } keep' "$gold" >two_domains.fasta
gold=$work/two_domains.fasta make_gold 0
export DEEPTAXA_TOKENIZER=$work/nothing.json # no tokenizer is looked for
small="--kmer-size 6 --hidden-size 32 --batch-size 4 --learning-rate 1e-2 --threads 1"

# train FOLDER FLAGS...: from FASTA; from_shards FOLDER FLAGS...: without files
# shellcheck disable=SC2086
train() {
    deeptaxa train --model-type kmer --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir "$1" $small "${@:2}"
}
# shellcheck disable=SC2086
from_shards() { deeptaxa train --output-dir "$1" --model-type kmer $small "${@:2}"; }
predict() {
    deeptaxa predict --checkpoint "$1" --fasta-file "$2" --output-dir "$3" --tabular "${@:4}"
}
labels() { cut -f 2- "$1"/*_predictions.tsv; } # without the ids

# The command alone has the type's settings, help and --print-config name them
expect 0 deeptaxa train --model-type kmer --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir none --dry-run
said '^encoding: onehot, without a tokenizer$'
printed '^ *kmer_embedding +4,194,304$'
expect 0 deeptaxa train --help
tr -s ' \n' ' ' <out >help
grep -qF '(default: 896; with --model-type kmer 256)' help || fail "--help has not the type's defaults"
expect 0 deeptaxa train --model-type kmer --epochs 3 --print-config
cp out kmer.json
for line in '"hidden-size": 256' '"learning-rate": 0.003' '"epochs": 3' '"batch-size": 128' \
    '"hidden-dropout-prob": 0.3' '"encoding": "onehot"' '"max-length": 2048' '"kmer-size": 7'; do
    grep -q "^ *$line,\$" kmer.json || fail "--print-config lacks $line"
done
expect 0 deeptaxa train --config kmer.json --print-config
cmp -s out kmer.json || fail "--print-config of its own file differs"

# Flags of other types are named in a warning, the defaults that --print-config writes are not
dry=(deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir none --dry-run)
expect 0 "${dry[@]}" --config kmer.json
grep -q 'without effect' err && fail "--print-config has flags without effect: $(cat err)"
expect 0 "${dry[@]}" --model-type kmer --kernel-sizes 3 --num-attention-heads 7 --mask-padding --focal-gamma 2
said '^warning: without effect: --kernel-sizes \(needs --model-type hybridcnnbert or cnn\), --num-attention-heads \(needs --model-type hybridcnnbert or bert\), --mask-padding .*, --focal-gamma \(needs --loss-type focal\)$'
same "warnings" "$(grep -c 'without effect' err)" 1
echo '{"num_attention_heads": 4, "num_filters": 256, "kernel_sizes": [3, 5, 7]}' >other.json
expect 0 "${dry[@]}" --model-type kmer --config other.json
said '^warning: other.json: without effect: "num_attention_heads" \(needs --model-type hybridcnnbert or bert\)$'
expect 0 "${dry[@]}" --model-type cnn --encoding onehot --kmer-size 7 --hidden-size 64 --early-stopping-min-delta 0.1
said '^warning: without effect: --kmer-size \(needs --model-type kmer\), --hidden-size \(needs --model-type hybridcnnbert or bert or kmer\), --early-stopping-min-delta \(needs --early-stopping-patience\)$'

# A run that is resumed has its type; --resume auto that finds none starts one of the default type
files="--fasta-file data/train.fasta --taxonomy-file data/train.tsv"
expect 0 train typed --epochs 1
expect 0 deeptaxa train $files --output-dir typed --resume auto --kmer-size 6 --encoding onehot --dry-run
grep -q 'without effect' err && fail "the type of the run is not known: $(cat err)"
refused 2 '--hidden-size 64: the run to resume was started with ' \
    deeptaxa train $files --output-dir x --resume typed --hidden-size 64
expect 2 deeptaxa train $files --output-dir typed --resume auto --hidden-size 64
said '--hidden-size 64: the run to resume was started with '
expect 2 deeptaxa train $files --output-dir untyped --resume auto --hidden-size 64
said '--hidden-size 64: must be a multiple of --num-attention-heads \(7\)$'
expect 2 deeptaxa train $files --output-dir untyped --resume auto --encoding onehot
said '--encoding onehot requires --model-type cnn or kmer'
[ -e untyped ] && fail "a refused run left its folder"
expect 0 deeptaxa train $files --output-dir untyped --resume auto --model-type cnn --encoding onehot --kmer-size 7 \
    --dry-run
said '^warning: without effect: --kmer-size \(needs --model-type kmer\)$'

# It learns: the loss decreases, and unseen sequences are classified
expect 0 train run --epochs 6
awk -v a="$(metric run 1 training_loss)" -v b="$(metric run 6 training_loss)" \
    'BEGIN { exit !(b < 0.7 * a) }' || fail "the loss does not fall: $(metric run 6 training_loss)"
last=$(checkpoint run 6)
expect 0 predict "$last" data/heldout.fasta plain --taxonomy-file data/heldout.tsv
accuracy=$(sed -n 's/^ *"accuracy": \([^,]*\),$/\1/p' plain/metrics.json | head -n 1)
awk -v a="$accuracy" 'BEGIN { exit !(a >= 0.9) }' || fail "right domains: $accuracy"

# Its entries in the files
grep -q '^ *"kmer_size": 6,$' run/metrics/*_epoch6.json || fail "no kmer_size in the metrics"
grep -q '^ *"embed_dim": null,$' run/metrics/*_epoch6.json || fail "an embed_dim in the metrics"
expect 0 deeptaxa describe --checkpoint "$last"
printed '^  model-type: kmer$'
printed '^  encoding: onehot$'
printed '^  kmer-size: 6$'
printed '^  hidden-size: 32$'
printed '^  max-length: 2,048$'

# A resumed run, shards and a stream end with the same bits; two ranks with the same up to rounding
expect 0 train resumed --resume "$(checkpoint run 3)"
same_model "$(checkpoint resumed 6)" "$last"
expect 0 deeptaxa prepare --encoding onehot --fasta-file data/train.fasta \
    --taxonomy-file data/train.tsv --output-dir shards --sequences-per-shard 30
expect 0 from_shards prepared --data shards --epochs 6
same_model "$(checkpoint prepared 6)" "$last"
expect 0 from_shards streamed --data shards --epochs 2 --stream-data
expect 0 from_shards streamed_again --data shards --resume "$(checkpoint streamed 1)"
same_model "$(checkpoint streamed_again 2)" "$(checkpoint streamed 2)"
expect 0 train threads --epochs 6 --threads 3
same_model "$(checkpoint threads 6)" "$last"

# A new run from its weights starts with its final loss
expect 0 train started --epochs 1 --init-weights "$last"
awk -v a="$(metric run 1 training_loss)" -v b="$(metric started 1 training_loss)" \
    'BEGIN { exit !(b < 0.9 * a) }' || fail "a new run does not begin with the weights"

# Neither batches nor the notation of a sequence matter; copies are computed once
expect 0 predict "$last" data/heldout.fasta batches --batch-size 3 --threads 2 \
    --taxonomy-file data/heldout.tsv
cmp -s batches/*.tsv plain/*.tsv || fail "other batches, other predictions"
awk '/^>/ { print; next } { gsub("T", "U"); print tolower(substr($0, 1, 7)) "-" substr($0, 8) }' \
    data/heldout.fasta >written.fasta
cat data/heldout.fasta >>written.fasta
sed -i "$((1 + $(grep -c '' data/heldout.fasta))),\$s/^>/>again_/" written.fasta
expect 0 predict "$last" written.fasta written
said '^Identical sequences: 19 of 38 repeat an earlier one'
same "predictions of RNA in lower case with gaps" \
    "$(labels written | rev | cut -f 2- | rev | sed 1d | sort -u | wc -l)" \
    "$(labels written | rev | cut -f 2- | rev | sed "1d;$((2 + $(grep -c '>' data/heldout.fasta))),\$d" | sort -u | wc -l)"

# A sequence without a k-mer is classified all the same
printf '>none\nACNACNACN\n>one\nACGTNNNNN\n' >few.fasta
expect 0 predict "$last" few.fasta few
same "rows of short sequences" "$(labels few | wc -l)" 3

# Embeddings, importance, calibration, ensembles, a copy with weights only
expect 0 train exports --epochs 1 --export-sequence-embeddings --export-permutation-importance \
    --perm-region-size 400
awk 'NR > 1 && $NF != 0 { found = 1 } END { exit !found }' exports/weights/*_permutation_importance.tsv ||
    fail "no region matters"
expect 0 predict "$last" data/heldout.fasta embedded --export-sequence-embeddings
expect 0 deeptaxa calibrate --checkpoint "$last" --fasta-file data/heldout.fasta \
    --taxonomy-file data/heldout.tsv --output-file calibrated.h5
expect 0 predict calibrated.h5 data/heldout.fasta calibrated
same "labels of a calibrated model" "$(cut -f 2 calibrated/*.tsv)" "$(cut -f 2 plain/*.tsv)"
expect 0 deeptaxa predict --checkpoint "$last" "$(checkpoint exports 1)" --output-dir ensemble \
    --fasta-file data/heldout.fasta --tabular
expect 0 deeptaxa export --checkpoint "$last" --weights-only --output-file weights.h5
expect 0 predict weights.h5 data/heldout.fasta weights --taxonomy-file data/heldout.tsv
cmp -s weights/*.tsv plain/*.tsv || fail "a copy of the weights predicts something else"

# Refused, before anything is written
refused 2 '--encoding dnabert cannot be combined with --model-type kmer, which reads bases' \
    train none --encoding dnabert
refused 2 '--kmer-size 5: the run to resume was started with 6' train none --resume "$last" --kmer-size 5
refused 1 'kmer.pt: DeepTaxa has no --model-type kmer: write an .h5 file' \
    deeptaxa export --checkpoint "$last" --output-file kmer.pt
expect 0 train other --epochs 1 --kmer-size 5
expect 1 train none --kmer-size 5 --init-weights "$last"
said 'has other sizes: kmer-size 6 \(this model: 5\)'
refused 1 'cannot be combined with .*: one of them reads single bases and the other k-mers' \
    deeptaxa predict --checkpoint "$last" "$(checkpoint other 1)" --fasta-file data/heldout.fasta --output-dir none
[ -e none ] || [ -e kmer.pt ] && fail "a refused command wrote something"
finish
