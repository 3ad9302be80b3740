/* The 8-mers of packed references. */
#ifndef DT_NEIGHBOURS_PACKED_KMERS_H
#define DT_NEIGHBOURS_PACKED_KMERS_H

#include "neighbours/kmers.h"
#include "neighbours/references.h"

/* Bases between two breaks: first … end-1. */
typedef struct {
    int32_t first, end;
} dt_stretch;

/* Returns stretch number i of a reference, which has break_count + 1. */
static inline dt_stretch dt_stretch_of(const dt_references *r, int32_t reference, int32_t i)
{
    const int32_t *break_at = r->break_at + r->first_break[reference];
    return (dt_stretch){
        .first = i ? break_at[i - 1] : 0,
        .end = i < r->break_count[reference] ? break_at[i] : r->length[reference],
    };
}

/* Returns the 8-mer that begins with base p. */
static inline uint32_t dt_packed_kmer(const uint8_t *bases, int32_t p)
{
    const uint8_t *at = bases + p / 4;
    const uint32_t last = p % 4 ? at[2] : 0; /* else not a byte of the 8-mer */
    return (at[0] | (uint32_t)at[1] << 8 | last << 16) >> 2 * (p % 4) & (DT_NEIGHBOUR_KMERS - 1);
}

/* Returns 8 bytes, the first one lowest: 32 bases. */
static inline uint64_t dt_eight_bytes(const uint8_t *at)
{
    uint64_t word = 0;
    for (int i = 0; i < 8; ++i)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

enum { DT_KMERS_AT_ONCE = 24 }; /* in 32 bases; a multiple of 4 */

/* Writes all 8-mers of a reference, repeated ones too, and returns how many. */
static inline int32_t dt_reference_kmers(const dt_references *r, int32_t reference,
                                         uint16_t *out /* (length) */)
{
    const uint8_t *bases = r->bases + r->first_byte[reference];
    int32_t count = 0;
    for (int32_t i = 0; i <= r->break_count[reference]; ++i) {
        const dt_stretch s = dt_stretch_of(r, reference, i);
        int32_t p = s.first;
        for (; p + DT_NEIGHBOUR_K <= s.end && (p % 4 || p + 32 > s.end); ++p)
            out[count++] = (uint16_t)dt_packed_kmer(bases, p);
        for (; p + 32 <= s.end; p += DT_KMERS_AT_ONCE) {
            const uint64_t word = dt_eight_bytes(bases + p / 4);
            for (int k = 0; k < DT_KMERS_AT_ONCE; ++k)
                out[count++] = (uint16_t)(word >> 2 * k);
        }
        for (; p + DT_NEIGHBOUR_K <= s.end; ++p)
            out[count++] = (uint16_t)dt_packed_kmer(bases, p);
    }
    return count;
}

/* A set of 8-mers: for each 9-mer, how many of its two 8-mers are in the set. */
enum { DT_KMER_PAIRS = DT_NEIGHBOUR_KMERS * 4 };

/* Adds an 8-mer that is not in the set, or takes it out (by -1). */
static inline void dt_kmer_pairs_add(uint8_t *pairs /* (DT_KMER_PAIRS) */, uint32_t kmer, int by)
{
    for (uint32_t base = 0; base < 4; ++base) {
        pairs[kmer | base << 2 * DT_NEIGHBOUR_K] += (uint8_t)by;
        pairs[kmer << 2 | base] += (uint8_t)by;
    }
}

/* Returns how many of a stretch's 8-mers, repeated ones too, are in the set; or, as soon as it is
 * certain that there are fewer than `enough`, any number below that. */
static inline int32_t dt_stretch_hits(const uint8_t *bases, dt_stretch s, const uint8_t *pairs,
                                      const uint8_t *set /* (DT_NEIGHBOUR_KMERS) 0 or 1 */,
                                      int32_t enough)
{
    enum { STEPS = 6 };
    int32_t hits = 0;
    int32_t p = s.first;
    for (; p % 4 && p + DT_NEIGHBOUR_K <= s.end; ++p)
        hits += set[dt_packed_kmer(bases, p)];
    while (p + 32 <= s.end) {
        for (int step = 0; step < STEPS && p + 32 <= s.end; ++step, p += DT_KMERS_AT_ONCE) {
            const uint64_t word = dt_eight_bytes(bases + p / 4);
            for (int k = 0; k < DT_KMERS_AT_ONCE; k += 2)
                hits += pairs[word >> 2 * k & (DT_KMER_PAIRS - 1)];
        }
        if (hits + (s.end - p) < enough)
            return hits;
    }
    for (; p + DT_NEIGHBOUR_K <= s.end; ++p)
        hits += set[dt_packed_kmer(bases, p)];
    return hits;
}

#endif
