/* The merges of a byte-pair encoding, that is, which pairs of neighbours become which token, in
 * which order; and the procedure that defines the encoding of a word, with a priority queue.
 * It takes O(n log n).
 *
 * Definition: as long as two neighbouring symbols of the word form a merge, the pair with the
 * smallest merge index is replaced by its result; of several occurrences, the leftmost first. The
 * index of a merge is its position in the list, called "rank" in the literature.
 */
#ifndef DT_SEQUENCE_BPE_MERGE_H
#define DT_SEQUENCE_BPE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "sequence/heap.h"

#define DT_NO_MERGE UINT32_MAX

typedef struct {
    uint32_t pair;  /* left << 16 | right */
    uint32_t index; /* DT_NO_MERGE: free slot */
} dt_merge_slot;

/* Zero-initialise; free with dt_merges_free(). */
typedef struct {
    dt_merge_slot *slots; /* open addressing, at most a quarter full */
    uint32_t mask;        /* number of slots - 1 */
    uint64_t *filter; /* four bits per slot, set at the hashes of pairs: most look-ups end here */
    uint32_t count;
    uint32_t repeated; /* pairs listed more than once; the last position counts */
    uint16_t *left;    /* (count) token ids, by merge index */
    uint16_t *right;
    uint16_t *result;
} dt_merges;

/* Allocates memory for `count` merges, which must be added in order with dt_merges_add(). */
dt_status dt_merges_init(dt_merges *merges, uint32_t count);
void dt_merges_add(dt_merges *merges, uint16_t left, uint16_t right, uint16_t result);
void dt_merges_free(dt_merges *merges);

static inline uint32_t dt_merges_hash(uint16_t left, uint16_t right)
{
    return (uint32_t)(((uint64_t)((uint32_t)left << 16 | right) * 0x9E3779B97F4A7C15u) >> 32);
}

/* Returns the index of the merge of (left, right), DT_NO_MERGE if there is none. */
static inline uint32_t dt_merges_find(const dt_merges *merges, uint16_t left, uint16_t right)
{
    const uint32_t hash = dt_merges_hash(left, right);
    const uint32_t bit = hash & (merges->mask << 2 | 3);
    if (!(merges->filter[bit / 64] >> bit % 64 & 1))
        return DT_NO_MERGE;
    const uint32_t pair = (uint32_t)left << 16 | right;
    uint32_t i = hash & merges->mask;
    while (merges->slots[i].pair != pair && merges->slots[i].index != DT_NO_MERGE)
        i = (i + 1) & merges->mask;
    return merges->slots[i].index;
}

/* Working memory of dt_merges_apply(). Zero-initialise; free with dt_merge_work_free(). */
typedef struct {
    dt_heap queue;
    struct dt_merge_links *links;
    size_t link_capacity;
} dt_merge_work;

void dt_merge_work_free(dt_merge_work *work);

/* Encodes a word in place: symbols[0 … n-1] are the ids of its characters on entry, and the first
 * *merged of them its tokens on return. n < 2^31. */
dt_status dt_merges_apply(const dt_merges *merges, dt_merge_work *work, uint16_t *symbols, size_t n,
                          size_t *merged);

#endif
