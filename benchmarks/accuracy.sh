#!/usr/bin/env bash
# How often is a predicted lineage correct, by kind of model, with and without neighbours?
#
#   bash benchmarks/accuracy.sh --set gold|its|greengenes [--data DIR] [--part test|validation]
#       [--models "kmer cnn hybrid"] [--seeds "1 2 3"] [--epochs N] [--threads 0] [--build FOLDER]
#       [--work FOLDER]
#
#   gold        microbiomeutil's 16S type strains, six ranks, every fifth one held out
#   its         fold 0 of the F1 set of caporaso-lab/tax-credit-data (benchmarks/its_fold0.sh) in DIR
#   greengenes  Greengenes 13_8, 97 %: DIR is gg_13_8_otus of PyPI's package qiime-default-reference;
#               5 % held out at random
#
# Trains the models on the training part, with the references in their checkpoints, and predicts the
# held-out part with --lineage independent and summed, and with --neighbours. Prints the fraction of
# correct lineages by rank, the reliability of the scores, and the risk-coverage curves of the lowest
# rank (benchmarks/lineage_accuracy.py).
# --part validation: does the same with a fifteenth of the training part, and never opens the test
# part; settings are chosen in this way. With --work, models that are there are not trained again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
options set= data= part=test models="kmer cnn hybrid" seeds="1 2 3" epochs= threads=0 -- "$@"
measure=$here/lineage_accuracy.py
unclassified=() lowest=species

hold_out() { # hold_out SHARE FASTA TRUTH FOLDER
    [ -f "$4/heldout.tsv" ] ||
        python3 "$measure" --hold-out "$1" --fasta "$2" --truth "$3" --output-dir "$4"
}

case $set in
    gold)
        gold=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
        [ -r "$gold" ] || { echo "SKIPPED: $gold is missing: bash launch/install-deps.sh data" >&2; exit 77; }
        mkdir -p "$work/data"
        awk -v folder="$work/data" -v every=5 -f "$project/launch/split-gold.awk" "$gold"
        for half in train heldout; do # the ranks from domain to genus, as lineages
            awk -F '\t' 'FNR > 1 { print $1 "\td__" $2 ";p__" $3 ";c__" $4 ";o__" $5 ";f__" $6 ";g__" $7 }' \
                "$work/data/$half.tsv" >"$work/data/lineages" && mv "$work/data/lineages" "$work/data/$half.tsv"
        done
        lowest=genus
        settings_cnn=(--encoding onehot --max-length 1600 --num-filters 128 --kernel-sizes 7 11
            --learning-rate 3e-3 --batch-size 32 --epochs "${epochs:-8}")
        settings_hybrid=("${small_hybrid[@]}" --learning-rate 3e-3 --batch-size 32 --epochs "${epochs:-8}")
        ;;
    its)
        [ -r "$data/train.fasta.gz" ] || { echo "$0: $data/train.fasta.gz is missing" >&2; exit 77; }
        mkdir -p "$work/data"
        zcat "$data/train.fasta.gz" >"$work/data/train.fasta"
        cp "$data/train.taxonomy.tsv" "$work/data/train.tsv"
        cp "$data/test.fasta" "$work/data/heldout.fasta"
        cp "$data/test.taxonomy.tsv" "$work/data/heldout.tsv"
        settings_cnn=(--encoding onehot --max-length 256 --num-filters 256 --kernel-sizes 7 11
            --hidden-dropout-prob 0.1 --learning-rate 4e-3 --batch-size 32 --epochs "${epochs:-12}")
        settings_hybrid=(--embed-dim 128 --hidden-size 256 --num-hidden-layers 1 --num-attention-heads 8
            --intermediate-size 512 --num-filters 256 --learning-rate 1e-3 --batch-size 32 --epochs "${epochs:-12}")
        ;;
    greengenes)
        [ -r "$data/rep_set/97_otus.fasta.gz" ] || { echo "$0: $data/rep_set/97_otus.fasta.gz is missing" >&2; exit 77; }
        hold_out 0.05 "$data/rep_set/97_otus.fasta.gz" "$data/taxonomy/97_otu_taxonomy.txt.gz" "$work/data"
        unclassified=(--unclassified)
        settings_cnn=(--encoding onehot --max-length 1600 --num-filters 128 --kernel-sizes 7 11
            --learning-rate 3e-3 --batch-size 64 --epochs "${epochs:-3}")
        settings_hybrid=("${small_hybrid[@]}" --learning-rate 3e-3 --batch-size 64 --epochs "${epochs:-3}")
        ;;
    *) usage ;;
esac
settings_kmer=(${epochs:+--epochs "$epochs"})

folder=$work/data
case $part in
    test) ;;
    validation)
        folder=$work/validation
        hold_out 0.067 "$work/data/train.fasta" "$work/data/train.tsv" "$folder"
        ;;
    *) usage ;;
esac
python3 "$measure" --leaks "$folder/train.fasta" --fasta "$folder/heldout.fasta" --truth "$folder/heldout.tsv"

# Whatever the ranks are called, a row has the same columns.
tables=()
predict() { # predict NAME CHECKPOINT [options]
    local into="$work/$part/$1"
    if [ ! -d "$into" ]; then
        deeptaxa predict --fasta-file "$folder/heldout.fasta" --checkpoint "$2" --tabular --threads "$threads" \
            --output-dir "$into" "${@:3}" >&2
    fi
    tables+=("$into/heldout_deeptaxa_predictions.tsv")
}

for model in $models; do
    case $model in
        kmer) sizes=(--model-type kmer "${settings_kmer[@]}") ;;
        cnn) sizes=(--model-type cnn "${settings_cnn[@]}") ;;
        hybrid) sizes=("${settings_hybrid[@]}") ;;
        *) usage ;;
    esac
    for seed in $seeds; do
        run=$work/$part/train-$model-$seed
        timed deeptaxa train --fasta-file "$folder/train.fasta" --taxonomy-file "$folder/train.tsv" \
            --output-dir "$run" --resume auto --seed "$seed" "${sizes[@]}" --val-split 0 --keep-checkpoints 1 \
            --store-references --threads "$threads"
        echo "training of $model, seed $seed: $wall s, $cpu s of processor time" >&2
        checkpoint=$run
        predict "$model $seed" "$checkpoint"
        predict "$model $seed, summed" "$checkpoint" --lineage summed
        predict "$model $seed, neighbours" "$checkpoint" --neighbours 20
    done
done
predict "neighbours alone" "$checkpoint" --neighbours 20 --neighbour-weight 1
python3 "$measure" --truth "$folder/heldout.tsv" "${unclassified[@]}" "${tables[@]}"
python3 "$measure" --reliability --truth "$folder/heldout.tsv" "${unclassified[@]}" "${tables[@]}"
python3 "$measure" --curve "$lowest" --truth "$folder/heldout.tsv" "${unclassified[@]}" "${tables[@]}"
