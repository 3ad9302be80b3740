#!/usr/bin/env bash
# deeptaxa convert: what DeepTaxa wrote becomes the same file again, and a model of ours that goes to .pt
# and back is the same to the bit. (cli/deeptaxa runs DeepTaxa itself on such files.)
source "$(dirname "$0")/lib.sh"
data=$project/tests/fixtures/deeptaxa
files=(--fasta-file "$data/sequences.fasta" --taxonomy-file "$data/taxonomy.tsv")
tokenizer=(--tokenizer-file "$data/tokenizer.json")
convert() { deeptaxa convert --checkpoint "$1" --output-file "${@:2}"; }
content() { "$bin/../tests/print_pt" "$1" | sort; }
array() { "$bin/../tests/print_array" "$1" deeptaxa-checkpoint "$2" || fail "$1 has no $2"; }
value() { content "$1" | sed -n "s|^/$2\t||p"; }

# Files of DeepTaxa, read and written again: the same but for times that we do not keep, the rest of
# BertConfig, and new states of the generators.
bert_config="architectures|output_hidden_states|return_dict|dtype|chunk_size_feed_forward"
bert_config+="|is_encoder_decoder|id2label.*|label2id.*|problem_type|use_cache|classifier_dropout"
bert_config+="|is_decoder|add_cross_attention|bos_token_id|eos_token_id|tie_word_embeddings"
bert_config+="|transformers_version|_.*"
left_out="model_config/(bert/)?($bert_config)|session_.*|checkpoint_.*|rng_state/.*|seed"
kept() { content "$1" | grep -vE "^/?($left_out)?"$'\t' | sed -E 's/^(\/model_config(\/bert)?\tdict) .*/\1/'; }
for model in hybrid bert cnn onehot resume; do
    expect 0 convert "$data/$model.pt" "again_$model.pt"
    same "$model" "$(diff <(kept "$data/$model.pt") <(kept "again_$model.pt"))" ""
    [ "$(kept "$data/$model.pt" | wc -l)" -gt 100 ] || fail "$model: too little was compared"
done

# Models of ours, of every type: to .pt, back, and to .pt again
model="--max-length 40 --embed-dim 6 --num-filters 4 --kernel-sizes 3 5 --hidden-size 8
    --num-hidden-layers 1 --num-attention-heads 2 --intermediate-size 12"
train() {
    # shellcheck disable=SC2086
    deeptaxa train --output-dir "$1" "${files[@]}" $model --batch-size 8 --epochs 2 --threads 2 "${@:2}"
}
predictions() {
    expect 0 deeptaxa predict --checkpoint "$1" "${files[@]}" --lineage independent --tabular \
        --orientation forward --output-dir "$2" && cat "$2"/*.tsv
}
for type in hybridcnnbert bert cnn; do
    expect 0 train "$type" --model-type "$type" "${tokenizer[@]}" --level-weights 1 1 1 1 1 1 2
    first=$(checkpoint "$type" 1)
    expect 0 convert "$first" "$type.pt"
    said "^notice: $type.pt: a .pt file has no place for: lineages, strand profile, lengths"
    said "^notice: $type.pt: not DNABERT-2's tokenizer: DeepTaxa finds it in .*/${type}_tokenizer, which must"
    said "^Checkpoint: $type.pt, with optimizer state: "
    cmp "${type}_tokenizer/tokenizer.json" "$data/tokenizer.json" || fail "another tokenizer"
    expect 0 convert "$type.pt" "$type.h5" "${tokenizer[@]}"
    same_model "$type.h5" "$first"
    same "predictions of $type" "$(predictions "$type.h5" "p_$type")" "$(predictions "$first" "q_$type")"
    expect 0 convert "$type.h5" "twice_$type.pt"
    same "$type" "$(diff <(content "$type.pt" | grep -v '^/tokenizer_name') \
        <(content "twice_$type.pt" | grep -v '^/tokenizer_name'))" ""
done

finish
