#include "neighbours/reference_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"
#include "taxonomy/header.h"

/* Without the id's annotations, as its row of a taxonomy is found. */
static int64_t hash_id(const char *id, int32_t leaf)
{
    return (int64_t)dt_hash_bytes(dt_hash_add(DT_HASH_START, (uint32_t)leaf), id,
                                  dt_bare_id_length(id, strlen(id)));
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void dt_reference_set_free(dt_reference_set *set)
{
    dt_references_free(&set->sequences);
    free(set->ids);
    *set = (dt_reference_set){0};
}

dt_status dt_reference_set_complete(dt_reference_set *set, int32_t leaves, const char *path)
{
    int64_t copies = 0;
    DT_TRY(dt_references_complete(&set->sequences, leaves, path));
    for (int32_t i = 0; i < set->sequences.count; ++i)
        copies += set->sequences.copies[i];
    bool fits = copies == set->total;
    for (int64_t i = 1; i < set->total && fits; ++i)
        fits = set->ids[i - 1] <= set->ids[i];
    return fits ? DT_OK
                : dt_fail(DT_ERR_INPUT,
                          "%s: damaged: the ids of its reference sequences do not "
                          "fit their number or order",
                          path);
}

bool dt_reference_set_has(const dt_reference_set *set, const char *id, int32_t leaf)
{
    const int64_t hash = hash_id(id, leaf);
    return set->total > 0 &&
           bsearch(&hash, set->ids, (size_t)set->total, sizeof hash, by_number) != NULL;
}

void dt_reference_set_checksum(const dt_reference_set *set, const dt_lineage_tree *tree,
                               char out[DT_REFERENCE_CHECKSUM])
{
    const dt_references *r = &set->sequences;
    const size_t count = (size_t)r->count;
    const size_t nodes = (size_t)dt_lineage_tree_nodes(tree);
    uint64_t hash = dt_hash_add(DT_HASH_START, (uint64_t)set->total);
    hash = dt_hash_bytes(hash, r->leaf, count * sizeof *r->leaf);
    hash = dt_hash_bytes(hash, r->copies, count * sizeof *r->copies);
    hash = dt_hash_bytes(hash, r->length, count * sizeof *r->length);
    hash = dt_hash_bytes(hash, r->break_count, count * sizeof *r->break_count);
    hash = dt_hash_bytes(hash, r->bases, (size_t)r->base_bytes);
    hash = dt_hash_bytes(hash, r->break_at, (size_t)r->breaks * sizeof *r->break_at);
    hash = dt_hash_bytes(hash, r->names, (size_t)r->name_bytes);
    hash = dt_hash_bytes(hash, set->ids, (size_t)set->total * sizeof *set->ids);
    hash = dt_hash_bytes(hash, tree->first, (size_t)(tree->tax_ranks + 1) * sizeof *tree->first);
    hash = dt_hash_bytes(hash, tree->parent, nodes * sizeof *tree->parent);
    hash = dt_hash_bytes(hash, tree->label, nodes * sizeof *tree->label);
    snprintf(out, DT_REFERENCE_CHECKSUM, "%016" PRIx64, hash);
}

/* ---- collecting ------------------------------------------------------------------------------ */

struct dt_reference_collector {
    dt_reference_builder *builder;
    int64_t total;
    int64_t *ids; /* (total) */
    size_t capacity;
};

dt_status dt_reference_collector_create(dt_reference_collector **out)
{
    dt_reference_collector *collector;
    DT_TRY(DT_NEW(collector, 1));
    const dt_status status = dt_reference_builder_create(&collector->builder);
    if (status == DT_OK)
        *out = collector;
    else
        dt_reference_collector_destroy(collector);
    return status;
}

void dt_reference_collector_destroy(dt_reference_collector *collector)
{
    if (!collector)
        return;
    dt_reference_builder_destroy(collector->builder);
    free(collector->ids);
    free(collector);
}

dt_status dt_reference_collector_add(dt_reference_collector *collector, const char *id,
                                     const char *sequence, size_t length, int32_t leaf)
{
    DT_TRY(DT_GROW(collector->ids, collector->capacity, (size_t)collector->total + 1));
    DT_TRY(dt_reference_builder_add(collector->builder, id, sequence, length, leaf));
    collector->ids[collector->total++] = hash_id(id, leaf);
    return DT_OK;
}

dt_status dt_reference_collector_finish(dt_reference_collector *collector, dt_reference_set *out)
{
    *out = (dt_reference_set){0};
    DT_TRY(dt_reference_builder_finish(collector->builder, &out->sequences));
    if (!collector->ids) /* no sequence was added */
        DT_TRY(DT_GROW(collector->ids, collector->capacity, 1));
    qsort(collector->ids, (size_t)collector->total, sizeof *collector->ids, by_number);
    out->total = collector->total;
    out->ids = collector->ids;
    collector->ids = NULL;
    collector->capacity = 0;
    collector->total = 0;
    return DT_OK;
}
