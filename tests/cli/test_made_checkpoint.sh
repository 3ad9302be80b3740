#!/usr/bin/env bash
# Checkpoints that other programs write (docs/files.md "Checkpoints"): the one of docs/make_checkpoint.py
# is read and gives the answer that its weights were made for; the page lists every attribute; and, where
# Python has h5py, the script makes the same file again, and files written from the page alone are read.
source "$(dirname "$0")/lib.sh"
page=$project/docs/files.md
made=$project/tests/fixtures/probes.h5

# ---- the fixture: described, and a known answer ---------------------------------------------------
expect 0 deeptaxa describe --checkpoint "$made"
printed 'model-type: cnn$'
printed 'total-parameters: 777$'
printed 'Level 1 - phylum: 3 labels$'
printed 'optimizer-state: none'
{
    printf '>archaeon\nGGTTAGGAATTGGCGGGGGAGCACTT\n>bacterium\nACGUACTCCTACGGGAGGCAGCAGT\n'
    printf '>planctomycete\nTTACACCTACGGGTGGCTGCAG\n>verrucomicrobium\nTTACACCTACGGGTGGCAGCAG\n'
    printf '>one_mismatch\nTTACTCCTACGGAAGGCAGCAGT\n'
} >reads.fasta
expect 0 deeptaxa predict --checkpoint "$made" --fasta-file reads.fasta --tabular --output-dir p
# label and probability of domain and phylum: 9 / (n + 8) for the site that was found, 1 / n for none
cat >wanted <<'END'
archaeon Archaea 0.9 Unclassified 0.8181818
bacterium Bacteria 0.9 Unclassified 0.8181818
planctomycete Planctomycetota 0.8181818
verrucomicrobium Verrucomicrobiota 0.8181818
one_mismatch Archaea 0.5 Planctomycetota 0.3333333
END
sed -i 's/^\(planc[a-z]*\|verru[a-z]*\) /\1 Bacteria 0.9 /' wanted
awk -F'\t' 'NR > 1 { printf "%s %s %.7g %s %.7g\n", $1, $2, $3, $7, $8 }' p/reads_deeptaxa_predictions.tsv >found
diff wanted found >&2 || fail "another answer than the weights were made for"

# ---- the page names every attribute that checkpoints have ------------------------------------------
keys=$(sed -nE 's/.*(CONFIG|SETTING)\("([a-z0-9_]+)", [0-9]+\).*/\2/p; s/.*FIELD\([0-9]+, "[a-z]*", "([a-z0-9_]+)".*/\1/p' \
    "$project/src/run/settings.c" "$project/src/run/checkpoint_scalars.c")
[ "$(wc -w <<<"$keys")" -ge 70 ] || fail "only $(wc -w <<<"$keys") attributes were found in the source"
for key in $keys; do
    grep -q "\`$key\`\|/$key\`" "$page" || fail "docs/files.md does not name $key"
done

# ---- Python with h5py ------------------------------------------------------------------------------
if ! python3 -c 'import h5py' 2>/dev/null; then
    echo "left out: making checkpoints, for which Python needs h5py" >&2
    finish
fi
make="python3 $project/docs/make_checkpoint.py"
expect 0 $make again.h5
python3 - again.h5 "$made" <<'END' || fail "docs/make_checkpoint.py makes another file than the fixture"
import sys
import h5py
import numpy as np

def content(path):
    found = {}
    def add(name, item):
        found.update({(name, key): value for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]
    with h5py.File(path) as file:
        add("", file)
        file.visititems(add)
    return found

made, wanted = map(content, sys.argv[1:])
assert made.keys() == wanted.keys(), made.keys() ^ wanted.keys()
for name, value in wanted.items():
    np.testing.assert_array_equal(made[name], value, str(name))
    assert made[name].dtype == value.dtype, name
END
expect 1 $make
said 'make_checkpoint.py probes.h5'
python3 -c 'import h5py; h5py.File("plain.h5", "w")["a"] = 1'
refused 1 'plain.h5: has no user block' $make --seal plain.h5
python3 -c 'import h5py; h5py.File("plain.h5")["a"]' || fail "--seal has changed a file of another program"

# changed with h5py: refused, until it is sealed
python3 -c 'import h5py; h5py.File("again.h5", "r+")["model/classifiers.0.3.bias"][1] = 10'
refused 1 'again.h5: the file is damaged: the checksum' deeptaxa describe --checkpoint again.h5
expect 0 $make --seal again.h5
expect 0 deeptaxa predict --checkpoint again.h5 --fasta-file reads.fasta --tabular --output-dir p2
same "domains after a change" "$(cut -f 2 p2/reads_deeptaxa_predictions.tsv | sort -u | tr '\n' ' ')" "Bacteria domain_predicted "

# from the page alone: models of all types, and what is required to resume
make_gold 100
make_tokenizer
expect 0 train_small ours --epochs 2
mkdir page
expect 0 python3 "$project/tests/notebook/write_from_docs.py" "$page" "$(checkpoint ours 1)" page
for type in hybridcnnbert bert cnn; do
    expect 0 deeptaxa predict --checkpoint page/$type.h5 --fasta-file data/heldout.fasta --output-dir "page/$type"
done
mv page/resumable.h5 "$(checkpoint ours 1)"
expect 0 train_small resumed --epochs 2 --resume "$(checkpoint ours 1)"
same_model "$(checkpoint ours 2)" "$(checkpoint resumed 2)"
finish
