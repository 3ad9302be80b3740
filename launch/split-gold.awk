# Splits microbiomeutil's rRNA16S.gold.fasta into a training set and a held-out set, each as FASTA with a
# taxonomy table in DeepTaxa's format.
#
#   awk -v folder=OUT [-v every=5] [-v limit=0] -f launch/split-gold.awk rRNA16S.gold.fasta
#
# Writes OUT/train.fasta, train.tsv, heldout.fasta, heldout.tsv. Every `every`-th sequence is held out;
# limit > 0 stops after that many sequences. A header consists of the id, the name of the organism and,
# as its last tab-separated field, the lineage from domain to genus, joined by "; ". The species is the
# first two words of the name.
BEGIN {
    if (!every) every = 5
    header = "sequence_id\tdomain\tphylum\tclass\torder\tfamily\tgenus\tspecies"
    print header > (folder "/train.tsv")
    print header > (folder "/heldout.tsv")
}
/^>/ {
    count++
    if (limit > 0 && count > limit) exit
    part = folder "/" (count % every == 0 ? "heldout" : "train")
    fields = split($0, field, "\t")
    words = split(substr($0, 2), word, /[ \t]+/)
    ranks = split(field[fields], taxon, /; */)
    species = word[2] " " word[3]
    sub(/[,;]$/, "", species)
    if (fields < 2 || words < 3 || ranks != 6) {
        print "split-gold.awk: record " count " has no lineage of six ranks: " $0 > "/dev/stderr"
        exit 1
    }
    row = word[1]
    for (i = 1; i <= 6; i++) row = row "\t" taxon[i]
    print row "\t" species > (part ".tsv")
    print ">" word[1] > (part ".fasta")
    next
}
{ print > (part ".fasta") }
