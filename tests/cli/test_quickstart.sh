#!/usr/bin/env bash
# The quick start reaches the promised accuracy on every fifth sequence, not used in training.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"

DEEPTAXA_BIN=$bin expect 0 bash "$project/launch/quickstart.sh" quick
while read -r rank column least; do
    reached=$(awk -v rank="$rank" -v column="$column" '$1 == rank && NF == 3 { print $column }' out)
    awk -v a="${reached:-0}" -v b="$least" 'BEGIN { exit !(a >= b) }' ||
        fail "$rank, column $column: ${reached:-nothing} instead of $least"
done <<'END'
phylum 2 0.985
family 2 0.92
genus 2 0.70
phylum 3 0.985
family 3 0.94
genus 3 0.80
END
sed -n '/^== Accuracy/,$p' out
finish
