#!/usr/bin/env bash
# Every setting of a training: the checkpoint, the metrics and describe have the value of its flag,
# and a resumed run keeps it.
# shellcheck disable=SC2046,SC2086
source "$(dirname "$0")/lib.sh"
cp "$project"/tests/fixtures/formats/{train.fasta,train.tsv,tokenizer.json} .
files="--fasta-file train.fasta --taxonomy-file train.tsv"
words="--tokenizer-file tokenizer.json"

# value FILE KEY: of the first member of that name in a JSON file, without spaces
value() {
    tr -d ' \n' <"$1" | grep -oE "\"$2\":(\[[^]]*\]|\"[^\"]*\"|[^],}]*)" | head -n 1 |
        sed 's/[^:]*://'
}
metrics() { echo "$1"/metrics/*_epoch"$2".json; }

# told FOLDER EPOCH FLAG KEY VALUE LINE: the metrics, describe's JSON and its text tell of the value
told() {
    same "--$3, $4 in the metrics" "$(value "$(metrics "$1" "$2")" "$4")" "$5"
    same "--$3, $4 in describe's JSON" "$(value "$1.json" "$4")" "$5"
    [ "$6" = - ] || grep -qxF "  $6" "$1.txt" || fail "--$3: describe has no line '$6'"
}

# describe FOLDER EPOCH
describe() {
    expect 0 deeptaxa describe --checkpoint "$(checkpoint "$1" "$2")" --export-metrics "$1.json"
    cp out "$1.txt"
}

# kept FOLDER EPOCH FLAG OTHER: a resumed run refuses the flag with another value, and names it; all
# but the settings of the schedule with --reset-lr-on-resume, too
kept() {
    local resume reset=--reset-lr-on-resume
    resume="train $files --output-dir none --resume $(checkpoint "$1" "$2")"
    refused 2 "^deeptaxa train: --$3[ :].*the run to resume " deeptaxa $resume --$3 $4
    case $3 in epochs | *learning-rate | scheduler-warmup-ratio | early-stopping-*) return ;; esac
    refused 2 "^deeptaxa train: --$3[ :].*the run to resume " deeptaxa $resume --$3 $4 $reset
}

# Flag, value (none: not given), other values that a resumed run refuses (a/b; -: the flag alone),
# key in the JSON, its value there, line of describe (-: none)
cat >hybrid <<'END'
max-length|40|41|max_length|40|max-length: 40
embed-dim|6|7|embed_dim|6|embed-dim: 6
num-filters|4|5|num_filters|4|num-filters: 4
kernel-sizes|3 5|3/3 7/5 3|kernel_sizes|[3,5]|kernel-sizes: [3, 5]
num-conv-layers|2|1|num_conv_layers|2|num-conv-layers: 2
hidden-size|8|12|hidden_size|8|hidden-size: 8
num-hidden-layers|2|1|num_hidden_layers|2|num-hidden-layers: 2
num-attention-heads|4|2|num_attention_heads|4|num-attention-heads: 4
intermediate-size|10|11|intermediate_size|10|intermediate-size: 10
hidden-dropout-prob|0.05|0.06|dropout_prob|0.05|hidden-dropout-prob: 0.05
mask-padding|||mask_padding|true|mask-padding: yes
no-normalize|||normalize|false|-
epochs|4|3|target_epochs|4|target-epochs: 4
batch-size|5|6|batch_size|5|batch-size: 5
accum-steps|2|3|accum_steps|2|accum-steps: 2
micro-batch-size|3||micro_batch_size|3|-
learning-rate|0.002|0.003|learning_rate|0.002|learning-rate: 0.002
scale-learning-rate|linear|none/sqrt|scale_learning_rate|"linear"|scale-learning-rate: linear
optimizer-type|lamb|adamw|optimizer_type|"lamb"|optimizer-type: lamb
optimizer-betas|0.8 0.99|0.7 0.99/0.8 0.98|betas|[0.8,0.99]|-
optimizer-eps|1e-7|1e-6|eps|1e-07|-
optimizer-weight-decay|0.02|0.03|weight_decay|0.02|optimizer: {'lr': 0.0003125, 'betas': [0.8, 0.99], 'eps': 1e-07, 'weight_decay': 0.02}
scheduler-warmup-ratio|0.3|0.4|scheduler_warmup_ratio|0.3|scheduler-steps: 8
max-grad-norm|0.7|0.8|max_grad_norm|0.7|-
seed|7|8|seed|7|seed: 7
val-split|0.25|0.3|val_split|0.25|validation: 6
eval-every|2|3|eval_every|2|evaluated-epoch: 4
early-stopping-patience|5|6|early_stopping_patience|5|early-stopping-patience: 5
early-stopping-min-delta|0.25|0.5|early_stopping_min_delta|0.25|early-stopping-min-delta: 0.25
loss-type|focal|cross_entropy|loss_type|"focal"|loss-type: focal
focal-gamma|0.5|0.6|focal_gamma|0.5|focal-gamma: 0.5
focal-reduction|sum|mean|focal_reduction|"sum"|focal-reduction: sum
class-weights|inverse|sqrt_inverse/none|class_weights|"inverse"|class-weights: inverse
level-weights|1 2 3|1 2 4/2 2 3|level_weights|[1.0,2.0,3.0]|level-weights: [1.0, 2.0, 3.0]
model-type||cnn/bert|model_type|"hybridcnnbert"|model-type: hybridcnnbert
encoding||onehot|encoding|"dnabert"|encoding: dnabert
orientation||auto|orientation|"forward"|-
END
cat >onehot <<'END'
model-type|cnn|bert/hybridcnnbert|model_type|"cnn"|model-type: cnn
encoding|onehot|dnabert|encoding|"onehot"|encoding: onehot
orientation|auto|forward|orientation|"auto"|orientation: auto
loss-type|focal|cross_entropy|loss_type|"focal"|loss-type: focal
focal-weight|1,2;1,2,3,4;1,1,1,1,1,1,1,2|1,2;1,2,3,4;1,1,1,1,1,1,1,3 --loss-type focal|focal_weight|"1,2;1,2,3,4;1,1,1,1,1,1,1,2"|focal-weight: 1,2;1,2,3,4;1,1,1,1,1,1,1,2
END
cat >defaults <<'END'
hidden-dropout-prob|||dropout_prob|0.2|hidden-dropout-prob: 0.2
mask-padding||-|mask_padding|false|mask-padding: no
no-normalize||-|normalize|true|-
epochs||9|target_epochs|10|target-epochs: 10
batch-size||32|batch_size|64|batch-size: 64
accum-steps||2|accum_steps|1|accum-steps: 1
learning-rate||1e-3|learning_rate|0.0005|learning-rate: 0.0005
scale-learning-rate||sqrt|scale_learning_rate|"none"|scale-learning-rate: none
optimizer-type||lamb|optimizer_type|"adamw"|optimizer-type: adamw
optimizer-betas||0.9 0.99|betas|[0.9,0.999]|-
optimizer-eps||1e-7|eps|1e-08|-
optimizer-weight-decay||0|weight_decay|0.01|optimizer: {'lr': 0.0005, 'betas': [0.9, 0.999], 'eps': 1e-08, 'weight_decay': 0.01}
scheduler-warmup-ratio||0|scheduler_warmup_ratio|0.1|-
max-grad-norm||1|max_grad_norm|0.5|-
seed||0|seed|42|seed: 42
val-split||0.1|val_split|0.2|-
eval-every||2|eval_every|1|-
early-stopping-patience||1|early_stopping_patience|0|-
early-stopping-min-delta||0|early_stopping_min_delta|0.001|-
loss-type||focal|loss_type|"cross_entropy"|loss-type: cross_entropy
focal-gamma||1|focal_gamma|2.0|focal-gamma: 2.0
focal-reduction||sum|focal_reduction|"mean"|focal-reduction: mean
focal-weight|||focal_weight|null|focal-weight: none
class-weights||inverse|class_weights|"none"|class-weights: none
level-weights||1 1 2|level_weights|[1.0,1.0,1.0]|level-weights: [1.0, 1.0, 1.0]
END

cat >kmer <<'END'
model-type|kmer|cnn/bert|model_type|"kmer"|model-type: kmer
encoding||dnabert|encoding|"onehot"|encoding: onehot
max-length||512|max_length|2048|max-length: 2,048
kmer-size|3|4/7|kmer_size|3|kmer-size: 3
hidden-size||896|hidden_size|256|hidden-size: 256
hidden-dropout-prob||0.2|dropout_prob|0.3|hidden-dropout-prob: 0.3
epochs||9|target_epochs|15|target-epochs: 15
batch-size||64|batch_size|128|batch-size: 128
learning-rate||5e-4|learning_rate|0.003|learning-rate: 0.003
END

# A new setting has a row, too
expect 0 deeptaxa train --help
sed -n '/^Model$/,/^Exports$/s/^  --\([a-z-]*\).*/\1/p' out | sort >offered
cut -d '|' -f 1 hybrid onehot kmer | sort -u >rows
same "settings without a row here" "$(comm -23 offered rows | tr '\n' ' ')" "batch-size-per-rank no-level-weights "

# flags TABLE: those that it gives a value, and the ones that take none
flags() { sed -nE 's/^(mask-padding|no-normalize)\|.*/--\1/p; s/^([^|]+)\|([^|]+)\|.*/--\1 \2/p' "$1"; }

# check TABLE FOLDER EPOCH
check() {
    local flag others key wanted line other
    describe "$2" "$3"
    while IFS='|' read -r flag _ others key wanted line; do
        told "$2" "$3" "$flag" "$key" "$wanted" "$line"
        while read -r other; do
            [ -z "$other" ] || kept "$2" "$3" "$flag" "${other#-}"
        done < <(tr '/' '\n' <<<"$others")
    done <"$1"
}

expect 0 deeptaxa train $files $words $(flags hybrid) --threads 1 --output-dir run
check hybrid run 4
kept run 4 level-weights "1 1 1"
refused 2 '^deeptaxa train: --level-weights: the run to resume was started with others' \
    deeptaxa train $files --output-dir none --resume "$(checkpoint run 4)" --no-level-weights
describe run 3
grep -qxF '  evaluated-epoch: 2' run.txt || fail "--eval-every: epoch 3 was evaluated"
# the same values are taken, and the run ends where it ended
expect 0 deeptaxa train $files $words $(flags hybrid) --threads 1 --output-dir again \
    --resume "$(checkpoint run 2)"
same_model "$(checkpoint run 4)" "$(checkpoint again 4)"
# so are none
expect 0 deeptaxa train $files $words --threads 1 --output-dir kept \
    --resume "$(checkpoint run 2)" --micro-batch-size 3
same_model "$(checkpoint run 4)" "$(checkpoint kept 4)"
describe kept 4
while IFS='|' read -r flag _ _ key wanted line; do
    told kept 4 "$flag" "$key" "$wanted" "$line"
done <hybrid

expect 0 deeptaxa train $files $(flags onehot) --max-length 40 --num-filters 4 --epochs 2 \
    --output-dir onehot_run
check onehot onehot_run 2
same "--embed-dim with one-hot bases" "$(value onehot_run.json embed_dim)" 4

# A type with defaults of its own
expect 0 deeptaxa train $files $(flags kmer) --threads 1 --output-dir kmer_run
check kmer kmer_run 15

# What is not given has the value that --help tells
expect 0 deeptaxa train $files $words --max-length 40 --embed-dim 6 --num-filters 4 \
    --hidden-size 7 --intermediate-size 10 --output-dir defaults_run
check defaults defaults_run 10
same "kernels" "$(value defaults_run.json kernel_sizes)" "[3,5,7]"
same "heads" "$(value defaults_run.json num_attention_heads)" 7
expect 0 deeptaxa train $files $words --dry-run --output-dir none
while IFS='|' read -r layer parameters; do
    printed "^$layer +$parameters\$"
done <<'END'
bert.embeddings|483,840
bert.encoder.layer.3|9,645,440
conv_stacks|3,441,408
cnn_proj|689,024
embedding|21,504
Total parameters|44,033,808
END

# Bounds: a value beyond them is refused with a message that names them
while IFS='|' read -r flag beyond bounds; do
    refused 2 "^deeptaxa train: --$flag: '[^']*' is not a $bounds\$" \
        deeptaxa train $files --output-dir none --$flag $beyond
done <<'END'
max-length|2|whole number from 3 to 65536
embed-dim|0|whole number from 1 to 65536
kmer-size|9|whole number from 1 to 8
num-filters|0|whole number from 1 to 65536
kernel-sizes|3 257|whole number from 1 to 255
num-conv-layers|65|whole number from 1 to 64
hidden-size|0|whole number from 1 to 65536
num-hidden-layers|241|whole number from 1 to 240
num-attention-heads|0|whole number from 1 to 4095
intermediate-size|0|whole number from 1 to 1048576
hidden-dropout-prob|1|number of at least 0 and below 1
epochs|0|whole number from 1 to 1000000
batch-size|0|whole number from 1 to 1048576
batch-size-per-rank|-1|whole number from 0 to 1048576
accum-steps|0|whole number from 1 to 65536
micro-batch-size|-1|whole number from 0 to 1048576
learning-rate|0|number above 0
optimizer-betas|0.9 1|number of at least 0 and below 1
optimizer-eps|0|number above 0
optimizer-weight-decay|-0.01|number of at least 0
scheduler-warmup-ratio|1|number of at least 0 and below 1
max-grad-norm|0|number above 0
seed|4294967296|whole number from 0 to 4294967295
val-split|1|number of at least 0 and below 1
eval-every|0|whole number from 1 to 1000000
early-stopping-patience|-1|whole number from 0 to 1000000
early-stopping-min-delta|-0.1|number of at least 0
focal-gamma|-1|number of at least 0
level-weights|1 -1 1|number of at least 0
END

# Streaming is a setting, too
expect 0 deeptaxa prepare $files $words --sequences-per-shard 12 --output-dir shards
small="--model-type cnn --max-length 40 --embed-dim 6 --num-filters 4 --epochs 2"
expect 0 deeptaxa train --data shards $small --output-dir whole
refused 2 '^deeptaxa train: --stream-data .*the run to resume ' deeptaxa train --data shards \
    --output-dir none --resume "$(checkpoint whole 1)" --stream-data

# --reset-lr-on-resume takes the schedule's settings from the command line, and nothing else
expect 0 deeptaxa train $files $words --output-dir reset --resume "$(checkpoint run 2)" \
    --reset-lr-on-resume --epochs 6 --learning-rate 0.004 --scheduler-warmup-ratio 0.5 \
    --scale-learning-rate sqrt \
    --early-stopping-patience 7 --early-stopping-min-delta 0.125
describe reset 6
while IFS='|' read -r flag key wanted line; do
    told reset 6 "$flag" "$key" "$wanted" "$line"
done <<'END'
epochs|target_epochs|6|target-epochs: 6
learning-rate|learning_rate|0.004|learning-rate: 0.004
scale-learning-rate|scale_learning_rate|"sqrt"|scale-learning-rate: sqrt
learning-rate|lr|0.0015811388300841897|optimizer: {'lr': 0.0015811388300841897, 'betas': [0.8, 0.99], 'eps': 1e-07, 'weight_decay': 0.02}
scheduler-warmup-ratio|scheduler_warmup_ratio|0.5|scheduler-steps: 8
early-stopping-patience|early_stopping_patience|7|early-stopping-patience: 7
early-stopping-min-delta|early_stopping_min_delta|0.125|early-stopping-min-delta: 0.125
batch-size|batch_size|5|batch-size: 5
END
[ -e none ] && fail "a refused run wrote something"
finish
