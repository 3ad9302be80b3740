#include "predict/neighbours.h"

#include <stdlib.h>

#include "core/memory.h"

dt_status dt_neighbour_memory_create(dt_neighbour_memory *memory, const dt_neighbour_use *use)
{
    *memory = (dt_neighbour_memory){0};
    DT_TRY(DT_NEW(memory->found, (size_t)use->count));
    DT_TRY(DT_NEW(memory->share, (size_t)use->count));
    return dt_neighbour_search_create(&memory->search, use->index, use->count);
}

void dt_neighbour_memory_free(dt_neighbour_memory *memory)
{
    dt_neighbour_search_destroy(memory->search);
    free(memory->found);
    free(memory->share);
    *memory = (dt_neighbour_memory){0};
}

/* Sets *identical to the first reference that has the letters of the sequence, -1 if none has; *own
 * to the one of which the sequence itself is a copy, or -1. Such references have the similarity 1. */
static void find_identical(const dt_neighbour_memory *memory, const dt_reference_set *set,
                           const char *id, const dt_text *letters, int32_t count,
                           int32_t *identical, int32_t *own)
{
    *identical = *own = -1;
    for (int32_t n = 0; n < count && memory->found[n].similarity >= 1.0; ++n) {
        const int32_t reference = memory->found[n].reference;
        const int32_t leaf = set->sequences.leaf[reference];
        if (dt_references_find(&set->sequences, letters->data, letters->length, leaf) != reference)
            continue;
        if (*identical < 0)
            *identical = reference;
        if (*own < 0 && dt_reference_set_has(set, id, leaf))
            *own = reference;
    }
}

int32_t dt_ask_neighbours(const dt_neighbour_memory *memory, const dt_neighbour_use *use,
                          const char *id, const dt_text *letters, dt_nearest_reference *nearest)
{
    int32_t identical;
    int32_t own;
    int32_t count = dt_neighbours_find(memory->search, letters->data, letters->length, use->count,
                                       -1, memory->found);
    find_identical(memory, use->set, id, letters, count, &identical, &own);
    const int32_t left_out = use->leave_one_out ? own : -1;
    if (left_out >= 0)
        count = dt_neighbours_find(memory->search, letters->data, letters->length, use->count,
                                   left_out, memory->found);
    *nearest = (dt_nearest_reference){
        .reference = count ? memory->found[0].reference : -1,
        .left_out = left_out,
        .similarity = count ? (float)memory->found[0].similarity : 0.0f,
        .identical = identical >= 0,
    };
    return count;
}

dt_vote dt_vote_of_found(const dt_neighbour_memory *memory, const dt_neighbour_use *use,
                         int32_t count)
{
    return dt_neighbour_vote(memory->share, memory->found, count, &use->set->sequences,
                             use->exponent);
}
