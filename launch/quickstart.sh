#!/usr/bin/env bash
# A complete example on real 16S sequences: installs missing packages, builds, trains a small model on
# four fifths of microbiomeutil's type-strain set, predicts the remaining fifth, alone and with the vote of
# the nearest training sequences, and prints the accuracy at each taxonomic rank. Under 10 minutes on 2
# cores.
#
#   bash launch/quickstart.sh [FOLDER]      FOLDER: quickstart-out in the current folder
#
# DEEPTAXA_BIN=FOLDER uses the programs in that folder; nothing is installed or built then.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-quickstart-out}"
out=$(cd "${1:-quickstart-out}" && pwd)
started=$SECONDS

say() { printf '\n== %s\n' "$*"; }

if [ -n "${DEEPTAXA_BIN:-}" ]; then
    PATH=$DEEPTAXA_BIN:$PATH # existing programs
else
    say "Requirements"
    bash "$root/launch/install-deps.sh" build data

    say "Build"
    cd "$root"
    if [ ! -f build/CMakeCache.txt ]; then
        cmake --preset cpu -G Ninja -DBUILD_TESTING=OFF
    fi
    cmake --build build -j "$(nproc)"
    PATH=$root/build/bin:$PATH
fi
cd "$root"

say "Data: every fifth sequence is held out"
gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
[ -r "$gold" ] || { echo "quickstart.sh: $gold is missing; set DEEPTAXA_GOLD_FASTA to its path" >&2; exit 1; }
mkdir -p "$out/data"
awk -v folder="$out/data" -v every=5 -f launch/split-gold.awk "$gold"
echo "$(grep -c '^>' "$out/data/train.fasta") sequences to train on," \
    "$(grep -c '^>' "$out/data/heldout.fasta") held out, in $out/data"

# A small hybrid model: for the 70 million parameters of the default, 4,145 sequences of 1,081 genera are
# too few, and 2 cores too slow.
#   128 channels, one encoder layer of 4 heads (32 channels each, the usual size of small encoders),
#   a feed-forward layer of twice that width, 128 filters per kernel width: with this much data, the
#   convolutions contribute most of the signal.
#   Learning rate 3e-3, six times the default: narrow models tolerate it, and eight epochs need it.
#   Batches of 32: twice as many updates as the default from few sequences.
#   A tenth for validation: genera with two sequences need both for training.
#   The training sequences stay with the model, for predict --neighbours (docs/neighbours.md).
say "Train"
rm -rf "$out/training"
deeptaxa train \
    --fasta-file "$out/data/train.fasta" --taxonomy-file "$out/data/train.tsv" \
    --output-dir "$out/training" \
    --embed-dim 128 --hidden-size 128 --num-hidden-layers 1 --num-attention-heads 4 \
    --intermediate-size 256 --num-filters 128 \
    --learning-rate 3e-3 --batch-size 32 --epochs 8 --val-split 0.1 \
    --store-references
run=$(cat "$out/training/deeptaxa_uuid.txt")
checkpoint=$out/training/checkpoints/deeptaxa_${run}_epoch8.h5

# predict FOLDER [FLAG...]
predict() {
    rm -rf "$1"
    deeptaxa predict \
        --fasta-file "$out/data/heldout.fasta" --taxonomy-file "$out/data/heldout.tsv" \
        --checkpoint "$checkpoint" --output-dir "$1" --tabular "${@:2}"
}
say "Predict the held-out sequences"
predict "$out/predictions"
say "The same with the vote of the 20 nearest training sequences"
predict "$out/predictions-neighbours" --neighbours 20

# accuracies FOLDER: a line for each rank
accuracies() {
    tr -d '\n' <"$1/metrics.json" |
        awk '{
            sub(/.*"performance_metrics"/, "")
            for (r = 0; r < 7; r++) {
                if (!match($0, "\"" r "\" *: *[{][^}]*[}]")) continue
                block = substr($0, RSTART, RLENGTH)
                sub(/.*"accuracy" *: */, "", block)
                printf "%.4f\n", block
            }
        }'
}
say "Accuracy on the held-out sequences (most species occur once, so genus is the deepest rank to learn)"
printf '  %-8s %-8s %s\n' rank network "with neighbours"
paste <(printf '%s\n' domain phylum class order family genus species) \
    <(accuracies "$out/predictions") <(accuracies "$out/predictions-neighbours") |
    awk '{ printf "  %-8s %-8s %s\n", $1, $2, $3 }'

cat <<END

Files
  model        $checkpoint
  metrics      $out/training/metrics (JSON, one file per epoch)
  predictions  $out/predictions, $out/predictions-neighbours (JSON, TSV, metrics.json)
  programs     $(dirname "$(command -v deeptaxa)")
This took $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s. Next:
  $(command -v deeptaxa) describe --checkpoint $checkpoint
END
