#!/usr/bin/env bash
# The lock of an output folder: a file system without locks is not mistaken for another run; another run
# is named.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer

# without_locks ERRNO COMMAND...
without_locks() {
    local number=$1
    shift
    FLOCK_ERRNO=$number LD_PRELOAD=$bin/../lib/libflock_fails.so \
        ASAN_OPTIONS=verify_asan_link_order=0 "$bin/deeptaxa" "$@"
}
unlocked='^notice: taken: cannot lock this folder \(.*\): make sure that no other run uses it$'

# ENOLCK, ENOSYS, EOPNOTSUPP, and the kernel's own ENOTSUPP
for number in 37 38 95 524; do
    rm -rf taken
    # shellcheck disable=SC2086
    expect 0 without_locks $number train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
        --output-dir taken --tokenizer-file tokenizer.json $small_model --epochs 1 --batch-size 16
    said "$unlocked"
    same "notices in train.log for errno $number" "$(grep -c 'make sure that no other run' taken/train.log)" 1
    [ -s "$(checkpoint taken 1)" ] || fail "no checkpoint with errno $number"
    rm -rf taken
    expect 0 without_locks $number prepare --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir taken --tokenizer-file tokenizer.json
    said "$unlocked"
    [ -s taken/dataset.json ] || fail "no shards with errno $number"
done

# A symbolic link in place of the lock or a log is not followed
echo precious >precious
for name in .deeptaxa.lock train.log; do
    rm -rf linked
    mkdir linked
    ln -s ../precious linked/$name
    expect 1 train_small linked --epochs 1
    said "^deeptaxa train: linked/$name: is a symbolic link, which is not followed here: remove it$"
done
rm -rf linked
mkdir -p linked/tensorboard
# shellcheck disable=SC2016
expect 1 bash -c 'for ((second = 0; second < 60; ++second)); do
        ln -s ../../precious "linked/tensorboard/events.out.tfevents.$(($(date +%s) + second)).$(hostname).$$"
    done
    exec "$0" train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir linked \
        --tokenizer-file tokenizer.json "$@" --batch-size 8 --epochs 1 --tensorboard' "$bin/deeptaxa" $small_model
said "^deeptaxa train: linked/tensorboard/events.*: is a symbolic link, which is not followed here: remove it$"
same "the file behind the link" "$(cat precious)" precious

# EWOULDBLOCK means another run: named, or reported without a name
expect 1 without_locks 11 prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir taken --tokenizer-file tokenizer.json
said "^deeptaxa prepare: taken: another run is using this output folder \(host $(hostname), pid [0-9]+\)"
: >taken/.deeptaxa.lock
exec 9>>taken/.deeptaxa.lock
flock 9
# shellcheck disable=SC2086
expect 1 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir taken --tokenizer-file tokenizer.json $small_model --epochs 1
said '^deeptaxa train: taken: another run is using this output folder \(its lock file does not contain host and pid\)'
exec 9>&-

# While a run trains: the message has its host and pid, and its files are not touched
train_small busy --epochs 100000 --eval-every 100000 >/dev/null 2>&1 &
until_there "busy/checkpoints/*_epoch1.h5"
expect 1 train_small busy --epochs 1
said "^deeptaxa train: busy: another run is using this output folder \($(cat busy/.deeptaxa.lock)\)"
kill_holder busy
finish
