#!/usr/bin/env bash
# Neighbours in a prediction: predict --neighbours, and what calibrate finds for it.
source "$(dirname "$0")/lib.sh"
make_gold 300
make_tokenizer
heldout="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"
predict() { # CHECKPOINT FOLDER FLAGS...
    # shellcheck disable=SC2086
    deeptaxa predict --checkpoint "$1" $heldout --output-dir "$2" --tabular --threads 2 "${@:3}"
}
table() { echo "$1/heldout_deeptaxa_predictions.tsv"; }
accuracy() { grep -o '"accuracy": *[0-9.e-]*' "$1/metrics.json" | awk '{ print $2 }' | sed -n "$2p"; }


expect 0 train_small run --epochs 2 --store-references
model=$(checkpoint run 2)
expect 0 predict "$model" without
# ---- predicting ----------------------------------------------------------------------------------
fields=predicted,raw_score,nearest,similarity
expect 0 predict "$model" with --neighbours 20 --tabular-fields $fields
said '^Neighbours: the 20 nearest of 240 references \([0-9]+ different\), weight 0.5, exponent 50$'
awk -v a="$(accuracy with 5)" -v b="$(accuracy without 5)" 'BEGIN { exit !(a > b + 0.2) }' ||
    fail "families: $(accuracy with 5) with neighbours, $(accuracy without 5) without"
head -n 1 "$(table with)" | grep -q "	nearest	similarity	sequence_length$" || fail "columns: $(head -n 1 "$(table with)")"
for item in '"count": 20' '"weight": 0.5' '"exponent": 50.0' '"reference_sequences": 240'; do
    grep -q "$item" with/metrics.json || fail "metrics.json has no $item"
done
grep -q '"nearest": "' with/heldout_deeptaxa_predictions.json || fail "no nearest reference in the JSON file"
expect 0 predict "$model" one --neighbours 20 --tabular-fields $fields --threads 1 --batch-size 7
cmp "$(table with)" "$(table one)" || fail "threads and batches matter"
expect 0 predict "$model" zero --neighbours 20 --neighbour-weight 0 --tabular-fields predicted,raw_score
expect 0 predict "$model" summed --lineage summed --tabular-fields predicted,raw_score
cmp "$(table zero)" "$(table summed)" || fail "without weight, neighbours matter"
expect 0 predict "$model" twice --checkpoint "$model" "$model" --neighbours 20 --tabular-fields $fields
cmp "$(table with)" "$(table twice)" || fail "an ensemble of a model with itself"

# Repeated sequences are computed once, with their neighbours; what is beyond max_length matters
awk '/^>/ { id = $0; next } { s = s $0 } END { print ">a\n" s "\n>b\n" s "\n>c\n" substr(s, 1, 1000) }' \
    <(awk '/^>/ && ++n == 2 { exit } { print }' data/heldout.fasta) >copies.fasta
expect 0 deeptaxa predict --checkpoint "$model" --fasta-file copies.fasta --output-dir copies --tabular \
    --tabular-fields $fields --neighbours 20
said 'Identical sequences: 1 of 3'
cut -f 2- copies/*.tsv >rows
same "a copy" "$(sed -n 2p rows)" "$(sed -n 3p rows)"
[ "$(sed -n 2p rows)" != "$(sed -n 4p rows)" ] || fail "a longer sequence has the neighbours of its beginning"

# The training file: its sequences find themselves, which is said; left out, they do not
trained="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --checkpoint $model --neighbours 5
    --tabular --tabular-fields nearest,similarity"
# shellcheck disable=SC2086
expect 0 deeptaxa predict $trained --output-dir itself
said '^warning: data/train.fasta: 240 of 240 sequences are identical to a reference: their accuracy says little'
awk -F '\t' 'NR > 1 && ($1 != $2 || $3 != 1) { exit 1 }' itself/*.tsv || fail "a reference is not its nearest"
# shellcheck disable=SC2086
expect 0 deeptaxa predict $trained --output-dir left_out --leave-one-out
said '^notice: data/train.fasta: 240 of 240 sequences are identical to a reference$'
awk -F '\t' 'NR > 1 && $1 == $2 { exit 1 }' left_out/*.tsv || fail "a reference votes for itself"

sed 's/^>/>other_/' data/train.fasta >renamed.fasta # by id: copies of references are not left out
# shellcheck disable=SC2086
expect 0 deeptaxa predict ${trained/data\/train.fasta/renamed.fasta} --output-dir renamed --leave-one-out
awk -F '\t' 'NR > 1 && $3 != 1 { exit 1 }' renamed/*.tsv || fail "a sequence of another id is left out"

for count in 1001 0 -1 5x; do
    refused 2 "--neighbours $count: give a number from 1 to 1000, auto, or off for the network alone" \
        predict "$model" x --neighbours="$count"
done
refused 2 '--min-similarity requires --neighbours' predict "$model" x --min-similarity 0.5
refused 2 '--tabular-fields nearest .* requires --neighbours' predict "$model" x --tabular-fields $fields
refused 2 '--neighbours predicts lineages by --lineage summed' predict "$model" x --neighbours 5 --lineage consistent
refused 1 'has no similarities for --min-similarity auto: let deeptaxa calibrate find them' predict "$model" x --neighbours 5 --min-similarity auto
refused 2 'a number from 0 to 1, or 7 of them' predict "$model" x --neighbours 5 --min-similarity 0.1,0.2

# ---- calibrating ---------------------------------------------------------------------------------
# shellcheck disable=SC2086
expect 0 deeptaxa calibrate --checkpoint "$model" $heldout --output-file cal.h5 --threads 2
cp err fit
expect 0 deeptaxa describe --checkpoint cal.h5
printed '^  references: 240 sequences .*, in this file'
stored() { sed -n "s/^ *$1: //p" out; }
k=$(stored neighbours) weight=$(stored neighbour-weight) exponent=$(stored neighbour-exponent)
least=$(stored min-similarity | tr -d '[] ')
expect 0 predict cal.h5 auto --neighbours auto --min-similarity auto --tabular-fields predicted,raw_score,assigned --format qiime2
said '^Neighbours: .*, calibrated$'
said '^Left unassigned of 60 sequences, too unlike all references: '
expect 0 predict cal.h5 five --neighbours 5
said '^Neighbours: the 5 nearest .*, calibrated but for --neighbours$'
expect 0 predict cal.h5 five --neighbours auto --neighbour-exponent 3 --level-temperatures 1 1 1 1 1 1 1
said '^Neighbours: .*, exponent 3, calibrated but for --neighbour-exponent, --level-temperatures$'
expect 0 predict "$model" five --neighbours 5
said '^Neighbours: the 5 nearest .*, exponent 50$'
expect 0 predict cal.h5 given --neighbours "$k" --neighbour-weight "$weight" --neighbour-exponent "$exponent" \
    --min-similarity "$least" --tabular-fields predicted,raw_score,assigned
cmp "$(table auto)" "$(table given)" || fail "the settings of calibrate are not those in use"
# columns of the table of uses: the last is the calibration error with fitted neighbours
eces() { grep -o '"ece": *[0-9.e-]*' "$1/metrics.json" | awk '{ printf "%.4f\n", $2 }'; }
column() { sed -n '/summed lineages/,/^Taxa/p' fit | awk -v c="$1" '$3 == "|" && $1 != "Rank" { print $c }'; }
same "calibration errors" "$(column 18)" "$(eces auto)"
expect 0 predict "$model" defaults --neighbours auto
same "calibration errors before" "$(column 14)" "$(eces defaults)"
expect 0 predict cal.h5 alone --lineage summed
same "calibration errors without neighbours" "$(column 10)" "$(eces alone)"
paste <(column 13) <(column 17) | awk '{ before += $1; after += $2 } END { exit !(after < before) }' ||
    fail "the loss does not fall: $(cat fit)"
# shellcheck disable=SC2086
expect 0 deeptaxa calibrate --checkpoint "$model" $heldout --output-file one.h5 --threads 1 --batch-size 7
diff <(grep -vE '^Model|^Checkpoint|^To use it' fit) <(grep -vE '^Model|^Checkpoint|^To use it' err) || fail "threads change the fit"

# Sequences of the training set do not vote for themselves in the fit
expect 0 deeptaxa calibrate --checkpoint "$model" --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-file own.h5
cp err fit
# shellcheck disable=SC2086
expect 0 deeptaxa predict $trained --output-dir left_out --leave-one-out --neighbours auto
grep -q '^warning: 240 of 240 held-out sequences are identical to a reference' fit || fail "no warning of $(head -n 3 fit)"
same "accuracies of what is left out" "$(column 12)" "$(for r in 1 2 3 4 5 6 7; do accuracy left_out $r; done | awk '{ printf "%.4f\n", $1 }')"

# … whatever annotations their ids have
sed '/^>/ s/\([^ ]*\).*/\1;size=3/' data/train.fasta >sized.fasta
# shellcheck disable=SC2086
expect 0 deeptaxa predict ${trained/data\/train.fasta/sized.fasta} --output-dir sized --leave-one-out --neighbours auto
same "accuracies with annotated ids" "$(for r in 1 2 3 4 5 6 7; do accuracy sized $r; done)" \
    "$(for r in 1 2 3 4 5 6 7; do accuracy left_out $r; done)"

# A model with a lineage layer: the temperatures of ranks are of its outputs, not of summed lineages
expect 0 train_small layer --epochs 2 --loss-type lineage --store-references
# shellcheck disable=SC2086
expect 0 deeptaxa calibrate --checkpoint "$(checkpoint layer 2)" $heldout --output-file layer.h5
cp err fit
expect 0 predict layer.h5 layered
same "calibration errors of a lineage layer" \
    "$(awk '/^Lineages/ { exit } seen { print $8 } /^Rank/ { seen = 1 }' fit)" "$(eces layered)"
expect 0 predict layer.h5 layered --lineage summed
same "its summed lineages" "$(column 10)" "$(eces layered)"
expect 0 predict layer.h5 layered --neighbours auto
same "with neighbours" "$(column 18)" "$(eces layered)"

# Other programs' formats: summed lineages only of models whose sums are calibrated
lineage_of() {
    expect 0 predict "$1" "$2" --format sintax
    sed -n 's/.*"lineage": "\([a-z]*\)".*/\1/p' "$2"/*predictions.json
}
same "lineages of a format" "$(lineage_of "$model" f1) $(lineage_of cal.h5 f2) $(lineage_of "$(checkpoint layer 2)" f3)" \
    "consistent summed summed"

# Novel: no rank is assigned below the least similarity, in any format
expect 0 predict cal.h5 novel --neighbours auto --min-similarity 1 --tabular-fields assigned --format qiime2,dada2,sintax,kraken,biom
awk -F '\t' 'NR > 1 && $2 != "Unassigned" { exit 1 }' novel/*.qiime2.tsv || fail "qiime2: assigned"
awk -F, 'NR > 1 && $2 != "NA" { exit 1 }' novel/*.dada2.csv || fail "dada2: assigned"
awk -F '\t' '$4 != "" { exit 1 }' novel/*.sintax.tsv || fail "sintax: assigned"
same "kraken" "$(cut -f 2,4,6 novel/*.kraken.txt)" "$(printf '60\tU\tunclassified')"
same "biom" "$(grep -o '"Unassigned"' novel/*.biom | wc -l)" "$(grep -c '"taxonomy"' novel/*.biom)"
same "the table" "$(tail -n +2 "$(table novel)" | cut -f 2-8 | tr '\t' '\n' | sort -u)" False
grep -q '"confidence_threshold_flag": true' novel/heldout_deeptaxa_predictions.json && fail "a flag is true"
grep -q '"species": 60' novel/heldout_deeptaxa_predictions.json || fail "no count of what is unassigned"
finish
