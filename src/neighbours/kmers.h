/* The 8-mers of a sequence: 16-bit numbers, 2 bits a base (A C G T = 0 1 2 3), the first base
 * lowest. */
#ifndef DT_NEIGHBOURS_KMERS_H
#define DT_NEIGHBOURS_KMERS_H

#include <stddef.h>
#include <stdint.h>

#define DT_NEIGHBOUR_K 8
#define DT_NEIGHBOUR_KMERS (1 << 2 * DT_NEIGHBOUR_K)

/* Returns 0 to 3 for A, C, G and T (U), upper or lower case; -1 for every other character. */
static inline int dt_base_of(char character)
{
    switch (character) {
    case 'A':
    case 'a':
        return 0;
    case 'C':
    case 'c':
        return 1;
    case 'G':
    case 'g':
        return 2;
    case 'T':
    case 't':
    case 'U':
    case 'u':
        return 3;
    default:
        return -1;
    }
}

/* Returns the 8-mer that follows `kmer` when its first base is dropped and `base` appended. */
static inline uint32_t dt_next_kmer(uint32_t kmer, int base)
{
    return kmer >> 2 | (uint32_t)base << 2 * (DT_NEIGHBOUR_K - 1);
}

#endif
