#!/usr/bin/env bash
# The quick start reaches the promised accuracy on every fifth sequence, not used in training.
source "$(dirname "$0")/lib.sh"
[ -r "$gold" ] || skip "$gold is missing: apt-get install microbiomeutil-data"

DEEPTAXA_BIN=$bin expect 0 bash "$project/launch/quickstart.sh" quick
for wanted in "phylum 0.985" "family 0.92" "genus 0.70"; do
    read -r rank least <<<"$wanted"
    reached=$(awk -v rank="$rank" '$1 == rank && NF == 2 { print $2 }' out)
    awk -v a="${reached:-0}" -v b="$least" 'BEGIN { exit !(a >= b) }' ||
        fail "$rank: ${reached:-nothing} instead of $least"
done
sed -n '/^== Accuracy/,$p' out
finish
