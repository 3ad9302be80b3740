#include "data/identical.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"
#include "core/strmap.h"

/* A different sequence. */
typedef struct {
    int64_t row;    /* of the first copy that has one; -1: none has */
    int32_t common; /* ranks that all copies share */
} distinct;

struct dt_identical {
    const dt_taxonomy_table *table; /* NULL: no lineages */
    dt_strmap *sequences;           /* hash → number */
    dt_strmap *lineages;            /* number and labels → 0; those of each sequence */
    distinct *distinct;             /* (count) */
    size_t capacity;
    int32_t count;
};

dt_status dt_identical_create(dt_identical **out, const dt_taxonomy_table *table)
{
    dt_identical *identical;
    DT_TRY(DT_NEW(identical, 1));
    identical->table = table;
    dt_status status = dt_strmap_create(&identical->sequences);
    if (status == DT_OK)
        status = dt_strmap_create(&identical->lineages);
    if (status != DT_OK) {
        dt_identical_destroy(identical);
        return status;
    }
    *out = identical;
    return DT_OK;
}

void dt_identical_destroy(dt_identical *identical)
{
    if (!identical)
        return;
    dt_strmap_destroy(identical->sequences);
    dt_strmap_destroy(identical->lineages);
    free(identical->distinct);
    free(identical);
}

static int32_t tax_ranks(const dt_identical *identical)
{
    return identical->table ? identical->table->taxonomy.tax_ranks : 0;
}

static const int32_t *labels(const dt_identical *identical, int64_t row)
{
    return identical->table->labels + row * tax_ranks(identical);
}

static dt_status find_sequence(dt_identical *identical, const char *sequence, size_t length,
                               dt_identity *identity)
{
    const uint64_t key[2] = {dt_hash_bytes(DT_HASH_START, sequence, length),
                             dt_hash_bytes(dt_hash_add(DT_HASH_START, length), sequence, length)};
    int added;
    if (identical->count == INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "more than %d different sequences", INT32_MAX);
    DT_TRY(dt_strmap_add(identical->sequences, (const char *)key, sizeof key, identical->count,
                         &identity->number, &added));
    identity->new_sequence = added != 0;
    if (!added)
        return DT_OK;
    DT_TRY(DT_GROW(identical->distinct, identical->capacity, (size_t)identical->count + 1));
    identical->distinct[identical->count++] = (distinct){.row = -1, .common = tax_ranks(identical)};
    return DT_OK;
}

/* Compares the lineage of a copy with the first one. */
static dt_status add_lineage(dt_identical *identical, int64_t row, dt_identity *identity)
{
    int32_t key[1 + DT_MAX_TAX_RANKS] = {identity->number};
    distinct *of = &identical->distinct[identity->number];
    const int32_t ranks = tax_ranks(identical);
    int32_t common = 0;
    int added;
    if (of->row < 0)
        of->row = row;
    while (common < of->common &&
           labels(identical, row)[common] == labels(identical, of->row)[common])
        ++common;
    of->common = common;
    memcpy(key + 1, labels(identical, row), (size_t)ranks * sizeof *key);
    DT_TRY(dt_strmap_add(identical->lineages, (const char *)key, (size_t)(1 + ranks) * sizeof *key,
                         0, NULL, &added));
    identity->new_lineage = added != 0;
    return DT_OK;
}

dt_status dt_identical_add(dt_identical *identical, const char *sequence, size_t length,
                           int64_t row, dt_identity *identity)
{
    DT_TRY(find_sequence(identical, sequence, length, identity));
    identity->new_lineage = identity->new_sequence;
    return row >= 0 ? add_lineage(identical, row, identity) : DT_OK;
}

int32_t dt_identical_count(const dt_identical *identical)
{
    return identical->count;
}

int64_t dt_identical_row(const dt_identical *identical, int32_t number)
{
    return identical->distinct[number].row;
}

int32_t dt_identical_common(const dt_identical *identical, int32_t number)
{
    return identical->distinct[number].common;
}
