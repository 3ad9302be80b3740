#!/usr/bin/env bash
# predict --format: the files for other programs agree with each other, with the sequences and with the
# table of DeepTaxa; the programs themselves read them, where they are installed.
source "$(dirname "$0")/lib.sh"
make_gold 200
make_tokenizer
expect 0 train_small run --epochs 4 --orientation auto
model=$(checkpoint run 4)
predict() { # FOLDER FLAGS...
    rm -rf "$1"
    deeptaxa predict --checkpoint "$model" --output-dir "$1" --fasta-file reads.fasta --threads 2 "${@:2}"
}
all="qiime2 qza dada2 sintax biom kraken"

# Reads: five of many copies, three of them once more, and every third one on the other strand
awk '/^>/ { id = substr($1, 2); n++; ids[n] = id; next } { of[n] = of[n] toupper($0) }
    END { for (i = 1; i <= n; i++) print ">" ids[i] (i <= 5 ? ";size=" 10 * i : "") "\n" of[i]
          for (i = 4; i <= 6; i++) print ">copy_" ids[i] "\n" of[i] }' data/heldout.fasta |
    awk '/^>/ { print; next } { n++ }
        n % 3 { print; next }
        { out = ""; for (i = length($0); i; i--) out = out substr("TGCA", index("ACGT", substr($0, i, 1)), 1)
          print out }' >reads.fasta

# ---- what is written by default ------------------------------------------------------------------
# shellcheck disable=SC2086
expect 0 predict p --tabular --format $all
for suffix in json tsv qiime2.tsv qza dada2.csv sintax.tsv biom kraken.txt; do
    said "^Results: p/reads_deeptaxa_predictions.$suffix\$"
done
expect 0 predict own --tabular --lineage consistent
untimed() { grep -vE '_time_seconds|completed_at|run_uuid' "$1/reads_deeptaxa_predictions.$2"; }
for suffix in json tsv; do # the threshold of DeepTaxa's own files is not that of the lineages
    cmp <(untimed p $suffix) <(untimed own $suffix) || fail "--format changes DeepTaxa's own $suffix"
done
expect 0 predict given --format qiime2,sintax --lineage consistent --confidence-threshold 0.7
for suffix in qiime2.tsv sintax.tsv; do
    cmp {p,given}/reads_deeptaxa_predictions.$suffix || fail "the defaults of $suffix"
done
same "files of two formats" "$(find given -name '*predictions*' | wc -l)" 3

# ---- the files agree -----------------------------------------------------------------------------
expect 0 predict p --tabular --format "${all// /,}" --confidence-threshold 0.1
cat >agree.py <<'PY'
import csv, json, re, uuid, zipfile
threshold = 0.1
base = "p/reads_deeptaxa_predictions."
reads, order = {}, []
for line in open("reads.fasta"):
    if line[0] == ">":
        order.append(line[1:].strip())
    else:
        reads[order[-1]] = line.strip()
size = {i: int((re.search(";size=([0-9]+)", i) or [0, 1])[1]) for i in order}
ranks = "domain phylum class order family genus species".split()
kept = {}
for row in csv.DictReader(open(base + "tsv"), delimiter="\t"):
    lineage = []
    for rank in ranks:
        if float(row[rank + "_raw_score"]) < threshold or row[rank + "_predicted"] == "Unclassified":
            break
        lineage.append(row[rank + "_predicted"])
    kept[row["sequence_id"]] = lineage
assert len({len(lineage) for lineage in kept.values()}) > 2, "too little to see"
plain = lambda label: re.sub("^[a-z]__", "", label)

# qiime2, qza
table = open(base + "qiime2.tsv").read()
taxon = {row.split("\t")[0]: row.split("\t")[1] for row in table.splitlines()[1:]}
assert list(taxon) == order
for i in order:
    named = [rank[0] + "__" + plain(label) for rank, label in zip(ranks, kept[i])]
    assert taxon[i] == ("; ".join(named) or "Unassigned"), (taxon[i], kept[i])
with zipfile.ZipFile(base + "qza") as archive:
    assert archive.testzip() is None
    folder = archive.namelist()[0].split("/")[0]
    assert uuid.UUID(folder).version == 4
    assert archive.read(folder + "/data/taxonomy.tsv").decode() == table
    text = archive.read(folder + "/metadata.yaml").decode()
    assert "uuid: %s\ntype: FeatureData[Taxonomy]\n" % folder in text
    run = open("p/deeptaxa_uuid.txt").read().replace("_", "-")
    assert "uuid: " + run in archive.read(folder + "/provenance/action/action.yaml").decode()
    for name in ("VERSION", "metadata.yaml"):
        assert archive.read(f"{folder}/{name}") == archive.read(f"{folder}/provenance/{name}")

# sintax: the last column is the lineage; some reads are of the other strand
strands = set()
for i, line in zip(order, open(base + "sintax.tsv")):
    of, everything, strand, cut = line.rstrip("\n").split("\t")
    strands.add(strand)
    names = [rank[0] + ":" + plain(label) for rank, label in zip(ranks, kept[i])]
    assert of == i and cut == ",".join(names), (line, names)
    assert re.sub(r"\([01]\.[0-9][0-9]\)", "", everything).startswith(cut)
assert strands == {"+", "-"}

# dada2: different sequences as given
different = list(dict.fromkeys(reads.values()))
first = {}
for i in order:
    first.setdefault(reads[i], i)
rows = list(csv.reader(open(base + "dada2.csv")))
assert rows[0] == ["", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species"]
assert [row[0] for row in rows[1:]] == different and len(different) < len(order)
for row in rows[1:]:
    lineage = kept[first[row[0]]]
    assert row[1:] == lineage + ["NA"] * (7 - len(lineage)), row

# biom: counts of different sequences
biom = json.load(open(base + "biom"))
assert [row["id"] for row in biom["rows"]] == [first[s] for s in different]
assert biom["shape"] == [len(different), 1] and biom["columns"][0]["id"] == "reads"
for row, (at, sample, count) in zip(biom["rows"], biom["data"]):
    assert "; ".join(row["metadata"]["taxonomy"]) == taxon[row["id"]]
    assert count == sum(size[i] for i in order if reads[i] == reads[row["id"]])
assert sum(entry[2] for entry in biom["data"]) == sum(size.values())

# kraken: clades add up, and have the reads of the lineages
total = sum(size.values())
path, counted, own, numbers = [], {}, {}, {}
for line in open(base + "kraken.txt"):
    share, clade, direct, code, number, name = line.rstrip("\n").split("\t")
    assert abs(float(share) - 100 * int(clade) / total) < 0.006
    level = (len(name) - len(name.lstrip())) // 2
    path = path[:level] + [name.strip()]
    assert code == ("U" if name == "unclassified" else "RDPCOFGS"[level]), line
    key = tuple(path)
    assert key not in counted and number not in numbers
    numbers[number] = key
    counted[key], own[key] = int(clade), int(direct)
for key, count in counted.items():
    below = [c for k, c in counted.items() if k[:-1] == key]
    assert count == own[key] + sum(below), key
    assert below == sorted(below, reverse=True)
wanted = {}
for i in order:
    for depth in range(len(kept[i]) + 1):
        key = ("root", *map(plain, kept[i][:depth])) if kept[i] else ("unclassified",)
        wanted[key] = wanted.get(key, 0) + size[i]
assert counted == wanted, (counted, wanted)
PY
python3 agree.py || fail "the files disagree"
mv p consistent
expect 0 predict p --tabular --format "${all// /,}" --confidence-threshold 0.1 --lineage independent
python3 agree.py || fail "the files disagree, of independent ranks"
cmp -s {p,consistent}/reads_deeptaxa_predictions.kraken.txt && fail "all independent lineages are in the tree"
rm -r p && mv consistent p
cp p/reads_deeptaxa_predictions.kraken.txt whole.kraken

# Numbers of taxa belong to the model, not to the input
deeptaxa predict --checkpoint "$model" --output-dir part --fasta-file data/heldout.fasta --format kraken \
    --confidence-threshold 0 2>err || fail "kraken: $(cat err)"
taxa() { awk -F'\t' '$5 > 1 { sub(/^ */, "", $6); print $5 "\t" $4 "\t" $6 }' "$1" | sort; }
same "numbers of taxa that differ" "$(join -t '	' <(taxa whole.kraken) <(taxa part/*.kraken.txt) |
    awk -F'\t' '$2 != $4 || $3 != $5' | wc -l)" 0
[ "$(join -t '	' <(taxa whole.kraken) <(taxa part/*.kraken.txt) | wc -l)" -gt 5 ] ||
    fail "few taxa are in both reports"

# ---- a model without lineages; ids ---------------------------------------------------------------
"$bin/../tests/drop_lineages" "$model" older.h5 || fail "drop_lineages"
expect 0 deeptaxa predict --checkpoint older.h5 --output-dir older --fasta-file data/heldout.fasta --format kraken,sintax
same "notices" "$(grep -c 'notice: older.h5: has no vocabulary of lineages: ranks are predicted independently' err)" 1
expect 0 deeptaxa predict --checkpoint older.h5 --output-dir older --fasta-file data/heldout.fasta --format kraken \
    --lineage independent
grep -q 'has no vocabulary' err && fail "a notice of what was asked for"
sed '3s/.*/>twice/;5s/.*/>twice/' reads.fasta >twice.fasta
for format in qza biom; do
    refused 1 "twice.fasta: line 5: duplicate id 'twice'" deeptaxa predict --checkpoint older.h5 \
        --output-dir refused --fasta-file twice.fasta --format $format
done
[ -e refused ] && fail "a refused prediction wrote something"
expect 0 deeptaxa predict --checkpoint "$model" --output-dir twice --fasta-file twice.fasta --format dada2 sintax kraken

# ---- an artifact is read like the table in it -----------------------------------------------------
for table in qza qiime2.tsv; do
    expect 0 deeptaxa predict --checkpoint "$model" --output-dir "of_$table" --fasta-file reads.fasta \
        --taxonomy-file p/reads_deeptaxa_predictions.$table --tabular --tabular-fields true predicted
done
cmp of_*/reads_deeptaxa_predictions.tsv || fail "an artifact as --taxonomy-file"

# ---- the programs themselves ---------------------------------------------------------------------
[ "$failures" -eq 0 ] || finish
lacking=
if command -v vsearch >/dev/null; then # its table of the same reads has the same form
    awk -F'\t' 'NR == FNR { if (FNR > 1) of[$1] = "d:" $2 ",p:" $3 ",c:" $4 ",o:" $5 ",f:" $6 ",g:" $7; next }
        /^>/ { id = substr($1, 2); sub(/ .*/, "", id); print ">" id ";tax=" of[id] ";"; next } { print }' \
        data/train.tsv data/train.fasta >db.fasta
    expect 0 vsearch --sintax reads.fasta --db db.fasta --tabbedout theirs.tsv --sintax_cutoff 0.1 \
        --strand both --threads 1 --quiet
    sed -i '/\t\t\t/d' theirs.tsv # reads that it does not assign
    form='^[^\t]+\t([dkpcofgs]:[^,\t]+\([01]\.[0-9]{2}\),?)+\t[+-]\t([dkpcofgs]:[^,()\t]+,?)*$'
    for table in theirs.tsv p/reads_deeptaxa_predictions.sintax.tsv; do
        same "lines of another form in $table" "$(grep -cvP "$form" $table)" 0
    done
    same "reads on other strands than vsearch finds" \
        "$(awk -F'\t' 'NR == FNR { of[$1] = $3; next } $3 != of[$1]' p/*.sintax.tsv theirs.tsv | wc -l)" 0
else
    lacking="$lacking vsearch"
fi
python=${DEEPTAXA_QIIME_PYTHON:-/usr/bin/python3}
if "$python" -c 'import biom' 2>/dev/null; then
    expect 0 "$python" -c '
import biom
table = biom.load_table("p/reads_deeptaxa_predictions.biom")
assert table.sum() == 188 and table.ids().tolist() == ["reads"], (table.sum(), table.ids())
assert table.metadata(table.ids("observation")[0], "observation")["taxonomy"][0].startswith("d__")'
else
    lacking="$lacking biom-format"
fi
if "$python" -c 'import importlib.util as u; u.find_spec("qiime2").name, u.find_spec("q2_types").name' 2>/dev/null; then
    expect 0 "$python" -c '# as qiime tools validate and import do, with one start of the framework
import pandas, qiime2
artifact = qiime2.Artifact.load("p/reads_deeptaxa_predictions.qza")
artifact.validate("max")
assert str(artifact.type) == "FeatureData[Taxonomy]"
assert len(artifact.view(pandas.DataFrame)) == 43 and len(artifact.citations) == 1
qiime2.Artifact.import_data("FeatureData[Sequence]", "reads.fasta").save("reads.qza")'
    expect 0 deeptaxa predict --checkpoint "$model" --output-dir artifact --fasta-file reads.qza --tabular \
        --lineage consistent
    cmp {artifact,p}/reads_deeptaxa_predictions.tsv || fail "an artifact of QIIME 2 as --fasta-file"
else
    lacking="$lacking qiime"
fi
[ -z "$lacking" ] || skip "all was checked but with$lacking (apt-get install qiime q2-types python3-biom-format vsearch)"
finish
