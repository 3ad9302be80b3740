#!/usr/bin/env bash
# DeepTaxa itself loads, predicts with, describes, resumes and fine-tunes the .pt files that convert
# writes, of every model type, with a tokenizer of the model's own. Needs Python with deeptaxa-rrna:
# DEEPTAXA_PYTHON, or python3.
source "$(dirname "$0")/lib.sh"
python=${DEEPTAXA_PYTHON:-python3}
"$python" -c 'import deeptaxa' 2>/dev/null ||
    skip "$python has no package deeptaxa: pip install deeptaxa-rrna==1.3.0, or DEEPTAXA_PYTHON"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
data=$project/tests/fixtures/deeptaxa
files=(--fasta-file "$data/sequences.fasta" --taxonomy-file "$data/taxonomy.tsv")
# one update an epoch, without dropout: the order of the sequences does not matter
common=("${files[@]}" --batch-size 64 --hidden-dropout-prob 0 --learning-rate 1e-2 --threads 2)
cnn=(--embed-dim 6 --num-filters 4 --kernel-sizes 3 5)
bert=(--hidden-size 8 --num-hidden-layers 2 --num-attention-heads 2 --intermediate-size 12)
tokens=(--tokenizer-file "$data/tokenizer.json" --max-length 40)

# make NAME FLAGS...: trains NAME, converts its checkpoint of epoch 2 of 3, and predicts with that
make() {
    local name=$1
    shift
    expect 0 deeptaxa train --output-dir "$name" "${common[@]}" --epochs 3 "$@" || finish
    expect 0 deeptaxa predict --checkpoint "$(checkpoint "$name" 2)" "${files[@]}" \
        --lineage independent --output-dir "predicted_$name"
    expect 0 deeptaxa convert --checkpoint "$(checkpoint "$name" 2)" --output-file "$name.pt" || finish
}
make hybrid "${tokens[@]}" "${cnn[@]}" "${bert[@]}" --mask-padding --level-weights 1 1 1 1 1 1 2
make bert "${tokens[@]}" "${bert[@]}" --model-type bert
make cnn "${tokens[@]}" "${cnn[@]}" --model-type cnn --num-conv-layers 2
said "repeat with DeepTaxa's --resume .*: --hidden-dropout-prob 0$"
make onehot --encoding onehot --max-length 200 --num-filters 4 --model-type cnn
expect 0 deeptaxa calibrate --checkpoint "$(checkpoint bert 3)" "${files[@]}" --output-file calibrated.pt
expect 0 deeptaxa calibrate --checkpoint "$(checkpoint bert 3)" "${files[@]}" --output-file calibrated.h5
expect 0 deeptaxa predict --checkpoint calibrated.h5 "${files[@]}" --lineage independent \
    --output-dir predicted_calibrated
expect 0 "$python" "$project/tests/torch/run_deeptaxa.py" "$data/sequences.fasta" "$data/taxonomy.tsv" \
    hybrid bert cnn onehot calibrated
sed 's/^/    /' out
grep -q '^FAILED' out && sed 's/^/    /' err
finish
