#!/usr/bin/env bash
# What a killed process, a full disk or a failed command leaves behind: the next run in the folder removes
# the files that nobody writes any more, and no others.
source "$(dirname "$0")/lib.sh"
cp "$project"/tests/fixtures/formats/{train.fasta,train.tsv,tokenizer.json} .
parts() { find "$@" \( -name '*.part-*' -o -name '*.new' -o -name '.deeptaxa-*' \) | sort; }

# train_tiny FOLDER FLAGS...
train_tiny() {
    "$bin/deeptaxa-train" --fasta-file train.fasta --taxonomy-file train.tsv --output-dir "$1" \
        --tokenizer-file tokenizer.json --model-type cnn --max-length 40 --embed-dim 6 --num-filters 4 \
        --val-split 0.25 --batch-size 3 --threads 1 "${@:2}"
}
expect 0 train_tiny run --epochs 2
model=$(checkpoint run 2)
predict_into() {
    "$bin/deeptaxa-predict" --fasta-file "${2:-train.fasta}" --checkpoint "$model" --output-dir "$1" \
        --threads 1 --tabular
}

# What a run did not write because it was killed after its last checkpoint is written by the next one
rates() { cut -d , -f 1-3 run/metrics/*_metrics.csv; }
before=$(rates)
rm run/metrics/*_epoch2.json
expect 0 train_tiny run --resume auto
[ -s "$(echo run/metrics/*_epoch2.json)" ] || fail "no metrics of the last epoch"
same "learning rates of the epochs" "$(rates)" "$before"

# Every command that is killed while it syncs its file leaves it; the next one in the folder takes it away
# killed_by NAME COMMAND...: it runs in the folder $name
killed_by() {
    local name=$1
    shift
    mkdir -p "$name"
    expect 137 faulty sync kill 1 "$@"
    [ -n "$(parts "$name")" ] || fail "$name: nothing is left, hence nothing is shown"
    expect 0 "$@"
    same "left-overs of $name" "$(parts "$name")" ""
}
killed_by predict predict_into predict
killed_by prepare "$bin/deeptaxa-prepare" --fasta-file train.fasta --taxonomy-file train.tsv \
    --tokenizer-file tokenizer.json --output-dir prepare --sequences-per-shard 5
killed_by convert "$bin/deeptaxa-convert" --checkpoint "$model" --output-file convert/model.h5
killed_by export "$bin/deeptaxa-export" --checkpoint "$model" --output-file export/model.h5 --weights-only
killed_by calibrate "$bin/deeptaxa-calibrate" --checkpoint "$model" --fasta-file train.fasta \
    --taxonomy-file train.tsv --output-file calibrate/model.h5 --threads 1
killed_by describe "$bin/deeptaxa-describe" --checkpoint "$model" --export-metrics describe/run.json
killed_by tokenizer "$bin/deeptaxa-tokenizer" --fasta-file train.fasta --output-file tokenizer/t.json \
    --vocabulary-size 50
killed_by report "$bin/deeptaxa-report" --run run --output-file report/report.html
# the tokenizer of a .pt file has a folder, in which a left-over would stand for foreign content
killed_by pt "$bin/deeptaxa-convert" --checkpoint "$model" --output-file pt/model.pt
# nor does one that cannot rename all shards leave what it has not renamed
fault_folder=$work/shards expect 1 faulty rename EIO 8 "$bin/deeptaxa-prepare" --fasta-file train.fasta \
    --taxonomy-file train.tsv --tokenizer-file tokenizer.json --output-dir shards --sequences-per-shard 9
said 'shards/shard_00002.h5: cannot replace the file: Input/output error$'
same "files of a set that was not completed" "$(parts shards)" ""
# the file of its id, the first that a prediction renames
expect 137 faulty rename kill 1 predict_into predict
parts predict | grep -q 'deeptaxa_uuid.txt.part-' || fail "no id is left, hence nothing is shown: $(parts predict)"
expect 0 predict_into predict
same "left-overs of predictions" "$(parts predict)" ""

# A file whose writer lives stays, whatever the machine; so does one of a file system without locks
faulty sync stop 1 "$bin/deeptaxa-predict" --fasta-file train.fasta --checkpoint "$model" \
    --output-dir predict --threads 1 >/dev/null 2>&1 &
background=$!
stopped() { writer=$(pgrep -P "$background") && grep -q '^State:.T' "/proc/$writer/status"; }
until_true 20 stopped || fail "the writer does not stop"
living=$(parts predict)
: >"predict/x.part-0badcafe-AbCdE1"
: >"predict/y.part-0badcafe-AbCdE1"
: >"predict/z.part-00000000-AbCdE1"
: >"predict/notes.part-1"
exec 9>>"predict/y.part-0badcafe-AbCdE1"
flock 9
expect 0 predict_into predict
same "files of living writers" "$(parts predict)" "$(sort <<<"$living
predict/notes.part-1
predict/y.part-0badcafe-AbCdE1
predict/z.part-00000000-AbCdE1")"
exec 9>&-
rm predict/*.json
kill -CONT "$writer"
wait "$background" || fail "the prediction whose file was to stay ended with $?"
[ -s predict/train_deeptaxa_predictions.json ] || fail "its result is missing"
export FLOCK_ERRNO=37
LD_PRELOAD="$bin/../lib/libflock_fails.so $bin/../lib/libfail_calls.so" FAULT_FOLDER=$work FAULT_CALL=sync \
    FAULT_KIND=kill FAULT_AT=1 ASAN_OPTIONS=verify_asan_link_order=0 expect 137 predict_into predict
unset FLOCK_ERRNO
parts predict | grep -q 'predictions.json.part-00000000-' || fail "a name that does not say that it has no lock"
before=$(parts predict | grep 00000000)
expect 0 predict_into predict
same "files without locks" "$(parts predict | grep 00000000)" "$before"

# A run that is killed before its first checkpoint: its steps and labels go with the next run
expect 137 faulty rename kill 4 train_tiny killed --epochs 1
id=$(cat killed/deeptaxa_uuid.txt)
[ -e "killed/metrics/deeptaxa_${id}_steps.jsonl" ] || fail "no steps are left, hence nothing is shown"
same "checkpoints of the killed run" "$(find killed -name '*.h5')" ""
expect 0 train_tiny killed --epochs 1
same "files of the killed run" "$(find killed -name "*$id*")" ""
same "left-overs of runs" "$(parts killed; find killed -name .deeptaxa.unsaved)" ""
# what has a checkpoint stays, also if it is killed later, and if it was resumed from elsewhere
first=$(cat killed/deeptaxa_uuid.txt)
expect 137 faulty rename kill 10 train_tiny killed --epochs 5
expect 0 train_tiny killed --epochs 1
same "runs with checkpoints" "$(ls killed/metrics/*steps.jsonl | wc -l)" 3
[ -e "killed/metrics/deeptaxa_${first}_steps.jsonl" ] || fail "the steps of an earlier run are gone"
# one that ended by itself keeps its steps, which show why
expect 1 train_tiny ended --epochs 1 --learning-rate 1e30
expect 0 train_tiny ended --epochs 1
same "steps of a run that diverged" "$(ls ended/metrics/*steps.jsonl | wc -l)" 2

# Its references go as well; so do those of a run that ended by itself without a checkpoint
references() { find "$1" -name '*_references.hdf5' | wc -l; }
expect 137 faulty rename kill 5 train_tiny kept --epochs 1 --store-references
id=$(cat kept/deeptaxa_uuid.txt)
same "references of the killed run" "$(references kept)" 1
expect 0 train_tiny kept --epochs 1 --store-references --resume auto
same "files of the killed run" "$(find kept -name "*$id*")" ""
same "references" "$(references kept)" 1
expect 1 train_tiny ended --epochs 1 --learning-rate 1e30 --store-references
same "references of a run that diverged" "$(references ended)" 0
# ... but not those that a checkpoint under another name needs
id=$(cat kept/deeptaxa_uuid.txt)
mv "$(checkpoint kept 1)" kept/checkpoints/best.h5
expect 137 faulty rename kill 4 train_tiny kept --epochs 2 --resume kept/checkpoints/best.h5
expect 0 train_tiny kept --epochs 1
[ -e "kept/metrics/deeptaxa_${id}_steps.jsonl" ] || fail "the steps of a renamed checkpoint are gone"
expect 0 "$bin/deeptaxa-predict" --fasta-file train.fasta --checkpoint kept/checkpoints/best.h5 \
    --neighbours 3 --output-dir predict --threads 1

# On a full disk --keep-checkpoints gives up older ones for the new one, but not the newest
expect 0 train_tiny full --epochs 3 --keep-checkpoints 3
export fault_folder=$work/full/checkpoints
FAULT_WHILE=$(checkpoint full 1) expect 0 faulty write ENOSPC 1+ train_tiny full --resume auto --epochs 4 \
    --keep-checkpoints 3
said '^notice: the disk is full: removed 2 older checkpoints to write full/checkpoints/.*_epoch4.h5; the newest complete one is .*_epoch3.h5$'
same "checkpoints" "$(ls full/checkpoints | sed 's/.*_//' | tr '\n' ' ')" "epoch3.h5 epoch4.h5 "
before=$(cksum full/checkpoints/*)
expect 1 faulty write ENOSPC 1+ train_tiny full --resume auto --epochs 5 --keep-checkpoints 1
said 'epoch5.h5: cannot write: No space left on device$'
same "newest checkpoint" "$(cksum full/checkpoints/*_epoch4.h5)" "$(tail -n 1 <<<"$before")"
# without the flag nothing is removed, and other faults remove nothing
before=$(cksum full/checkpoints/*)
expect 1 faulty write ENOSPC 1+ train_tiny full --resume auto --epochs 5
expect 1 faulty write EIO 1+ train_tiny full --resume auto --epochs 5 --keep-checkpoints 9
same "checkpoints" "$(cksum full/checkpoints/*)" "$before"
unset fault_folder

# A prediction that fails removes the folders that it has made, and no others
expect 1 faulty write EIO 1 predict_into new/deep/folder
[ -e new ] && fail "empty folders are left: $(find new)"
mkdir -p new/deep
expect 1 faulty write EIO 1 predict_into new/deep/folder/
same "folders" "$(find new | tr '\n' ' ')" "new new/deep "

# So does a training whose log cannot be opened; afterwards the log says why it failed
fault_folder=$work/fresh expect 1 faulty write ENOSPC 1 train_tiny fresh/run --epochs 1
said 'fresh/run/.deeptaxa.lock: cannot write: No space left on device$'
[ -e fresh ] && fail "a failed run left $(find fresh)"
mkdir fresh
ln -s ../precious fresh/train.log
expect 1 train_tiny fresh --epochs 1
same "files" "$(ls -A fresh)" train.log

# A pipe or a device is written to, not replaced
mkfifo pipe
ln -s /dev/null null.h5
cat pipe >piped &
expect 0 "$bin/deeptaxa-describe" --checkpoint "$model" --export-metrics pipe
wait
cmp piped describe/run.json || fail "other content through a pipe"
[ -p pipe ] || fail "the pipe was replaced"
expect 0 "$bin/deeptaxa-describe" --checkpoint "$model" --export-metrics null.h5
[ -L null.h5 ] && [ -c null.h5 ] || fail "the device was replaced"
printf 'earlier\n' >captured
"$bin/deeptaxa-describe" --checkpoint "$model" --export-metrics /dev/stdout 2>err >>captured
same "first line" "$(head -n 1 captured)" earlier
[ "$(tail -n +2 captured | grep -c '"run_uuid"')" -ge 1 ] || fail "nothing on /dev/stdout: $(cat captured err)"
[ -L /dev/stdout ] || fail "/dev/stdout was replaced"
cat pipe >piped &
expect 0 "$bin/deeptaxa-convert" --checkpoint "$model" --output-file convert/model.pt
refused 1 '^deeptaxa convert: null.h5: is a pipe or a device; an HDF5 file can only be written to a disk$' \
    "$bin/deeptaxa-convert" --checkpoint "$model" --output-file null.h5
exec 8>pipe 8>&-
wait
finish
