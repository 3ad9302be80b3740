#include "neighbours/group_sets.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "neighbours/packed_kmers.h"

enum {
    MOST_GROUPS = 1 << 16,
    SHORT = 600, /* bases a reference below which groups are larger */
    AT_ONCE = 16 /* bitmaps that are added together */
};

/* ---- Building -------------------------------------------------------------------------------- */

/* References that one task walks through: whole words of the bitmaps, so that tasks do not write to
 * the same ones. */
typedef struct {
    int32_t begin, end;
    int32_t *last;   /* (DT_NEIGHBOUR_KMERS) the last reference that has this 8-mer, + 1 */
    uint16_t *kmers; /* (longest reference) */
    int64_t *row;    /* (DT_NEIGHBOUR_KMERS) the part's groups that have it; then, where its next
                        group is written in the list */
} part;

typedef struct {
    dt_group_sets *sets;
    const dt_references *references;
    int32_t *kmers; /* (references) */
    part *parts;
    int32_t part_count;
} builder;

/* Groups are larger where sequences are short (the index shall not be much larger than they are),
 * and where a list could not hold their numbers. */
static void choose_groups(dt_group_sets *sets, const dt_references *references)
{
    const int32_t count = references->count;
    sets->size = 4 * references->base_bytes < (int64_t)SHORT * count ? 8 : 4;
    while ((count - 1) / sets->size >= MOST_GROUPS)
        sets->size *= 2;
    sets->groups = (count + sets->size - 1) / sets->size;
    sets->words = ((size_t)sets->groups + 63) / 64;
}

static dt_status make_parts(builder *b, int32_t count)
{
    const int64_t words = (int64_t)b->sets->words;
    int32_t longest = 0;
    for (int32_t r = 0; r < b->references->count; ++r)
        longest = b->references->length[r] > longest ? b->references->length[r] : longest;
    DT_TRY(DT_NEW(b->parts, (size_t)count));
    b->part_count = count;
    for (int32_t i = 0; i < count; ++i) {
        part *p = &b->parts[i];
        const int64_t begin = words * i / count * 64 * b->sets->size;
        const int64_t end = words * (i + 1) / count * 64 * b->sets->size;
        p->begin = (int32_t)(begin < b->references->count ? begin : b->references->count);
        p->end = (int32_t)(end < b->references->count ? end : b->references->count);
        DT_TRY(DT_NEW(p->last, DT_NEIGHBOUR_KMERS));
        DT_TRY(DT_NEW(p->row, DT_NEIGHBOUR_KMERS));
        DT_TRY(DT_NEW(p->kmers, (size_t)longest));
    }
    return DT_OK;
}

static void free_parts(builder *b)
{
    for (int32_t i = 0; i < b->part_count; ++i) {
        free(b->parts[i].last);
        free(b->parts[i].row);
        free(b->parts[i].kmers);
    }
    free(b->parts);
}

/* Counts the part's groups of each row, and the different 8-mers of each reference. */
static dt_status count_kmers(void *context, int64_t task, int worker)
{
    const builder *b = context;
    const part *p = &b->parts[task];
    const int32_t size = b->sets->size;
    (void)worker;
    for (int32_t r = p->begin; r < p->end; ++r) {
        const int32_t first = r / size * size; /* of the group */
        const int32_t n = dt_reference_kmers(b->references, r, p->kmers);
        int32_t different = 0;
        for (int32_t i = 0; i < n; ++i) {
            const uint16_t kmer = p->kmers[i];
            different += p->last[kmer] <= r;
            p->row[kmer] += p->last[kmer] <= first;
            p->last[kmer] = r + 1;
        }
        int32_t *least = &b->sets->least[r / size];
        if (r == first || different < *least)
            *least = different;
        b->kmers[r] = different;
    }
    return DT_OK;
}

/* Rows that would be longer as lists become bitmaps. */
static void choose_rows(builder *b)
{
    dt_group_sets *sets = b->sets;
    for (uint32_t x = 0; x < DT_NEIGHBOUR_KMERS; ++x) {
        int64_t place = sets->first[x];
        for (int32_t i = 0; i < b->part_count; ++i) {
            const int64_t length = b->parts[i].row[x];
            b->parts[i].row[x] = place;
            place += length;
        }
        const size_t bytes = (size_t)(place - sets->first[x]) * sizeof *sets->lists;
        const bool list = bytes <= sets->words * sizeof *sets->bitmaps;
        sets->bitmap[x] = list ? -1 : sets->bitmap_count++;
        sets->first[x + 1] = list ? place : sets->first[x];
    }
}

static dt_status write_rows(void *context, int64_t task, int worker)
{
    const builder *b = context;
    const part *p = &b->parts[task];
    dt_group_sets *sets = b->sets;
    (void)worker;
    memset(p->last, 0, DT_NEIGHBOUR_KMERS * sizeof *p->last);
    for (int32_t r = p->begin; r < p->end; ++r) {
        const int32_t group = r / sets->size;
        const int32_t n = dt_reference_kmers(b->references, r, p->kmers);
        for (int32_t i = 0; i < n; ++i) {
            const uint16_t kmer = p->kmers[i];
            const bool new = p->last[kmer] <= group * sets->size;
            p->last[kmer] = r + 1;
            if (new && sets->bitmap[kmer] < 0)
                sets->lists[p->row[kmer]++] = (uint16_t)group;
            else if (new)
                sets->bitmaps[(size_t)sets->bitmap[kmer] * sets->words + (size_t)group / 64] |=
                    UINT64_C(1) << group % 64;
        }
    }
    return DT_OK;
}

static dt_status build(builder *b, dt_pool *pool)
{
    dt_group_sets *sets = b->sets;
    choose_groups(sets, b->references);
    DT_TRY(DT_NEW(sets->first, DT_NEIGHBOUR_KMERS + 1));
    DT_TRY(DT_NEW(sets->bitmap, DT_NEIGHBOUR_KMERS));
    DT_TRY(DT_NEW(sets->least, (size_t)sets->groups));
    DT_TRY(make_parts(b, pool ? dt_pool_threads(pool) : 1));
    DT_TRY(pool ? dt_pool_run(pool, count_kmers, b, b->part_count) : count_kmers(b, 0, 0));
    choose_rows(b);
    DT_TRY(DT_NEW(sets->lists, (size_t)sets->first[DT_NEIGHBOUR_KMERS]));
    DT_TRY(DT_NEW(sets->bitmaps, (size_t)sets->bitmap_count * sets->words));
    return pool ? dt_pool_run(pool, write_rows, b, b->part_count) : write_rows(b, 0, 0);
}

dt_status dt_group_sets_create(dt_group_sets *sets, int32_t *kmers, const dt_references *references,
                               dt_pool *pool)
{
    builder b = {.sets = sets, .references = references, .kmers = kmers};
    *sets = (dt_group_sets){0};
    const dt_status status = build(&b, pool);
    free_parts(&b);
    if (status != DT_OK)
        dt_group_sets_free(sets);
    return status;
}

void dt_group_sets_free(dt_group_sets *sets)
{
    free(sets->least);
    free(sets->first);
    free(sets->lists);
    free(sets->bitmap);
    free(sets->bitmaps);
    *sets = (dt_group_sets){0};
}

size_t dt_group_sets_bytes(const dt_group_sets *sets)
{
    return (size_t)sets->groups * sizeof *sets->least +
           DT_NEIGHBOUR_KMERS * (sizeof *sets->first + sizeof *sets->bitmap) +
           (size_t)sets->first[DT_NEIGHBOUR_KMERS] * sizeof *sets->lists +
           (size_t)sets->bitmap_count * sets->words * sizeof *sets->bitmaps;
}

/* ---- Counting -------------------------------------------------------------------------------- */

dt_status dt_group_counters_create(dt_group_counters *counters, const dt_group_sets *sets)
{
    *counters = (dt_group_counters){0};
    DT_TRY(DT_NEW(counters->planes, DT_GROUP_PLANES * sets->words));
    DT_TRY(DT_NEW(counters->carry, sets->words));
    return DT_NEW(counters->zero, sets->words);
}

void dt_group_counters_free(dt_group_counters *counters)
{
    free(counters->planes);
    free(counters->carry);
    free(counters->zero);
}

/* Adds b and c to the bits in *sum; returns the carries. */
static inline uint64_t add_bits(uint64_t *sum, uint64_t b, uint64_t c)
{
    const uint64_t a = *sum;
    const uint64_t either = a ^ b;
    *sum = either ^ c;
    return (a & b) | (either & c);
}

/* Returns the carries into the bits of 2 of four bitmaps that are added to *one and *two. */
static inline uint64_t add_four(uint64_t *one, uint64_t *two, const uint64_t *const *row, size_t w)
{
    const uint64_t a = add_bits(one, row[0][w], row[1][w]);
    const uint64_t b = add_bits(one, row[2][w], row[3][w]);
    return add_bits(two, a, b);
}

/* Adds 16 bitmaps to the counters (W. Harley's and D. Seal's carry-save adders, see W. Muła,
 * N. Kurz, D. Lemire, The Computer Journal 61, 2018). The carries out of the lowest four bits are
 * left in `carry`. */
static void add_rows(uint64_t *restrict planes, uint64_t *restrict carry, size_t words,
                     const uint64_t *const *row)
{
    for (size_t w = 0; w < words; ++w) {
        uint64_t one = planes[w];
        uint64_t two = planes[words + w];
        uint64_t four = planes[2 * words + w];
        uint64_t eight = planes[3 * words + w];
        const uint64_t a = add_four(&one, &two, row, w);
        const uint64_t b = add_four(&one, &two, row + 4, w);
        const uint64_t c = add_bits(&four, a, b);
        const uint64_t d = add_four(&one, &two, row + 8, w);
        const uint64_t e = add_four(&one, &two, row + 12, w);
        const uint64_t f = add_bits(&four, d, e);
        carry[w] = add_bits(&eight, c, f);
        planes[w] = one;
        planes[words + w] = two;
        planes[2 * words + w] = four;
        planes[3 * words + w] = eight;
    }
}

/* Adds the carries to the next plane and leaves its own carries in their place. */
static void add_carries(uint64_t *restrict plane, uint64_t *restrict carry, size_t words)
{
    for (size_t w = 0; w < words; ++w) {
        const uint64_t out = plane[w] & carry[w];
        plane[w] ^= carry[w];
        carry[w] = out;
    }
}

/* Adds the rows to the counters of `planes` bits. */
static void add_all(const dt_group_counters *counters, size_t words, int planes,
                    const uint64_t *const *row)
{
    add_rows(counters->planes, counters->carry, words, row);
    for (int p = 4; p < planes; ++p)
        add_carries(counters->planes + (size_t)p * words, counters->carry, words);
}

/* Returns 8 bytes, of which byte i is bit i of `bits`. */
static inline uint64_t spread(uint64_t bits)
{
    const uint64_t each = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (each + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

/* Adds the counters of 64 groups to `shared`. */
static void read_counters(int32_t *shared, const uint64_t *planes, size_t words, int count)
{
    for (int eight = 0; eight < 64; eight += 8) {
        uint64_t bytes[3] = {0}; /* of 8 counters */
        for (int p = 0; p < count; ++p)
            bytes[p / 8] |= spread(planes[(size_t)p * words] >> eight & 0xff) << p % 8;
        for (int i = 0; i < 8; ++i)
            shared[eight + i] +=
                (int32_t)((bytes[0] >> 8 * i & 0xff) | (bytes[1] >> 8 * i & 0xff) << 8 |
                          (bytes[2] >> 8 * i & 0xff) << 16);
    }
}

void dt_group_sets_count(const dt_group_sets *sets, dt_group_counters *counters,
                         const uint16_t *query, int32_t count, int32_t *shared)
{
    const uint64_t *row[AT_ONCE];
    int rows = 0;
    int planes = 4;
    while (count >> planes)
        ++planes;
    memset(shared, 0, 64 * sets->words * sizeof *shared);
    memset(counters->planes, 0, (size_t)planes * sets->words * sizeof *counters->planes);
    for (int32_t i = 0; i < count; ++i) {
        const uint32_t kmer = query[i];
        for (int64_t j = sets->first[kmer]; j < sets->first[kmer + 1]; ++j)
            ++shared[sets->lists[j]];
        if (sets->bitmap[kmer] < 0)
            continue;
        row[rows++] = sets->bitmaps + (size_t)sets->bitmap[kmer] * sets->words;
        if (rows == AT_ONCE) {
            add_all(counters, sets->words, planes, row);
            rows = 0;
        }
    }
    if (rows) {
        while (rows < AT_ONCE)
            row[rows++] = counters->zero;
        add_all(counters, sets->words, planes, row);
    }
    for (size_t w = 0; w < sets->words; ++w)
        read_counters(shared + 64 * w, counters->planes + w, sets->words, planes);
}
