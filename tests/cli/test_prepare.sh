#!/usr/bin/env bash
# deeptaxa prepare: FASTA and taxonomy become shards; bad input is refused with one line.
source "$(dirname "$0")/lib.sh"
make_gold 60

prepare() { deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv "$@"; }

# Real sequences, three shards of at most 20; the vocabulary is learnt, with a notice
expect 0 prepare --output-dir shards --sequences-per-shard 20
said 'notice: no tokenizer file was found: using a vocabulary of [0-9]+ tokens learnt from data/train'
grep -q '"species"' shards/dataset.json || fail "dataset.json lacks the ranks"
same "files" "$(ls shards | tr '\n' ' ')" \
    "dataset.json shard_00000.h5 shard_00001.h5 shard_00002.h5 tokenizer.json "

# The number of threads does not change the result
expect 0 prepare --output-dir one --sequences-per-shard 20 --threads 1
expect 0 prepare --output-dir three --sequences-per-shard 20 --threads 3
for file in shard_00000.h5 shard_00001.h5 shard_00002.h5 dataset.json tokenizer.json; do
    cmp -s "one/$file" "three/$file" || fail "$file depends on the number of threads"
done

# Gzip, standard input and a given tokenizer
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --vocabulary-size 100 \
    --output-file tokenizer.json
gzip -k data/train.fasta data/train.tsv
expect 0 deeptaxa prepare --fasta-file data/train.fasta.gz --taxonomy-file data/train.tsv.gz \
    --output-dir packed --tokenizer-file tokenizer.json
zcat data/train.fasta.gz >piped.fasta
deeptaxa prepare --fasta-file - --taxonomy-file data/train.tsv --output-dir piped \
    --tokenizer-file tokenizer.json <piped.fasta 2>err || fail "standard input: $(cat err)"
refused 1 'standard input can be read only once' \
    deeptaxa prepare --fasta-file - --taxonomy-file data/train.tsv --output-dir none

# Bad input: one line that names the file, exit status 1, no shards
bad() {
    local what=$1 pattern=$2
    shift 2
    refused 1 "$pattern" deeptaxa prepare --tokenizer-file tokenizer.json --output-dir none "$@" ||
        echo "  ($what)" >&2
    [ -e none ] && { fail "$what: something was written"; rm -rf none; }
}
good=(--taxonomy-file data/train.tsv)
bad "missing FASTA" 'missing\.fasta' --fasta-file missing.fasta "${good[@]}"
: >empty.fasta
bad "empty FASTA" 'empty\.fasta' --fasta-file empty.fasta "${good[@]}"
head -c 3000 /dev/urandom >binary.fasta
bad "binary FASTA" 'binary\.fasta' --fasta-file binary.fasta "${good[@]}"
head -c 5000 data/train.fasta.gz >cut.fasta.gz
bad "truncated gzip" 'cut\.fasta\.gz' --fasta-file cut.fasta.gz "${good[@]}"
printf '>a\nACGT\n>b\n>c\nACGT\n' >hollow.fasta
bad "record without sequence" 'hollow\.fasta.*3' --fasta-file hollow.fasta "${good[@]}"
{ cat data/train.fasta; head -n 30 data/train.fasta; } >twice.fasta
bad "duplicate id" 'twice\.fasta.*7000004128189528' --fasta-file twice.fasta "${good[@]}"
sed '1s/sequence_id/name/' data/train.tsv >headless.tsv
bad "no sequence_id" 'headless\.tsv' --fasta-file data/train.fasta --taxonomy-file headless.tsv
sed '5s/\t[^\t]*$//' data/train.tsv >short.tsv
bad "short row" 'short\.tsv.*5' --fasta-file data/train.fasta --taxonomy-file short.tsv
sed '1!s/^/x/' data/train.tsv >foreign.tsv
bad "ids that match nothing" 'foreign\.tsv|train\.fasta' \
    --fasta-file data/train.fasta --taxonomy-file foreign.tsv
bad "missing taxonomy" 'missing\.tsv' --fasta-file data/train.fasta --taxonomy-file missing.tsv

# An output folder that cannot be created
: >file
refused 1 'file' prepare --tokenizer-file tokenizer.json --output-dir file/shards

# A full disk (here: a limit on file sizes) leaves the earlier shards unchanged
cp -r packed before
limited() { (ulimit -f 40; prepare "$@"); }
expect 1 limited --tokenizer-file tokenizer.json --output-dir packed
said '^deeptaxa prepare: packed(/shard_00000.*)?: cannot write.*: File too large$'
diff -r -x .deeptaxa.lock before packed || fail "a failed run changed the shards"

# ... and nothing in a new folder, or of its own in one that was there
fault_folder=$work/new expect 1 faulty write ENOSPC 1+ prepare --tokenizer-file tokenizer.json --output-dir new/deep
said 'cannot write.*: No space left on device$'
[ -e new ] && fail "a failed run left $(find new)"
mkdir -p there
cp tokenizer.json there/own.json
expect 1 limited --tokenizer-file there/own.json --output-dir there
same "files" "$(ls -A there)" own.json
: >there/.deeptaxa.lock
expect 1 limited --tokenizer-file there/own.json --output-dir there
same "files" "$(ls -A there | tr '\n' ' ')" ".deeptaxa.lock own.json "

# A folder that another run has locked is refused; the message names that run
exec 9>>packed/.deeptaxa.lock
flock 9
expect 1 prepare --tokenizer-file tokenizer.json --output-dir packed
said 'packed: another run is using this output folder \(host .*, pid [0-9]+\)'
exec 9>&-
expect 0 prepare --tokenizer-file tokenizer.json --output-dir packed

# A dataset.json whose values contradict each other, with the id that they have, is refused by train, in
# memory and streamed
train_on() {
    # shellcheck disable=SC2086
    deeptaxa train --data changed --output-dir trained $small_model --batch-size 8 --epochs 1 --threads 1 "$@"
}
# changed KEY VALUE REGEX
changed() {
    cp shards/dataset.json changed/
    "$bin/../tests/change_dataset" changed/dataset.json "$1" "$2" || fail "cannot change $1"
    for streamed in "" --stream-data; do
        # shellcheck disable=SC2086
        refused 1 "^deeptaxa train: changed/$3; run .deeptaxa prepare. again$" train_on $streamed
    done
    [ -e trained ] && { fail "a run was started: $1 $2"; rm -rf trained; }
}
cp -r shards changed
damaged='dataset.json: the file is damaged:'
changed sequences 61 "$damaged 61 sequences in shards of 20 are not 3 shards"
changed sequences_per_shard 0 "$damaged sequences_per_shard is 0"
changed shards 2147483647 "$damaged 48 sequences in shards of 20 are not 2147483647 shards"
changed tokens 1e18 "$damaged 'tokens' is not a whole number from 0 to [0-9]+"
changed suffix_count 3 "tokenizer.json: ends a sequence with 1 tokens, but dataset.json says 3"
changed ranks '[]' "$damaged it has no taxonomic ranks"
changed ranks.0.name '"genus"' "$damaged two ranks are named 'genus'"
changed ranks.6.labels '[]' "$damaged rank 'species' has no labels"
changed ranks.0.labels.0 '""' "$damaged rank 'domain' has the label ''"
changed normalized - "$damaged 'normalized' is neither true nor false"
changed ranks.0.labels.0 '"x"' "shard_00000.h5: a shard of a different set than dataset.json describes"

finish
