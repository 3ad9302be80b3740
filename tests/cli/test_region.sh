#!/usr/bin/env bash
# train --region: the amplicons of extract in one step; the checkpoint keeps
# the primers, by which predict recognises reads from elsewhere and cuts out the region.
source "$(dirname "$0")/lib.sh"
make_gold 60
# some with a gap in the primer, some on the other strand, one without the region
awk '/^>/ { if (NR > 1) print ""; print; next } { printf "%s", toupper($0) } END { print "" }' data/train.fasta |
    awk 'NR % 6 == 0 { sub(/GTGCCAGC/, "GTG-CCAGC") } NR == 2 { $0 = substr($0, 1, 400) } 1' |
    awk 'NR % 8 { print; next } { print | turn; close(turn) }' turn="rev | tr ACGT TGCA" >mixed.fasta
mv mixed.fasta data/train.fasta
count=$(($(grep -c '^>' data/train.fasta) - 1))
expect 0 deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file v4.fna
same "amplicons" "$(grep -c '^>' v4.fna)" "$count"
expect 0 deeptaxa tokenizer --fasta-file v4.fna --output-file tokenizer.json --vocabulary-size 200
# shellcheck disable=SC2086
on_amplicons() {
    deeptaxa train --fasta-file v4.fna --taxonomy-file data/train.tsv --output-dir "$1" $small_model \
        --batch-size 8 --learning-rate 1e-2 --threads 2 --val-split 0.2 "${@:2}"
}

# ---- the same model as from extract's amplicons -------------------------------------------------------
expect 0 on_amplicons apart --tokenizer-file tokenizer.json --epochs 2
expect 0 train_small v4 --region v4 --epochs 2
said "^data/train.fasta: $count of $((count + 1)) sequences are cut to the amplicon of the primers; the others"
said '^data/train.fasta: .*: 0 lack the forward primer, 0 the reverse one, 1 both, 0 have'
said '^  region: V4$'
said "gap characters \('-', '.'\) were dropped"
model=$(checkpoint v4 2)
same_model "$(checkpoint apart 2)" "$model"
# with a tokenizer and a strand profile learnt of the amplicons
# shellcheck disable=SC2086
expect 0 deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir learnt \
    --forward-primer gtgYCAGCMGCCGCGGTAA --reverse-primer GGACTACNVGGGTWTCTAAT --orientation auto \
    $small_model --batch-size 8 --learning-rate 1e-2 --threads 2 --val-split 0.2 --epochs 1
said '^data/train.fasta: 0 of [0-9]+ sequences were reverse-complemented'
expect 0 on_amplicons learnt_apart --orientation auto --epochs 1
same_model "$(checkpoint learnt_apart 1)" "$(checkpoint learnt 1)"

# ---- the checkpoint has the primers; a resumed run keeps them -------------------------------------------
stored() { "$bin/../tests/print_array" "$1" deeptaxa-checkpoint region/primers 2>&1; }
expect 0 deeptaxa describe --checkpoint "$model" --export-metrics said.json
printed '^  region: V4, primers GTGYCAGCMGCCGCGGTAA and GGACTACNVGGGTWTCTAAT$'
printed '^  training-lengths: 25[0-3] to 25[3-5] bases'
grep -q '"forward_primer": "GTGYCAGCMGCCGCGGTAA"' said.json || fail "no primer in JSON"
expect 0 deeptaxa describe --checkpoint "$(checkpoint learnt 1)"
printed '^  region: primers GTGYCAGCMGCCGCGGTAA and GGACTACNVGGGTWTCTAAT$'
expect 0 deeptaxa describe --checkpoint "$(checkpoint apart 2)"
grep -q 'region:' out && fail "a region of a run without"
expect 0 train_small longer --resume "$model" --epochs 3
said "^data/train.fasta: $count of $((count + 1)) sequences are cut"
expect 0 on_amplicons longer_apart --resume "$(checkpoint apart 2)" --epochs 3
same_model "$(checkpoint longer_apart 3)" "$(checkpoint longer 3)"
refused 2 'region and primers: the run to resume was started with GTGYCAGCMGCCGCGGTAA and GGACTACN' \
    train_small longer --resume "$model" --epochs 4 --region V3V4
expect 0 deeptaxa export --checkpoint "$model" --output-file light.h5 --weights-only
expect 0 deeptaxa describe --checkpoint light.h5
printed '^  region: V4, primers '

# ---- shards of the region: the same model, in memory and streamed ---------------------------------------
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv --output-dir shards \
    --tokenizer-file tokenizer.json --region V4 --sequences-per-shard 20
said "^data/train.fasta: $count of $((count + 1)) sequences are cut to the amplicon of the primers; the others"
for streamed in '' --stream-data; do
    # shellcheck disable=SC2086
    expect 0 deeptaxa train --data shards --output-dir "shards$streamed" $small_model --batch-size 8 \
        --learning-rate 1e-2 --threads 2 --val-split 0.2 --epochs 2 $streamed
    said '^  region: V4$'
    expect 0 deeptaxa describe --checkpoint "$(checkpoint "shards$streamed" 2)"
    printed '^  region: V4, primers GTGYCAGCMGCCGCGGTAA and GGACTACNVGGGTWTCTAAT$'
done
same_model "$model" "$(checkpoint shards 2)"

# ---- predict: reads from elsewhere; the region is cut out -----------------------------------------------
# predict FASTA FLAG...
predict() {
    rm -rf p
    expect 0 deeptaxa predict --checkpoint "$model" --fasta-file "$@" --tabular --output-dir p
}
warnings() { grep -c '^warning' err; }
for region in V4 V3V4; do
    expect 0 deeptaxa extract --fasta-file data/heldout.fasta --region $region --output-file $region.fna
done
predict V4.fna
same "warnings of reads of the region" "$(warnings)" 0
cp p/V4_deeptaxa_predictions.tsv wanted.tsv
predict V3V4.fna
same "warnings of other reads" "$(warnings)" 1
said '^warning: V3V4.fna: [0-9]+ of [0-9]+ sequences have one primer of the region .*\(V4\)'
predict data/heldout.fasta
same "warnings of whole sequences" "$(warnings)" 1
said '^warning: data/heldout.fasta: [0-9]+ of [0-9]+ sequences have both primers of the region .*extract auto'
awk '/^>/ { print; next } { print substr($0, 1, 150) }' V4.fna >short.fna
predict short.fna
same "warnings of shorter reads" "$(warnings)" 1
said '^warning: short.fna: [0-9]+ of [0-9]+ sequences are far shorter'
predict data/heldout.fasta --extract auto
same "warnings of reads that are cut" "$(warnings)" 0
same "results of the region" "$(grep -Ff <(cut -f 1 wanted.tsv) p/*.tsv | cmp - wanted.tsv)" ""
said "^data/heldout.fasta: $(grep -c '^>' V4.fna) of $(grep -c '^>' data/heldout.fasta) sequences were cut to the"
predict V4.fna --extract auto
same "results of reads of the region" "$(cmp p/*.tsv wanted.tsv)" ""

# ---- refused --------------------------------------------------------------------------------------------
refused 1 'apart.*: has no primers, which --extract auto needs: train it with --region' deeptaxa predict \
    --checkpoint "$(checkpoint apart 2)" --fasta-file V4.fna --output-dir q --extract auto
[ -e q ] && fail "a folder of a refused prediction"
refused 2 'must be given together' train_small n --forward-primer ACGT
refused 2 'region V5: must be V1V2' train_small n --region V5
refused 2 'cannot be combined with --data: give them to .deeptaxa prepare' \
    deeptaxa train --data shards --output-dir n --region V4
refused 1 'v4.fna: no sequence has both primers, one behind the other: 0 lack the forward primer, 0 the' \
    on_amplicons n --tokenizer-file tokenizer.json --region V4
refused 1 'v4.fna: no sequence has both primers' on_amplicons n --region V4
finish
