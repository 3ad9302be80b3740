#!/usr/bin/env bash
# What a run of several ranks checks before its first step, each check with a fault planted on rank 1:
# the run is refused with one line that names the rank, or goes on with a notice.
# shellcheck disable=SC2154 # variables of lib.sh
source "$(dirname "$0")/../cli/lib.sh"
make_gold 25
make_tokenizer
preload=${LD_PRELOAD:-} # of the sanitizers: for the ranks, not for mpiexec, whose own ends they fail on
unset LD_PRELOAD
faults=$(cd "$bin/../lib" && pwd)/libfaults_of_test.so
# shellcheck disable=SC2206
train=("$bin/deeptaxa-train" --fasta-file data/train.fasta --taxonomy-file data/train.tsv --threads 1
    --tokenizer-file tokenizer.json --output-dir run --epochs 1 --batch-size 8 --device cpu $small_model)

# two PREFIX... -- FLAG...: those are the second rank's
two() {
    local prefix=()
    while [ "$1" != -- ]; do prefix+=("$1"); shift; done
    shift
    "$MPIEXEC" -n 1 env LD_PRELOAD="$preload" "${train[@]}" --preflight-only : \
        -n 1 env LD_PRELOAD="$preload" ${prefix[@]+"${prefix[@]}"} "${train[@]}" --preflight-only "$@"
}

# differs STATUS REGEX ARGUMENT OF two...: refused, with one line of one rank
differs() {
    local status=$1 line=$2
    shift 2
    expect "$status" two "$@"
    said "$line"
    same "lines of '$line'" "$(grep -cE '^(rank [0-9]|deeptaxa)' err)" 1
}

# Ranks that fit together
expect 0 two --
printed '^Communication: .*, 2 ranks on 1 host; gradients are summed by MPI: rank 0 computes on the CPU$'
printed '^Rank  Host +PCI address +Processors +Device; network; version$'
printed "^   1  $(hostname) +- +[0-9,-]+ +.*, 1 thread .*; .+; [0-9.]+ \(.+\)$"
printed '^Sums: exact; [0-9.]+ MB in [0-9.]+ ms \([0-9.]+ GB/s\) over the memory of one host$'
printed '^Preflight: passed$'
[ -e run ] && fail "--preflight-only wrote something"

# Another seed; another setting of the file that --config names; what ranks may have of their own
differs 2 '^deeptaxa train: rank 0 on [^ ]+ has --seed 42, but rank 1 on [^ ]+ has --seed 7: start' -- --seed 7
echo '{"keep-checkpoints": 3}' >other.json
differs 2 'has --keep-checkpoints 0, but rank 1 on [^ ]+ has --keep-checkpoints 3: start' -- --config other.json
cp data/train.fasta same.fasta
expect 0 two -- --fasta-file same.fasta --output-dir elsewhere --verbose --collective-timeout 100

# One base, one label, one sequence, the tokenizer: of the last sequence, which rank 0 tokenises
base=$(tail -n 1 data/train.fasta | cut -c1 | tr ACGT CATG)
sed "\$s/^./$base/" data/train.fasta >base.fasta
last=$(sed -n '$!d;=' data/train.tsv)
count=$(grep -c '^>' data/train.fasta)
differs 2 "has bases of hash [0-9a-f]+ in sequence $count \\([^ ]+\\), but rank 1 on [^ ]+ has bases of" \
    -- --fasta-file base.fasta
sed "${last}s/[^\t;]*\$/Another species/" data/train.tsv >label.tsv
differs 2 'has names of labels of hash [0-9a-f]+, but rank 1 ' -- --taxonomy-file label.tsv
awk '/^>/ && ++n == 3 { exit } { print }' data/train.fasta >few.fasta
differs 2 "has $count sequences, but rank 1 on [^ ]+ has 2 sequences: give all ranks the same files" \
    -- --fasta-file few.fasta
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --output-file other_tokenizer.json --vocabulary-size 150
differs 2 'has a tokenizer of hash ' -- --tokenizer-file other_tokenizer.json

# One base in streamed shards
for name in data/train base; do
    expect 0 deeptaxa prepare --fasta-file $name.fasta --taxonomy-file data/train.tsv \
        --tokenizer-file tokenizer.json --output-dir "shards_$(basename $name)" --sequences-per-shard 10
done
fasta=("${train[@]}")
# shellcheck disable=SC2206
train=("$bin/deeptaxa-train" --data shards_train --threads 1 --output-dir run --batch-size 8 --device cpu
    --stream-data $small_model)
differs 2 'has shards of 10 sequences with checksum crc32:[0-9a-f]+, but rank 1 ' -- --data shards_base
train=("${fasta[@]}")

# Another program, a sum that is wrong
if [ -e "$faults" ]; then
    differs 2 'rank 0 on [^ ]+ has version [0-9.]+ of commit .+, but rank 1 on [^ ]+ has version 9\.9\.9 of' \
        LD_PRELOAD="$faults" OTHER_VERSION=9.9.9 --
    differs 1 '^deeptaxa train: a sum of [0-9]+ numbers over 2 ranks is wrong: number [0-9]+ is [0-9]+, not' \
        LD_PRELOAD="$faults" WRONG_SUM=1 --
fi

# Ranks on one core; ranks whose sets of cores overlap
if [ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ]; then
    read -r cpu _ <<<"$(taskset -cp $$ | sed 's/.*: //; s/[-,]/ /g')"
    expect 0 two taskset -c "$cpu" --
    said "^notice: ranks 0 and 1 on [^ ]+ share cores, with processors [0-9,-]+ and $cpu: bind each rank"
    train=(taskset -c "$cpu" "${train[@]}")
    expect 0 two --
    said "^notice: ranks 0 and 1 on [^ ]+ share the core of processor $cpu: bind each rank"
fi
finish
