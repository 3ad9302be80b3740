# Reads that repeat as those of a sample do, from a FASTA file of different sequences.
#
#   awk -v reads=N -v different=N [-v spread=2 -v errors=0.001 -v seed=1] -f repeated_reads.awk v4.fna
#
# `different` sequences are drawn; their abundances are log-normal, with a standard deviation of `spread`
# in natural logarithms, and each base of a read is wrong with the probability `errors`.
function gauss() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
function flawed(bases,    at) {
    for (at = 0; errors > 0; ) {
        at += 1 + int(log(1 - rand()) / log(1 - errors))
        if (at > length(bases)) break
        bases = substr(bases, 1, at - 1) substr("ACGT", 1 + int(4 * rand()), 1) substr(bases, at + 1)
    }
    return bases
}
BEGIN {
    if (spread == "") spread = 2
    if (errors == "") errors = 0.001
    srand(seed == "" ? 1 : seed)
}
/^>/ { next }
!($0 in seen) { seen[$0]; known[++found] = $0 }
END {
    for (i = 1; i <= different && i <= found; i++) { # the first ones of a random order
        j = i + int((found - i + 1) * rand())
        swap = known[i]; known[i] = known[j]; known[j] = swap
        up_to[i] = up_to[i - 1] + exp(spread * gauss())
    }
    for (r = 1; r <= reads; r++) {
        x = up_to[i - 1] * rand()
        low = 1
        high = i - 1
        while (low < high) {
            middle = int((low + high) / 2)
            if (up_to[middle] < x) low = middle + 1
            else high = middle
        }
        print ">r" r "\n" flawed(known[low])
    }
}
