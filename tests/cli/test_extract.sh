#!/usr/bin/env bash
# deeptaxa extract: amplicons of real sequences on both strands, identical ones, their lineages, and a model
# trained on them.
source "$(dirname "$0")/lib.sh"
make_gold 400
input="--fasta-file data/train.fasta --taxonomy-file data/train.tsv"

# extract FLAG...: into a.fna and a.tsv
# shellcheck disable=SC2086
extract() { deeptaxa extract $input --output-file a.fna --output-taxonomy a.tsv "$@"; }
ids() { sed -n 's/^>\([^ ]*\).*/\1/p' "$1"; }
bases() { grep -v '^>' "$1"; }

# ---- V4: most sequences, about 253 bases; the primers can be kept ------------------------------------
expect 0 extract --region V4
said '^primers: GTGYCAGCMGCCGCGGTAA, GGACTACNVGGGTWTCTAAT \(515F, 806R; Parada'
count=$(grep -c '^>' a.fna)
[ "$count" -gt 310 ] || fail "$count amplicons of 320 sequences"
said "^  amplicons +$count +(100|9[0-9])\.[0-9] %$"
said '^length in bases: 25[0-9] \(5 %\), 253 \(median\)'
said "^wrote $count amplicons to a.fna in "
same "ids in the taxonomy" "$(tail -n +2 a.tsv | cut -f 1)" "$(ids a.fna)"
same "header of the taxonomy" "$(head -n 1 a.tsv)" "$(head -n 1 data/train.tsv)"
same "lineages" "$(tail -n +2 a.tsv | sort | comm -23 - <(sort data/train.tsv))" ""
bases a.fna | grep -qvE '^[A-Z]{200,300}$' && fail "an amplicon that is none"
bases a.fna >inner
expect 0 extract --region v4 --keep-primers
same "amplicons with primers" "$(bases a.fna | sed 's/.\{19\}//; s/.\{20\}$//' | cmp - inner)" ""
[ "$(bases a.fna | grep -cE '^GTG[CT]CAGC[AC]GCCGCGGTAA.*ATTAGA[AT]ACCC[CGT][ACGT]GTAGTCC$')" -gt 280 ] ||
    fail "few amplicons have both primers exactly"

# ---- the other strand gives the same; unless it is not looked at --------------------------------------
awk '/^>/ { if (NR > 1) print ""; next } { printf "%s", toupper($0) } END { print "" }' data/train.fasta |
    rev | tr ACGTURYKMBVDH TGCAAYRMKVBHD | paste -d '\n' <(grep '^>' data/train.fasta) - >turned.fasta
expect 0 deeptaxa extract --fasta-file turned.fasta --region V4 --output-file b.fna
said "^  amplicons of the other strand +$count +100.0 %$"
same "amplicons of the other strand" "$(bases b.fna | cmp - inner)" ""
refused 1 '^deeptaxa extract: turned.fasta: no amplicon in 320 sequences: [0-9]+ lack the forward' \
    deeptaxa extract --fasta-file turned.fasta --forward-primer GTGYCAGCMGCCGCGGTAA \
    --reverse-primer GGACTACNVGGGTWTCTAAT --read-orientation forward --output-file none.fna
[ -e none.fna ] && fail "a file without amplicons"
expect 0 deeptaxa extract --fasta-file turned.fasta --region V4 --read-orientation reverse --output-file -
same "to standard output" "$(grep -v '^>' out | cmp - inner)" ""

# ---- identical amplicons -------------------------------------------------------------------------------
expect 0 extract --region V4 --identical merge --threads 3
same "one for each lineage" "$(grep -c '^>' a.fna)" "$(paste inner <(extract --region V4 2>/dev/null
    tail -n +2 a.tsv | cut -f 2-) | sort -u | wc -l)"
expect 0 extract --region V4 --identical common
same "different amplicons" "$(bases a.fna | sort | uniq -d)" ""
same "all of them" "$(bases a.fna | sort)" "$(sort -u inner)"
said '^amplicons that belong to several lineages, by the first rank that differs:$'
said '^  species +[0-9]+ '
# two species share this amplicon: their common part, and nothing below it
paste <(bases a.fna) <(tail -n +2 a.tsv | cut -f 2-) | grep 'Unclassified$' >shared
[ -s shared ] || fail "no common lineage"
expect 0 extract --region V4
paste inner <(tail -n +2 a.tsv | cut -f 2-) | awk -F'\t' -v OFS='\t' '
    !($1 in lineage) { lineage[$1] = $0; next }
    {
        n = split(lineage[$1], label)
        for (r = 2; r <= n && $r == label[r]; ++r);
        for (; r <= n; ++r) label[r] = "Unclassified"
        text = $1
        for (r = 2; r <= n; ++r) text = text OFS label[r]
        lineage[$1] = text
    }
    END { for (sequence in lineage) if (lineage[sequence] ~ /Unclassified$/) print lineage[sequence] }' | sort >wanted
same "common lineages" "$(grep 'Unclassified$' shared | sort | cmp - wanted)" ""

# ---- lengths, mismatches ---------------------------------------------------------------------------------
expect 0 extract --region V4 --min-length 253 --max-length 253 --trunc-length 100
same "amplicons of one length" "$(grep -c '^>' a.fna)" "$(grep -cE '^.{253}$' inner)"
bases a.fna | grep -qvE '^.{100}$' && fail "an amplicon is not truncated"
said '^  shorter than --min-length '
expect 0 extract --region V4 --max-mismatch 0
exact=$(grep -c '^>' a.fna)
said '^mismatches in the forward primer: 0: 100.0 %$'
[ "$exact" -lt "$count" ] || fail "no primer has a mismatch"
expect 0 extract --region V4 --identity 1
same "identity 1" "$(grep -c '^>' a.fna)" "$exact"

# ---- refused --------------------------------------------------------------------------------------------
refused 2 'missing --region NAME, or --forward-primer' extract --forward-primer ACGT
refused 2 'region V5: must be V1V2,' extract --region V5
refused 2 'cannot be combined with --forward-primer' extract --region V4 --forward-primer ACGT
refused 2 "the reverse primer 'ACGX' contains 'X'" extract --forward-primer ACGT --reverse-primer ACGX
refused 2 '10 mismatches in the forward primer: must be 0 to 7' \
    extract --forward-primer ACGTACGTACGTACGTACGT --reverse-primer ACGT --identity 0.5
refused 1 "data/train.fasta: line 1: the header of '[0-9]+' has no lineage in a form that is known" \
    deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file b.fna --output-taxonomy b.tsv
refused 2 'common requires' deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file b.fna \
    --identical common
refused 2 'max-length 10 is less than --min-length 50' extract --region V4 --max-length 10
refused 1 'nowhere.fna' deeptaxa extract --fasta-file nowhere.fna --region V4 --output-file b.fna
refused 1 'none/a.fna' deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file none/a.fna
# sequences without a lineage are reported, and written
head -n 100 data/train.tsv >some.tsv
expect 0 deeptaxa extract --fasta-file data/train.fasta --taxonomy-file some.tsv --region V4 --output-file b.fna \
    --output-taxonomy b.tsv
same "with and without a lineage" "$(grep -c '^>' b.fna)" "$count"
said "^warning: [0-9]+ amplicons, such as '[^ ]+', are not in some.tsv$"

# ---- a model of the region -----------------------------------------------------------------------------
expect 0 extract --region V4
mv a.fna data/train.fasta && mv a.tsv data/train.tsv
make_tokenizer
expect 0 train_small v4 --epochs 1
finish
