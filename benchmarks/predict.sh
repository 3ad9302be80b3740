#!/usr/bin/env bash
# How fast is prediction, file to file, beside the published program?
#
#   bash benchmarks/predict.sh [--region full|v4] [--sequences N] [--batch N] [--python PYTHON]
#                              [--build DIR] [--json FILE] [--precision fp32|bf16]
#
# Predicts N real 16S sequences (full length, or the V4 region) with the default model and
# Greengenes2's number of labels, with `deeptaxa predict` and with the program that PYTHON has, from
# the same weights, and compares the labels that they give. The model has been trained for one step:
# what it says is worthless, what it costs is not. `Predicting` is what the programs say of their
# loop; the whole includes starting, loading the model, and writing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options region=full sequences=64 batch=64 precision=auto -- "$@"

data "$region" "$sequences"
if [ ! -f "$work/model.h5" ]; then
    head -8 "$work/$region.fasta" >"$work/few.fasta"
    timed deeptaxa train --fasta-file "$work/few.fasta" --taxonomy-file "$work/$region.tsv" \
        --epochs 1 --batch-size 4 --output-dir "$work/run"
    mv "$work"/run/checkpoints/*.h5 "$work/model.h5"
    [ -z "$python" ] || "$python" "$here/deeptaxa_torch/to_torch.py" "$work/model.h5" \
        "$work/model.pt" "$work/tokenizer"
fi
predict=(predict --fasta-file "$work/$region.fasta" --batch-size "$batch")

report() {
    seconds=$(number "$work/$2/${region}_deeptaxa_predictions.json" prediction_time_seconds)
    row "$1: predicting $sequences sequences, $region, batch $batch" "$seconds" s
    row "$1: sequences a second" "$(compute "$sequences / $seconds")" sequences/s
    row "$1: the whole command, file to file" "$wall" s
    row "$1: processors busy, of $(nproc)" "$(compute "$cpu / $wall")" ''
    row "$1: largest process" "$peak" MB
}
timed deeptaxa "${predict[@]}" --precision "$precision" --checkpoint "$work/model.h5" --tabular --output-dir "$work/ours"
report deeptaxa ours
ours=$seconds whole=$wall
if [ -n "$python" ]; then
    torch "${predict[@]}" --checkpoint "$work/model.pt" --output-dir "$work/theirs"
    timed "${torch[@]}"
    report beside theirs
    row "predicting: times as fast" "$(compute "$seconds / $ours")" x
    row "file to file: times as fast" "$(compute "$wall / $whole")" x ">= 5"
    same=$("$python" - "$work"/{ours,theirs}/"${region}_deeptaxa_predictions.json" <<'END'
import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
assert a["sequence_ids"] == b["sequence_ids"]
cells = [p[r]["label"] == q[r]["label"] for p, q in zip(a["predictions"], b["predictions"])
         for r in p if r != "sequence_length"]
print(sum(cells) / len(cells))
END
    )
    row "labels that both give alike" "$same" ''
fi
finish predict
