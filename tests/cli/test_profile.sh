#!/usr/bin/env bash
# --profile and --profile-trace: a table and a trace of the run, which do not change its result.
source "$(dirname "$0")/lib.sh"
make_gold 50
make_tokenizer

# The model is the same to the bit, and the table has every part
expect 0 train_small plain --epochs 2
grep -q 'Where the time went' err && fail "a table that nobody asked for"
expect 0 train_small profiled --epochs 2 --profile
same_model "$(checkpoint plain 2)" "$(checkpoint profiled 2)"
said '^Where the time went: [0-9.]+ s$'
for part in 'input: reading, tokenising' 'model: memory, first values' 'data: batches' embedding \
    attention feed-forward convolution fusion 'heads, loss' optimizer evaluation checkpoint \
    other 'of which in steps'; do
    said "^$part +[0-9]* +[0-9]+\\.[0-9]{3} +[0-9.]+ %"
done
said '^attention +[0-9]+ +[0-9.]+ +[0-9.]+ % +[0-9]+\.[0-9]$' # with its rate
said '^  linear 16 -> 48 +8 ' # 32 sequences, 8 at a time, twice
said '^evaluation +2 '
said '^of which in steps +8 '
said '^writer thread'
grep -q 'waiting for gradient sums' err && fail "one process waits for sums"
grep -q 'Where the time went' profiled/train.log || fail "no table in train.log"

# What the parts take adds up to the whole
awk '/^Where the time went/ { whole = $5; next }
    /^of which in steps/ { exit }
    /^[a-z]/ && / %/ { sub(/ %.*/, ""); sum += $(NF - 1) }
    END { d = sum - whole; exit !(whole > 0 && d < 0.02 && d > -0.02) }' err ||
    fail "the parts are not the whole"

# The trace needs no --profile, and its folder is made
expect 0 train_small traced --epochs 1 --profile-trace traces/train.json
said '^Where the time went'
said '^Trace: traces/train.json'
same "spans of updates" "$(grep -c '"name": "step", "cat": "step", "ph": "X"' traces/train.json)" 4
grep -q '"name": "scores and values backward"' traces/train.json || fail "no operation in the trace"

# Stopped by a signal: what was done is told all the same
train_small stopped --epochs 4000 --profile >/dev/null 2>stopped.err &
pid=$!
until_true 30 grep -q 'epoch 1/' stopped.err || fail "no first epoch in time"
kill -TERM "$(sed 's/.*pid //' stopped/.deeptaxa.lock)"
wait "$pid"
same "status after a signal" $? 75
grep -q '^Where the time went' stopped.err || fail "no table of a run that was stopped"
tail -1 stopped.err | grep -q 'stopped by SIGTERM' || fail "the last line is not why it ended"

# Predictions are the same; three threads are told of
model=$(checkpoint plain 2)
expect 0 deeptaxa predict --fasta-file data/heldout.fasta --checkpoint "$model" --output-dir one \
    --tabular
expect 0 deeptaxa predict --fasta-file data/heldout.fasta --checkpoint "$model" --output-dir two \
    --tabular --profile-trace traces/predict.json
cmp -s one/heldout_deeptaxa_predictions.tsv two/heldout_deeptaxa_predictions.tsv ||
    fail "--profile changes the predictions"
said '^Where the time went'
said '^reader thread'
said '^writer thread'
said '^heads, loss +2 '
grep -q '"name": "choice of labels"' traces/predict.json || fail "no operation in the trace"

# A trace that cannot be written is refused before anything is done
: >file
refused 1 'file: is a file; a folder cannot be created there' train_small refused --epochs 1 \
    --profile-trace file/trace.json
[ -e refused ] && fail "a refused run wrote something"

# On a GPU the device's own clock is told; steps that are not recorded give the same bits
if [ -r "$bin/../lib/deeptaxa/libdeeptaxa_cuda_on_cpu.so" ]; then
    make_gpu
    small_model="--embed-dim 16 --hidden-size 64 --num-hidden-layers 2 --num-attention-heads 1
        --intermediate-size 24 --num-filters 8 --max-length 32"
    expect 0 on_gpu train_small gpu_plain --epochs 1 --device cuda
    expect 0 on_gpu train_small gpu_profiled --epochs 1 --device cuda --profile-trace traces/gpu.json
    same_model "$(checkpoint gpu_plain 1)" "$(checkpoint gpu_profiled 1)"
    said '^on the GPU +calls +seconds'
    said '^launching device work +[0-9]+ '
    said '^evaluation +[0-9]+ '
    said '^attention +[0-9]+ +[0-9.]+ +[0-9.]+ % +[0-9]+\.[0-9]$'
    grep -q '"name": "thread_name", "ph": "M", "pid": 0, "tid": 1, "args": {"name": "GPU"}' \
        traces/gpu.json || fail "the trace does not name the GPU"
fi

finish
