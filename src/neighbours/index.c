#include "neighbours/index.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "neighbours/kmers.h"
#include "neighbours/nearest.h"

struct dt_neighbour_index {
    const dt_references *references;
    int32_t *kmers; /* (count) different 8-mers of each */
};

struct dt_neighbour_search {
    const dt_neighbour_index *index;
    uint32_t *seen;  /* (DT_NEIGHBOUR_KMERS) the last sequence with this 8-mer; UINT32_MAX: the
                       query has it not */
    uint16_t *query; /* (DT_NEIGHBOUR_KMERS) its different 8-mers */
    dt_neighbour *list;
};

/* Calls for each 8-mer of a reference, repeated ones too. */
#define EACH_KMER(references, reference, kmer, ...)                                                \
    do {                                                                                           \
        const uint8_t *bases_ = (references)->bases + (references)->first_byte[reference];         \
        const int32_t *break_ = (references)->break_at + (references)->first_break[reference];     \
        const int32_t *end_ = (references)->break_at + (references)->first_break[(reference) + 1]; \
        uint32_t kmer = 0;                                                                         \
        int32_t known_ = 0;                                                                        \
        for (int32_t i_ = 0; i_ < (references)->length[reference]; ++i_) {                         \
            if (break_ < end_ && *break_ == i_) {                                                  \
                known_ = 0;                                                                        \
                ++break_;                                                                          \
            }                                                                                      \
            kmer = dt_next_kmer(kmer, dt_packed_base(bases_, i_));                                 \
            if (++known_ >= DT_NEIGHBOUR_K) {                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

dt_status dt_neighbour_index_create(dt_neighbour_index **out, const dt_references *references,
                                    dt_pool *pool)
{
    (void)pool;
    DT_TRY(DT_NEW(*out, 1));
    (*out)->references = references;
    uint32_t *seen = NULL;
    dt_status status = DT_NEW(seen, DT_NEIGHBOUR_KMERS);
    if (status == DT_OK)
        status = DT_NEW((*out)->kmers, (size_t)references->count);
    for (int32_t r = 0; status == DT_OK && r < references->count; ++r)
        EACH_KMER(references, r, kmer, {
            (*out)->kmers[r] += seen[kmer] != (uint32_t)r + 1;
            seen[kmer] = (uint32_t)r + 1;
        });
    free(seen);
    if (status != DT_OK)
        dt_neighbour_index_destroy(*out);
    return status;
}

void dt_neighbour_index_destroy(dt_neighbour_index *index)
{
    if (!index)
        return;
    free(index->kmers);
    free(index);
}

size_t dt_neighbour_index_bytes(const dt_neighbour_index *index)
{
    return sizeof *index + (size_t)index->references->count * sizeof *index->kmers;
}

dt_status dt_neighbour_search_create(dt_neighbour_search **out, const dt_neighbour_index *index,
                                     int32_t most)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->index = index;
    dt_status status = DT_NEW((*out)->seen, DT_NEIGHBOUR_KMERS);
    if (status == DT_OK)
        status = DT_NEW((*out)->query, DT_NEIGHBOUR_KMERS);
    if (status == DT_OK)
        status = DT_NEW((*out)->list, (size_t)most + 1);
    if (status != DT_OK)
        dt_neighbour_search_destroy(*out);
    else
        memset((*out)->seen, 0xff, DT_NEIGHBOUR_KMERS * sizeof *(*out)->seen);
    return status;
}

void dt_neighbour_search_destroy(dt_neighbour_search *search)
{
    if (!search)
        return;
    free(search->seen);
    free(search->query);
    free(search->list);
    free(search);
}

/* Marks the query's 8-mers; returns how many are different. */
static int32_t mark_query(dt_neighbour_search *search, const char *sequence, size_t length)
{
    int32_t count = 0;
    int32_t known = 0;
    uint32_t kmer = 0;
    for (size_t i = 0; i < length; ++i) {
        const int base = dt_base_of(sequence[i]);
        known = base < 0 ? 0 : known + 1;
        kmer = dt_next_kmer(kmer, base & 3);
        if (known >= DT_NEIGHBOUR_K && search->seen[kmer]) {
            search->seen[kmer] = 0;
            search->query[count++] = (uint16_t)kmer;
        }
    }
    return count;
}

int32_t dt_neighbours_find(dt_neighbour_search *search, const char *sequence, size_t length,
                           int32_t k, int32_t exclude, dt_neighbour *out)
{
    const dt_references *references = search->index->references;
    uint32_t *seen = search->seen;
    const int32_t of_query = mark_query(search, sequence, length);
    dt_nearest nearest = {.list = search->list, .k = k};
    for (int32_t r = 0; of_query && r < references->count; ++r) {
        int32_t shared = 0;
        EACH_KMER(references, r, kmer, {
            const bool new = seen[kmer] <= (uint32_t)r;
            shared += new;
            seen[kmer] = new ? (uint32_t)r + 1 : seen[kmer];
        });
        const int32_t copies = references->copies[r] - (r == exclude);
        const double similarity = (double)shared / (of_query + search->index->kmers[r] - shared);
        if (copies && dt_nearest_takes(&nearest, similarity, r))
            dt_nearest_insert(&nearest, (dt_neighbour){r, copies, similarity});
    }
    for (int32_t i = 0; i < of_query; ++i)
        seen[search->query[i]] = UINT32_MAX;
    dt_nearest_finish(&nearest);
    memcpy(out, nearest.list, (size_t)nearest.count * sizeof *out);
    return nearest.count;
}
