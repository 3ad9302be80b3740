#!/usr/bin/env bash
# deeptaxa train and predict: exports of sequence embeddings and permutation importance.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer

# export_file FOLDER NAME: file of epoch 2
export_file() { echo "$1/weights/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_epoch2_$2"; }
array() { "$bin/../tests/print_array" "$@" || fail "print_array $*"; }
vectors() { array "$(export_file "$1" sequence_embeddings.h5)" deeptaxa-embeddings embeddings; }
ids() { array "$(export_file "$1" sequence_embeddings.h5)" deeptaxa-embeddings seq_ids; }
importance() { array "$(export_file "$1" permutation_importance.h5)" deeptaxa-importance "$2"; }
# accuracies FOLDER: of each rank, from the metrics of epoch 2
accuracies() {
    sed -nE 's/.*"accuracy": *([-+.0-9e]+).*/\1/p' "$1/metrics/deeptaxa_$(cat "$1/deeptaxa_uuid.txt")_epoch2.json"
}
# close WHAT A B: the same table of numbers, to 1e-4
close() {
    paste "$2" "$3" | awk -v bound="${4:-1e-4}" '
        { for (i = 1; i <= NF / 2; i++) {
              d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > bound) bad = 1; n++ } }
        END { exit bad || !n }' || fail "$1: $(paste "$2" "$3" | head -n 2)"
}

# Both, at each evaluated epoch
expect 0 train_small run --epochs 2 --eval-every 2 --export-sequence-embeddings \
    --export-permutation-importance
said 'Export: embeddings of 16 sequences, 0.000 GB per evaluated epoch'
said 'Export: permutation importance of up to 4 regions of 16 tokens, at the cost of 5 evaluations'
said '^embeddings: .*_epoch2_sequence_embeddings.h5$'
same "files" "$(ls run/weights | sed 's/.*epoch2_//' | sort | tr '\n' ' ')" \
    "permutation_importance.h5 permutation_importance.tsv sequence_embeddings.h5 "
expect 0 train_small plain --epochs 2 --eval-every 2
[ -e plain/weights ] && fail "exports that nobody asked for"
same_model "$(checkpoint plain 2)" "$(checkpoint run 2)"

# The embeddings, multiplied by the last head's weights, give the labels that predict gives
vectors run >vectors
ids run >ids
array "$(checkpoint run 2)" deeptaxa-checkpoint split/validation | sort -n >split.txt
sed -n 's/^>\([^ ]*\).*/\1/p' data/train.fasta | awk 'NR == FNR { wanted[$1 + 1]; next } FNR in wanted' split.txt - >wanted
same "ids" "$(cat ids)" "$(cat wanted)"
same "width" "$(awk '{ print NF }' vectors | sort -u)" 16
array "$(checkpoint run 2)" deeptaxa-checkpoint model/classifiers.6.weight >weight
array "$(checkpoint run 2)" deeptaxa-checkpoint model/classifiers.6.bias >bias
array "$(checkpoint run 2)" deeptaxa-checkpoint taxonomy/labels/6 >labels
expect 0 deeptaxa predict --checkpoint "$(checkpoint run 2)" --fasta-file data/train.fasta --tabular \
    --output-dir predictions
awk -F'\t' 'NR == FNR { wanted[$1]; next } $1 in wanted { print $32 }' ids predictions/*.tsv >species
awk -F'\t' -v k=0 '
    FILENAME == "labels" { label[n++] = $0; next }
    FILENAME == "bias" { bias[b++] = $1; next }
    FILENAME == "weight" { for (i = 1; i <= NF; i++) w[k, i] = $i; k++; next }
    { best = -1
      for (c = 0; c < n; c++) {
          x = bias[c]; for (i = 1; i <= NF; i++) x += w[c, i] * $i
          if (best < 0 || x > most) { best = c; most = x } }
      print label[best] }' labels bias weight vectors >found
cmp found species || fail "labels from the vectors: $(paste found species | head -n 3)"

# predict also exports them, for any sequences, in the order of the input
expect 0 deeptaxa predict --checkpoint "$(checkpoint run 2)" --fasta-file data/train.fasta \
    --output-dir embedded --export-sequence-embeddings --batch-size 7
embedded=embedded/train_deeptaxa_sequence_embeddings.h5
array $embedded deeptaxa-embeddings seq_ids >all
same "ids of a prediction" "$(cat all)" "$(sed -n 's/^>\([^ ]*\).*/\1/p' data/train.fasta)"
array $embedded deeptaxa-embeddings embeddings | paste all - |
    awk -F'\t' 'NR == FNR { wanted[$1]; next } $1 in wanted { sub(/[^\t]*\t/, ""); print }' ids - >others
close "vectors of a prediction" others vectors
refused 2 '--export-sequence-embeddings requires a single --checkpoint' deeptaxa predict \
    --checkpoint a.h5 b.h5 --fasta-file data/train.fasta --output-dir none --export-sequence-embeddings

# The table: one line per rank and region, with the values of the arrays
table=$(export_file run permutation_importance.tsv)
same "columns" "$(head -n 1 "$table")" "$(printf 'Level\tRegion\tStart\tEnd\tImportance')"
same "lines" "$(tail -n +2 "$table" | cut -f 1-4 | tr '\t' ' ')" "$(
    for rank in domain phylum class order family genus species; do
        for region in 0 1 2 3; do echo "$rank $region $((16 * region)) $((16 * region + 16))"; done
    done)"
importance run importance | tr '\t' '\n' >arrays
tail -n +2 "$table" | cut -f 5 >column
close "importance in table and arrays" column arrays 1e-12
awk '$1 != 0 { any = 1 } END { exit !any }' column || fail "no region matters: nothing is shown"
importance run accuracy >arrays
accuracies run >column
close "accuracy" column arrays 1e-12
same "ends" "$(importance run end | tr '\n' ' ')" "16 32 48 64 "

# Smaller regions; those beyond all sequences are not computed, at no cost
expect 0 train_small other --resume "$(checkpoint run 2)" --export-permutation-importance \
    --perm-region-size 24
same "lines" "$(cut -f 2-4 "$(export_file other permutation_importance.tsv)" | sort -u | tr '\t\n' ' ,')" \
    "0 0 24,1 24 48,2 48 64,Region Start End,"

# Resuming a finished run writes the missing exports, with the same content, and no existing one again
mkdir again
cp -r run/. again/
rm -r again/weights
expect 0 train_small again --resume "$(checkpoint again 2)" --export-sequence-embeddings \
    --export-permutation-importance
for file in sequence_embeddings.h5 permutation_importance.tsv permutation_importance.h5; do
    cmp "$(export_file again $file)" "$(export_file run $file)" || fail "$file of the resumed run"
done
touch -d 2001-01-01 again/weights/*
expect 0 train_small again --resume auto --export-sequence-embeddings --export-permutation-importance
same "new files" "$(find again/weights -type f -newermt 2002-01-01)" ""

# Every model type has embeddings: 3 kernel widths of 8 filters in the CNN
for type in bert:16 cnn:24; do
    expect 0 train_small "${type%:*}" --epochs 2 --model-type "${type%:*}" --export-sequence-embeddings
    same "width of ${type%:*}" "$(vectors "${type%:*}" | awk '{ print NF }' | sort -u)" "${type#*:}"
    same "epochs" "$(ls "${type%:*}/weights" | wc -l)" 2
done

# bases have positions, too
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir bases \
    --num-filters 8 --max-length 64 --batch-size 8 --learning-rate 1e-2 --epochs 2 --model-type cnn \
    --encoding onehot --export-sequence-embeddings --export-permutation-importance
same "width of bases" "$(vectors bases | awk '{ print NF }' | sort -u)" 24
same "regions of bases" "$(importance bases importance | wc -w)" 28

# A streamed set: the same embeddings; regions cannot be permuted
shards() {
    deeptaxa train --data shards --stream-data --output-dir "$1" $small_model --batch-size 8 \
        --learning-rate 1e-2 --threads 2 "${@:2}"
}
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --tokenizer-file tokenizer.json --output-dir shards --sequences-per-shard 20
expect 0 shards streamed --epochs 2 --export-sequence-embeddings
same "ids of a streamed set" "$(ids streamed)" "$(cat ids)"
expect 2 shards none --export-permutation-importance
said '--export-permutation-importance cannot be combined with --stream-data'

# Refused
refused 2 '--perm-region-size requires --export-permutation-importance' \
    train_small none --perm-region-size 8
expect 2 train_small none --val-split 1e-17 --export-sequence-embeddings
said '--export-sequence-embeddings requires validation sequences; this run has none \(--val-split 1e-17\)'
[ -e none ] && fail "a refused run wrote something"

# A GPU exports the same as the CPU, in its number format
make_gpu
for precision in fp32:1e-4 bf16:0.2; do
    folder=gpu_${precision%:*}
    expect 0 on_gpu train_small "$folder" --resume "$(checkpoint run 2)" --device cuda \
        --precision "${precision%:*}" --export-sequence-embeddings
    vectors "$folder" >others
    close "vectors in ${precision%:*}" others vectors "${precision#*:}"
done
expect 0 on_gpu deeptaxa predict --checkpoint "$(checkpoint run 2)" --fasta-file data/train.fasta \
    --output-dir gpu_predicted --device cuda --precision fp16 --export-sequence-embeddings
array gpu_predicted/train_deeptaxa_sequence_embeddings.h5 deeptaxa-embeddings embeddings >halves
array $embedded deeptaxa-embeddings embeddings >singles
close "vectors of a prediction in fp16" halves singles 0.05
cmp -s others vectors && fail "bf16 gives the bits of fp32"
finish
