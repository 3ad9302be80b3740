#include "neighbours/index.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "neighbours/group_sets.h"
#include "neighbours/packed_kmers.h"

struct dt_neighbour_index {
    const dt_references *references;
    int32_t *kmers; /* (count) different 8-mers of each */
    dt_group_sets groups;
};

enum {
    CLASSES = 1024, /* of groups by their bound */
    SORTED = 2048   /* groups that are searched in the order of their bounds */
};

struct dt_neighbour_search {
    const dt_neighbour_index *index;
    uint8_t *set;    /* (DT_NEIGHBOUR_KMERS) 1: the query has this 8-mer */
    uint8_t *pairs;  /* (DT_KMER_PAIRS) the same for two at once */
    uint16_t *query; /* (DT_NEIGHBOUR_KMERS) its different 8-mers */
    int32_t of_query;
    uint16_t *kmers; /* (longest reference) */
    dt_group_counters counters;
    int32_t *shared; /* (64 · words) 8-mers of the query in each group */
    float *bound;    /* (groups) no reference of the group is more similar */
    int32_t *sorted; /* (groups) */
    dt_nearest nearest;
    int32_t exclude;
};

/* ---- Index ----------------------------------------------------------------------------------- */

dt_status dt_neighbour_index_create(dt_neighbour_index **out, const dt_references *references,
                                    dt_pool *pool)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->references = references;
    dt_status status = DT_NEW((*out)->kmers, (size_t)references->count);
    if (status == DT_OK)
        status = dt_group_sets_create(&(*out)->groups, (*out)->kmers, references, pool);
    if (status != DT_OK)
        dt_neighbour_index_destroy(*out);
    return status;
}

void dt_neighbour_index_destroy(dt_neighbour_index *index)
{
    if (!index)
        return;
    dt_group_sets_free(&index->groups);
    free(index->kmers);
    free(index);
}

size_t dt_neighbour_index_bytes(const dt_neighbour_index *index)
{
    return sizeof *index + (size_t)index->references->count * sizeof *index->kmers +
           dt_group_sets_bytes(&index->groups);
}

/* ---- Search ---------------------------------------------------------------------------------- */

static dt_status make(dt_neighbour_search *search, const dt_neighbour_index *index, int32_t most)
{
    const dt_references *references = index->references;
    int32_t longest = 0;
    for (int32_t r = 0; r < references->count; ++r)
        longest = references->length[r] > longest ? references->length[r] : longest;
    search->index = index;
    DT_TRY(DT_NEW(search->set, DT_NEIGHBOUR_KMERS));
    DT_TRY(DT_NEW(search->pairs, DT_KMER_PAIRS));
    DT_TRY(DT_NEW(search->query, DT_NEIGHBOUR_KMERS));
    DT_TRY(DT_NEW(search->kmers, (size_t)longest));
    DT_TRY(DT_NEW(search->shared, 64 * index->groups.words));
    DT_TRY(DT_NEW(search->bound, (size_t)index->groups.groups));
    DT_TRY(DT_NEW(search->sorted, (size_t)index->groups.groups));
    DT_TRY(DT_NEW(search->nearest.list, (size_t)most + 1));
    return dt_group_counters_create(&search->counters, &index->groups);
}

dt_status dt_neighbour_search_create(dt_neighbour_search **out, const dt_neighbour_index *index,
                                     int32_t most)
{
    DT_TRY(DT_NEW(*out, 1));
    const dt_status status = make(*out, index, most);
    if (status != DT_OK)
        dt_neighbour_search_destroy(*out);
    return status;
}

void dt_neighbour_search_destroy(dt_neighbour_search *search)
{
    if (!search)
        return;
    dt_group_counters_free(&search->counters);
    free(search->set);
    free(search->pairs);
    free(search->query);
    free(search->kmers);
    free(search->shared);
    free(search->bound);
    free(search->sorted);
    free(search->nearest.list);
    free(search);
}

/* Makes the set of the query's 8-mers. */
static void mark_query(dt_neighbour_search *search, const char *sequence, size_t length)
{
    int32_t known = 0;
    uint32_t kmer = 0;
    search->of_query = 0;
    for (size_t i = 0; i < length; ++i) {
        const int base = dt_base_of(sequence[i]);
        known = base < 0 ? 0 : known + 1;
        kmer = dt_next_kmer(kmer, base & 3);
        if (known >= DT_NEIGHBOUR_K && !search->set[kmer]) {
            search->set[kmer] = 1;
            dt_kmer_pairs_add(search->pairs, kmer, 1);
            search->query[search->of_query++] = (uint16_t)kmer;
        }
    }
}

static void clear_query(dt_neighbour_search *search)
{
    for (int32_t i = 0; i < search->of_query; ++i) {
        search->set[search->query[i]] = 0;
        dt_kmer_pairs_add(search->pairs, search->query[i], -1);
    }
}

/* Similarity of the query and a set of `kmers` that shares `shared` with it. */
static inline double similarity_of(const dt_neighbour_search *search, int32_t kmers, int32_t shared)
{
    return (double)shared / (double)(search->of_query + kmers - shared);
}

/* Returns how many 8-mers the query and a reference share. */
static int32_t count_shared(dt_neighbour_search *search, int32_t reference)
{
    const int32_t n = dt_reference_kmers(search->index->references, reference, search->kmers);
    int32_t shared = 0;
    for (int32_t i = 0; i < n; ++i) {
        shared += search->set[search->kmers[i]];
        search->set[search->kmers[i]] = 0; /* counted */
    }
    for (int32_t i = 0; i < search->of_query; ++i)
        search->set[search->query[i]] = 1;
    return shared;
}

/* Returns at least how many 8-mers the query and a reference share, if it is similar enough for the
 * list of the nearest: repeated 8-mers are counted each time. */
static int32_t bound_shared(const dt_neighbour_search *search, int32_t reference)
{
    const dt_references *r = search->index->references;
    const int32_t kmers = search->index->kmers[reference];
    const double least = dt_nearest_least(&search->nearest);
    const uint8_t *bases = r->bases + r->first_byte[reference];
    const int32_t needed = (int32_t)(least / (1 + least) * (search->of_query + kmers)) - 1;
    int32_t hits = 0;
    for (int32_t i = 0; i <= r->break_count[reference]; ++i) {
        const dt_stretch s = dt_stretch_of(r, reference, i);
        const int32_t beyond = r->length[reference] - s.end;
        hits += dt_stretch_hits(bases, s, search->pairs, search->set, needed - hits - beyond);
    }
    return hits < kmers ? hits : kmers;
}

static void search_group(dt_neighbour_search *search, int32_t group)
{
    const dt_references *r = search->index->references;
    const int32_t size = search->index->groups.size;
    for (int32_t i = group * size; i < (group + 1) * size && i < r->count; ++i) {
        const int32_t copies = r->copies[i] - (i == search->exclude);
        const int32_t kmers = search->index->kmers[i];
        const int32_t most = search->shared[group] < kmers ? search->shared[group] : kmers;
        if (copies == 0 ||
            !dt_nearest_takes(&search->nearest, similarity_of(search, kmers, most), i))
            continue;
        int32_t shared = bound_shared(search, i);
        if (!dt_nearest_takes(&search->nearest, similarity_of(search, kmers, shared), i))
            continue;
        shared = count_shared(search, i);
        const double similarity = similarity_of(search, kmers, shared);
        if (dt_nearest_takes(&search->nearest, similarity, i))
            dt_nearest_insert(&search->nearest, (dt_neighbour){i, copies, similarity});
    }
}

/* The similarity of a reference R of a group with the union U is at most |Q ∩ U| / (|Q| + |R| -
 * |Q ∩ U|), R being its smallest, or |Q ∩ U| / |Q| if R is smaller than |Q ∩ U|. A little more, so
 * that rounding does not matter. */
static void bound_groups(dt_neighbour_search *search)
{
    const dt_group_sets *groups = &search->index->groups;
    for (int32_t g = 0; g < groups->groups; ++g) {
        const int32_t shared = search->shared[g];
        const int32_t rest = groups->least[g] > shared ? groups->least[g] - shared : 0;
        search->bound[g] = 1.000001f * (float)shared / (float)(search->of_query + rest);
    }
}

static inline int32_t class_of(float bound)
{
    const int32_t class = (int32_t)(bound * CLASSES);
    return class < CLASSES ? class : CLASSES - 1;
}

/* Sorts the groups with the largest bounds, at least SORTED if there are so many, by class, and
 * returns their number. *lowest: the class of the last ones. */
static int32_t sort_groups(dt_neighbour_search *search, int32_t *lowest)
{
    const int32_t groups = search->index->groups.groups;
    int32_t first[CLASSES + 1] = {0}; /* of each class, by the classes above it */
    for (int32_t g = 0; g < groups; ++g)
        ++first[class_of(search->bound[g])];
    int32_t count = 0;
    int32_t class = CLASSES;
    while (class > 0 && count < SORTED) {
        const int32_t of_class = first[--class];
        first[class] = count;
        count += of_class;
    }
    for (int32_t g = 0; g < groups; ++g) {
        const int32_t own = class_of(search->bound[g]);
        if (own >= class)
            search->sorted[first[own]++] = g;
    }
    *lowest = class;
    return count;
}

static void search_groups(dt_neighbour_search *search)
{
    const int32_t groups = search->index->groups.groups;
    int32_t lowest;
    const int32_t sorted = sort_groups(search, &lowest);
    for (int32_t i = 0; i < sorted; ++i)
        if (search->bound[search->sorted[i]] >= dt_nearest_least(&search->nearest))
            search_group(search, search->sorted[i]);
    if ((double)lowest / CLASSES < dt_nearest_least(&search->nearest))
        return;
    for (int32_t g = 0; g < groups; ++g)
        if (class_of(search->bound[g]) < lowest &&
            search->bound[g] >= dt_nearest_least(&search->nearest))
            search_group(search, g);
}

int32_t dt_neighbours_find(dt_neighbour_search *search, const char *sequence, size_t length,
                           int32_t k, int32_t exclude, dt_neighbour *out)
{
    search->exclude = exclude;
    search->nearest.k = k;
    search->nearest.count = 0;
    search->nearest.copies = 0;
    mark_query(search, sequence, length);
    if (search->of_query) {
        dt_group_sets_count(&search->index->groups, &search->counters, search->query,
                            search->of_query, search->shared);
        bound_groups(search);
        search_groups(search);
    }
    clear_query(search);
    dt_nearest_finish(&search->nearest);
    if (search->nearest.count)
        memcpy(out, search->nearest.list, (size_t)search->nearest.count * sizeof *out);
    return search->nearest.count;
}
