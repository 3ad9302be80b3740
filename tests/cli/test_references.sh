#!/usr/bin/env bash
# The references of a model: train --store-references, resuming, export, calibrate --add-references.
source "$(dirname "$0")/lib.sh"
make_gold 300
make_tokenizer
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
heldout="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"
checksum() { # CHECKPOINT: of its references
    expect 0 deeptaxa describe --checkpoint "$1" --export-metrics described.json
    sed -n 's/^ *"checksum": "\(.*\)",*/\1/p' described.json
}
predict() { # CHECKPOINT FOLDER FLAGS...
    # shellcheck disable=SC2086
    deeptaxa predict --checkpoint "$1" $heldout --output-dir "$2" --tabular --threads 2 "${@:3}"
}
table() { echo "$1/heldout_deeptaxa_predictions.tsv"; }

# ---- training ------------------------------------------------------------------------------------
expect 0 train_small run --epochs 2 --store-references
said '^References: 240 sequences, [0-9]+ of them different, in run/checkpoints/.*_references.hdf5'
said '^notice: the model has references: .* 240 sequences'
model=$(checkpoint run 2)
file=${model%_epoch2.h5}_references.hdf5
[ -s "$file" ] || fail "no file of references"
first=$(checksum "$model")
[ ${#first} -eq 16 ] || fail "no checksum: '$first'"
grep -q '"in_this_file": false' described.json || fail "not in a file of its own"
printed '^  references: 240 sequences .* in a file beside this one: a shared model publishes them$'
[ "$(stat -c %s "$model")" -lt "$(($(stat -c %s "$(checkpoint run 1)") + 4096))" ] || fail "they are in each checkpoint"

# They change nothing of the training, nor of a prediction without neighbours
expect 0 train_small plain --epochs 2
same_model "$model" "$(checkpoint plain 2)"
expect 0 predict "$model" without
expect 0 predict "$(checkpoint plain 2)" plainly
cmp "$(table without)" "$(table plainly)" || fail "references change the network's numbers"
grep -q '"neighbours": {' without/*.json && fail "neighbours, though there are none"

# The same from shards, streamed ones, ranks, and bases in place of tokens
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --tokenizer-file tokenizer.json --output-dir shards --sequences-per-shard 50
# shellcheck disable=SC2086
shards() { deeptaxa train --data shards --output-dir "$1" $small_model --batch-size 8 --epochs 1 --val-split 0.2 --store-references "${@:2}"; }
expect 0 shards from_shards --threads 2
same "references from shards" "$(checksum "$(checkpoint from_shards 1)")" "$first"
expect 0 shards from_stream --threads 2 --stream-data
same "references from a stream" "$(checksum "$(checkpoint from_stream 1)")" "$first"
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --encoding onehot \
    --model-type cnn --num-filters 8 --max-length 64 --batch-size 8 --epochs 1 --val-split 0.2 \
    --output-dir bases --store-references --threads 2
same "references from bases" "$(checksum "$(checkpoint bases 1)")" "$first"
if compgen -G "$bin/../lib/deeptaxa/libdeeptaxa_mpi*" >/dev/null && command -v mpiexec >/dev/null; then
    # (MPI keeps memory until the process ends: tests/cluster/lsan.supp)
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
        expect 0 train_small ranks --epochs 1 --store-references --ranks 2
    same "references of two ranks" "$(checksum "$(checkpoint ranks 1)")" "$first"
fi

# ---- resuming ------------------------------------------------------------------------------------
before=$(stat -c '%i %Y %s' "$file")
resume() { train_small "$1" --epochs 3 --resume "$(checkpoint run 1)" "${@:2}"; }
cp -r run kept
expect 0 resume run
same "the file after a resume" "$(stat -c '%i %Y %s' "$file")" "$before"
same "references of the resumed run" "$(checksum "$(checkpoint run 3)")" "$first"
expect 0 resume elsewhere
[ -s "elsewhere/checkpoints/$(basename "$file")" ] || fail "not copied to another folder"
expect 0 predict "$(checkpoint elsewhere 3)" x --neighbours 5
mv "$file" away.h5
refused_late() { # REGEX COMMAND...: ends with 1; the last line says why
    expect 1 "${@:2}"
    tail -n 1 err | grep -qE -- "$1" || fail "the last line is not '$1': $(tail -n 1 err)"
}
refused_late 'its references are in another file, .*_references.hdf5, which is missing: put it there' resume run
refused_late 'its references are in another file, .*, which is missing' predict "$model" x --neighbours 5
expect 0 predict "$model" x
expect 0 resume run --store-references
same "references that were written again" "$(checksum "$(checkpoint run 3)")" "$first"
printf 'XX' | dd of="$file" bs=1 seek=5000 conv=notrunc 2>/dev/null
refused_late '_references.hdf5: .*damaged' resume run
refused_late '_references.hdf5: .*damaged' predict "$model" x --neighbours 5
cp "$(ls from_shards/checkpoints/*_references.hdf5)" "$file"
expect 0 predict "$model" x --neighbours 5 # the same sequences
expect 0 deeptaxa train --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv --output-dir foreign \
    --encoding onehot --model-type cnn --num-filters 8 --max-length 64 --epochs 1 --store-references --threads 2
cp foreign/checkpoints/*_references.hdf5 "$file"
refused_late '_references.hdf5: its references are not those of the run: .* --store-references' predict "$model" x --neighbours 5
cp away.h5 "$file"

# ---- one file ------------------------------------------------------------------------------------
mkdir alone
expect 0 deeptaxa export --checkpoint "$model" --output-file alone/x.h5
said '^notice: alone/x.h5: has the 240 reference sequences'
fields=predicted,raw_score,nearest,similarity
expect 0 predict "$model" with --neighbours 20 --tabular-fields $fields
expect 0 predict alone/x.h5 y --neighbours 20 --tabular-fields $fields
cmp "$(table with)" "$(table y)" || fail "an exported model has other neighbours"
expect 0 deeptaxa export --checkpoint "$model" --output-file none.h5 --no-references
refused 1 'has no references: train it with --store-references' predict none.h5 y --neighbours 20
expect 0 train_small again --epochs 3 --resume alone/x.h5
same "references of a run that goes on from an exported file" "$(checksum "$(checkpoint again 3)")" "$first"

# ---- a model without -----------------------------------------------------------------------------
expect 0 deeptaxa convert --checkpoint "$model" --output-file model.pt
said 'model.pt: a .pt file has no place for the model.s references'
expect 0 deeptaxa export --checkpoint "$model" --output-file alone.h5 --no-references
# shellcheck disable=SC2086
add() { deeptaxa calibrate $heldout --output-file "$1" "${@:2}"; }
expect 0 add added.h5 --checkpoint model.pt --add-references data/train.fasta --reference-taxonomy data/train.tsv
same "references that were added" "$(checksum added.h5)" "$first"
expect 0 predict added.h5 added --neighbours 20 --neighbour-weight 1 --neighbour-exponent 50 --tabular-fields predicted
expect 0 predict "$model" votes --neighbours 20 --neighbour-weight 1 --tabular-fields predicted
cmp "$(table added)" "$(table votes)" || fail "a vote of added references"
# from headers, with a genus that the model does not know
awk -F '\t' 'NR == FNR { if (FNR > 1) { l = $2; for (i = 3; i <= 8; i++) l = l ";" $i; of[$1] = l }; next }
    /^>/ { id = substr($1, 2); l = of[id]; if (++n == 1) sub(/;[^;]*$/, ";Nowhere", l); print ">" id " " l; next } { print }' \
    data/train.tsv data/train.fasta >headers.fasta
expect 0 add headers.h5 --checkpoint model.pt --add-references headers.fasta
said '^References: 239 sequences, [0-9]+ of them different, from headers.fasta; they are of [0-9]+ lineages, the model knows [0-9]+$'
said '^warning: headers.fasta: 1 of 240 sequences are left out, because the model does not know'
awk '/^>/ && ++n == 4 { exit } { print }' data/train.fasta >three.fasta
expect 0 add three.h5 --checkpoint alone.h5 --add-references three.fasta --reference-taxonomy data/train.tsv
said '^notice: data/train.tsv: 237 of 240 rows match no sequence$'
said '^References: 3 sequences, 3 of them different, from three.fasta; they are of [1-3] lineages, the model knows '
refused 2 'has references: omit the flag' add x.h5 --checkpoint alone/x.h5 --add-references data/train.fasta
refused 2 '--output-file x.pt: a .pt file has no place for the references' add x.pt --checkpoint model.pt \
    --add-references data/train.fasta
refused 2 '--reference-taxonomy requires --add-references' add x.h5 --checkpoint model.pt --reference-taxonomy data/train.tsv
finish
