#!/usr/bin/env bash
# Sequences that a model cannot judge are reported and counted: protein, ambiguous and short sequences,
# lengths unlike the training's. Short ones can be left out of every output; duplicate ids are
# refused where QIIME 2 would fail.
source "$(dirname "$0")/lib.sh"

# 48 sequences of 300 to 394 bases, in three genera
awk 'BEGIN {
    print "sequence_id\tdomain\tgenus" >"in.tsv"
    for (i = 0; i < 48; ++i) {
        n = 300 + 2 * i
        printf ">s%d\n", i >"in.fasta"
        for (x = i + 1; n-- > 0; x = x * 7921 % 10007) printf "%s", substr("ACGT", x % 4 + 1, 1) >"in.fasta"
        print "" >"in.fasta"
        printf "s%d\tD%d\tG%d\n", i, i % 2, i % 3 >"in.tsv"
    }
}'
repeat() { printf "%$2s" '' | sed "s/ /$1/g"; }
protein="MKTLLVAGFWEHQPRSDNYCIKMALVRE*MKTLLVAGFWEHQPRSDNYCIKMALVRE*"
{
    cat in.fasta
    printf '>protein1\n%s\n>protein2 of another\n%s\n' "$protein" "$protein"
    printf '>all_n\n%s\n>mostly_gaps\n%sACGTACGTACGTACGTACGT\n' "$(repeat N 300)" "$(repeat - 2)$(repeat R 30)"
    printf '>one\nA\n>two\nAC-\n>primer\nGTGCCAGCAGCCGCGGTAA\n'
} >mixed.fasta
awk 'BEGIN { OFS = "\t" } /^>/ { id = substr($1, 2); if (id !~ /^s[0-9]/) print id, "D0", "G0" }' mixed.fasta |
    cat in.tsv - >mixed.tsv

# shellcheck disable=SC2086
train() {
    deeptaxa train --output-dir "$1" $small_model --batch-size 8 --epochs 1 --val-split 0 --threads 1 \
        --tokenizer-file tokenizer.json "${@:2}"
}
expect 0 deeptaxa tokenizer --fasta-file in.fasta --output-file tokenizer.json --vocabulary-size 60
expect 0 train run --fasta-file in.fasta --taxonomy-file in.tsv
grep -q warning err && fail "a warning of good sequences: $(grep warning err)"
model=$(checkpoint run 1)
predict() {
    rm -rf "$1"
    deeptaxa predict --checkpoint "$model" --threads 1 --tabular --output-dir "$@"
}
summary() { grep -om1 "\"$2\": *[0-9]*" "$1"/*_predictions.json | grep -o '[0-9]*$'; }
ids() { tail -n +2 "$1" | cut -f 1 | tr '\n' ' '; }

# ---- every command reports the same --------------------------------------------------------------
told() {
    said "^warning: mixed.fasta: 3 of 55 sequences have fewer than 20 bases \(for example 'one'\)"
    said "^warning: mixed.fasta: 2 of 55 sequences have many letters that are not nucleotides \(for example 'protein1'\): is this protein\?"
    said "^warning: mixed.fasta: 2 of 55 sequences are mostly N, other ambiguous bases or gaps \(for example 'all_n'\)"
    same "warnings of $1" "$(grep -c '^warning: mixed.fasta' err)" 3
}
expect 0 predict p --fasta-file mixed.fasta
told predict
for pair in short:3 no_nucleotides:2 ambiguous:2 unknown_tokens:0; do
    same "${pair%:*} in the summary" "$(summary p "${pair%:*}")" "${pair#*:}"
done
expect 0 train mixed --fasta-file mixed.fasta --taxonomy-file mixed.tsv --dry-run
told train
expect 0 deeptaxa prepare --fasta-file mixed.fasta --taxonomy-file mixed.tsv --output-dir shards \
    --tokenizer-file tokenizer.json
told prepare
expect 0 deeptaxa calibrate --checkpoint "$model" --fasta-file mixed.fasta --taxonomy-file mixed.tsv \
    --output-file calibrated.h5 --threads 1
told calibrate
printf '>p\n%s\n>q\n%s\n' "$protein" "$protein" >protein.faa
expect 0 predict p --fasta-file protein.faa
said "warning: protein.faa: 2 of 2 sequences have many letters that are not nucleotides"
tr ACGT acgt <in.fasta >lower.fasta
expect 0 predict p --fasta-file lower.fasta
grep -q warning err && fail "a warning of lower case: $(grep warning err)"

# ---- --min-length: counted, in no output ---------------------------------------------------------
for given in "2:one:54" "20:one two primer:52" "50:one two primer:52" "51:one two primer mostly_gaps:51" \
    "400:s[0-9]* mostly_gaps one two primer protein[12] all_n:0"; do
    IFS=: read -r least gone left <<<"$given"
    pattern=$(tr ' ' '|' <<<"$gone")
    expect 0 predict p --fasta-file mixed.fasta --min-length "$least" --format qiime2 \
        --taxonomy-file mixed.tsv --export-sequence-embeddings
    wanted=$(sed -n 's/^>\([^ ]*\).*/\1/p' mixed.fasta | grep -vxE "$pattern" | tr '\n' ' ')
    same "ids from $least on" "$(ids p/mixed_deeptaxa_predictions.tsv)" "$wanted"
    same "ids for QIIME 2 from $least on" "$(ids p/mixed_deeptaxa_predictions.qiime2.tsv)" "$wanted"
    same "vectors from $least on" "$("$bin/../tests/print_array" p/mixed_deeptaxa_sequence_embeddings.h5 \
        deeptaxa-embeddings seq_ids | tr '\n' ' ')" "$wanted"
    python3 - "$least" "$left" $wanted <<'PY' || fail "JSON from $least on"
import json, sys
least, left, wanted = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
out = json.load(open("p/mixed_deeptaxa_predictions.json", encoding="utf-8"))
metrics = json.load(open("p/metrics.json", encoding="utf-8"))
assert out["sequence_ids"] == wanted, out["sequence_ids"]
assert len(out["predictions"]) == len(out["true_labels"]) == len(wanted) == left
assert all(p["sequence_length"] >= least for p in out["predictions"])
assert out["summary"]["total_sequences"] == left
assert out["summary"]["left_out_sequences"] == 55 - left
assert metrics["prediction_parameters"]["left_out_sequences"] == 55 - left
assert metrics["prediction_parameters"]["min_length"] == least
PY
    [ "$left" -eq 0 ] || said "mixed.fasta: $((55 - left)) of 55 sequences are excluded, with fewer than $least bases"
done
said 'warning: mixed.fasta: all 55 sequences have fewer than 400 bases \(--min-length\); there are no predictions'
printf '>gaps\n-.-\n' | cat mixed.fasta - >gaps.fasta
expect 1 predict p --fasta-file gaps.fasta
said "the sequence of 'gaps' consists of gap characters only"
expect 0 predict p --fasta-file gaps.fasta --min-length 1
same "sequences with bases" "$(summary p total_sequences)" 55
refused 2 '--min-length' predict p --fasta-file mixed.fasta --min-length -1

# The parts of an array job are merged, with or without sequences left out
for least in 0 21; do
    rm -rf parts
    for part in 0 1 2; do
        SLURM_ARRAY_TASK_ID=$part SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=2 \
            SLURM_ARRAY_JOB_ID=7 FASTA=mixed.fasta CHECKPOINT=$model OUTPUT=parts DEEPTAXA=$bin/deeptaxa \
            expect 0 bash "$project/slurm/predict_array.sbatch" --min-length "$least" --threads 1
    done
    expect 0 predict p --fasta-file mixed.fasta --min-length "$least"
    cmp p/mixed_deeptaxa_predictions.tsv parts/mixed_deeptaxa_predictions.tsv ||
        fail "the parts with --min-length $least are not the whole"
done

# ---- lengths unlike the training's: quantiles of 1 and 99 %: 300 and 392 bases ---------------------
awk '/^>/ { print; next } { print substr($0, 1, 140) }' in.fasta >cut.fasta
awk '/^>/ { print; next } { print $0 $0 $0 }' in.fasta >long.fasta
awk '/^>/ { n++; print; next } { print n % 8 ? substr($0, 1, 160) : $0 $0 $0 }' in.fasta >some.fasta
expect 0 predict p --fasta-file cut.fasta
said 'warning: cut.fasta: 48 of 48 sequences are far shorter than the training sequences: 140 bases on average, where 98 % of the training sequences have 300 to 394; train a model on the region'
same "shorter ones" "$(summary p shorter)" 48
expect 0 predict p --fasta-file long.fasta
said 'warning: long.fasta: 48 of 48 sequences are far longer than the training sequences'
same "longer ones" "$(summary p longer)" 48
expect 0 predict p --fasta-file some.fasta # 160 are more than half; one in eight is long
said 'warning: some.fasta: 6 of 48 sequences are far longer than the training sequences'
head -n 88 in.fasta | cat - <(head -n 8 cut.fasta | sed 's/^>/>cut/') >few.fasta
expect 0 predict p --fasta-file few.fasta # 4 of 48
grep -q 'far shorter' err && fail "a warning of one sequence in twelve"
same "shorter ones of few" "$(summary p shorter)" 4
expect 0 predict p --fasta-file cut.fasta --min-length 141
grep -q 'far shorter' err && fail "a warning of what was left out"
"$bin/../tests/drop_lineages" "$model" older.h5 || fail "drop_lineages"
expect 0 predict p --fasta-file cut.fasta --checkpoint older.h5
grep -q 'far shorter' err && fail "a warning by a checkpoint that does not know"
grep -q '"beyond_training_lengths": null' p/*.json || fail "lengths that are not known"

# ---- QIIME 2: a duplicate id ---------------------------------------------------------------------
{ cat in.fasta; printf '>s3 again\nACGTACGTAC\n'; } >twice.fasta
refused 1 "^deeptaxa predict: twice.fasta: line 97: duplicate id 's3', which QIIME 2" \
    predict p --fasta-file twice.fasta --format qiime2
[ -e p ] && fail "a refused prediction wrote something"
gzip -k twice.fasta
refused 1 "twice.fasta.gz: line 97: duplicate id 's3'" predict p --fasta-file twice.fasta.gz --format qiime2
through_pipe() { predict p --fasta-file - --format qiime2 "$@" < <(cat twice.fasta); }
expect 1 through_pipe
said "standard input: line 97: duplicate id 's3'"
same "files of it" "$(find p -type f)" ""
expect 0 predict p --fasta-file twice.fasta --format qiime2 --min-length 11
expect 0 through_pipe --min-length 11
expect 0 predict p --fasta-file twice.fasta
same "rows of s3" "$(grep -c '^s3	' p/*.tsv)" 2
finish
