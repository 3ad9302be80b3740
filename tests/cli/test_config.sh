#!/usr/bin/env bash
# --config FILE and --print-config: settings from a file, of an earlier run, and overridden.
source "$(dirname "$0")/lib.sh"
make_gold 150
make_tokenizer
python=$(command -v python3) || skip "needs python3 to look into JSON"

# value FILE KEY...: a member, as JSON
value() { "$python" -c '
import json, sys
at = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    at = at[key]
print(json.dumps(at))' "$@"; }

# A file of options, with either spelling of their names
cat >settings.json <<'END'
{"epochs": 1, "max_grad_norm": 0.25, "kernel-sizes": [3, 5], "optimizer-betas": [0.8, 0.9],
 "class-weights": "inverse", "mask-padding": true, "seed": 7, "resume": null}
END
expect 0 train_small file --config settings.json --seed 8
metrics=$(ls file/metrics/*epoch1.json)
hyper=training_hyperparameters
same value "$(value "$metrics" $hyper max_grad_norm)" 0.25
same value "$(value "$metrics" $hyper class_weights)" '"inverse"'
same value "$(value "$metrics" $hyper optimizer_summary betas)" '[0.8, 0.9]'
same value "$(value "$metrics" $hyper seed)" 8
same value "$(value "$metrics" model_details kernel_sizes)" '[3, 5]'
same value "$(value "$metrics" options config)" '"settings.json"'

# The same with flags; a flag of the file can be overridden
expect 0 train_small flags --epochs 1 --max-grad-norm 0.25 --kernel-sizes 3 5 --seed 8 \
    --optimizer-betas 0.8 0.9 --class-weights inverse --mask-padding
same_model "$(checkpoint file 1)" "$(checkpoint flags 1)"
expect 0 train_small back --config settings.json --mask-padding=false
same value "$(value back/metrics/*epoch1.json model_details mask_padding)" false

# The metrics of an earlier run, and what describe exports of its checkpoint
expect 0 train_small again --config "$metrics"
same_model "$(checkpoint file 1)" "$(checkpoint again 1)"
expect 0 deeptaxa describe --checkpoint "$(checkpoint file 1)" --export-metrics described.json
expect 0 train_small described --config described.json
same_model "$(checkpoint file 1)" "$(checkpoint described 1)"

# The printed configuration can be read
expect 0 deeptaxa train --config settings.json --output-dir printed --hidden-size 16 --num-attention-heads 2 \
    --print-config
cp "$work/out" printed.json
same value "$(value printed.json hidden-size)" 16
same value "$(value printed.json val-split)" 0.2
same value "$(value printed.json output-dir)" '"printed"'
expect 0 deeptaxa train --config printed.json --print-config
same value "$(cat "$work/out")" "$(cat printed.json)"
[ ! -e printed ] || fail "--print-config wrote something"
refused 2 "--output-dir: is not UTF-8" deeptaxa train --config settings.json --output-dir $'caf\xe9' --print-config

# A resumed run accepts a file like flags
expect 0 train_small file --resume "$(checkpoint file 1)" --config settings.json --seed 8 --epochs 2
refused 2 'seed 7: the run to resume was started with 8 .* \(settings.json has "seed"\)$' \
    train_small file --resume "$(checkpoint file 1)" --config settings.json

# A file of another model type: what contradicts the flags is named by its key there, what has no effect
# is warned of, and what is a default is neither
dry=(deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir none --dry-run)
refused 2 '--encoding dnabert cannot .* use --encoding onehot \([^ ]*epoch1.json has "encoding"\)$' \
    "${dry[@]}" --model-type kmer --config "$metrics"
expect 0 "${dry[@]}" --model-type kmer --encoding onehot --config "$metrics"
said '^warning: [^ ]*epoch1.json: without effect: "embed_dim" \(needs --model-type .*\), "num_filters" '
expect 0 "${dry[@]}" --model-type cnn --encoding onehot --config "$metrics"
said '^warning: [^ ]*epoch1.json: without effect: "embed_dim" \(needs --encoding dnabert\), "hidden_size" '
refused 2 '^deeptaxa train: --embed-dim 8 cannot be combined with --encoding onehot.*: omit --embed-dim$' \
    "${dry[@]}" --model-type cnn --encoding onehot --embed-dim 8 --config "$metrics"
deeptaxa train --model-type cnn --encoding onehot --print-config >onehot.json
deeptaxa train --model-type kmer --print-config >kmer.json
expect 0 "${dry[@]}" --config onehot.json
grep -q 'without effect' err && fail "a file of --print-config has flags without effect: $(cat err)"
refused 2 '\(7\) \(kmer.json has "hidden-size", "num-attention-heads"\)$' \
    "${dry[@]}" --model-type bert --encoding dnabert --config kmer.json
refused 2 '^deeptaxa train: --hidden-size 100: .* \(7\) \(kmer.json has "num-attention-heads"\)$' \
    "${dry[@]}" --model-type bert --encoding dnabert --config kmer.json --hidden-size 100

# A flag that takes back what a file sets is no reason to warn, two flags are
echo '{"level_weights": [1, 1, 1, 1, 1, 1, 2]}' >weights.json
expect 0 "${dry[@]}" --config weights.json --no-level-weights
grep -q 'without effect' err && fail "--no-level-weights takes back what a file sets: $(cat err)"
expect 0 "${dry[@]}" --level-weights 1 1 1 1 1 1 2 --no-level-weights
said '^warning: without effect: --level-weights \(overridden by --no-level-weights\)$'

# A byte-order mark, as some editors write one
printf '\xef\xbb\xbf{"epochs": 3}' >marked.json
expect 0 deeptaxa train --config marked.json --print-config
printed '"epochs": 3'

# Errors are reported with the file name
bad() { # MESSAGE CONTENT
    printf '%s\n' "$2" >bad.json
    refused "${3:-2}" "$1" train_small bad --config bad.json
}
bad 'bad.json: unknown setting "epoch": did you mean "epochs"\?' '{"epoch": 3}'
bad 'bad.json: unknown setting "nonsense": `deeptaxa train --help` lists all' '{"nonsense": 3}'
bad "bad.json: --epochs: '0' is not a whole number from 1" '{"epochs": 0}'
bad "bad.json: --epochs: '2.5' is not a whole number" '{"epochs": 2.5}'
bad "bad.json: --loss-type: 'focus' is not one of cross_entropy, focal" '{"loss_type": "focus"}'
bad "bad.json: --mask-padding: '1' is not true or false" '{"mask-padding": 1}'
bad 'bad.json: --optimizer-betas: takes 2 values, not 1' '{"optimizer-betas": 0.9}'
bad 'bad.json: --epochs: must be a value or a list' '{"epochs": {"a": 1}}'
bad 'bad.json: "config" can only be given on the command line' '{"config": "other.json"}'
bad 'bad.json: line 2: invalid JSON' '{"epochs": 3,' 1
bad 'bad.json: line 1: invalid JSON: .*duplicate' '{"epochs": 3, "epochs": 4}' 1
bad 'bad.json: unknown setting "training_hyperparameters"' '{"training_hyperparameters": 5}'
bad 'bad.json: not a JSON object' '[1]' 1
refused 1 'nowhere.json: cannot open' train_small bad --config nowhere.json
[ ! -e bad ] || fail "a refused configuration left an output folder"

finish
