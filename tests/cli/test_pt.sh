#!/usr/bin/env bash
# Models that DeepTaxa trained (.pt; tests/fixtures/make_pt_fixtures.py) are read by all commands, and
# give what DeepTaxa made of them.
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "needs python3 to look into JSON"
theirs=$project/tests/fixtures/deeptaxa
cp "$theirs"/* .
files=(--fasta-file sequences.fasta --taxonomy-file taxonomy.tsv)
tokenizer=(--tokenizer-file tokenizer.json)

# ---- predictions: labels, flags and agreement equal, probabilities to 1e-6 ----
cat >compare.py <<'END'
import json, sys
ours = json.load(open(sys.argv[1]))
lines = [line.rstrip("\n").split("\t") for line in open(sys.argv[2])]
cells = {(sequence, rank): cell for sequence, ranks in zip(ours["sequence_ids"], ours["predictions"])
         for rank, cell in ranks.items() if rank != "sequence_length"}
assert len(lines) == len(cells) == 280, (len(lines), len(cells))
for sequence, rank, label, probability, flag, agrees in lines:
    cell = cells[sequence, rank]
    got = [cell["label"], int(cell["confidence_threshold_flag"]), int(cell["agreement"])]
    assert got == [label, int(flag), int(agrees)], (sequence, rank, got, label, flag, agrees)
    assert abs(cell["raw_score"] - float(probability)) <= 1e-6, (sequence, rank, cell, probability)
END
for model in hybrid bert cnn onehot; do
    expect 0 deeptaxa predict --checkpoint $model.pt "${files[@]}" "${tokenizer[@]}" --output-dir p_$model
    said "^notice: $model.pt: is in DeepTaxa.s format \(.pt\), which has no place for lineages and strand"
    python3 compare.py p_$model/sequences_deeptaxa_predictions.json $model.predictions ||
        fail "$model.pt: other predictions than DeepTaxa's"
done

# same_cells WHAT FOLDER: its labels and probabilities are those of hybrid.pt
same_cells() {
    for key in label raw_score; do
        same "$1: $key" "$(grep -o "\"$key\": [^,]*" "$2"/*predictions.json | cksum)" \
            "$(grep -o "\"$key\": [^,]*" p_hybrid/*predictions.json | cksum)"
    done
}

# ---- the tokenizer ----
mkdir elsewhere
cp hybrid.pt elsewhere/
predict() { deeptaxa predict --checkpoint "$1" "${files[@]}" --output-dir p "${@:2}"; }
if [ ! -e "$project/share/deeptaxa/tokenizer.json" ]; then
    refused 1 "elsewhere/hybrid.pt: .*'zhihan1996/DNABERT-2-117M'.*launch/get-tokenizer.sh.*folder DNABERT-2-117M beside" \
        predict elsewhere/hybrid.pt
    refused 1 '^deeptaxa train: --tokenizer-name zhihan1996/DNABERT-2-117M: is not here.*get-tokenizer.sh' \
        deeptaxa train "${files[@]}" --output-dir none --tokenizer-name zhihan1996/DNABERT-2-117M
    [ ! -e none/checkpoints ] || fail "a training without its tokenizer began"
fi
mkdir -p elsewhere/DNABERT-2-117M whole/zhihan1996/DNABERT-2-117M
cp tokenizer.json elsewhere/DNABERT-2-117M/
cp tokenizer.json whole/zhihan1996/DNABERT-2-117M/
cp hybrid.pt whole/
expect 0 predict whole/hybrid.pt
said '^Tokenizer: whole/zhihan1996/DNABERT-2-117M/tokenizer.json$'
expect 0 predict elsewhere/hybrid.pt
said '^Tokenizer: elsewhere/DNABERT-2-117M/tokenizer.json$'
DEEPTAXA_TOKENIZER=tokenizer.json expect 0 predict hybrid.pt
said '^Tokenizer: tokenizer.json$'
same_cells "tokenizer in another place" p
expect 0 deeptaxa tokenizer --fasta-file sequences.fasta --output-file other.json --vocabulary-size 90
refused 1 '^deeptaxa predict: other.json: is not the tokenizer of hybrid.pt: it has 90 tokens, the model 80' \
    predict hybrid.pt --tokenizer-file other.json

# ---- what such a file does not contain ----
expect 0 deeptaxa convert --checkpoint hybrid.pt --output-file bare.h5 "${tokenizer[@]}"
lacks() { # FILE FLAGS...: nor has the file that it was converted to
    refused 1 "$1: has no vocabulary of lineages, .*: write .* with deeptaxa convert --checkpoint $1 " \
        predict "$@" --lineage consistent
    refused 1 "$1: has no strand profile, .*: write .* with deeptaxa convert --checkpoint $1 " \
        predict "$@" --orientation auto
}
lacks hybrid.pt "${tokenizer[@]}"
lacks bare.h5
expect 0 predict hybrid.pt "${tokenizer[@]}" --lineage independent --orientation forward

# ---- describe, calibrate, export, ensembles ----
expect 0 deeptaxa describe --checkpoint cnn.pt --export-metrics described.json
printed '^  kernel-sizes: \[3, 7\]$'
printed '^  mask-padding: yes$'
printed '^  num-conv-layers: 2$'
printed '^  total-sequences: 32$'
printed '^  Level 6 - species: 3[0-9] labels$'
printed "^  Format: DeepTaxa's \(.pt\)\$"
cat >unknown.py <<'END'
import json
file = json.load(open("described.json"))
training, system = file["training_hyperparameters"], file["system_info"]
for key in ("accum_steps", "loss_type", "class_weights", "early_stopping_patience",
            "early_stopping_min_delta", "max_grad_norm", "eval_every", "seed", "micro_batch_size"):
    assert training[key] is None, (key, training[key])
assert training["batch_size"] > 0 and training["focal_gamma"] == 2
assert set(system.values()) == {None}, system
END
unknown="accum-steps class-weights cuda device early-stopping-min-delta early-stopping-patience eval-every"
unknown+=" focal-weight gpu loss-type max-grad-norm precision seed world-size "
for file in cnn.pt bare.h5; do
    expect 0 deeptaxa describe --checkpoint $file --export-metrics described.json
    same "unknown in $file" "$(sed -n 's/^  \([a-z-]*\): unknown$/\1/p' out | sort | tr '\n' ' ')" "$unknown"
    python3 unknown.py || fail "describe --export-metrics of $file"
done
expect 0 deeptaxa calibrate --checkpoint hybrid.pt "${files[@]}" "${tokenizer[@]}"
expect 0 deeptaxa export --checkpoint hybrid.pt --output-file hybrid_copy.h5 --format h5 \
    "${tokenizer[@]}"
expect 0 predict hybrid_copy.h5
same_cells "copy in HDF5" p
expect 0 predict hybrid_calibrated.h5
said ', calibrated, in '
deeptaxa export --checkpoint resume.pt --output-file resumable.h5 "${tokenizer[@]}" 2>/dev/null
same "tensors of the copy" "$("$bin/../tests/print_tensors" resumable.h5 | wc -l)" 110
expect 0 deeptaxa predict --checkpoint hybrid.pt hybrid_calibrated.h5 "${files[@]}" "${tokenizer[@]}" \
    --output-dir both
expect 0 predict onehot.pt "${tokenizer[@]}"
said '^notice: --tokenizer-file has no effect: the model reads nucleotides$'
refused 1 '^deeptaxa describe: taxonomy.tsv: neither a file .*\(.h5\) nor .*\(.pt\)$' \
    deeptaxa describe --checkpoint taxonomy.tsv
refused 2 'is also the file of --checkpoint' deeptaxa calibrate --checkpoint hybrid.pt "${files[@]}" \
    "${tokenizer[@]}" --output-file hybrid.pt
printf 'version https://git-lfs.github.com/spec/v1\n' >pointer.pt
refused 1 'pointer.pt: a Git LFS pointer, neither a file' deeptaxa describe --checkpoint pointer.pt
# The numbers of a small model's training sequences may be most of its file.
python3 - <<'END'
import struct, zipfile
parts = (b"".join(b"J" + struct.pack("<i", i + j) for j in range(1000)) for i in range(0, 1200000, 1000))
with zipfile.ZipFile("long.pt", "w") as file:
    file.writestr("m/data.pkl", b"\x80\x02](" + b"e(".join(parts) + b"e.")
    file.writestr("m/version", "3\n")
END
refused 1 'long.pt: a PyTorch file, but not a model saved by DeepTaxa' deeptaxa describe --checkpoint long.pt
mv hybrid_copy.h5 gone.h5
expect 0 predict gone.pt # as before: the .h5 beside a .pt that does not exist
said '^notice: gone.pt does not exist; using gone.h5$'

# ---- training goes on as DeepTaxa's does: one update an epoch, so that the order does not matter ----
awk '/^>/ { n++ } n <= 32' sequences.fasta >trained.fasta
resume() {
    deeptaxa train --fasta-file trained.fasta --taxonomy-file resume.tsv "${tokenizer[@]}" \
        --resume resume.pt --threads 2 "$@"
}
expect 0 resume --output-dir resumed
said '^notice: resume.pt: has no hashes of its sequences, so it cannot be checked'
said '^notice: resume.pt: does not contain these settings .*: --accum-steps 1 --loss-type cross_entropy --class-weights none .*--seed 42 --max-grad-norm 0.5 --eval-every 1$'
while IFS=$'\t' read -r epoch training validation; do
    near "training loss of epoch $epoch" "$(metric resumed "$epoch" training_loss)" "$training" 1e-5
    near "validation loss of epoch $epoch" "$(metric resumed "$epoch" validation_loss)" "$validation" 1e-5
done <resume.losses
same "run id" "$(cat resumed/deeptaxa_uuid.txt)" "$(sed 's/-/_/g' resumed/deeptaxa_uuid.txt)"
same "epochs" "$(find resumed/checkpoints -name '*_epoch[456].h5' | wc -l)" 3
expect 0 deeptaxa prepare --fasta-file trained.fasta --taxonomy-file resume.tsv "${tokenizer[@]}" \
    --output-dir shards
expect 0 deeptaxa train --data shards --resume resume.pt --output-dir by_shards --threads 2
same "loss with shards" "$(metric by_shards 5 training_loss)" "$(metric resumed 5 training_loss)"
other_vocabulary() {
    deeptaxa prepare --fasta-file trained.fasta --taxonomy-file resume.tsv --tokenizer-file other.json \
        --output-dir other_shards && deeptaxa train --data other_shards --resume resume.pt --output-dir x
}
expect 1 other_vocabulary
said 'is not the tokenizer of resume.pt: it has 90 tokens, the model 80'
expect 0 resume --output-dir focal --loss-type focal --max-grad-norm 1 --seed 7
[ "$(metric focal 4 training_loss)" != "$(metric resumed 4 training_loss)" ] ||
    fail "--loss-type of a resumed DeepTaxa run, which does not store it, has no effect"
said '^notice: resume.pt: does not contain .* --loss-type focal .*--seed 7 --max-grad-norm 1 '
# converted, it is as open as before; what the resumed run writes is not
expect 0 deeptaxa convert --checkpoint resume.pt --output-file open.h5 "${tokenizer[@]}"
said '^notice: resume.pt: does not contain these settings .*accum-steps loss-type .* seed$'
reopened=(--fasta-file trained.fasta --taxonomy-file resume.tsv --threads 2 --output-dir reopened)
expect 0 deeptaxa train "${reopened[@]}" --resume open.h5 --loss-type focal --max-grad-norm 1 --seed 7
said '^notice: open.h5: does not contain .* --loss-type focal .*--seed 7 --max-grad-norm 1 '
same "loss of the converted run" "$(metric reopened 4 training_loss)" "$(metric focal 4 training_loss)"
refused 2 '--loss-type cross_entropy: the run to resume was started with focal' \
    deeptaxa train "${reopened[@]}" --resume "$(checkpoint reopened 4)" --loss-type cross_entropy
refused 2 '--batch-size 8: the run to resume was started with 24' resume --output-dir x --batch-size 8
refused 1 'hybrid.pt: contains weights only.*--init-weights hybrid.pt' \
    deeptaxa train "${files[@]}" "${tokenizer[@]}" --output-dir x --resume hybrid.pt
model=(--embed-dim 6 --num-filters 4 --kernel-sizes 3 5 --hidden-size 8 --num-hidden-layers 1
    --num-attention-heads 2 --intermediate-size 12 --max-length 96)
expect 0 deeptaxa train "${files[@]}" "${tokenizer[@]}" "${model[@]}" --output-dir fresh --epochs 1 \
    --init-weights hybrid.pt
expect 1 deeptaxa train "${files[@]}" "${tokenizer[@]}" "${model[@]}" --output-dir x --epochs 1 \
    --hidden-size 16 --init-weights hybrid.pt
said '^deeptaxa train: --init-weights hybrid.pt: has other sizes: hidden-size 8 \(this model: 16\): use'
# the way out that it names, also with other taxonomic ranks
expect 0 deeptaxa describe --checkpoint hybrid.pt --export-metrics d.json
cut -f 1,3-5 taxonomy.tsv >three_ranks.tsv
for table in taxonomy.tsv three_ranks.tsv; do
    expect 0 deeptaxa train --fasta-file sequences.fasta --taxonomy-file "$table" "${tokenizer[@]}" \
        --config d.json --init-weights hybrid.pt --epochs 1 --output-dir "by_config_$table"
done
expect 2 deeptaxa train --fasta-file sequences.fasta --taxonomy-file three_ranks.tsv "${tokenizer[@]}" \
    --output-dir x --level-weights 1 2
said '--level-weights: 2 weights for 3 taxonomic ranks: give one per rank, or --no-level-weights$'

finish
