#!/usr/bin/env bash
# Checkpoints and shards whose structure was changed at random, and which are correctly sealed: each
# command ends with a status of its own and in time, without a report of a sanitizer. A longer run:
# DEEPTAXA_TEST_MUTANTS=4000 DEEPTAXA_TEST_FIRST_MUTANT=100 bash tests/cli/test_changed_structure.sh
source "$(dirname "$0")/lib.sh"
count=${DEEPTAXA_TEST_MUTANTS:-12}
first=${DEEPTAXA_TEST_FIRST_MUTANT:-0}
export ASAN_OPTIONS=exitcode=99:allocator_may_return_null=1:max_allocation_size_mb=4000
export UBSAN_OPTIONS=halt_on_error=1:exitcode=99
make_gold 40
make_tokenizer
head -n 40 data/heldout.fasta >reads.fasta
expect 0 train_small run --epochs 1
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir shards --tokenizer-file tokenizer.json
mkdir mutants
refusals=0

# harmless COMMAND...
harmless() {
    local got=0
    timeout -k 1 60 "$@" >out 2>err </dev/null || got=$?
    case $got in
        0) return ;;
        1 | 2) refusals=$((refusals + 1)) ;;
        *) fail "status $got: $*: $(tail -n 3 err | cut -c 1-300)" ;;
    esac
    ! grep -q 'Sanitizer\|runtime error' err || fail "a sanitizer's report: $*: $(head -c 2000 err)"
}

# mutants_of FILE COMMAND...: calls the command, a function, with each mutant.
mutants_of() {
    local file=$1 from=$first left=$count
    shift
    while [ "$left" -gt 0 ]; do
        local now=$((left < 100 ? left : 100)) failed=$failures mutant
        "$bin/../tests/mutate_hdf5" "$file" mutants "$from" $now || fail "no mutants of $file"
        for mutant in mutants/*.h5; do
            "$@" "$mutant"
            if [ $failures -gt "$failed" ] && [ -n "${DEEPTAXA_TEST_KEEP:-}" ]; then
                cp "$mutant" "$DEEPTAXA_TEST_KEEP/$(basename "$file" .h5)_$(basename "$mutant")"
                failed=$failures
            fi
        done
        rm -f mutants/*.h5
        from=$((from + now))
        left=$((left - now))
    done
}

use_checkpoint() {
    harmless "$bin/deeptaxa-describe" --checkpoint "$1" --verbose
    harmless "$bin/deeptaxa-predict" --checkpoint "$1" --fasta-file reads.fasta --output-dir p --threads 1
    rm -rf p
}
use_shard() {
    cp "$1" shards/shard_00000.h5
    # shellcheck disable=SC2086
    harmless "$bin/deeptaxa-train" --data shards --output-dir t $small_model --model-type cnn --epochs 1 \
        --batch-size 32 --threads 1 --no-report
    rm -rf t
}
mutants_of "$(checkpoint run 1)" use_checkpoint
mutants_of "$project/tests/fixtures/probes.h5" use_checkpoint # as h5py writes it
cp shards/shard_00000.h5 shard.h5
mutants_of shard.h5 use_shard
echo "$refusals refusals of $((5 * count)) calls" >&2
[ "$refusals" -ge $((count / 2)) ] || fail "only $refusals refusals: the changes reach too little"
[ "$refusals" -lt $((5 * count)) ] || fail "every mutant is refused"
finish
