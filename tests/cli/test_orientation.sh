#!/usr/bin/env bash
# --orientation auto: sequences of the other strand are reverse-complemented in training,
# shards and prediction.
source "$(dirname "$0")/lib.sh"
make_gold 150
make_tokenizer

# turn SHARE FROM TO: the file with every SHARE-th sequence reverse-complemented
turn() {
    awk -v share="$1" '
        function put() {
            if (!id) return
            print id
            if (n++ % share) { print text; return }
            line = ""
            for (i = length(text); i > 0; i--) {
                base = substr(text, i, 1); at = index("ACGTacgt", base)
                line = line (at ? substr("TGCAtgca", at, 1) : base) }
            print line }
        /^>/ { put(); id = $0; text = ""; next }
        { text = text $0 }
        END { put() }' "$2" >"$3"
}
turn 3 data/train.fasta mixed.fasta
turn 2 data/heldout.fasta mixed_heldout.fasta
turn 1 data/train.fasta other_strand.fasta
cmp -s mixed.fasta data/train.fasta && fail "nothing is turned"

# Training on the mixed set gives exactly the model of the original sequences
expect 0 train_small right --epochs 2
grep -q 'reverse-complemented' err && fail "turned without being asked"
expect 0 train_small forward --epochs 2 --orientation forward
same_model "$(checkpoint right 2)" "$(checkpoint forward 2)"
expect 0 train_small turned --epochs 2 --fasta-file mixed.fasta --orientation auto
said '^mixed.fasta: 40 of 120 sequences were reverse-complemented'
same_model "$(checkpoint right 2)" "$(checkpoint turned 2)"
expect 0 train_small still --epochs 2 --orientation auto
said 'data/train.fasta: 0 of 120 sequences were reverse-complemented'
same_model "$(checkpoint right 2)" "$(checkpoint still 2)"
expect 0 train_small wrong --epochs 1 --fasta-file mixed.fasta
other_model "the strand of a sequence" "$(checkpoint right 1)" "$(checkpoint wrong 1)"
grep -q '"orientation": "auto"' turned/metrics/*_epoch2.json || fail "no orientation in the metrics"
grep -q '"turned_sequences": 40,*$' turned/metrics/*_epoch2.json || fail "no turned sequences in the metrics"
expect 0 deeptaxa describe --checkpoint "$(checkpoint turned 2)"
printed '^  turned-sequences: 40$'

# The tokenizer is learnt from the reoriented sequences
learns() {
    # shellcheck disable=SC2086
    deeptaxa train --taxonomy-file data/train.tsv --output-dir "$1" $small_model --batch-size 8 \
        --learning-rate 1e-2 --threads 2 --epochs 1 "${@:2}"
}
expect 0 learns learnt --fasta-file data/train.fasta
expect 0 learns learnt_turned --fasta-file mixed.fasta --orientation auto
same_model "$(checkpoint learnt 1)" "$(checkpoint learnt_turned 1)"

# Prediction reorients reads by the strand profile of the training set, with or without the flag in training
labels() { cut -f 1-3,7-8,32-33 "$1"/*_predictions.tsv; }
predict_to() {
    deeptaxa predict --output-dir "$1" --checkpoint "$2" --tabular --taxonomy-file data/heldout.tsv "${@:3}"
}
expect 0 predict_to plain "$(checkpoint right 2)" --fasta-file data/heldout.fasta
expect 0 predict_to auto "$(checkpoint right 2)" --fasta-file mixed_heldout.fasta --orientation auto
said '^Orientation: 15 of 30 sequences were reverse-complemented$'
same "predictions of turned reads" "$(labels auto)" "$(labels plain)"
grep -q '"turned_sequences": 15' auto/metrics.json || fail "no turned sequences in the metrics"
expect 0 predict_to as_they_are "$(checkpoint right 2)" --fasta-file mixed_heldout.fasta
[ "$(labels as_they_are)" = "$(labels plain)" ] && fail "the strand of a read makes no difference"
grep -q '"orientation": "forward"' as_they_are/metrics.json || fail "no orientation in the metrics"
expect 0 predict_to same "$(checkpoint right 2)" --fasta-file data/heldout.fasta --orientation auto
said 'Orientation: 0 of 30'
same "predictions of reads that are right" "$(labels same)" "$(labels plain)"
# without the flag, as in training
expect 0 predict_to trained "$(checkpoint turned 2)" --fasta-file mixed_heldout.fasta
said 'Orientation: 15 of 30'
same "predictions of a model that was trained so" "$(labels trained)" "$(labels plain)"
expect 0 predict_to forward_again "$(checkpoint turned 2)" --fasta-file mixed_heldout.fasta --orientation forward
same "predictions with --orientation forward" "$(labels forward_again)" "$(labels as_they_are)"

# Shards contain the reoriented sequences and their strand profile
shards() {
    # shellcheck disable=SC2086
    deeptaxa train --data shards --output-dir "$1" $small_model --batch-size 8 --learning-rate 1e-2 \
        --threads 2 --epochs 2 "${@:2}"
}
expect 0 deeptaxa prepare --fasta-file mixed.fasta --taxonomy-file data/train.tsv --output-dir shards \
    --tokenizer-file tokenizer.json --orientation auto --sequences-per-shard 50
said 'mixed.fasta: 40 of 120 sequences were reverse-complemented'
expect 0 shards from_shards
same_model "$(checkpoint right 2)" "$(checkpoint from_shards 2)"
expect 0 predict_to by_shards "$(checkpoint from_shards 2)" --fasta-file mixed_heldout.fasta
same "predictions of a model of shards" "$(labels by_shards)" "$(labels plain)"
refused 2 '--orientation cannot be combined with --data' shards none --orientation auto

# A resumed run reorients as before; fine-tuning reorients to the strand of the weights
expect 0 train_small rest --fasta-file mixed.fasta --resume "$(checkpoint turned 1)"
same_model "$(checkpoint turned 2)" "$(checkpoint rest 2)"
refused 2 '--orientation forward: the run to resume was started with auto' \
    train_small none --fasta-file mixed.fasta --resume "$(checkpoint turned 1)" --orientation forward
refused 2 '--orientation auto: the run to resume was started with forward' \
    train_small none --resume "$(checkpoint right 1)" --orientation auto
expect 0 train_small tuned --epochs 1 --init-weights "$(checkpoint right 2)"
expect 0 train_small tuned_other --epochs 1 --init-weights "$(checkpoint right 2)" \
    --fasta-file other_strand.fasta --orientation auto
said 'other_strand.fasta: 120 of 120 sequences were reverse-complemented'
same_model "$(checkpoint tuned 1)" "$(checkpoint tuned_other 1)"
# a set that is all on one strand is kept; such a model cannot join the ensemble
expect 0 train_small opposite --epochs 1 --fasta-file other_strand.fasta --orientation auto
said 'other_strand.fasta: 0 of 120'
refused 1 'opposite/.*: cannot be combined with right/.*: it was trained on the opposite strand' \
    deeptaxa predict --output-dir none --fasta-file data/heldout.fasta --checkpoint \
    "$(checkpoint right 2)" "$(checkpoint opposite 1)"

# Without a strand profile the flag is refused
"$bin/../tests/drop_lineages" "$(checkpoint right 2)" older.h5 || fail "drop_lineages"
refused 1 'older.h5: has no strand profile, which --orientation auto needs' \
    predict_to none older.h5 --fasta-file data/heldout.fasta --orientation auto
expect 1 train_small none --fasta-file - --orientation auto
said '--orientation auto: standard input can be read only once'
[ -e none ] && fail "a refused command wrote something"
finish
