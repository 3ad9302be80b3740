#!/usr/bin/env bash
# Input files: compressed files and archives are read to the end or refused, other kinds of files are
# named, input that can be read only once is refused before it is read, and with closed descriptors no
# message ends up in a file.
source "$(dirname "$0")/lib.sh"
pack() { "$bin/../tests/pack" "$@" || fail "cannot make $2"; }

# 24 sequences and their taxonomy
awk 'BEGIN {
    srand(7)
    for (i = 1; i <= 24; ++i) {
        line = ""
        for (k = 0; k < 120; ++k) line = line substr("ACGT", 1 + int(4 * rand()), 1)
        printf ">s%d\n%s\n", i, line >"all.fasta"
        printf "s%d\td__B; p__P%d; c__C%d\n", i, i % 3, i % 6 >"rows"
    }
}'
{ printf 'Feature ID\tTaxon\n'; cat rows; } >all.tsv
head -n 24 all.fasta >a.fasta
tail -n 24 all.fasta >b.fasta
expect 0 deeptaxa tokenizer --fasta-file all.fasta --output-file tokenizer.json --vocabulary-size 60

# prepare FASTA TABLE: into the new folder "shards"
prepare() {
    rm -rf shards
    deeptaxa prepare --fasta-file "$1" --taxonomy-file "$2" --tokenizer-file tokenizer.json \
        --output-dir shards
}
# reads FASTA TABLE [SEQUENCES]: it is read whole, 24 sequences
reads() {
    expect 0 prepare "$1" "$2"
    said "^wrote ${3:-24} sequences"
}
# refuse REGEX FASTA [TABLE]: in one line, and nothing is written
refuse() {
    refused 1 "$1" prepare "$2" "${3:-all.tsv}"
    [ -e shards ] && fail "something was written: $1"
}

# ---- gzip: exactly to the end ---------------------------------------------------------------------
gzip -c a.fasta >a.gz
gzip -c b.fasta >b.gz
cat a.gz b.gz >both
reads both all.tsv
{ cat both; head -c 1000 /dev/zero; } >padded
reads padded all.tsv
cat a.gz b.fasta >mixed.gz
refuse "mixed.gz: its gzip data ends after line 24, followed by $(wc -c <b.fasta) bytes .* lost \('>s13" mixed.gz
{ cat both; echo garbage; } >tail.gz
refuse 'tail.gz: its gzip data ends after line 48.*garbage' tail.gz
head -c -1 both >cut.gz
refuse 'cut.gz: the gzip data ends too early, after line 48' cut.gz
{ gzip -c rows; head -n 3 rows; } >rows.gz
refuse "rows.gz: its gzip data ends after line 24, followed by $(head -n 3 rows | wc -c) bytes" all.fasta rows.gz
refused 1 'standard input: its gzip data ends after line 24, followed by bytes' \
    bash -c "cat mixed.gz | '$bin/deeptaxa' tokenizer --fasta-file - --output-file none.json"
# plain text followed by compressed data
cat a.fasta b.gz >behind.fasta
refuse 'behind.fasta: line 25: binary data \(byte 0x1f\)' behind.fasta

# ---- the formats of libarchive --------------------------------------------------------------------
uuid=0a1b2c3d-1111-2222-3333-444455556666
if [ -x "$bin/../tests/pack" ]; then
    for format in bzip2 xz zstd; do
        pack $format "a.$format" a.fasta
        pack $format "b.$format" b.fasta
        pack $format "table.$format" all.tsv
        cat "a.$format" "b.$format" >"both.$format"
        reads "both.$format" "table.$format"
        expect 0 bash -c "cat both.$format | '$bin/deeptaxa' tokenizer --fasta-file - --output-file other.json --vocabulary-size 60"
        cmp -s tokenizer.json other.json || fail "another vocabulary from $format"
        for bytes in 1 20; do
            head -c -$bytes "both.$format" >"cut.$format"
            refuse "cut.$format: the $format data ends too early, after line" "cut.$format"
        done
        cat "a.$format" b.fasta >"mixed.$format"
        refuse "mixed.$format: (its $format data ends after line 24, followed by|damaged $format data after line)" "mixed.$format"
        half=$(($(wc -c <"a.$format") / 2))
        { head -c $half "a.$format"; printf '\377\0\377\0'; tail -c +$((half + 5)) "a.$format"; } >"hurt.$format"
        refuse "hurt.$format: " "hurt.$format"
        pack $format twice a.gz
        refuse "twice: is compressed twice \(gzip in $format\)" twice
        tar -cf x.tar a.fasta
        pack $format tarred x.tar
        refuse "tarred: is a tar archive: extract it first" tarred
    done
    for format in bzip2 xz; do
        { cat "both.$format"; head -c 1024 /dev/zero; } >padded
        reads padded all.tsv
    done

    # zip archives and artifacts of QIIME 2
    echo text >text
    pack zip one.zip d/reads.fasta=all.fasta __MACOSX/d/._reads.fasta=text
    pack zip table.zip all.tsv
    reads one.zip table.zip
    pack zip seq.qza $uuid/VERSION=text $uuid/provenance/data/dna-sequences.fasta=text \
        $uuid/data/dna-sequences.fasta=all.fasta
    pack zip tax.qza $uuid/VERSION=text $uuid/data/taxonomy.tsv=all.tsv
    reads seq.qza tax.qza
    expect 0 bash -c "cat seq.qza | '$bin/deeptaxa' tokenizer --fasta-file - --output-file other.json --vocabulary-size 60"
    cmp -s tokenizer.json other.json || fail "another vocabulary from a piped artifact"
    refuse 'tax.qza: is a QIIME 2 artifact without data/dna-sequences.fasta; its data files are: data/taxonomy.tsv' tax.qza
    refuse 'seq.qza: is a QIIME 2 artifact without data/taxonomy.tsv' all.fasta seq.qza
    pack zip two.zip a.fasta b.fasta
    refuse 'two.zip: is a zip archive of 2 files \(a.fasta, b.fasta\): extract it first' two.zip
    python3 - one.zip locked.zip <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)): # both kinds of header say "encrypted"
    at = data.find(signature)
    while at >= 0:
        data[at + flags] |= 1
        at = data.find(signature, at + 4)
open(sys.argv[2], "wb").write(data)
END
    refuse 'locked.zip: is an encrypted zip archive: extract it with its password first' locked.zip
    { cat one.zip; echo '>more'; } >tail.zip
    refuse 'tail.zip: its zip archive is followed by 6 bytes that would be lost' tail.zip
    cat one.zip table.zip >joined.zip
    refuse "joined.zip: its zip archive is preceded by $(wc -c <one.zip) bytes that would be lost" joined.zip
    { cat table.zip; head -c 70000 /dev/zero; cat table.zip; } >tables.zip
    refuse "tables.zip: its zip archive is preceded by $(($(wc -c <table.zip) + 70000)) bytes" all.fasta tables.zip
    head -c -8 one.zip >cut.zip
    refuse 'cut.zip: the zip archive lacks the directory at its end.*truncated' cut.zip
    { head -c 300 one.zip; printf '\377\0\377\0'; tail -c +305 one.zip; } >hurt.zip
    refuse 'hurt.zip: damaged zip data after line' hurt.zip
else
    echo "built without libarchive: the formats are only refused" >&2
fi

# Without the module each format is still recognised
machine bare
bin_of_all=$bin
bin=$work/bare/bin
printf 'BZh91AY&SY\1\2' >x.fasta
refuse "x.fasta: is compressed with bzip2, which cannot be read here, .*built without libarchive: .*'bzip2 -dk'" x.fasta
printf '\3757zXZ\0\0' >x.fasta
refuse "x.fasta: is compressed with xz, .*'xz -dk'" x.fasta
printf '\050\265\057\375\1' >x.fasta
refuse "x.fasta: is compressed with zstd, .*'zstd -d'" x.fasta
printf 'PK\3\4\1' >x.tsv
refuse 'x.tsv: is a zip archive, .*unzip' all.fasta x.tsv
reads both all.tsv
# ... and with one that cannot be loaded
echo none >bare/lib/deeptaxa/libdeeptaxa_archive.so
refuse "x.fasta: is compressed with zstd, which cannot be read here \(module 'archive' cannot be loaded" x.fasta
bin=$bin_of_all

# ---- other kinds of files -------------------------------------------------------------------------
tar -cf db.tar a.fasta b.fasta
refuse 'db.tar: is a tar archive: extract it first' db.tar
gzip -c db.tar >db.tar.gz
refuse 'db.tar.gz: is a tar archive: extract it first' db.tar.gz
refuse 'db.tar.gz: is a tar archive: extract it first' all.fasta db.tar.gz
iconv -f UTF-8 -t UTF-16LE all.tsv >wide.tsv 2>/dev/null || printf 'F\0e\0a\0' >wide.tsv
refuse 'wide.tsv: is UTF-16 text: .*iconv' all.fasta wide.tsv
{ printf '\377\376'; cat wide.tsv; } >marked.tsv
refuse 'marked.tsv: is UTF-16 text: .*iconv' all.fasta marked.tsv
refuse 'a.fasta: is a FASTA file; a taxonomy table is expected' all.fasta a.fasta
refuse 'a.gz: is a FASTA file; a taxonomy table is expected' all.fasta a.gz
printf '@r1\nACGT\n+\nIIII\n' >r.fastq
refuse 'r.fastq: line 1: begins with .@. as FASTQ does' r.fastq
refuse 'r.fastq: is a FASTQ file; a taxonomy table is expected' all.fasta r.fastq
printf 'LOCUS       S1   120 bp\nORIGIN\n' >s.gb
refuse 's.gb: is a GenBank flat file: convert it to FASTA' s.gb
printf 'BAM\1\0\0\0\0' | gzip -c >s.bam
refuse 's.bam: is a BAM file: .*samtools fasta' s.bam
refuse 'shard_00000.h5: is a checkpoint or shard of DeepTaxa-MPI; FASTA is expected' \
    "$(prepare all.fasta all.tsv 2>/dev/null; mv shards kept; echo kept/shard_00000.h5)"
gzip -c </dev/null >none.gz
refuse 'none.gz: the file is empty' none.gz
refuse 'none.gz: the file is empty' all.fasta none.gz

# ---- input that can be read once ------------------------------------------------------------------
unset DEEPTAXA_TOKENIZER
machine lone # no tokenizer of an installation
modules=$(cd "$bin/../lib/deeptaxa" && pwd)
[ ! -e "$modules/libdeeptaxa_archive.so" ] || ln -s "$modules/libdeeptaxa_archive.so" lone/lib/deeptaxa/
bin=$work/lone/bin
mkfifo pipe
small=(--embed-dim 8 --hidden-size 8 --num-hidden-layers 1 --num-attention-heads 1 --intermediate-size 8
    --num-filters 4 --max-length 32 --batch-size 8 --epochs 1 --threads 1 --output-dir run)
once() { # once REGEX COMMAND...: refused at once, without a reader or writer of the pipe
    local pattern=$1 begin=$SECONDS
    shift
    refused 1 "$pattern" timeout 20 "$bin/deeptaxa" "$@"
    [ $((SECONDS - begin)) -lt 10 ] || fail "waited for a pipe: $*"
}
once 'pipe can be read only once, but a tokenizer must first be learnt from it' train "${small[@]}" \
    --fasta-file pipe --taxonomy-file all.tsv
once 'pipe can be read only once, but a tokenizer must first be learnt from it' prepare --fasta-file pipe \
    --taxonomy-file all.tsv --output-dir run
once '/dev/fd/[0-9]+ can be read only once, but a tokenizer must first be learnt from it' train "${small[@]}" \
    --fasta-file <(cat all.fasta) --taxonomy-file all.tsv
once 'standard input can be read only once, but a tokenizer must first be learnt from it' train "${small[@]}" \
    --fasta-file - --taxonomy-file all.tsv
once '--orientation auto: pipe can be read only once' prepare --orientation auto \
    --tokenizer-file tokenizer.json --fasta-file pipe --taxonomy-file all.tsv --output-dir run
refused 2 'pipe: FASTA and taxonomy cannot both come from one pipe' timeout 20 "$bin/deeptaxa" train \
    "${small[@]}" --tokenizer-file tokenizer.json --fasta-file pipe --taxonomy-file pipe
once 'pipe: not a regular file' predict --checkpoint pipe --fasta-file all.fasta --output-dir run
[ -e run ] && fail "a refused command wrote something"
# ... and streams are accepted if they are read once
expect 0 deeptaxa prepare --fasta-file <(gzip -c all.fasta) --taxonomy-file <(cat all.tsv) \
    --tokenizer-file <(cat tokenizer.json) --output-dir streamed
said '^wrote 24 sequences'
rm -rf streamed
expect 0 deeptaxa prepare --encoding onehot --fasta-file <(cat all.fasta) --taxonomy-file all.tsv \
    --output-dir streamed
said '^wrote 24 sequences'

# ---- tokenizers with a byte-order mark, or in a folder --------------------------------------------
mkdir vocabulary nothing
{ printf '\357\273\277'; cat tokenizer.json; } >vocabulary/tokenizer.json
encode() { deeptaxa tokenizer --encode ACGTACGTAACC "$@"; }
expect 0 encode --tokenizer-file tokenizer.json
mv out tokens
expect 0 encode --tokenizer-file vocabulary/tokenizer.json
cmp -s out tokens || fail "other tokens with a byte-order mark"
expect 0 encode --tokenizer-file vocabulary
cmp -s out tokens || fail "other tokens from a folder"
DEEPTAXA_TOKENIZER=vocabulary expect 0 encode
cmp -s out tokens || fail "other tokens from the folder of the environment"
expect 0 deeptaxa train "${small[@]}" --tokenizer-name vocabulary --fasta-file all.fasta \
    --taxonomy-file all.tsv
said 'tokenizer: vocabulary/tokenizer.json'
refused 1 'nothing: is a directory without a tokenizer.json' encode --tokenizer-file nothing
model=$(checkpoint run 1)
{ printf '\357\273\277'; cat a.fasta; printf '\357\273\277'; cat b.fasta; } >marks.fasta
{ printf '\357\273\277'; cat all.tsv; } >marks.tsv
reads marks.fasta marks.tsv

# ---- closed descriptors ---------------------------------------------------------------------------
predict() { deeptaxa predict --checkpoint "$model" --fasta-file all.fasta --threads 1 --tabular "$@"; }
expect 0 predict --output-dir open
# the same table, and only JSON in the other file
check_closed() {
    cmp -s open/all_deeptaxa_predictions.tsv "$1/all_deeptaxa_predictions.tsv" || fail "$1: another table"
    python3 -m json.tool "$1/all_deeptaxa_predictions.json" >/dev/null || fail "$1: a message in the JSON"
}
predict --output-dir c12 >&- 2>&- || fail "predict without output"
check_closed c12
predict --output-dir c02 <&- 2>&- || fail "predict without input and error"
check_closed c02
predict --output-dir c012 <&- >&- 2>&- || fail "predict without any"
check_closed c012
"$bin/deeptaxa-prepare" --fasta-file all.fasta --taxonomy-file all.tsv \
    --tokenizer-file tokenizer.json --output-dir closed <&- >&- 2>&- || fail "prepare without any"
expect 0 deeptaxa prepare --fasta-file all.fasta --taxonomy-file all.tsv \
    --tokenizer-file tokenizer.json --output-dir opened
for file in opened/*; do
    case $file in *.h5) continue ;; esac
    cmp -s "$file" "closed/${file#*/}" || fail "closed/${file#*/} is another file"
done
expect 0 deeptaxa train "${small[@]/#run/closed_run}" --data closed
deeptaxa train --data closed --output-dir quiet --epochs 1 \
    --embed-dim 8 --hidden-size 8 --num-hidden-layers 1 --num-attention-heads 1 \
    --intermediate-size 8 --num-filters 4 --max-length 32 --batch-size 8 --threads 1 \
    <&- >&- 2>&- || fail "train without any"
expect 0 deeptaxa describe --checkpoint "$(checkpoint quiet 1)"
deeptaxa tokenizer --fasta-file all.fasta --output-file quiet.json --vocabulary-size 60 >&- 2>&- ||
    fail "tokenizer without output"
cmp -s tokenizer.json quiet.json || fail "another vocabulary without output"
# a closed descriptor is an error for requested output
deeptaxa describe --checkpoint "$model" >&- 2>err && fail "describe into a closed output"
said 'cannot write to standard output'
deeptaxa tokenizer --fasta-file - --output-file none.json <&- 2>err && fail "reads a closed input"
said 'standard input: cannot read it'
[ -e none.json ] && fail "none.json was written"
finish
