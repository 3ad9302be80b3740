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
value() { "$bin/../tests/print_pt" "$1" | sed -n "s|^/$2\t||p"; }

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
declare -A flags=([hybridcnnbert]='--max-grad-norm 2' [bert]='--loss-type focal --early-stopping-patience 5'
    [cnn]='--orientation auto')
for type in hybridcnnbert bert cnn; do
    # shellcheck disable=SC2086
    expect 0 train "$type" --model-type "$type" "${tokenizer[@]}" --level-weights 1 1 1 1 1 1 2 ${flags[$type]}
    first=$(checkpoint "$type" 1)
    expect 0 convert "$first" "$type.pt"
    said "^notice: $type.pt: a .pt file has no place for: lineages, strand profile, (--orientation auto .*, )?lengths"
    case $type in
        bert) said "repeat with DeepTaxa's --resume what a .pt file does not keep: ${flags[bert]}\$" ;;
        cnn) said 'strand profile, --orientation auto \(give DeepTaxa reads of the training.s strand\), lengths' ;;
        *)
            said "has no place for: .*lengths of the training sequences, --max-grad-norm 2 \(DeepTaxa always clips at 0.5\)\$"
            grep -q 'repeat with' err && fail "flags to repeat where none were given"
            ;;
    esac
    said "^notice: $type.pt: its tokenizer was written to .*/${type}_tokenizer; DeepTaxa looks for it at this"
    said "^Checkpoint: $type.pt, with optimizer state: "
    cmp "${type}_tokenizer/tokenizer.json" "$data/tokenizer.json" || fail "another tokenizer"
    expect 0 convert "$type.pt" "$type.h5" "${tokenizer[@]}"
    # DeepTaxa keeps no state of early stopping, and of the loss scale nothing where there is none
    same "differences of $type" "$("$bin/../tests/compare_checkpoints" "$type.h5" "$first" 2>&1)" \
        "$(printf 'loss scale differs\nstate of early stopping differs')"
    expect 0 deeptaxa describe --checkpoint "$type.h5"
    printed '^  seed: 42$' # our .pt files contain it
    same "predictions of $type" "$(predictions "$type.h5" "p_$type")" "$(predictions "$first" "q_$type")"
    expect 0 convert "$type.h5" "twice_$type.pt"
    same "$type" "$(diff <(content "$type.pt" | grep -v '^/tokenizer_name') \
        <(content "twice_$type.pt" | grep -v '^/tokenizer_name'))" ""
done


# Without the optimizer
first=$(checkpoint bert 1)
expect 0 convert "$first" light.pt --weights-only
said '^Checkpoint: light.pt, weights only: '
same "state of the training in light.pt" \
    "$(content light.pt | cut -f1 | grep -E '^/(optimizer_state_dict|scheduler_state_dict|scaler_state_dict|rng_state)')" ""
same "parameters" "$(content light.pt | grep ^/state_dict)" "$(content bert.pt | grep ^/state_dict)"
expect 0 deeptaxa export --checkpoint "$first" --output-file exported.pt --format pt --weights-only
same "export" "$(content exported.pt | grep -v ^/tokenizer_name)" "$(content light.pt | grep -v ^/tokenizer_name)"
refused 2 'with --format pt, its name must end in .pt' \
    deeptaxa export --checkpoint "$first" --output-file x.h5 --format pt
refused 2 'with --format h5, its name must not end in .pt' \
    deeptaxa export --checkpoint "$first" --output-file x.pt --format h5

# The folder of the tokenizer: the same content is fine, anything else is not replaced
expect 0 convert "$first" light.pt --weights-only
cp light.pt light_before.pt
echo '{}' >light_tokenizer/tokenizer.json
refused 1 '/light_tokenizer: exists with other content .*: choose another name' convert "$first" light.pt
same "tokenizer of another model" "$(cat light_tokenizer/tokenizer.json)" '{}'
cp "$data/tokenizer.json" light_tokenizer
touch light_tokenizer/notes
refused 1 '/light_tokenizer: exists with other content' convert "$first" light.pt
cmp light.pt light_before.pt || fail "a refused conversion changed the file"
mkdir empty_tokenizer
expect 0 convert "$first" empty.pt --weights-only

# Temperatures
expect 0 deeptaxa calibrate --checkpoint "$first" "${files[@]}" --output-file calibrated.h5
expect 0 convert calibrated.h5 calibrated.pt
same "temperatures" "$(value calibrated.pt 'level_temperatures/[0-9]' | sed 's/float //')" \
    "$(array calibrated.h5 calibration/temperatures | sed 's/.*\t//')"
expect 0 convert calibrated.pt back.h5 "${tokenizer[@]}"
same "temperatures, back" "$(array back.h5 calibration/temperatures)" \
    "$(array calibrated.h5 calibration/temperatures)"

# What a .pt file lacks, from the files of the training
first=$(checkpoint hybridcnnbert 1)
known() { for name in lineages/parent lineages/label strand/weights training_lengths/bases; do array "$1" $name; done; }
expect 0 convert hybridcnnbert.pt full.h5 "${tokenizer[@]}" "${files[@]}"
said "^Added from .*/sequences.fasta: [0-9]+ lineages, strand profile, lengths \([0-9]+ to [0-9]+ bases\)\$"
grep -q 'only one class\|^tokenizer: ' err && fail "what concerns a training: $(cat err)"
for pair in 'hybridcnnbert.pt none' 'full.h5 yes'; do
    expect 0 deeptaxa describe --checkpoint "${pair% *}"
    printed "^  strand-profile: ${pair#* }\$"
done
same "lineages, strand and lengths" "$(known full.h5 | cksum)" "$(known "$first" | cksum)"
expect 0 deeptaxa predict --checkpoint full.h5 "${files[@]}" --lineage consistent --orientation auto \
    --output-dir consistent
for pair in 'full.h5 hybridcnnbert.pt' 'hybridcnnbert.pt full.h5'; do
    # shellcheck disable=SC2086
    refused 1 '^deeptaxa predict: hybridcnnbert.pt: has no vocabulary of lineages, ' deeptaxa predict "${files[@]}" \
        "${tokenizer[@]}" --checkpoint $pair --lineage consistent --output-dir both
done
refused 2 'the checkpoint has the lineages, strand and lengths' convert full.h5 x.h5 "${files[@]}"
refused 2 '--fasta-file and --taxonomy-file require each other' convert bert.pt x.h5 --fasta-file none
refused 2 '--fasta-file: a .pt file has no place' convert "$first" x.pt "${files[@]}"
refused 2 'its name must end in .h5 or in .pt' convert "$first" x
refused 2 '--output-file bert.pt: is also the file of --checkpoint' convert bert.pt bert.pt
refused 2 '--tokenizer-file: .* has its tokenizer' convert "$first" x.h5 "${tokenizer[@]}"
other() {
    expect 1 convert hybridcnnbert.pt x.h5 "${tokenizer[@]}" --fasta-file "$2" --taxonomy-file "$3"
    said "^deeptaxa convert: .*$1"
}
head -20 "$data/sequences.fasta" >few.fasta
other 'has [0-9]+ sequences, but the model was trained and validated with 40' few.fasta "$data/taxonomy.tsv"
sed '2s/[^\t]*$/Vibrio novus/' "$data/taxonomy.tsv" >labels.tsv
other "the model does not know the species 'Vibrio novus' of sequence" "$data/sequences.fasta" labels.tsv
sed '1s/genus/tribe/' "$data/taxonomy.tsv" >ranks.tsv
other 'its taxonomic ranks are not those of the model' "$data/sequences.fasta" ranks.tsv

# Damage: nothing is written
size=$(stat -c %s "$first")
cp "$first" damaged.h5
printf '\377\377\377\377' | dd of=damaged.h5 bs=1 seek=$((size / 5)) conv=notrunc status=none
refused 1 'damaged.h5: .*damaged' convert damaged.h5 x.pt
limited() { (ulimit -f 8 && convert "$first" x.pt); }
refused 1 'x.pt: cannot write' limited
same "leftovers" "$(find . -name 'x*' -o -name '*.part*')" ""
mkdir other_tokenizer
echo '{}' >other_tokenizer/tokenizer.json
refused 1 'other_tokenizer: exists with other content' convert "$first" other.pt
same "other tokenizer and model" "$(cat other_tokenizer/tokenizer.json; ls -d other.pt* 2>/dev/null)" '{}'
expect 0 convert "$first" hybridcnnbert.pt # the same tokenizer

# Files of DeepTaxa, read and written again: the same but for times that we do not keep, the rest of
# BertConfig, and new states of the generators.
bert_config="architectures|output_hidden_states|return_dict|dtype|chunk_size_feed_forward"
bert_config+="|is_encoder_decoder|id2label.*|label2id.*|problem_type|use_cache|classifier_dropout"
bert_config+="|is_decoder|add_cross_attention|bos_token_id|eos_token_id|tie_word_embeddings"
bert_config+="|transformers_version|_.*"
left_out="model_config/(bert/)?($bert_config)|session_.*|checkpoint_.*|rng_state/.*|seed"
left_out+="|level_weights(/[3-6])?" # of resume.pt, which has three ranks and seven weights
kept() { content "$1" | grep -vE "^/?($left_out)?"$'\t' | sed -E 's/^(\/model_config(\/bert)?\tdict) .*/\1/'; }
names() { "$bin/../tests/print_pt" "$1" | sed -n 's|^/state_dict/\([^\t]*\).*|\1|p'; }
for model in hybrid bert cnn onehot resume; do
    [ "$model" != onehot ] || left_out+="|model_config/embed_dim" # which has no effect there
    expect 0 convert "$data/$model.pt" "again_$model.pt"
    same "$model" "$(diff <(kept "$data/$model.pt") <(kept "again_$model.pt"))" ""
    same "order of the parameters of $model" "$(names "again_$model.pt")" "$(names "$data/$model.pt")"
    [ "$(kept "$data/$model.pt" | wc -l)" -gt 100 ] || fail "$model: too little was compared"
done

finish
