#!/usr/bin/env bash
# Damaged checkpoints are refused in one line; a full disk while one is written loses nothing.
source "$(dirname "$0")/lib.sh"
make_gold 40
make_tokenizer
expect 0 train_small run --epochs 2
good=$(checkpoint run 1)
size=$(stat -c %s "$good")

predict_with() {
    deeptaxa predict --fasta-file data/heldout.fasta --checkpoint "$1" \
        --output-dir predictions --tabular
}
# refuse REGEX FILE: by all programs that read checkpoints
refuse() {
    refused 1 "$1" predict_with "$2"
    refused 1 "$1" train_small other --resume "$2"
    refused 1 "$1" deeptaxa describe --checkpoint "$2"
    refused 1 "$1" deeptaxa export --checkpoint "$2" --output-file exported.h5
    [ -e predictions ] && { fail "predictions were written: $1"; rm -rf predictions; }
    [ -e other ] && { fail "a run was started: $1"; rm -rf other; }
    [ -e exported.h5 ] && { fail "a copy was written: $1"; rm -f exported.h5; }
}

for share in 1 10 50 90 99; do
    head -c $((size * share / 100)) "$good" >cut.h5
    refuse 'cut.h5: ' cut.h5
done
# A changed byte: training never resumes from the file; prediction, which does not read the optimizer
# state, refuses it or predicts the same as with the intact file.
expect 0 predict_with "$good"
mv predictions good_predictions
for share in 1 5 20 35 50 65 80 95; do
    cp "$good" flipped.h5
    at=$((size * share / 100))
    byte=$(od -An -tu1 -j $at -N 1 flipped.h5 | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 4)))" | dd of=flipped.h5 bs=1 seek=$at conv=notrunc status=none
    expect 1 train_small other --resume flipped.h5
    said 'flipped.h5: .*damaged'
    [ -e other ] && { fail "a run was resumed from a damaged file"; rm -rf other; }
    if predict_with flipped.h5 >out 2>err; then
        cmp -s predictions/*.tsv good_predictions/*.tsv || fail "other predictions, byte $at"
    else
        same "lines" "$(grep -c 'flipped.h5: .*damaged' err)" 1
        [ -e predictions ] && fail "predictions were written from a damaged file, byte $at"
    fi
    rm -rf predictions
done
echo "not a checkpoint" >text.h5
refuse 'text.h5: ' text.h5
cp data/train.fasta other.h5
refuse 'other.h5: ' other.h5
printf 'PK\003\004 and so on' >model.pt
refuse 'model.pt: the file is damaged or truncated: the zip archive has no directory' model.pt
refuse 'nowhere.h5: .*No such file' nowhere.h5

# A full disk (here: a limit on the size of a file): the older checkpoint is kept, no partial file is left
cp -r run full
before=$(cksum <"$(checkpoint full 1)")
limited() { (ulimit -f $((size * 3 / 4 / 1024)) && train_small full --resume "$(checkpoint run 1)"); }
expect 1 limited
said '_epoch2.h5: '
tail -n 1 full/train.log | grep -q '_epoch2.h5: cannot write' || fail "train.log does not say why it ended"
same "older checkpoint" "$(cksum <"$(checkpoint full 1)")" "$before"
same "the checkpoint that stood there" "$(cksum <"$(checkpoint full 2)")" "$(cksum <"$(checkpoint run 2)")"
same "leftovers" "$(find full -name '*.part*')" ""
# files left by a process that was killed while writing are removed by the next run
touch "$(checkpoint full 2).part-0badcafe-aB3xY9" full/metrics/deeptaxa.part-notes
expect 0 train_small full --resume "$(checkpoint full 1)"
same "leftovers" "$(find full -name '*.part*' | sed 's/.*\///')" "deeptaxa.part-notes"
same_model "$(checkpoint run 2)" "$(checkpoint full 2)"
finish
