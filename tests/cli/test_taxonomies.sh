#!/usr/bin/env bash
# Taxonomies as people have them: lineages of many kinds, ids with annotations, truth in another
# spelling than the model's. What was read is shown, what cannot be read is told with the remedy.
source "$(dirname "$0")/lib.sh"
make_gold 40
make_tokenizer
ranks="domain phylum class order family genus species"

# lineages SEPARATOR FORMAT...: data/train.tsv as a table of lineages; FORMAT makes a part of a rank's
# label, "%s" for all ranks that have none of their own
lineages() {
    awk -F'\t' -v separator="$1" -v formats="${*:2}" 'BEGIN { n = split(formats, format, " ") }
        NR > 1 { line = $1 "\t"
            for (i = 2; i <= NF; i++) line = line (i > 2 ? separator : "") sprintf(i - 1 <= n ? format[i - 1] : "%s", $i)
            print line }' data/train.tsv
}
plan_of() { # TABLE: the lines of the ranks, without examples
    deeptaxa train --fasta-file data/train.fasta --taxonomy-file "$1" --output-dir none --dry-run \
        --tokenizer-file tokenizer.json $small_model
}
labels() { sed -n 's/^Level [0-9]* - \([a-z]*: [0-9]* labels\),.*/\1/p' "$1"; }

expect 0 plan_of data/train.tsv
labels out >columns
same "ranks of the plan" "$(cut -d : -f 1 columns | tr '\n' ' ')" "$ranks "
first=$(sed -n 2p data/train.tsv | cut -f 3)
printed "^Level 1 - phylum: [0-9]+ labels, such as '$first'\$"

# The same labels, however the lineage is written
lineages '; ' 'd__%s' 'p__%s' 'c__%s' 'o__%s' 'f__%s' 'g__%s' 's__%s' >prefixes.tsv
lineages '|' 'd__%s' 'p__%s' 'c__%s' 'o__%s' 'f__%s' 'g__%s' 's__%s' >bars.tsv
lineages ';' '%s(100)' '%s(99)' '%s(98.5)' '%s(97)' '%s(96)' '%s(95)' '%s(94);' >mothur.tsv
lineages ';' 'root;cellular_organisms;%s' >roots.tsv
lineages ';' 'D_0__%s' 'D_1__%s' 'D_2__%s' 'D_3__%s' 'D_4__%s' 'D_5__%s' 'D_6__%s' >silva.tsv
{ printf 'Feature ID\tTaxon\tConfidence\tnotes\n'; sed 's/$/\t0.9\tx/' prefixes.tsv; } >notes.tsv
for table in prefixes bars mothur roots silva notes; do
    expect 0 plan_of $table.tsv
    same "ranks of $table.tsv" "$(labels out)" "$(cat columns)"
done
expect 0 plan_of mothur.tsv
said "^notice: mothur.tsv: removed the confidences in parentheses from 32 lineages \(line 1: "
expect 0 plan_of roots.tsv
said "^notice: roots.tsv: removed the root, which is not a taxonomic rank, from 32 lineages \(.*'root;cellular_organisms'"

# A kingdom below the domain is a rank; without prefixes its shift is seen in the examples
lineages '; ' 'd__%s;k__Bacillati' 'p__%s' >kingdoms.tsv
expect 0 plan_of kingdoms.tsv
printed "^Level 1 - kingdom: 1 labels, such as 'k__Bacillati'\$"
printed "^Level 2 - phylum: [0-9]+ labels, such as 'p__$first'\$"
awk -F'\t' -v OFS=';' 'NR > 1 { print $1 "\t" $2, "Bacillati", $3, $4, $5, $6, $7 ";" }' data/train.tsv >shift.tsv
expect 0 plan_of shift.tsv
printed "^Level 1 - phylum: 1 labels, such as 'Bacillati'\$"

# What has no place is named, with what to do
lineages ';' 'd__%s' 'p__%s' 'c__%s' 'o__%s' 'f__%s;sf__Sub' >subfamily.tsv
refused 1 "subfamily.tsv: line 1: .*'sf__Sub' has an unknown prefix 'sf__'; .*one column per rank may have ranks of any name" \
    plan_of subfamily.tsv

# ids with annotations: matched in train, prepare, predict and calibrate alike; written as they are
sed -E 's/^>([^ ]+).*/>\1;size=7;/' data/train.fasta >sized.fasta
sed -E 's/^>([^ ]+).*/>\1;sample=s1;size=7/' data/heldout.fasta >sized_heldout.fasta
found="^notice: sized.*fasta: [0-9]+ sequences match a row of .*tsv only without annotations such as ';size=1' in their ids \(the first is '.+;size=7;?'\)\$"
cp data/train.fasta plain.fasta && cp sized.fasta data/train.fasta
expect 0 train_small sized --epochs 1
said "^notice: data/train.fasta: 32 sequences match a row of data/train.tsv only without annotations"
grep -q 'no row' err && fail "sequences without a row: $(cat err)"
cp plain.fasta data/train.fasta
expect 0 train_small run --epochs 1
same "validation with and without annotations" "$(metric sized 1 validation_loss)" "$(metric run 1 validation_loss)"
expect 0 deeptaxa prepare --fasta-file sized.fasta --taxonomy-file data/train.tsv --output-dir shards \
    --tokenizer-file tokenizer.json
said "$found"
said "^Level 1 - phylum: [0-9]+ labels, such as '$first'\$"
model=$(checkpoint run 1)
predict() { deeptaxa predict --checkpoint "$model" --output-dir p --tabular --fasta-file "$@"; }
expect 0 predict data/heldout.fasta --taxonomy-file data/heldout.tsv
cp p/heldout_deeptaxa_predictions.tsv plain.tsv
expect 0 predict sized_heldout.fasta --taxonomy-file data/heldout.tsv
said "$found"
grep -q 'no row' err && fail "sequences without a row: $(cat err)"
same "ids that are written" "$(cut -f 1 p/sized_heldout_deeptaxa_predictions.tsv | tail -n +2)" \
    "$(sed -n 's/^>//p' sized_heldout.fasta)"
same "the rest of the table" "$(cut -f 2- p/sized_heldout_deeptaxa_predictions.tsv)" "$(cut -f 2- plain.tsv)"
expect 0 deeptaxa calibrate --checkpoint "$model" --fasta-file sized_heldout.fasta \
    --taxonomy-file data/heldout.tsv --output-file calibrated.h5
said "$found"

# Truth in another spelling: the ranks are named, with both spellings
sed '1!s/\t/\td__/' data/heldout.tsv >domains.tsv
one=$(sed -n 2p data/heldout.tsv | cut -f 2)
warning="^warning: domains.tsv: the model knows hardly any of the true labels at domain \(0 of [0-9]+; 'd__$one' where the model has '$one'\)"
expect 0 predict data/heldout.fasta --taxonomy-file domains.tsv
said "$warning"
expect 0 deeptaxa calibrate --checkpoint "$model" --fasta-file data/heldout.fasta \
    --taxonomy-file domains.tsv --output-file calibrated.h5
said "$warning"
# A table that the model knows in part, and an input whose genera it does not know
awk -F'\t' -v OFS='\t' 'NR > 1 { $7 = "Novum" NR } 1' data/heldout.tsv >new.tsv
sed 1d data/train.tsv >>new.tsv
expect 0 predict data/heldout.fasta --taxonomy-file new.tsv
said "^warning: new.tsv: the model knows hardly any of the true labels at genus \(0 of 8; 'Novum[0-9]+' where the model has"
expect 0 predict data/train.fasta --taxonomy-file new.tsv
grep -q 'hardly any' err && fail "a warning of labels that are known: $(cat err)"
finish
