#!/usr/bin/env bash
# How fast is prediction from file to file, compared with the published program?
#
#   bash benchmarks/predict.sh [--region full|v4] [--sequences N] [--batch N] [--python PYTHON]
#                              [--build DIR] [--json FILE]
#
# Predicts N real 16S sequences (full length, or the V4 region) with the default model and
# Greengenes2's number of labels, with `deeptaxa predict` and with the program installed for PYTHON,
# from the same weights, and compares the predicted labels. The model has been trained for one step:
# its predictions are meaningless, its cost is not. `Predicting` is the time that the programs
# report for their loop; the total includes startup, loading the model, and writing. Processors that
# multiply bf16 also predict in bf16.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
options region=full sequences=64 batch=64 -- "$@"

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
# alike FOLDER FOLDER: prints the fraction of labels that two predictions have in common
alike() {
    "$python" - "$work"/{"$1","$2"}/"${region}_deeptaxa_predictions.json" <<'END'
import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
assert a["sequence_ids"] == b["sequence_ids"]
cells = [p[r]["label"] == q[r]["label"] for p, q in zip(a["predictions"], b["predictions"])
         for r in p if r != "sequence_length"]
print(sum(cells) / len(cells))
END
}

ours=("${predict[@]}" --checkpoint "$work/model.h5" --tabular)
timed deeptaxa "${ours[@]}" --output-dir "$work/ours"
report deeptaxa ours
loop=$seconds whole=$wall loop_bf16='' whole_bf16=''
if ! grep -q ', in bf16 on ' "$work/log"; then
    if try_timed deeptaxa "${ours[@]}" --precision bf16 --output-dir "$work/bf16"; then
        report 'deeptaxa in bf16' bf16
        loop_bf16=$seconds whole_bf16=$wall
    else
        notes+=("not in bf16: $(tail -1 "$work/log" | tr -d '\"')")
    fi
fi
if [ -n "$python" ]; then
    torch "${predict[@]}" --checkpoint "$work/model.pt" --output-dir "$work/theirs"
    timed "${torch[@]}"
    report beside theirs
    row "predicting: times as fast" "$(compute "$seconds / $loop")" x
    row "file to file: times as fast" "$(compute "$wall / $whole")" x ">= 5"
    row "labels that both give alike" "$(alike ours theirs)" ''
    if [ -n "$whole_bf16" ]; then
        row "predicting in bf16: times as fast" "$(compute "$seconds / $loop_bf16")" x
        row "file to file in bf16: times as fast" "$(compute "$wall / $whole_bf16")" x ">= 5"
        row "labels in bf16 that both give alike" "$(alike bf16 theirs)" ''
    fi
fi
finish predict
