#!/usr/bin/env bash
# benchmarks/gg2_scale: a generated data set has the right counts and one parent per taxon, is determined
# by the seed, and prepare reads it.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"
gg2_scale=$bin/../benchmarks/gg2_scale

expect 0 "$gg2_scale" --gold "$gold" --output-dir made --scale 0.01
same "files" "$(ls made | tr '\n' ' ')" "testing.fna.gz testing.tsv.gz training.fna.gz training.tsv.gz "

# Counts: a hundredth of Greengenes2's 277,336 and 69,335 sequences and of its classes, all of which
# have a sequence to train on
for part in training:2773 testing:693; do
    zcat "made/${part%:*}.fna.gz" >"${part%:*}.fna"
    zcat "made/${part%:*}.tsv.gz" >"${part%:*}.tsv"
    same "sequences for ${part%:*}" "$(grep -c '^>' "${part%:*}.fna")" "${part#*:}"
    same "rows for ${part%:*}" "$(($(wc -l <"${part%:*}.tsv") - 1))" "${part#*:}"
done
classes() { tail -n +2 training.tsv | cut -f "$1" | sort -u | wc -l; }
same "classes" "$(for c in 2 3 4 5 6 7 8; do classes $c; done | tr '\n' ' ')" "2 2 3 10 23 73 169 "
same "labels of the test set only" "$(cut -f 8 testing.tsv | sort -u | comm -23 - <(cut -f 8 training.tsv | sort -u) | wc -l)" 0

# Each taxon has one parent; ids are unique; rows and sequences have the same ids in one order
for c in 3 4 5 6 7 8; do
    same "parents of column $c" "$(cat training.tsv testing.tsv | cut -f "$((c - 1)),$c" | sort -u | cut -f 2 | sort | uniq -d | wc -l)" 0
done
same "ids that occur twice" "$(cat training.fna testing.fna | grep '^>' | sort | uniq -d | wc -l)" 0
grep '^>' training.fna | cut -c 2- | cmp -s - <(tail -n +2 training.tsv | cut -f 1) ||
    fail "sequences and rows have different ids"

# Skewed: the largest species has more than a tenth of the sequences, the smallest at most three
tail -n +2 training.tsv | cut -f 8 | sort | uniq -c | sort -rn | awk '{print $1}' >sizes
[ "$(head -n 1 sizes)" -gt 277 ] || fail "the largest species has only $(head -n 1 sizes) sequences"
[ "$(tail -n 1 sizes)" -le 3 ] || fail "the smallest species has $(tail -n 1 sizes) sequences"

# Full-length sequences of nucleotides, no two alike
awk '!/^>/ {n++; bases += length($0); if ($0 !~ /^[ACGTRYSWKMBDHVN]+$/) bad++}
    END {exit !(bases / n > 1400 && bases / n < 1550 && !bad)}' training.fna ||
    fail "the sequences are no full-length 16S sequences"
same "sequences that occur twice" "$(grep -v '^>' training.fna | sort | uniq -d | wc -l)" 0

# The seed determines every byte
expect 0 "$gg2_scale" --gold "$gold" --output-dir again --scale 0.01 --seed 1
expect 0 "$gg2_scale" --gold "$gold" --output-dir other --scale 0.01 --seed 2
diff -r made again || fail "the same seed gave other files"
for file in training.fna.gz training.tsv.gz testing.fna.gz testing.tsv.gz; do
    cmp -s "made/$file" "other/$file" && fail "another seed gave the same $file"
done

# train can read it
expect 0 deeptaxa prepare --fasta-file made/testing.fna.gz --taxonomy-file made/testing.tsv.gz \
    --output-dir shards
said 'wrote 693 sequences, [0-9]+ tokens, 7 ranks to shards'

# Invalid calls
expect 2 "$gg2_scale" --scale 0.01
expect 2 "$gg2_scale" --output-dir none --scale 0
printf '>a\nACGT\n' >plain.fasta
refused 1 'plain\.fasta: line 1: the header does not end in a tab and a lineage' \
    "$gg2_scale" --gold plain.fasta --output-dir none --scale 0.01

finish
