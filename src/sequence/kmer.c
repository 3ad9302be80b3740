#include "sequence/kmer.h"

#include <string.h>

#include "sequence/onehot.h"

#define WORD_BITS 64
#define MOST_WORDS (((int32_t)1 << (2 * DT_KMER_MAX)) / WORD_BITS)

int32_t dt_kmer_bag(int32_t *ids, int32_t count, int32_t k)
{
    const int32_t all = dt_kmer_ids(k);
    const int32_t words = (all + WORD_BITS - 1) / WORD_BITS;
    uint64_t seen[MOST_WORDS]; /* a bit for each id */
    memset(seen, 0, (size_t)words * sizeof *seen);
    int32_t id = 0;
    int32_t letters = 0; /* bases in a row */
    for (int32_t i = 0; i < count; ++i) {
        letters = ids[i] < DT_ONEHOT_CHANNELS ? letters + 1 : 0;
        id = (id << 2 | (ids[i] & 3)) & (all - 1);
        if (letters >= k)
            seen[id / WORD_BITS] |= (uint64_t)1 << (id % WORD_BITS);
    }
    int32_t found = 0;
    for (int32_t w = 0; w < words; ++w)
        for (uint64_t left = seen[w]; left; left &= left - 1)
            ids[found++] = w * WORD_BITS + __builtin_ctzll(left);
    if (found == 0)
        ids[found++] = all;
    return found;
}
