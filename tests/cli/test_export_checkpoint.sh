#!/usr/bin/env bash
# deeptaxa export: a copy equals the checkpoint bit for bit; without the optimizer it is the same model in
# a third of the size, and commands that cannot use such a file say so.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
# Some tensors are larger than the block that is copied at a time (1 MB), and not a multiple of it.
small_model="--embed-dim 16 --hidden-size 256 --num-hidden-layers 1 --num-attention-heads 4
    --intermediate-size 1100 --num-filters 8 --max-length 64"
expect 0 train_small run --epochs 2 --orientation auto --level-weights 1 1 1 1 1 1 0.5 || finish
whole=$(checkpoint run 1)
heldout=(--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv)
export_to() { deeptaxa export --checkpoint "$whole" --output-file "$@"; }

# A copy
expect 0 export_to copy.h5
said "^Checkpoint: copy.h5, with optimizer state: "
cmp copy.h5 "$whole" || fail "the copy is another file"
sum=$(cut -d ' ' -f 1 copy.h5.sha256)
said "^SHA-256: $sum \(copy.h5.sha256\)"
expect 0 train_small run_copy --resume copy.h5
same_model "$(checkpoint run_copy 2)" "$(checkpoint run 2)"

# Names that are too long, of the copy or of the file beside it, before the copy is made
long=$(printf 'x%.0s' {1..256})
refused 1 "cannot create a file with this name: File name too long" export_to "$long"
refused 1 "\.sha256: cannot create a file with this name: File name too long" export_to "${long:0:250}"
[ -e "${long:0:250}" ] && fail "a copy without its checksum is left"
refused 1 "^deeptaxa export: -: is a pipe or a device" export_to -

# Its SHA-256 is beside it, and a reader can insist on it
sha256sum -c --quiet copy.h5.sha256 || fail "copy.h5.sha256"
other=$(printf '0%.0s' {1..64})
insists() { # ARGUMENTS: a command on a checkpoint
    refused 1 "copy.h5: another file than expected: its SHA-256 is $sum, not $other" "$@" --expect-sha256 "$other"
    refused 2 'expect-sha256 12: must be 64 hexadecimal digits' "$@" --expect-sha256 12
    expect 0 "$@" --expect-sha256 "${sum^^}"
}
insists deeptaxa describe --checkpoint copy.h5
insists deeptaxa export --checkpoint copy.h5 --output-file again.h5
insists deeptaxa convert --checkpoint copy.h5 --output-file again.h5
insists deeptaxa predict --fasta-file data/heldout.fasta --checkpoint copy.h5 --output-dir p_sum
insists deeptaxa calibrate "${heldout[@]}" --checkpoint copy.h5 --output-file c_sum.h5
rm -r run_copy
insists train_small run_copy --resume copy.h5
rm -r run_copy
insists train_small run_copy --init-weights copy.h5 --epochs 1
refused 2 'one for each' deeptaxa predict --fasta-file data/heldout.fasta --checkpoint copy.h5 "$whole" \
    --output-dir p_sum --expect-sha256 "$sum"
refused 2 'expect-sha256 requires' train_small run_other --resume auto --expect-sha256 "$sum"

# Without the optimizer: a third of the size, and everything else
before=$(cksum <"$whole")
expect 0 export_to light.h5 --weights-only
said '^Checkpoint: light.h5, weights only: .* MB \(original: .* MB\)'
same "the checkpoint itself" "$(cksum <"$whole")" "$before"
tensors() { "$bin/../tests/print_tensors" "$1" | sort; }
same "tensors" "$(tensors light.h5)" "$(tensors "$whole" | grep -v '^optimizer/')"
model_bytes() {
    tensors "$1" | awk -F '\t' '{ n = split($2, d, "x"); p = 1; for (i = 1; i <= n; i++) p *= d[i]; s += 4 * p } END { print s }'
}
saved=$(($(stat -c %s "$whole") - $(stat -c %s light.h5)))
expected=$(($(model_bytes "$whole") - $(model_bytes light.h5)))
[ "$saved" -ge "$expected" ] || fail "$saved bytes saved instead of $expected"
described() { deeptaxa describe --checkpoint "$1" | grep -vE '^  Checkpoint: '; }
expect 0 described "$whole"
printed '^  optimizer-state: yes$'
sed 's/^  optimizer-state: yes$/  optimizer-state: none, weights only/' out >wanted
expect 0 described light.h5
cmp out wanted || fail "describe: $(diff out wanted)"
arrays="taxonomy/ranks taxonomy/labels/6 tokenizer/json lineages/first lineages/parent lineages/label
    strand/weights split/training split/validation settings/level_weights evaluation/f1_score"
print_all() { for name in $arrays; do "$bin/../tests/print_array" "$1" deeptaxa-checkpoint "$name" || fail "$name of $1"; done; }
print_all light.h5 >arrays.light
print_all "$whole" >arrays.whole
cmp arrays.light arrays.whole || fail "an array of the metadata differs"

# Its predictions are identical, and it is calibrated like the complete one
for model in "$whole" light.h5; do
    name=$(basename "$model" .h5)
    expect 0 deeptaxa predict "${heldout[@]}" --checkpoint "$model" --tabular --output-dir "p_$name"
    expect 0 deeptaxa calibrate "${heldout[@]}" --checkpoint "$model" --output-file "c_$name.h5"
done
full=$(basename "$whole" .h5)
cmp p_light/*.tsv "p_$full"/*.tsv || fail "other predictions"
temperatures() { "$bin/../tests/print_array" "$1" deeptaxa-checkpoint calibration/temperatures; }
same "number of temperatures" "$(temperatures c_light.h5 | wc -l)" 7
same "temperatures" "$(temperatures c_light.h5)" "$(temperatures "c_$full.h5")"

# Calibrated, then exported: the temperatures are kept. A file of weights only stays one, with a notice.
expect 0 deeptaxa export --checkpoint c_light.h5 --output-file kept.h5
said 'c_light.h5: contains weights only, and so will the copy'
said '^Checkpoint: kept.h5, weights only: '
cmp kept.h5 c_light.h5 || fail "a copy of weights only is another file"

# Training can start from it, but cannot resume from it
expect 0 train_small fresh --epochs 1 --init-weights light.h5
expect 0 train_small fresh_whole --epochs 1 --init-weights "$whole"
same_model "$(checkpoint fresh 1)" "$(checkpoint fresh_whole 1)"
refused 1 'light.h5: contains weights only, .* start a new run with --init-weights light.h5$' \
    train_small again --resume light.h5
[ -e again ] && fail "a run was resumed from weights only"

# An existing output file is replaced atomically; the checkpoint itself is not
echo "something else" >light2.h5
expect 0 export_to light2.h5 --weights-only
cmp light.h5 light2.h5 || fail "another export of the same"
refused 2 '--output-file .*: is also the file of --checkpoint' export_to "$whole" --weights-only
ln -s "$whole" link.h5
refused 2 '--output-file link.h5: is also the file of --checkpoint' export_to link.h5
same "the checkpoint itself" "$(cksum <"$whole")" "$before"
refused 1 'nowhere/x.h5: ' export_to nowhere/x.h5
mkdir folder
refused 1 'folder: ' export_to folder
refused 2 'missing --output' deeptaxa export --checkpoint "$whole"
limited() { (ulimit -f $(($(stat -c %s light.h5) / 2048)) && export_to "$@"); }
refused 1 'light2.h5: cannot write' limited light2.h5
cmp light.h5 light2.h5 || fail "a full disk lost what stood there"

# Damage is detected in everything that is copied; in the optimizer state only if that is copied
flip() {
    local byte
    cp "$whole" flipped.h5
    byte=$(od -An -tu1 -j "$1" -N 1 flipped.h5 | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 4)))" | dd of=flipped.h5 bs=1 seek="$1" conv=notrunc status=none
}
size=$(stat -c %s "$whole")
for share in 10 25 60 90; do # the parameters come first, the optimizer's two parts follow
    flip $((size * share / 100))
    refused 1 'flipped.h5: .*damaged' deeptaxa export --checkpoint flipped.h5 --output-file broken.h5
    if [ $share -lt 30 ]; then
        refused 1 'flipped.h5: .*damaged' \
            deeptaxa export --checkpoint flipped.h5 --output-file broken.h5 --weights-only
    else
        expect 0 deeptaxa export --checkpoint flipped.h5 --output-file undamaged.h5 --weights-only
        cmp undamaged.h5 light.h5 || fail "damage was copied, at $share %"
    fi
done
[ -e broken.h5 ] && fail "a damaged checkpoint was exported"
same "leftovers" "$(find . -name '*.part*')" ""
finish
