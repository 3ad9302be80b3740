#!/usr/bin/env bash
# deeptaxa calibrate: the stored temperatures are used and improve the confidences.
source "$(dirname "$0")/lib.sh"
make_gold 300
make_tokenizer
expect 0 train_small run --epochs 8
model=$(checkpoint run 8)
calibrated=${model%.h5}_calibrated.h5
calibrate=(deeptaxa calibrate --checkpoint "$model" --fasta-file data/heldout.fasta
    --taxonomy-file data/heldout.tsv)
predict=(deeptaxa predict --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv --tabular)

cp "$model" before.h5
expect 0 "${calibrate[@]}"
said "^To use it: deeptaxa predict --checkpoint '?$calibrated'? --fasta-file READS$"
cp err fit
cmp "$model" before.h5 || fail "the checkpoint itself was changed"
[ -s "$calibrated" ] || fail "no calibrated checkpoint"
same "files beside the checkpoint" "$(find run/checkpoints -name '.*' | wc -l)" 0

# Columns of the table: rank, sequences, accuracy, temperature, loss, after, ECE, after
fitted=$(awk '/^Lineages/ { exit } seen && $4 ~ /^[0-9.]+$/ && $4 != "1.000000" && $6 < $5 { n++ } /^Rank/ { seen = 1 } END { print n + 0 }' fit)
[ "$fitted" -ge 2 ] || fail "only $fitted ranks have another temperature and a lower loss: $(cat fit)"
awk '/^Lineages/ { exit } seen && NF >= 8 && $6 > $5 { exit 1 } /^Rank/ { seen = 1 }' fit || fail "a loss has grown: $(cat fit)"

# describe prints them, equal to six places to those of the table; predict uses them
expect 0 deeptaxa describe --checkpoint "$calibrated" --export-metrics described.json
stored=$(sed -n 's/^ *temperatures: \[\(.*\)\]/\1/p' out | tr -d ' ')
same "temperatures" "$(echo "$stored" | tr , '\n' | awk '{ printf "%.6f\n", $1 }')" \
    "$(awk '/^Lineages/ { exit } seen { print $4 } /^Rank/ { seen = 1 }' fit)"
grep -q '"temperatures"' described.json || fail "no temperatures in the exported metrics"
expect 0 "${predict[@]}" --checkpoint "$calibrated" --output-dir with
said '^Model: .*, calibrated, in '
expect 0 "${predict[@]}" --checkpoint "$model" --output-dir given --level-temperatures "$stored"
expect 0 "${predict[@]}" --checkpoint "$model" --output-dir without
cmp with/*.tsv given/*.tsv || fail "not what --level-temperatures gives"
cmp -s with/*.tsv without/*.tsv && fail "the temperatures change nothing"
same "labels" "$(cut -f 2,7,12,17,22,27,32 with/*.tsv)" "$(cut -f 2,7,12,17,22,27,32 without/*.tsv)"

# The directory of a run stands for its newest checkpoint, which is not calibrated; that is said
expect 0 "${predict[@]}" --checkpoint run --output-dir folder
said "^notice: $model: its calibrated copy is not used: for that, give --checkpoint $calibrated$"
cmp folder/*.tsv without/*.tsv || fail "a run is not its newest checkpoint"

# the flag takes precedence over the checkpoint
expect 0 "${predict[@]}" --checkpoint "$calibrated" --output-dir ones --level-temperatures 1 1 1 1 1 1 1
grep -q ', calibrated' err && fail "calibrated, in spite of --level-temperatures"
cmp ones/*.tsv without/*.tsv || fail "--level-temperatures does not replace those of the checkpoint"

# the calibration errors are those of predict, before and after
eces() { grep -o '"ece": *[0-9.e-]*' "$1/metrics.json" | awk '{ printf "%.4f\n", $2 }'; }
same "calibration errors before" "$(awk '/^Lineages/ { exit } seen { print $7 } /^Rank/ { seen = 1 }' fit)" "$(eces without)"
same "calibration errors after" "$(awk '/^Lineages/ { exit } seen { print $8 } /^Rank/ { seen = 1 }' fit)" "$(eces with)"

# the members of an ensemble have their own temperatures
expect 0 "${predict[@]}" --checkpoint "$calibrated" "$calibrated" --output-dir twice
cut -f 3,8,13,18,23,28,33 with/*.tsv | tail -n +2 >a
cut -f 3,8,13,18,23,28,33 twice/*.tsv | tail -n +2 >b
paste a b | awk '{ for (i = 1; i <= 7; i++) { d = $i - $(i + 7); if (d > 1e-5 || d < -1e-5) exit 1 } }' ||
    fail "an ensemble of a calibrated model with itself"

# A named output; refusals
echo "of an older file" >named.h5.sha256
expect 0 "${calibrate[@]}" --output-file named.h5 --batch-size 7 --threads 1
said '^notice: named.h5.sha256: removed, since the file that it was of has been replaced$'
[ -e named.h5.sha256 ] && fail "named.h5.sha256 is of another file"
expect 0 deeptaxa describe --checkpoint named.h5
same "temperatures with another batch and one thread" \
    "$(sed -n 's/^ *temperatures: \[\(.*\)\]/\1/p' out | tr , '\n' | awk '{ printf "%.3f\n", $1 }')" \
    "$(echo "$stored" | tr , '\n' | awk '{ printf "%.3f\n", $1 }')"
expect 0 "${calibrate[@]}" --output-file workers.h5 --num-workers 3 --tokenizer-file tokenizer.json
said '^notice: --tokenizer-file has no effect: the checkpoint decides$'
expect 0 deeptaxa describe --checkpoint workers.h5
same "temperatures with other threads that tokenise" \
    "$(sed -n 's/^ *temperatures: \[\(.*\)\]/\1/p' out | tr -d ' ')" "$stored"
expect 0 "${calibrate[@]}" "--output-file=--it's mine.h5"
pasted=$(sed -n 's/^To use it: //p' err)
eval "expect 0 ${pasted/READS/data/heldout.fasta} --output-dir pasted" # as in a shell
refused 2 "--output-file .*: is also the file of --checkpoint" "${calibrate[@]}" --output-file "$model"
refused 2 "--output-file /dev/null: is a pipe or a device" "${calibrate[@]}" --output-file /dev/null
refused 2 "--output-file -: is a pipe or a device" "${calibrate[@]}" --output-file -
refused 2 "--output-file .*: is a directory: name a file" "${calibrate[@]}" --output-file .
refused 1 '^deeptaxa calibrate: nowhere: cannot write to this directory: No such file or directory$' "${calibrate[@]}" --output-file nowhere/x.h5
sed 's/^[^s]/x&/' data/heldout.tsv >strangers.tsv
expect 1 "${calibrate[@]}" --taxonomy-file strangers.tsv --output-file other.h5
said 'no row matches a sequence'
[ -e other.h5 ] && fail "a failed calibration wrote something"
first=$(awk '/^>/ { print NR; exit }' data/heldout.fasta)
cat data/heldout.fasta data/heldout.fasta >twice.fasta
expect 1 "${calibrate[@]}" --fasta-file twice.fasta --output-file other.h5
said "^deeptaxa calibrate: twice\.fasta: line $(($(wc -l <data/heldout.fasta) + first)): duplicate id '[^']*'; ids must be unique$"
[ -e other.h5 ] && fail "a calibration with duplicate ids wrote something"
refused 2 '--taxonomy-file' deeptaxa calibrate --checkpoint "$model" --fasta-file data/heldout.fasta
refused 1 'contains weights only' deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir again --resume "$calibrated"
finish
