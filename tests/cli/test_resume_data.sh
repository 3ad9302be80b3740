#!/usr/bin/env bash
# A resumed run finds its sequences by their ids in any order, with exactly the result of the
# uninterrupted run; changed data are refused with a message that says what has changed.
source "$(dirname "$0")/lib.sh"
make_gold 100
make_tokenizer
small_model="--embed-dim 16 --hidden-size 16 --num-hidden-layers 1 --num-attention-heads 2
    --intermediate-size 24 --num-filters 8 --max-length 64"
fasta=data/train.fasta table=data/train.tsv
count=$(grep -c '>' $fasta)

# reversed FILE: records, or rows below the header, from last to first
reversed() {
    case $1 in
    *.fasta) awk '/^>/ { n++ } { r[n] = r[n] $0 "\n" } END { while (n) printf "%s", r[n--] }' "$1" ;;
    *) { head -n 1 "$1"; tail -n +2 "$1" | tac; } ;;
    esac
}
reversed $fasta >back.fasta
reversed $table >back.tsv

# resume FOLDER CHECKPOINT FLAGS...
resume() { deeptaxa train --output-dir "$1" --resume "$2" --threads 2 "${@:3}"; }
with() { echo --fasta-file "$1" --taxonomy-file "$2"; }
in_other_order='^notice: the sequences of the input are in a different order'

expect 0 train_small whole --epochs 3
first=$(checkpoint whole 1)

# A different order of the file, the table or both; then back again; and as shards
# shellcheck disable=SC2046
{
    expect 0 resume back "$first" $(with back.fasta $table)
    said "$in_other_order"
    expect 0 resume table "$first" $(with $fasta back.tsv)
    grep -q "$in_other_order" "$work/err" && fail "the order of the table was taken for the sequences'"
    expect 0 resume both "$first" $(with back.fasta back.tsv)
    expect 0 resume forth "$(checkpoint back 2)" $(with $fasta $table)
    said "$in_other_order"
    expect 0 deeptaxa prepare $(with back.fasta $table) --tokenizer-file tokenizer.json \
        --output-dir back_shards --sequences-per-shard 30
    expect 0 deeptaxa prepare $(with $fasta $table) --tokenizer-file tokenizer.json \
        --output-dir shards --sequences-per-shard 30
}
expect 0 resume from_shards "$first" --data back_shards
for folder in back table both forth from_shards; do
    same_model "$(checkpoint whole 3)" "$(checkpoint $folder 3)"
    same "validation loss of $folder" "$(metric $folder 3 validation_loss)" "$(metric whole 3 validation_loss)"
done

# Stopped within an epoch, and one-hot
expect 75 sh -c "'$bin/deeptaxa-train' --fasta-file $fasta --taxonomy-file $table --output-dir cut \
    --tokenizer-file tokenizer.json $(echo $small_model) --batch-size 8 --learning-rate 1e-2 --threads 2 \
    --epochs 3 --save-every-steps 3 & while ! ls cut/checkpoints/*step*.h5 2>/dev/null; do sleep 0.01; done
    kill -USR1 \$!; wait \$!"
# shellcheck disable=SC2046
expect 0 resume cut auto $(with back.fasta $table)
same_model "$(checkpoint whole 3)" "$(checkpoint cut 3)"
onehot="--model-type cnn --encoding onehot --num-filters 8 --kernel-sizes 5 --max-length 64 --batch-size 8"
# shellcheck disable=SC2046,SC2086
{
    expect 0 deeptaxa train $(with $fasta $table) --output-dir bases $onehot --epochs 2 --threads 2
    expect 0 resume bases_back "$(checkpoint bases 1)" $(with back.fasta back.tsv)
}
same_model "$(checkpoint bases 2)" "$(checkpoint bases_back 2)"

# changed WHAT REGEX FASTA TABLE: refused with this message, and nothing is written
# shellcheck disable=SC2046
changed() {
    expect 1 resume none "$first" $(with "$3" "$4") || echo "  ($1)" >&2
    said "^deeptaxa train: $first: $2: resume with the same"
    [ -e none ] && fail "$1: something was written"
}
trained="the run was trained on $count sequences, the input has"
a=$(sed -n 's/^>\([^ ]*\).*/\1/p' $fasta | sed -n 9p)
b=$(sed -n 's/^>\([^ ]*\).*/\1/p' $fasta | sed -n 31p)
genus=$(awk -F'\t' -v id="$a" '$1 == id { print $7 }' $table)
other=$(awk -F'\t' -v genus="$genus" 'NR > 1 && $7 != genus { print $7; exit }' $table)
# relabel LABEL IDS: another genus
relabel() { awk -F'\t' -v OFS='\t' -v l="$1" -v ids=" ${*:2} " 'index(ids, " " $1 " ") { $7 = l } 1' $table; }
relabel "$other" "$a" >one.tsv
changed "a label" "$trained $count; 1 has other labels \('$a'\)" $fasta one.tsv
relabel "A new one" "$a" "$b" >two.tsv
changed "two labels" "$trained $count; 2 have other labels \(the first is '$a'\)" $fasta two.tsv
changed "a label in another order" "$trained $count; 2 have other labels \(the first is '$b'\)" back.fasta two.tsv
sed '$p' $table | sed '$s/^[^\t]*/nobody/;$s/[^\t]*$/Nothing else/' >more_rows.tsv
changed "labels of no sequence" ".*at rank species, 'Nothing else' is new" $fasta more_rows.tsv

# edit AWK: the file, with sequences on one line, edited by an awk program
edit() { awk '/^>/ { if (n++) print ""; print; next } { printf "%s", $0 } END { print "" }' $fasta | awk "$1"; }
edit '/^>/ { n++ } n == 9 && !/^>/ { $0 = substr($0, 1, 30) (substr($0, 31, 1) == "A" ? "C" : "A") substr($0, 32) } 1' >base.fasta
changed "a base" "$trained $count; 1 has the same id but another sequence \('$a'\)" base.fasta $table
edit '/^>/ { n++ } n == 9 && /^>/ { $0 = ">renamed" } 1' >renamed.fasta
changed "an id" "$trained $count; 1 is missing \(the first was number 9 in the file\); 1 is new \('renamed'\)" renamed.fasta $table
edit '/^>/ { n++ } n != 9 && n != 31' >fewer.fasta
changed "fewer" "$trained $((count - 2)); 2 are missing \(the first was number 9 in the file\)" fewer.fasta $table
{ edit 1; printf '>extra1\nACGTACGTACGT\n>extra2\nACGT\n'; } >more.fasta
changed "more" "$trained $((count + 2)); 2 are new \(the first is 'extra1'\)" more.fasta $table
edit '/^>/ { n++ } n == 31 { next } n == 9 && !/^>/ { $0 = $0 "ACGT" } 1' >several.fasta
changed "several things" "$trained $((count - 1)); 1 has other labels \('$a'\); 1 has the same id but another sequence \('$a'\); 1 is missing \(the first was number 31 in the file\)" several.fasta one.tsv

# The same data in a different notation: case, U for T, lines, gaps, descriptions
edit '/^>/ { $0 = $1 " else"; print; next } { $0 = tolower($0); gsub("t", "u"); print substr($0, 1, 40) "--"; print substr($0, 41) }' >alike.fasta
# shellcheck disable=SC2046
expect 0 resume alike "$first" $(with alike.fasta $table)
grep -q "$in_other_order" "$work/err" && fail "the same order was taken for another one"
same_model "$(checkpoint whole 3)" "$(checkpoint alike 3)"

# Streamed shards: their order belongs to the run
# shellcheck disable=SC2086
expect 0 deeptaxa train --data shards --stream-data --output-dir streamed $small_model --batch-size 8 \
    --epochs 2 --threads 2
expect 0 resume streamed_on "$(checkpoint streamed 1)" --data shards
same_model "$(checkpoint streamed 2)" "$(checkpoint streamed_on 2)"
refused 1 "in a different order, on which a run with --stream-data depends" \
    resume none "$(checkpoint streamed 1)" --data back_shards
# shellcheck disable=SC2046
expect 0 deeptaxa prepare $(with base.fasta $table) --tokenizer-file tokenizer.json \
    --output-dir base_shards --sequences-per-shard 30
refused 1 "the shards of --data have other sequences than those of the run" \
    resume none "$(checkpoint streamed 1)" --data base_shards
[ -e none ] && fail "a refused resume wrote something"

# A checkpoint of an older version: a notice, and no check; the next checkpoints can be checked again
"$bin/../tests/drop_lineages" "$first" older.h5 || fail "drop_lineages"
# shellcheck disable=SC2046
{
    expect 0 resume older older.h5 $(with $fasta $table)
    said '^notice: older.h5: has no hashes of its sequences, so it cannot be checked'
    same_model "$(checkpoint whole 3)" "$(checkpoint older 3)"
    expect 1 resume none "$(checkpoint older 2)" $(with base.fasta $table)
    said '1 has the same id but another sequence'
    expect 1 resume none older.h5 $(with more.fasta $table)
    said "was trained on $count sequences, but the input has $((count + 2))"
}

# Copies: a complete one can be resumed, one of weights only has no hashes
expect 0 deeptaxa export --checkpoint "$first" --output-file copy.h5
expect 0 deeptaxa export --checkpoint "$first" --output-file light.h5 --weights-only
# shellcheck disable=SC2046
expect 0 resume copied copy.h5 $(with back.fasta $table)
same_model "$(checkpoint whole 3)" "$(checkpoint copied 3)"
"$bin/../tests/print_array" light.h5 deeptaxa-checkpoint sequences/id_hashes >/dev/null 2>&1 &&
    fail "weights alone keep hashes of sequences"
same "hashes" "$("$bin/../tests/print_array" copy.h5 deeptaxa-checkpoint sequences/id_hashes | sort -u | wc -l)" "$count"
finish
