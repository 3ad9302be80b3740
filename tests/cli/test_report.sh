#!/usr/bin/env bash
# deeptaxa report: the numbers of real runs and of a real prediction, and one line for what is wrong.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
expect 0 train_small small --epochs 2
said '^Report: small/report.html$'
without_time() { sed 's/"created": "[^"]*"//' "$1"; }
expect 0 deeptaxa report --run small --output-file same.html
cmp -s <(without_time small/report.html) <(without_time same.html) || fail "train wrote another report"
expect 0 deeptaxa report --run small --output-file -
cmp -s <(without_time out) <(without_time same.html) || fail "another report on standard output"
[ -e ./- ] && fail "a file named -"
expect 0 train_small other --epochs 1 --seed 7 --no-report
[ -e other/report.html ] && fail "a report in spite of --no-report"

# Without validation there are steps, and a report that fails is one warning
mkdir -p blocked/report.html
expect 0 train_small blocked --epochs 2 --val-split 0
same "warnings of a report that fails" "$(grep -c '^warning: no report of the run: blocked/report.html: ' err)" 1
expect 0 train_small steps --epochs 1 --val-split 0
grep -q '"epoch": \[\]' steps/report.html && grep -q '"lines": [1-9]' steps/report.html ||
    fail "no report of the steps alone"

expect 0 deeptaxa predict --checkpoint "$(checkpoint small 2)" --output-dir predicted \
    --fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv

expect 0 deeptaxa report --run small other --predictions predicted --output-file report.html
said '^Report: report.html$'
[ "$(wc -c <report.html)" -lt 300000 ] || fail "$(wc -c <report.html) bytes for small runs"
grep -qE '(src|href)="?(https?:|//)|url\(|@import' report.html && fail "the report needs something from elsewhere"
sed -n '/^<script type="application\/json"/,/^<\/script>/p' report.html | sed '1d;$d' >document

# The numbers are those of the files
for key in training_loss validation_loss; do
    wanted="\"$key\": [$(metric small 1 $key), $(metric small 2 $key)]"
    grep -qF "$wanted" document || fail "no $wanted"
done
same "learning rates" "$(sed 's/"learning_rate": /\n&/g' document | grep -c '^"learning_rate": \[[0-9]')" 2
grep -qF '["training_hyperparameters", "seed", "7"]' document || fail "no seed of the second run"
eces() { grep -oE "\"$1\": [^,} ]*" "$2" | awk '{ printf "%.9f\n", $2 }'; }
same "ECE, recomputed from the predictions" "$(eces error document)" "$(eces ece predicted/metrics.json)"
same "right ones" "$(grep -oE '"correct": [0-9]+, "stats"' document | tr -dc '0-9\n')" \
    "$(grep -oE '"correct": [0-9]+' predicted/*_predictions.json | sed 's/.*: //')"

# Wrong command lines and files: one line, and the old report stays
cp report.html before.html
refused 2 'nothing to do: give --run DIR or --predictions DIR' deeptaxa report --output-file report.html
refused 2 'missing --output-file' deeptaxa report --run small
refused 1 '^deeptaxa report: none: cannot read' deeptaxa report --run none --output-file report.html
refused 1 'predicted: contains no metrics of a training' deeptaxa report --run predicted --output-file report.html
refused 1 'small: contains no prediction' deeptaxa report --predictions small --output-file report.html
head -c 3000 predicted/heldout_deeptaxa_predictions.json >cut.json
refused 1 'cut.json: .*: not a file of .deeptaxa predict., or damaged' \
    deeptaxa report --predictions cut.json --output-file report.html
cmp -s report.html before.html || fail "a refused report changed the old one"
refused 1 'nowhere/report.html' deeptaxa report --run small --output-file nowhere/report.html
finish
