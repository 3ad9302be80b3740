#!/usr/bin/env bash
# deeptaxa prepare by several processes writes what one process writes, byte for byte.
source "$(dirname "$0")/../cli/lib.sh"
launcher=${MPIEXEC:-mpirun}
make_gold 300
make_tokenizer

# ranks N FOLDER FLAGS...: N processes prepare the sequences.
ranks() { "$launcher" -n "$1" "$bin/deeptaxa" prepare --tokenizer-file tokenizer.json \
    --taxonomy-file data/train.tsv --threads 1 --output-dir "$2" "${@:3}"; }
alone() { deeptaxa prepare --tokenizer-file tokenizer.json --taxonomy-file data/train.tsv "$@"; }

expect 0 alone --fasta-file data/train.fasta --output-dir one --sequences-per-shard 100
for n in 2 3; do
    expect 0 ranks "$n" "by$n" --fasta-file data/train.fasta --sequences-per-shard 100
    same "processes that speak" "$(grep -c '^wrote ' err)" 1
    diff -r -x .deeptaxa.lock one "by$n" >&2 || fail "$n processes wrote other shards than one"
done

# A message counts over all processes
sed '2s/^./-&/; 150s/^./--&/' data/train.fasta >gaps.fasta
expect 0 alone --fasta-file gaps.fasta --output-dir one_gaps
said 'gap characters'
count=$(grep 'gap characters' err)
expect 0 ranks 3 gaps --fasta-file gaps.fasta
same "the count of gap characters" "$(grep 'gap characters' err)" "$count"

# ... and so do sequences that no model can judge, with the first one of the file for an example
awk '/^>/ { n++ } /^>/ || n < 5 || n > 9 { print } /^>/ && n >= 5 && n < 8 { print "ACGT" }
    /^>/ && (n == 8 || n == 9) { print "MKTLLVAGFWEHQPRSDNYCIKMALVRE" }' data/train.fasta >doubtful.fasta
expect 0 alone --fasta-file doubtful.fasta --output-dir one_doubtful
said '3 of 240 sequences have fewer than 20 bases'
said '2 of 240 sequences have many letters that are not nucleotides'
warnings=$(grep '^warning' err)
expect 0 ranks 3 doubtful --fasta-file doubtful.fasta
same "the warnings" "$(grep '^warning' err)" "$warnings"

# ... and sequences of the other strand are turned by all processes alike
awk '/^>/ { n++ } n % 3 || /^>/ { print; next } { line = ""
    for (i = length($0); i > 0; i--) line = line substr("TGCATGCA", index("ACGTacgt", substr($0, i, 1)), 1)
    print line }' data/train.fasta >mixed.fasta
expect 0 alone --fasta-file mixed.fasta --output-dir one_mixed --orientation auto
said ' [1-9][0-9]* of 240 sequences were reverse-complemented'
count=$(grep 'reverse-complemented' err)
expect 0 ranks 3 mixed --fasta-file mixed.fasta --orientation auto
same "the count of turned sequences" "$(grep 'reverse-complemented' err)" "$count"
diff -r -x .deeptaxa.lock one_mixed mixed >&2 || fail "3 processes turned other sequences than one"

# one_line REGEX: the last command's ranks said one line together, and none was killed
one_line() {
    said "$1"
    same "lines of ours" "$(grep -cE '^(deeptaxa prepare|rank [0-9]+ on)' err)" 1
    grep -q 'MPI_ABORT' err && fail "a rank ended the others by force: $(cat err)"
}

# What one process finds wrong ends all of them, and nothing is written
awk '/^>/ {n++} n == 40 && !/^>/ {print "----"; next} {print}' data/train.fasta >empty.fasta
expect 1 ranks 3 none --fasta-file empty.fasta
one_line '^deeptaxa prepare: rank 1 on [^ ]+: empty.fasta: line [0-9]+: .* consists of gap characters only'
[ -e none/dataset.json ] && fail "shards were written all the same"

expect 2 ranks 2 none --fasta-file -
one_line '^deeptaxa prepare: --fasta-file -: standard input reaches only one of the 2 processes'

# A pipe of which each would get a part
mkfifo pipe.fasta
expect 2 ranks 2 none --fasta-file pipe.fasta
one_line '^deeptaxa prepare: --fasta-file pipe.fasta: a pipe reaches only one of the 2 processes'

# A process that does not come (here: it waits for its input) is given up after --collective-timeout
mkfifo never.json
late=(--fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir none
    --collective-timeout 1)
expect 1 "$launcher" -n 1 "$bin/deeptaxa" prepare --tokenizer-file tokenizer.json "${late[@]}" : \
    -n 1 "$bin/deeptaxa" prepare --tokenizer-file never.json "${late[@]}"
said '^rank 0 on [^ ]+: waited 1 seconds for the other ranks in '

# A host on which a file is missing, or the folder cannot be made
expect 1 ranks 2 none --fasta-file data/train.fasta : -n 1 "$bin/deeptaxa" prepare \
    --tokenizer-file nothing.json --taxonomy-file data/train.tsv --fasta-file data/train.fasta \
    --output-dir none
one_line '^deeptaxa prepare: rank 2 on [^ ]+: nothing.json: '
expect 1 ranks 2 none --fasta-file data/train.fasta : -n 1 "$bin/deeptaxa" prepare \
    --tokenizer-file tokenizer.json --taxonomy-file data/train.tsv --fasta-file data/train.fasta \
    --output-dir tokenizer.json/none
one_line '^deeptaxa prepare: rank 2 on [^ ]+: tokenizer.json: is a file; a folder'
[ -e none ] && fail "a refused run wrote something"
finish
