#!/usr/bin/env bash
# Files of each earlier format version, written by the programs of that version
# (tests/fixtures/formats/make.sh), are read: described, predicted with, resumed, trained on.
source "$(dirname "$0")/lib.sh"
formats=$project/tests/fixtures/formats
cp "$formats"/{train.fasta,train.tsv,tokenizer.json} .
for file in "$formats"/*.h5.gz; do
    gunzip -c "$file" >"$(basename "$file" .gz)" || fail "gunzip $file"
done
for file in "$formats"/*.tar.gz; do
    gunzip -c "$file" | tar -xf - || fail "tar $file"
done

# described NAME: describe says of NAME.h5 what was recorded, as text and as JSON
described() {
    local kind
    expect 0 deeptaxa describe --checkpoint "$1.h5" --export-metrics "$1.json"
    grep -v '^  DeepTaxa-MPI Model Description' out >"$1.described.txt"
    grep -v '^  "version": ' "$1.json" >"$1.described.json"
    for kind in txt json; do
        [ -z "${DEEPTAXA_RECORD:-}" ] || cp "$1.described.$kind" "$formats/"
        diff "$formats/$1.described.$kind" "$1.described.$kind" >differences ||
            fail "describe, $1.$kind: $(cat differences)"
    done
}
for name in v1 v2 v2_step v2_arrays v2_calibrated v3; do
    described $name
done

# The labels are those predicted by the program of that version
for name in v1 v2 v2_arrays v3; do
    expect 0 deeptaxa predict --fasta-file train.fasta --checkpoint $name.h5 --output-dir . \
        --tabular --tabular-fields predicted
    cut -f 1-4 train_deeptaxa_predictions.tsv >labels.tsv
    diff "$formats/$name.labels.tsv" labels.tsv >differences || fail "$name: $(cat differences)"
done
expect 0 deeptaxa predict --fasta-file train.fasta --taxonomy-file train.tsv \
    --checkpoint v2_calibrated.h5 --output-dir .
temperatures() { tr -d ' \n' <"$1" | sed -E "s/.*\"$2\":(\[[^]]*\]).*/\1/"; }
same "temperatures" "$(temperatures metrics.json level_temperatures)" \
    "$(temperatures v2_calibrated.json temperatures)"

# A resumed run ends with the losses of the uninterrupted run
losses() { # FOLDER EPOCH FILE
    local key
    for key in training_loss validation_loss; do
        near "$key of $1, epoch $2" "$(metric "$1" "$2" $key)" \
            "$(sed -n "s/\"$key\"://p" "$formats/$3.losses")" 1e-3
    done
}
resumed() { # NAME EPOCH INPUT...
    expect 0 deeptaxa train --resume "$1.h5" --output-dir "run_$1" --threads 1 "${@:3}"
    losses "run_$1" "$2" "$1"
}
files="--fasta-file train.fasta --taxonomy-file train.tsv"
words="--tokenizer-file tokenizer.json"
# shellcheck disable=SC2086
{
    resumed v1 40 $files $words
    said 'has no hashes of its sequences, so it cannot be checked'
    resumed v2 40 $files $words
    resumed v2_step 2 --data shards_v1
    losses run_v2_step 1 v2_step_epoch1
    resumed v2_arrays 40 $files $words
    grep -q 'no hashes' err && fail "v2_arrays knows its sequences"
    resumed v3 40 $files
}

# Shards give the same model as their input files; streamed, the same as new shards
small="--max-length 40 --num-filters 4 --epochs 1 --batch-size 4 --threads 1 --model-type cnn"
# shellcheck disable=SC2086
while IFS='|' read -r shards flags; do
    expect 0 deeptaxa prepare $files $flags --sequences-per-shard 12 --output-dir "new_$shards"
    expect 0 deeptaxa train $files $flags $small --output-dir "from_files_$shards"
    expect 0 deeptaxa train --data "$shards" $small --output-dir "from_$shards"
    same_model "$(checkpoint "from_files_$shards" 1)" "$(checkpoint "from_$shards" 1)"
    for data in "new_$shards" "$shards"; do
        expect 0 deeptaxa train --data "$data" --stream-data $small --output-dir "streamed_$data"
    done
    same_model "$(checkpoint "streamed_new_$shards" 1)" "$(checkpoint "streamed_$shards" 1)"
done <<END
shards_v1|$words
shards_v1_arrays|$words --orientation auto
shards_v2|--encoding onehot
END
finish
