#include "sequence/strand.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

#define SCALE 64.0      /* units per nat */
#define CLEAR_SCORE 442 /* 64 · ln 1000: the odds above which the strand is clear */

/* A k-mer sliding over a sequence: 2 bits per base, the complement of base b being 3 - b. */
typedef struct {
    uint32_t forward;
    uint32_t reverse; /* the reverse complement */
    uint32_t known;   /* number of consecutive bases */
} kmer;

#define MASK (DT_STRAND_KMERS - 1u)
#define HIGHEST (2 * (DT_STRAND_K - 1)) /* bit position of the first base */

/* 1 … 4 for A C G T (U), 0 for other characters. */
static const uint8_t base_of[256] = {['A'] = 1, ['C'] = 2, ['G'] = 3, ['T'] = 4, ['U'] = 4,
                                     ['a'] = 1, ['c'] = 2, ['g'] = 3, ['t'] = 4, ['u'] = 4};

/* Adds the next character; returns true if the k-mer is complete. */
static inline bool slide(kmer *k, char character)
{
    const uint32_t letter = base_of[(unsigned char)character];
    const uint32_t base = (letter - 1u) & 3u;
    k->known = letter ? k->known + 1 : 0;
    k->forward = (k->forward << 2 | base) & MASK;
    k->reverse = k->reverse >> 2 | (3u - base) << HIGHEST;
    return k->known >= DT_STRAND_K;
}

void dt_strand_count(int64_t *counts, const char *sequence, size_t length, bool reverse)
{
    kmer k = {0};
    for (size_t i = 0; i < length; ++i)
        if (slide(&k, sequence[i]))
            counts[reverse ? k.reverse : k.forward]++;
}

static uint32_t reverse_of(uint32_t forward)
{
    uint32_t reverse = 0;
    for (int i = 0; i < DT_STRAND_K; ++i, forward >>= 2)
        reverse = reverse << 2 | (3u - (forward & 3u));
    return reverse;
}

void dt_strand_profile_of(dt_strand_profile *profile, const int64_t *counts)
{
    for (uint32_t x = 0; x < DT_STRAND_KMERS; ++x) {
        const double n = (double)counts[x] + 1.0;
        const double other = (double)counts[reverse_of(x)] + 1.0;
        profile->weight[x] = (int16_t)lround(SCALE * (log(n) - log(other)));
    }
}

bool dt_strand_profile_fits(const dt_strand_profile *profile)
{
    for (uint32_t x = 0; x < DT_STRAND_KMERS; ++x)
        if (profile->weight[x] != -profile->weight[reverse_of(x)])
            return false;
    return true;
}

bool dt_strand_same(const dt_strand_profile *a, const dt_strand_profile *b)
{
    int64_t product = 0;
    for (uint32_t x = 0; x < DT_STRAND_KMERS; ++x)
        product += (int64_t)a->weight[x] * b->weight[x];
    return product >= 0;
}

dt_status dt_strand_info_copy(dt_strand_info *to, const dt_strand_info *from)
{
    *to = (dt_strand_info){.sorted = from->sorted, .reoriented = from->reoriented};
    if (!from->profile)
        return DT_OK;
    DT_TRY(DT_NEW(to->profile, 1));
    *to->profile = *from->profile;
    return DT_OK;
}

void dt_strand_info_free(dt_strand_info *info)
{
    free(info->profile);
    *info = (dt_strand_info){0};
}

int64_t dt_strand_score(const dt_strand_profile *profile, const char *sequence, size_t length)
{
    kmer k = {0};
    int64_t score = 0;
    for (size_t i = 0; i < length; ++i)
        if (slide(&k, sequence[i]))
            score += profile->weight[k.forward];
    return score;
}

int dt_strand_side(const dt_strand_profile *profile, const char *sequence, size_t length)
{
    const int64_t score = dt_strand_score(profile, sequence, length);
    return (score >= CLEAR_SCORE) - (score <= -CLEAR_SCORE);
}

bool dt_strand_reorient(const dt_strand_profile *profile, char *sequence, size_t length)
{
    const bool turns = dt_strand_side(profile, sequence, length) < 0;
    if (turns)
        dt_reverse_complement(sequence, length);
    return turns;
}

/* The complement of a letter; '\0': unchanged. */
static const char complement_of[256] = {
    ['A'] = 'T', ['C'] = 'G', ['G'] = 'C', ['T'] = 'A', ['U'] = 'A', ['R'] = 'Y', ['Y'] = 'R',
    ['K'] = 'M', ['M'] = 'K', ['B'] = 'V', ['V'] = 'B', ['D'] = 'H', ['H'] = 'D', ['a'] = 't',
    ['c'] = 'g', ['g'] = 'c', ['t'] = 'a', ['u'] = 'a', ['r'] = 'y', ['y'] = 'r', ['k'] = 'm',
    ['m'] = 'k', ['b'] = 'v', ['v'] = 'b', ['d'] = 'h', ['h'] = 'd'};

static char complement(char character)
{
    const char other = complement_of[(unsigned char)character];
    return other ? other : character;
}

void dt_reverse_complement(char *sequence, size_t length)
{
    for (size_t i = 0, j = length; i < j--; ++i) {
        const char first = complement(sequence[i]);
        sequence[i] = complement(sequence[j]);
        sequence[j] = first;
    }
}
