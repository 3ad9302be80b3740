#!/usr/bin/env bash
# Bad input: one line that names the file, the record and the fault; the right exit status; no partial
# output.
source "$(dirname "$0")/lib.sh"
make_gold 40
make_tokenizer
head -c 4000 data/train.fasta >data/part.fasta

# train_on FASTA TABLE
train_on() {
    # shellcheck disable=SC2086
    deeptaxa train --fasta-file "$1" --taxonomy-file "$2" --output-dir bad \
        --tokenizer-file tokenizer.json $small_model --epochs 1 --batch-size 8
}
# refuse REGEX FASTA TABLE: exit status 1, nothing written
refuse() {
    refused 1 "$1" train_on "$2" "$3"
    [ -e bad ] && { fail "something was written: $1"; rm -rf bad; }
}

# FASTA
refuse 'nowhere.fasta: .*No such file' nowhere.fasta data/train.tsv
: >empty.fasta
refuse 'empty.fasta: .*empty|empty.fasta: .*no record' empty.fasta data/train.tsv
head -c 3000 /dev/urandom | tr -d '>\n' >binary.fasta
refuse 'binary.fasta:' binary.fasta data/train.tsv
gzip -c data/train.fasta | head -c 3000 >cut.fasta.gz
refuse 'cut.fasta.gz: .*(ends too early|cut short|truncated)' cut.fasta.gz data/train.tsv
printf '>a\nACGT\n>b\n>c\nACGT\n' >hollow.fasta
refuse "hollow.fasta: line 3: .*b.*no sequence|hollow.fasta:3: .*b" hollow.fasta data/train.tsv
{ cat data/train.fasta; head -n 2 data/train.fasta; } >twice.fasta
id=$(head -n 1 data/train.fasta | sed 's/^>\([^ ]*\).*/\1/')
refuse "twice.fasta: .*$id" twice.fasta data/train.tsv
printf '@r\nACGT\n+\nIIII\n' >reads.fastq
refuse 'reads.fastq: .*FASTQ' reads.fastq data/train.tsv
{ echo ACGT; cat data/train.fasta; } >headless.fasta
refuse "headless.fasta: .*line 1|headless.fasta:1" headless.fasta data/train.tsv

# Taxonomy
refuse 'nowhere.tsv: .*No such file' data/train.fasta nowhere.tsv
sed '1s/sequence_id/name/' data/train.tsv >noid.tsv
refuse 'noid.tsv: .*sequence_id' data/train.fasta noid.tsv
awk -F'\t' -v OFS='\t' 'NR == 4 { print $1, $2, $3; next } 1' data/train.tsv >short.tsv
refuse 'short.tsv: .*line 4|short.tsv:4' data/train.fasta short.tsv
awk -F'\t' -v OFS='\t' 'NR > 1 { $1 = "x" $1 } 1' data/train.tsv >strange.tsv
refuse "strange.tsv.*$id|$id.*strange.tsv" data/train.fasta strange.tsv

# Output
touch taken
refused 1 'taken: ' train_small taken/out --epochs 1
refused 1 'taken: .*is a file; a folder cannot' train_small taken --epochs 1
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod 500 locked
    refused 1 'locked' train_small locked/out --epochs 1
fi

# Flags: exit status 2, one line, nothing read
refused 2 "--batchsize.*--batch-size" deeptaxa train --batchsize 3
refused 2 '--hidden-dropout-prob' train_small bad --hidden-dropout-prob 1.5
refused 2 '--hidden-size 17.*--num-attention-heads' train_small bad --hidden-size 17
refused 2 '--kernel-sizes.*4' train_small bad --kernel-sizes 3 4
refused 2 '--num-conv-layers' train_small bad --num-conv-layers 65
expect 2 train_small bad --level-weights 1 2
said '--level-weights: 2 weights for 7'
refused 1 'cuda' train_small bad --device cuda --epochs 1
[ -e bad ] && fail "a refused command line wrote something"
finish
