#!/usr/bin/env bash
# deeptaxa tokenizer: learns a vocabulary from real sequences and shows tokens.
source "$(dirname "$0")/lib.sh"
make_gold 60

# Learning writes a tokenizer that encodes; the tokens of a sequence spell it again
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 300 \
    --output-file tokenizer.json --encode AGAGTTTGATCCTGGCTCAG
said 'learnt 300 tokens from 48 sequences'
[ -s tokenizer.json ] || fail "no tokenizer.json"
printed '^sequence	position	id	token$'
printed '^1	0	1	\[CLS\]$'
spelt=$(awk -F'\t' 'NR > 1 && $4 !~ /^\[/ { text = text $4 } END { print text }' out)
same "tokens put together" "$spelt" AGAGTTTGATCCTGGCTCAG
same "last token" "$(tail -n 1 out | cut -f 4)" "[SEP]"
cp out first
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 300 --output-file -
cmp out tokenizer.json || fail "another tokenizer on standard output"

# The file gives the same tokens, and so does the environment
expect 0 deeptaxa tokenizer --tokenizer-file tokenizer.json --encode AGAGTTTGATCCTGGCTCAG
same "tokens from the file" "$(cat out)" "$(cat first)"
DEEPTAXA_TOKENIZER=tokenizer.json expect 0 deeptaxa tokenizer --encode AGAGTTTGATCCTGGCTCAG
same "tokens by DEEPTAXA_TOKENIZER" "$(cat out)" "$(cat first)"

# Lower case, U and gaps are normalised, unless told not to; max-length keeps the last special
expect 0 deeptaxa tokenizer --tokenizer-file tokenizer.json --encode aga-guuu.gatccuggcucag
same "tokens of the same sequence in RNA" "$(cat out)" "$(cat first)"
expect 0 deeptaxa tokenizer --tokenizer-file tokenizer.json --no-normalize --encode acgt
same "unknown tokens" "$(grep -c '\[UNK\]' out)" 4
expect 0 deeptaxa tokenizer --tokenizer-file tokenizer.json --max-length 3 --encode ACGTTTACG AAA
same "tokens of two sequences" "$(grep -c '^[12]	[012]	' out)" "$(($(wc -l <out) - 1))"
same "last token" "$(sed -n 4p out | cut -f 4)" "[SEP]"

# The smallest vocabulary is the four bases: one token a nucleotide
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 9 \
    --output-file bases.json --encode AGAGTTTGA
same "tokens of single bases" "$(awk 'NR > 1 { printf "%s ", $4 }' out)" "[CLS] A G A G T T T G A [SEP] "
refused 2 'vocabulary-size' deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 8 \
    --output-file new.json

# The same input gives the same file
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 300 --output-file again.json
cmp -s tokenizer.json again.json || fail "two runs learnt different vocabularies"

# Settings of length in the file are ignored, which is said once, where the file is given
sed '0,/"truncation": *null/s//"truncation": {"max_length": 10}/' tokenizer.json >lengths.json
grep -q max_length lengths.json || fail "the tokenizer has no member truncation"
ignored() { same "notices of $1" "$(grep -c 'its truncation and padding settings are ignored' err)" "$2"; }
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file lengths.json \
    --output-dir none --dry-run
ignored train 1
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file lengths.json \
    --output-dir shards
ignored prepare 1
expect 0 deeptaxa train --data shards --output-dir none --dry-run
ignored "train --data" 0

# Refused, each with one line
refused 1 'none\.json' deeptaxa tokenizer --tokenizer-file none.json --encode ACGT
refused 1 'none\.fasta' deeptaxa tokenizer --fasta-file none.fasta --output-file new.json
: >empty.fasta
refused 1 'empty\.fasta' deeptaxa tokenizer --fasta-file empty.fasta --output-file new.json
[ -e new.json ] && fail "a failed run left new.json"
# a size limit ends as a full disk does: told, and nothing half-written
refused 1 'big\.json: cannot write' eval '(ulimit -f 1; deeptaxa tokenizer \
    --fasta-file data/train.fasta --output-file big.json)'
[ -z "$(ls big.json* 2>/dev/null)" ] || fail "a failed run left a file: $(ls big.json*)"
head -c 2000 tokenizer.json >cut.json
refused 1 'cut\.json' deeptaxa tokenizer --tokenizer-file cut.json --encode ACGT

finish
