#!/usr/bin/env bash
# How often is the predicted lineage of a fungal ITS sequence correct, compared with published
# programs?
#
#     bash benchmarks/its_fold0.sh --data DIR [--build DIR] [--threads N] [--output-dir DIR] [--hold-out]
#
# DIR holds fold 0 of the F1 set of caporaso-lab/tax-credit-data: train.fasta.gz,
# train.taxonomy.tsv, test.fasta, test.taxonomy.tsv. Trains three models, which differ only in the
# seed, on the training file, and prints the fraction of correct lineages by rank for each and for
# their ensemble, with and without --lineage consistent. --hold-out does the same with 85 % of the
# training file for training and 15 % for testing, without using the test file: the settings below
# were chosen in this way.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
build=$project/build threads=0 data='' output='' hold_out=''
while [ $# -gt 0 ]; do
    case $1 in
        --hold-out) hold_out=yes; shift; continue ;;
        --data) data=${2:-} ;;
        --build) build=$(cd "${2:-}" && pwd) ;;
        --threads) threads=${2:-} ;;
        --output-dir) output=${2:-} ;;
        *) data=; break ;;
    esac
    [ $# -ge 2 ] || { data=; break; }
    shift 2
done
[ -n "$data" ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ -r "$data/train.fasta.gz" ] || { echo "its_fold0.sh: $data/train.fasta.gz is missing" >&2; exit 77; }
[ -n "$output" ] || { output=$(mktemp -d); trap 'rm -rf "$output"' EXIT; }
mkdir -p "$output"
program=$build/bin/deeptaxa measure=$project/benchmarks/lineage_accuracy.py

fasta=$data/train.fasta.gz taxonomy=$data/train.taxonomy.tsv
if [ -n "$hold_out" ]; then
    python3 "$measure" --hold-out 0.15 --fasta "$fasta" --truth "$taxonomy" --output-dir "$output/data"
    fasta=$output/data/train.fasta taxonomy=$output/data/train.tsv
fi

# One token per nucleotide
"$program" tokenizer --fasta-file "$fasta" --vocabulary-size 9 --output-file "$output/bases.json"

# The model of the last epoch is used: nothing is selected by the validation loss, for which
# --val-split leaves only one sequence.
checkpoints=()
for seed in 1 2 3; do
    OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} "$program" train --fasta-file "$fasta" \
        --taxonomy-file "$taxonomy" --output-dir "$output/seed$seed" --resume auto --seed "$seed" \
        --tokenizer-file "$output/bases.json" --max-length 256 \
        --model-type cnn --embed-dim 8 --num-filters 256 --kernel-sizes 7 11 \
        --hidden-dropout-prob 0.1 --learning-rate 4e-3 --batch-size 32 --epochs 12 \
        --val-split 0.0001 --eval-every 1000 --keep-checkpoints 1 --threads "$threads" >&2
    checkpoints+=("$(ls "$output/seed$seed"/checkpoints/*.h5)")
done

if [ -n "$hold_out" ]; then
    test_fasta=$output/data/heldout.fasta truth=$output/data/heldout.tsv
else
    test_fasta=$data/test.fasta truth=$data/test.taxonomy.tsv
fi
tables=()
predict() { # predict NAME CHECKPOINT ...
    local name=$1 lineage
    shift
    for lineage in independent consistent; do
        "$program" predict --fasta-file "$test_fasta" --checkpoint "$@" --lineage $lineage --tabular \
            --threads "$threads" --output-dir "$output/$name, $lineage" >&2
        tables+=("$output/$name, $lineage/$(basename "$test_fasta" .fasta)_deeptaxa_predictions.tsv")
    done
}
for seed in 1 2 3; do
    predict "seed $seed" "${checkpoints[seed - 1]}"
done
predict "vote of the three" "${checkpoints[@]}"
python3 "$measure" --truth "$truth" "${tables[@]}"
