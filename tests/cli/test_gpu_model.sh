#!/usr/bin/env bash
# benchmarks/gpu_model: the table of a step's cost for each machine file, its JSON, and the times of
# gpu_step beside it.
source "$(dirname "$0")/lib.sh"
gpu_model=$bin/../benchmarks/gpu_model
machines=$project/benchmarks/machines

# value KEY FILE: the number of a key at the top of a JSON file
value() { sed -n "s/^  \"$1\": \\([0-9.e+-]*\\),\\?$/\\1/p" "$2"; }
# less A B, and within FACTOR of each other
less() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a > 0 && a < b)}'; }

for machine in a40 a100 h100 h200; do
    expect 0 "$gpu_model" --machine "$machines/$machine.json" --output $machine.json
    printed "^Modelled, not measured: NVIDIA"
    less "$(value floor_seconds $machine.json)" "$(value step_seconds $machine.json)" ||
        fail "$machine: the floor is not below the expected time"
done
for pair in h200:h100 h100:a100 a100:a40; do
    less "$(value step_seconds "${pair%:*}.json")" "$(value step_seconds "${pair#*:}.json")" ||
        fail "the ${pair%:*} is not faster than the ${pair#*:}"
done

# Loading ahead: a shorter step if it gains more
expect 0 "$gpu_model" --machine "$machines/h100.json" --shares high --output high.json
less "$(value step_seconds high.json)" "$(value step_seconds h100.json)" || fail "--shares high is not faster"
expect 2 "$gpu_model" --machine "$machines/h100.json" --shares middle

# The times of gpu_step beside the model's; a file of another batch is refused
expect 0 "$gpu_model" --machine "$machines/h100.json" --batch 8 --tokens 100 100 --output small.json
tokens=$(value tokens small.json)
same "tokens" "$tokens" 800
cat >measured.json <<END
{"device": "a GPU", "batch": 8, "tokens": $tokens, "step_seconds": 1.0,
 "parts": [{"name": "add, LayerNorm", "calls": 8, "seconds": 0.5}, {"name": "unknown", "seconds": 0.1}]}
END
expect 0 "$gpu_model" --machine "$machines/h100.json" --batch 8 --tokens 100 100 --measured measured.json
printed "^add, LayerNorm .* 500.0000 "
printed "^unknown .* 100.0000$"
printed "^the whole step, ms .* 1000.0000 .* a GPU$"
refused 1 "give the same --batch and --tokens" "$gpu_model" --machine "$machines/h100.json" --measured measured.json
expect 2 "$gpu_model" --batch 8
said "^usage: "
finish
