#!/usr/bin/env bash
# --quiet, --log-format json, and the table of a run's epochs.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

# --quiet: nothing but warnings and errors on standard error; train.log has all
expect 0 train_small run --epochs 3 --eval-every 2 --quiet
same "messages of a quiet run" "$(cat err)" ""
grep -q ' epoch 3/3: training loss' run/train.log || fail "a quiet run is not logged"
expect 0 train_small warned --epochs 1 --quiet --num-attention-heads 2 --dry-run
[ -s out ] || fail "--quiet suppressed the plan of --dry-run"
mkdir -p blocked/report.html
expect 0 train_small blocked --epochs 1 --quiet
same "messages of a quiet run with a warning" "$(cut -c 1-32 err)" "warning: no report of the run: b"
refused 1 '^deeptaxa train: none.fasta: ' deeptaxa train --quiet --fasta-file none.fasta \
    --taxonomy-file data/train.tsv --output-dir x --tokenizer-file tokenizer.json

# --log-format json: every line is an object with time, level and message
predict=(deeptaxa predict --checkpoint "$(checkpoint run 3)" --fasta-file data/heldout.fasta --output-dir p)
is_json() {
    python3 - "$@" <<'EOF' || fail "the messages of $1"
import json, re, sys
levels = set()
for line in open('err'):
    entry = json.loads(line)
    assert list(entry) == ['time', 'level', 'message'], entry
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}', entry['time']), entry
    levels.add(entry['level'])
assert sys.argv[2] in levels, levels
EOF
}
expect 0 train_small other --epochs 1 --val-split 0 --log-format json
is_json train notice
cp err objects
expect 0 train_small other2 --epochs 1 --val-split 0
plain() { sed -E 's/^(notice|warning): //; s/[0-9]+\.[0-9]+ (s|seconds|sequences)//g; s/[0-9.]+ s\b//g; s/other2?/RUN/g; s/[0-9_T]+_[0-9a-f_]{36}//g
    /(sequences|tokens)\/s/d; /log-format/d' "$1"; }
python3 -c 'import json; [print(json.loads(line)["message"]) for line in open("objects")]' >messages
same "differences between the messages as text and as JSON" "$(diff <(plain messages) <(plain err))" ""
expect 0 "${predict[@]}" --log-format json
is_json predict info
expect 0 "${predict[@]}" --quiet
same "messages of a quiet prediction" "$(cat err)" ""
expect 1 deeptaxa extract --log-format json --fasta-file $'no"\\\tfile\xff' --region V4 --output-file x
is_json extract error
expect 2 deeptaxa train --log-format json --epochz 3
is_json "a wrong option" error
expect 0 deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file x --quiet
same "messages of a quiet extract" "$(cat err)" ""
labelled="--fasta-file data/heldout.fasta --taxonomy-file data/heldout.tsv"
# shellcheck disable=SC2086
{
    expect 0 deeptaxa prepare $labelled --tokenizer-file tokenizer.json --output-dir shards --quiet &&
        same "messages of a quiet prepare" "$(cat err)" ""
    expect 0 deeptaxa prepare $labelled --tokenizer-file tokenizer.json --output-dir shards2 --log-format json
    is_json prepare info
    expect 0 deeptaxa calibrate $labelled --checkpoint "$(checkpoint run 3)" --output-file c.h5 --log-format json
    is_json calibrate info
    expect 0 deeptaxa calibrate $labelled --checkpoint "$(checkpoint run 3)" --output-file c.h5 --quiet
}

# The table of epochs: the numbers of the metrics, empty cells where there was no evaluation
table=$(echo run/metrics/*_metrics.csv)
same "rows" "$(cut -d, -f1 "$table" | tr '\n' ' ')" "epoch 1 2 3 "
same "columns of a rank" "$(head -n 1 "$table" | tr ',' '\n' | grep -c ^genus_)" 4
column() { awk -F, -v name="$1" -v epoch="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
    $1 == epoch { print $c }' "$table"; }
for epoch in 2 3; do
    for name in training_loss validation_loss; do
        same "$name of epoch $epoch" "$(column $name $epoch)" "$(metric run $epoch $name)"
    done
done
same "evaluation of epoch 1" "$(column validation_loss 1)$(column genus_accuracy 1)" ""
[ -n "$(column training_loss 1)" ] || fail "no training loss of an epoch without evaluation"
same "F1 score of the last rank" "$(column species_f1_score 3)" \
    "$(grep -oE '"f1_score": [0-9.e-]+' run/metrics/*_epoch3.json | tail -n 1 | sed 's/.*: //')"

# A resumed run continues it; rows of epochs that are trained again are replaced
cp "$table" before.csv
expect 0 train_small run --epochs 4 --eval-every 2 --resume "$(checkpoint run 2)"
same "rows of the resumed run" "$(cut -d, -f1 "$table" | tr '\n' ' ')" "epoch 1 2 3 4 "
same "rows before" "$(head -n 3 "$table")" "$(head -n 3 before.csv)"
finish
