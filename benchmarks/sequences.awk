# Real 16S sequences for the benchmarks, from microbiomeutil's rRNA16S.gold.fasta (or any FASTA).
#
#   awk -v count=N -v region=full|v4 -v fasta=OUT.fasta -v table=OUT.tsv -f sequences.awk GOLD
#
# Sequences are in upper case, since DeepTaxa reads lower case as unknown. `v4` keeps the region
# between the primers 515F and 806R. The sequences are spread evenly over the file, and repeated if
# it has too few; they are named s0, s1, ….
#
# The table has a row for each of them and further rows (x0, x1, …) without a sequence, so that
# there are as many labels as in Greengenes2 (2, 129, 349, 997, 2250, 7287 and 16909 by rank) and
# the model's heads have a realistic size for any number of sequences.
function take(sequence) {
    if (region == "v4") {
        if (!match(sequence, /GTG[CT]CAGC[AC]GCCGCGGTAA/)) return
        sequence = substr(sequence, RSTART + RLENGTH)
        if (!match(sequence, /ATTAGA[AT]ACCC[CGT][ACGT]GTAGTCC/) || RSTART < 200) return
        sequence = substr(sequence, 1, RSTART - 1)
    }
    if (length(sequence) >= 100) known[found++] = sequence
}
function row(name, number,    r) {
    printf "%s", name > table
    for (r = 1; r <= ranks; r++)
        printf "\t%s__Taxon%05d", substr(rank[r], 1, 1), number % classes[r] > table
    printf "\n" > table
}
/^>/ { if (NR > 1) take(toupper(record)); record = ""; next }
{ sub(/\r$/, ""); record = record $0 }
END {
    take(toupper(record))
    if (!found) {
        print "sequences.awk: no sequence to take in " FILENAME > "/dev/stderr"
        exit 1
    }
    for (i = 0; i < count; i++)
        print ">s" i "\n" known[count < found ? int(i * found / count) : i % found] > fasta
    ranks = split("domain phylum class order family genus species", rank, " ")
    split("2 129 349 997 2250 7287 16909", classes, " ")
    printf "sequence_id" > table
    for (r = 1; r <= ranks; r++) printf "\t%s", rank[r] > table
    printf "\n" > table
    for (i = 0; i < count; i++) row("s" i, i)
    for (i = count; i < classes[ranks]; i++) row("x" i, i)
}
