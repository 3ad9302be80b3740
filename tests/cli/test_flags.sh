#!/usr/bin/env bash
# Flags that no other test covers: each has exactly the documented effect.
source "$(dirname "$0")/lib.sh"
make_gold 30
make_tokenizer

# small, so that each of many runs takes a tenth of a second
small_model="--embed-dim 8 --hidden-size 8 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 12 --num-filters 4 --max-length 24"

# run FOLDER FLAGS...: one epoch that is one update, with the full learning rate of 0.01
run() {
    rm -rf "$1"
    expect 0 train_small "$1" --epochs 1 --batch-size 1024 --scheduler-warmup-ratio 0 "${@:2}"
    "$bin/../tests/print_tensors" "$(checkpoint "$1" 1)" >"$1/tensors" || fail "print_tensors $1"
}
shape() { awk -F'\t' -v name="$2" '$1 == name { print $2 }' "$1/tensors"; }
# sum, squares FOLDER REGEX: over the elements of all tensors whose names match
sum() { awk -F'\t' -v names="$2" '$1 ~ names { n += $3 } END { print n }' "$1/tensors"; }
squares() { awk -F'\t' -v names="$2" '$1 ~ names { n += $4 } END { print n }' "$1/tensors"; }
# steps FOLDER KEY: its values in the steps file, on one line
steps() { sed -nE "s/.*\"$2\": ([-+.0-9e]+).*/\1/p" "$1"/metrics/*steps.jsonl | tr '\n' ' '; }
differ() { other_model "$1 and $2" "$(checkpoint "$1" 1)" "$(checkpoint "$2" 1)"; }

run base
word=model/bert.embeddings.word_embeddings.weight

# Sizes: the tensors have the shapes that the flags name
run sizes --max-length 20 --embed-dim 6 --num-filters 5 --kernel-sizes 3 9 --num-conv-layers 2 \
    --hidden-size 12 --num-hidden-layers 3 --num-attention-heads 3 --intermediate-size 10
while read -r name wanted; do
    same "shape of $name" "$(shape sizes "model/$name")" "$wanted"
done <<END
bert.embeddings.position_embeddings.weight 20x12
bert.embeddings.word_embeddings.weight 200x12
bert.encoder.layer.2.intermediate.dense.weight 10x12
bert.encoder.layer.3.intermediate.dense.weight
embedding.weight 200x6
conv_stacks.0.0.0.weight 5x6x3
conv_stacks.0.1.0.weight 5x6x9
conv_stacks.0.2.0.weight
conv_stacks.1.1.0.weight 5x10x9
cnn_proj.weight 12x10
END
run heads --num-attention-heads 4
same "shapes with more heads" "$(cut -f 1,2 heads/tensors)" "$(cut -f 1,2 base/tensors)"
differ base heads
expect 0 deeptaxa tokenizer --fasta-file data/train.fasta --output-file small.json --vocabulary-size 90
run small --tokenizer-file small.json
same "shape with --tokenizer-file" "$(shape small $word)" 90x8

# The optimizer, after one update from moments of 0 with the gradient g: the moments hold
# (1 - beta1) c and (1 - beta2) c^2, where c is g, scaled down to the norm --max-grad-norm
moments() { # FOLDER BETA1 BETA2 NORM
    near "first moments of $1" "$(squares "$1" '^optimizer/exp_avg/')" \
        "$(awk -v b="$2" -v n="$4" 'BEGIN { print ((1 - b) * n) ^ 2 }')" 1e-4
    near "second moments of $1" "$(sum "$1" '^optimizer/exp_avg_sq/')" \
        "$(awk -v b="$3" -v n="$4" 'BEGIN { print (1 - b) * n ^ 2 }')" 1e-4
}
norm=$(steps base gradient_norm)
awk -v n="$norm" 'BEGIN { exit !(n > 3) }' || fail "the gradient's norm is $norm: nothing to scale down"
moments base 0.9 0.999 0.5
run clip --max-grad-norm 2
moments clip 0.9 0.999 2
run unclipped --max-grad-norm 1000
moments unclipped 0.9 0.999 "$norm"
run betas --optimizer-betas 0.8 0.99
moments betas 0.8 0.99 0.5

# A bias that starts at 0 becomes -rate c / (|c| + eps), elementwise: the rate itself, or with a
# large eps the rate times c / eps
bias=bert.encoder.layer.0.attention.output.dense.bias
near "biases after an update" "$(squares base model/$bias)" "$(awk 'BEGIN { print 8 * 0.01 ^ 2 }')" 1e-3
run rate --learning-rate 0.03
near "biases with --learning-rate" "$(squares rate model/$bias)" \
    "$(awk 'BEGIN { print 8 * 0.03 ^ 2 }')" 1e-3
run eps --optimizer-eps 100
near "biases with --optimizer-eps" "$(squares eps model/$bias)" \
    "$(awk -v c="$(squares eps optimizer/exp_avg/$bias)" 'BEGIN { print (0.01 / 100 / 0.1) ^ 2 * c }')" 1e-2

# If eps suppresses everything but the decay, weights are multiplied by (1 - rate decay)
run still --optimizer-eps 1e30 --optimizer-weight-decay 0
run decay --optimizer-eps 1e30 --optimizer-weight-decay 5
near "weights with --optimizer-weight-decay" "$(squares decay $word)" \
    "$(awk -v w="$(squares still $word)" 'BEGIN { print 0.95 ^ 2 * w }')" 1e-5

# Another seed draws other initial values
run seed --seed 43 --optimizer-eps 1e30 --optimizer-weight-decay 0
near "initial values of the other seed, in size" "$(squares seed $word)" "$(squares still $word)" 0.1
[ "$(sum seed $word)" != "$(sum still $word)" ] || fail "--seed 43 has the same initial values"

# The learning rate rises over that share of the updates, then falls to 0
expect 0 train_small warm --epochs 8 --eval-every 8 --batch-size 1024 --scheduler-warmup-ratio 0.5
same "learning rates" "$(steps warm learning_rate)" "0.0 0.0025 0.005 0.0075 0.01 0.0075 0.005 0.0025 "

# Two accumulated batches of 8 equal one of 16 (a third of the 24 sequences is for validation)
still="--epochs 1 --val-split 0.33 --hidden-dropout-prob 0"
# shellcheck disable=SC2086
run sixteen $still --batch-size 16
# shellcheck disable=SC2086
run eights $still --batch-size 8 --accum-steps 2
same "updates" "$(steps eights step)" "$(steps sixteen step)"
for key in loss gradient_norm; do near "$key" "$(steps eights $key)" "$(steps sixteen $key)" 1e-5; done
grep -q '"training_sequences": 16,' eights/metrics/*epoch1.json || fail "--val-split: not 16 to train on"

# Without dropout, a model that does not learn has the same loss twice; with dropout, a different one
for p in 0 0.5; do
    expect 0 train_small drop$p --epochs 2 --batch-size 1024 --learning-rate 1e-30 --hidden-dropout-prob $p
    # shellcheck disable=SC2046 # two numbers
    set -- $(steps drop$p loss)
    awk -v p=$p -v a="$1" -v b="$2" 'BEGIN { d = (a - b) / a; exit (p == 0) != (d < 1e-6 && d > -1e-6) }' ||
        fail "--hidden-dropout-prob $p: losses $1 and $2"
done

# Weights of the ranks: the loss is the weighted sum of theirs
run first --level-weights 0 3 0 0 0 0 0
run rest --level-weights 1 0 1 1 1 1 1
near "weighted losses" "$(steps base loss)" \
    "$(awk -v a="$(steps first loss)" -v b="$(steps rest loss)" 'BEGIN { print a / 3 + b }')" 1e-5

# No effect: the number of tokenising threads, defaults given explicitly, and DeepTaxa's flags that are
# not used here, with a notice
run nothing --num-workers 3 --deterministic --encoding dnabert --tokenizer-revision main \
    --output-attentions
said 'notice: --tokenizer-revision has no effect: nothing is downloaded$'
said 'notice: --output-attentions has no effect: attention weights are not stored$'
same_model "$(checkpoint base 1)" "$(checkpoint nothing 1)"

# An existing local name is used as a file, any other name causes a notice
mkdir -p hub/bpe
cp small.json hub/bpe/tokenizer.json
for name in hub/bpe small.json; do
    # shellcheck disable=SC2086
    expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv $small_model \
        --output-dir dry --dry-run --tokenizer-name $name
    said "^tokenizer: ${name%/tokenizer.json}"
    printed '^embedding +720$'
done
# shellcheck disable=SC2086
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv $small_model \
    --output-dir dry --dry-run --tokenizer-name someone/else
said 'notice: --tokenizer-name someone/else is ignored: not a local file or directory'
# The published one is the installed one
# shellcheck disable=SC2086
DEEPTAXA_TOKENIZER=small.json expect 0 deeptaxa train --fasta-file data/train.fasta \
    --taxonomy-file data/train.tsv $small_model --output-dir dry --dry-run \
    --tokenizer-name zhihan1996/DNABERT-2-117M
said '^tokenizer: small.json$'

# ---- predict ----
model=$(checkpoint base 1)
predict() {
    rm -rf "$1"
    expect 0 deeptaxa predict --checkpoint "$model" --fasta-file data/heldout.fasta \
        --taxonomy-file data/heldout.tsv --tabular --output-dir "$@"
}
# measures FOLDER KEY: of the seven ranks
measures() { grep -oE "\"$2\": *[0-9.e-]+" "$1/metrics.json" | sed 's/.*: *//' | tr '\n' ' '; }
predict p
predict top1 --top-k 1
predict top22 --top-k 22
same "top-1 accuracies" "$(measures top1 top_k_accuracy)" "$(measures p accuracy)"
# k equal to the number of labels: every true label that the model knows
known=$(for column in 2 3 4 5 6 7 8; do
    awk -F'\t' -v c=$column 'NR == FNR { known[$c]; next } FNR > 1 { n++; k += $c in known }
        END { printf "%.6f ", k / n }' data/train.tsv data/heldout.tsv
done)
same "accuracies with --top-k of all labels" \
    "$(for x in $(measures top22 top_k_accuracy); do printf '%.6f ' "$x"; done)" "$known"
[ "$(measures p top_k_accuracy)" != "$(measures top1 top_k_accuracy)" ] ||
    fail "--top-k 3 of the default is --top-k 1"

# A true species with a prefix that the model's label lacks counts as in agreement
awk -F'\t' -v OFS='\t' 'NR > 1 { $8 = "s__" $8 } 1' data/train.tsv >prefixed.tsv
predict prefixed --top-k 1000 --fasta-file data/train.fasta --taxonomy-file prefixed.tsv
same "top-k with prefixed species" "$(measures prefixed top_k_accuracy)" "1.0 1.0 1.0 1.0 1.0 1.0 1.0 "

# The flag of a prediction is set if the confidence is at least the threshold
predict sure --confidence-threshold 0.2
flagged() { # FOLDER THRESHOLD
    same "flags of $1" "$(grep -o '"confidence_threshold_flag": true' "$1"/*.json | wc -l)" \
        "$(tail -n +2 "$1"/*.tsv | cut -f 3,8,13,18,23,28,33 | tr '\t' '\n' | awk -v t="$2" '$1 >= t' | wc -l)"
}
flagged p 0.95
flagged sure 0.2
[ "$(grep -c 'flag": true' sure/*.json)" != "$(grep -c 'flag": true' p/*.json)" ] ||
    fail "--confidence-threshold changes nothing"

# Tokenising threads change no bit; computing threads change no label, only rounding
predict workers --num-workers 3 --verbose
said '^Batches of 64 sequences, 3 threads tokenise$'
cmp p/*.tsv workers/*.tsv || fail "--num-workers 3: other predictions"
predict alone --threads 1
labels() { cut -f 1,2,7,12,17,22,27,32 "$1"/*.tsv; }
numbers() { cut -f 3,4,8,9,13,14,18,19,23,24,28,29,33,34 "$1"/*.tsv | tail -n +2 | tr '\t' '\n'; }
same "labels with --threads 1" "$(labels alone)" "$(labels p)"
paste <(numbers p) <(numbers alone) | awk '
    { d = $1 - $2; if (d > 1e-5 || d < -1e-5) exit 1; n++ } END { if (!n) exit 1 }' ||
    fail "--threads 1: other confidences"

# Flags that the checkpoint decides, or that prediction does not need: notices, and the same bits
expect 0 deeptaxa predict --checkpoint "$model" --fasta-file data/heldout.fasta --tabular \
    --taxonomy-file data/heldout.tsv --output-dir told --seed 7 --output-attentions \
    --tokenizer-name other --tokenizer-revision main --tokenizer-file none.json --model-type cnn \
    --encoding dnabert --max-length 9 --embed-dim 9 --num-filters 9 --kernel-sizes 9 9 \
    --num-conv-layers 9 --hidden-size 9 --num-hidden-layers 9 --num-attention-heads 9 \
    --intermediate-size 9 --hidden-dropout-prob 0.9 --mask-padding
said 'notice: --seed has no effect: prediction uses no random numbers$'
said 'notice: --output-attentions has no effect: attention weights are not stored$'
same "notices" "$(grep -c '^notice: --[a-z-]* has no effect: the checkpoint decides$' err)" 16
cmp p/*.tsv told/*.tsv || fail "flags without effect changed the predictions"

# ---- several processes ----
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
CUDA_VISIBLE_DEVICES=0,1 refused 2 '--gpus 3: there are 2 NVIDIA GPUs in CUDA_VISIBLE_DEVICES' \
    env -u SLURM_JOB_ID "$bin/deeptaxa" train --data none --output-dir dry --gpus 3
[ -e dry ] && fail "a refused command or --dry-run wrote something"
finish
