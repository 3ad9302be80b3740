#!/usr/bin/env bash
# Reference files as databases publish them: lineages in the headers give the same labels as a table of
# them, in train, prepare and extract; what is not understood is refused with the record.
source "$(dirname "$0")/lib.sh"
make_gold 150

# The same lineages in tables without and with prefixes, in mothur's, and in headers of each form
cat >forms.awk <<'AWK'
BEGIN {
    split("domain phylum class order family genus species", rank, " ")
    split("dada2.fa sintax.fa rdp.fa unite.fa gtdb.fa silva.fa trainset.fa", files, " ") }
NR == FNR && NR == 1 { print "Feature ID\tTaxon" >"prefixed.tsv"; print "Feature ID\tTaxon" >"united.tsv"; next }
NR == FNR {
    split($0, cell, "\t"); id = cell[1]
    for (r = 1; r <= 7; r++) {
        name = cell[r + 1]; letter = substr("dpcofgs", r, 1); semicolon = r > 1 ? ";" : ""
        plain[id] = plain[id] semicolon name
        prefixed[id] = prefixed[id] semicolon letter "__" name
        sintax[id] = sintax[id] (r > 1 ? "," : "") letter ":" name
        ranks[id] = ranks[id] name ";" rank[r] ";" (r == 3 ? "\"Some\";subclass;" : "")
        gsub(" ", "_", name)
        united[id] = united[id] semicolon letter "__" name }
    print id "\t" plain[id] ";" >"mothur.tax"
    print id "\t" prefixed[id] >"prefixed.tsv"
    print id "\t" united[id] >"united.tsv"
    next }
/^>/ {
    id = substr($1, 2); n++
    print ">" plain[id] ";" >"dada2.fa"
    print ">" id ";size=3;tax=" sintax[id] ",t:strain 1;" >"sintax.fa"
    print ">" id " Some name; strain 5\tLineage=Root;rootrank;" ranks[id] >"rdp.fa"
    print ">Name|" id "|SH1.10FU|refs|" united[id] >"unite.fa"
    print ">" id " " prefixed[id] " [locus_tag=X" n "] [location=1.." n "]" >"gtdb.fa"
    print ">" id ".1." n " " plain[id] >"silva.fa"
    print ">" id "\tRoot;" plain[id] >"trainset.fa"
    next }
{ for (f in files) print >files[f] }
AWK
awk -f forms.awk data/train.tsv data/train.fasta

# prepared FOLDER FILES...: the ranks and labels of each sequence, by prepare
prepared() {
    expect 0 deeptaxa prepare --encoding onehot --threads 2 --output-dir "$@"
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["ranks"])' "$1/dataset.json" >"$1.labels"
    "$bin/../tests/print_array" "$1/shard_00000.h5" deeptaxa-shard labels >>"$1.labels"
    "$bin/../tests/print_array" "$1/shard_00000.h5" deeptaxa-shard offsets >>"$1.labels"
}
prepared plain --fasta-file data/train.fasta --taxonomy-file data/train.tsv
prepared prefixed --fasta-file data/train.fasta --taxonomy-file prefixed.tsv
prepared united --fasta-file data/train.fasta --taxonomy-file united.tsv
while read -r file wanted form; do
    prepared "from_$file" --fasta-file "$file.fa"
    said "notice: $file.fa: lineages are taken from the headers, in the form of $form: '"
    cmp "$wanted.labels" "from_$file.labels" || fail "$file: other labels than those of the table"
done <<'END'
dada2 plain DADA2
silva plain SILVA
trainset plain id and lineage
sintax prefixed SINTAX
rdp prefixed RDP
gtdb prefixed id and lineage
unite united UNITE
END
prepared mothur --fasta-file data/train.fasta --taxonomy-file mothur.tax # a pair of files
cmp plain.labels mothur.labels || fail "mothur's pair: other labels than those of the table"

# SILVA: fewer levels than ranks, more of them, U for T
cat >levels.fa <<'END'
>AB1.1.20 Bacteria;Bacillota;Bacilli;Bacillales;Bacillaceae;Bacillus;Bacillus cereus
ACGUACGUACGUACGUACGU
>AB2.1.20 Bacteria;Bacillota;uncultured bacterium
ACGUACGUACGUACGUACGG
>AB3.10.29 Eukaryota;Amorphea;Obazoa;Opisthokonta;Holozoa;Animalia;Chordata;Mammalia;Homo sapiens (human)
ACGUACGUACGUACGUACCC
END
expect 0 deeptaxa prepare --encoding onehot --fasta-file levels.fa --output-dir levels
said "notice: levels.fa: 1 lineages have more levels than there are ranks \(line 5"
python3 - <<'PY' || fail "the levels of SILVA"
import json
labels = {r["name"]: r["labels"] for r in json.load(open("levels/dataset.json"))["ranks"]}
assert labels["domain"] == ["Bacteria", "Eukaryota"], labels
assert labels["phylum"] == ["Bacillota", "Unclassified"], labels
assert labels["genus"] == ["Bacillus", "Unclassified"], labels
assert labels["species"] == ["Bacillus cereus", "Homo sapiens (human)", "uncultured bacterium"], labels
PY

# docs/data.md: PR2's nine ranks as a table, by the command there; SILVA without eukaryotes
cp data/train.fasta pr2_version_5.1.1_SSU_mothur.fasta
awk -F'\t' 'NR > 1 { print $1 "\t" $2 ";Some;Other;" $3 ";" $4 ";" $5 ";" $6 ";" $7 ";" $8 ";" }' data/train.tsv |
    gzip >pr2_version_5.1.1_SSU_mothur.tax.gz
gzip -c levels.fa >SILVA_138.2_SSURef_NR99_tax_silva.fasta.gz
for command in "{ printf 'sequence_id" "zcat SILVA"; do # and the line after it
    grep -F -A 1 "    $command" "$project/docs/data.md" >command.sh
    bash command.sh || fail "docs/data.md: $(cat command.sh)"
done
expect 0 deeptaxa prepare --encoding onehot --fasta-file pr2_version_5.1.1_SSU_mothur.fasta --taxonomy-file pr2.tsv \
    --output-dir pr2
said '^Level 1 - supergroup: 1 labels'
said '^Level 8 - species: '
same "records without eukaryotes" "$(zcat silva.fna.gz | grep -c '^>')" 2

# train and extract; the amplicons of SILVA's file are again such a file
small="--encoding onehot --model-type cnn --embed-dim 4 --num-filters 4 --max-length 300 --epochs 1 --batch-size 32 --threads 2"
# shellcheck disable=SC2086
{
    expect 0 deeptaxa train --fasta-file dada2.fa --output-dir run_dada2 $small
    expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir run $small
    same_model "$(checkpoint run_dada2 1)" "$(checkpoint run 1)"
    # records without the region are left out, but counted in the numbers of DADA2's records
    expect 0 deeptaxa train --fasta-file dada2.fa --region V4 --output-dir v4_dada2 $small
    expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --region V4 --output-dir v4 $small
    same_model "$(checkpoint v4_dada2 1)" "$(checkpoint v4 1)"
    expect 0 deeptaxa extract --fasta-file silva.fa --region V4 --output-file v4.fa --output-taxonomy v4.tsv
    prepared amplicons --fasta-file v4.fa
    prepared amplicons_table --fasta-file v4.fa --taxonomy-file v4.tsv
    cmp amplicons.labels amplicons_table.labels || fail "extract: other lineages in the headers than in the table"
    expect 0 deeptaxa extract --fasta-file dada2.fa --region V4 --output-file v4.fna --output-taxonomy v4.tsv
    same "ids of amplicons" "$(grep -c '^>[0-9]*$' v4.fna)" "$(grep -c '^>' v4.fna)"
    prepared numbered --fasta-file v4.fna --taxonomy-file v4.tsv
    same "labels of numbered amplicons" "$(cksum <numbered.labels)" "$(cksum <amplicons.labels)"
}

# What is refused
{ cat silva.fa; printf '>AB9.1.4\nACGT\n'; } >lacking.fa
refused 1 "lacking.fa: line [0-9]+: the header of 'AB9.1.4' has no lineage in a form that is known: give .*--taxonomy-file" \
    deeptaxa prepare --encoding onehot --fasta-file lacking.fa --output-dir bad
cat silva.fa sintax.fa >mixed.fa
refused 1 "mixed.fa: line [0-9]+: the header of '.*;tax=.*' has a lineage in another form \(SINTAX\) than line 1 \(SILVA\)" \
    deeptaxa train --fasta-file mixed.fa --output-dir bad --encoding onehot --model-type cnn --embed-dim 4
refused 1 "data/train.fasta: line 1: the header of '[0-9]+' has no lineage" \
    deeptaxa prepare --encoding onehot --fasta-file data/train.fasta --output-dir bad
printf '>a 16S ribosomal RNA; partial sequence; clone 5\nACGT\n' >genbank.fa
refused 1 "genbank.fa: line 1: the header of 'a' has no lineage" \
    deeptaxa prepare --encoding onehot --fasta-file genbank.fa --output-dir bad
printf '>a d__Bacteria;p__Bacillota\tlength=4;c__Bacilli\nACGT\n' >tab.fa
refused 1 "tab.fa: line 1: the label 'p__Bacillota.length=4' has a control character, such as a tab: remove it" \
    deeptaxa prepare --encoding onehot --fasta-file tab.fa --output-dir bad
refused 2 'cannot both come from standard input: name a file with --taxonomy-file' \
    deeptaxa prepare --encoding onehot --fasta-file - --output-dir bad
[ -e bad ] && fail "something was written"
finish
