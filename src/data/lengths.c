#include "data/lengths.h"

#include <stdlib.h>

#include "core/memory.h"

const int32_t dt_length_percent[DT_LENGTH_QUANTILES] = {0, 1, 5, 25, 50, 75, 95, 99, 100};

static int by_length(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Returns how many sequences, at least 1, the q-th quantile covers. */
static int64_t covered(int64_t count, int q)
{
    const int64_t reached = (count * dt_length_percent[q] + 99) / 100;
    return reached > 0 ? reached : 1;
}

dt_status dt_length_quantiles_of(dt_length_quantiles *out, const dt_dataset *dataset,
                                 const int64_t *items, int64_t count)
{
    int64_t *bases;
    *out = (dt_length_quantiles){0};
    if (count < 1 || dt_dataset_bases(dataset, items[0]) < 0)
        return DT_OK;
    DT_TRY(DT_NEW(bases, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        bases[i] = dt_dataset_bases(dataset, items[i]);
    qsort(bases, (size_t)count, sizeof *bases, by_length);
    for (int q = 0; q < DT_LENGTH_QUANTILES; ++q)
        out->bases[q] = bases[covered(count, q) - 1];
    out->known = true;
    free(bases);
    return DT_OK;
}

void dt_length_quantiles_of_counts(dt_length_quantiles *out, const int64_t *with_length,
                                   int64_t lengths)
{
    int64_t count = 0;
    *out = (dt_length_quantiles){0};
    for (int64_t l = 0; l < lengths; ++l)
        count += with_length[l];
    out->known = count > 0;
    int q = 0;
    int64_t shorter = 0; /* or equal */
    for (int64_t l = 0; l < lengths && count > 0; ++l) {
        shorter += with_length[l];
        for (; q < DT_LENGTH_QUANTILES && shorter >= covered(count, q); ++q)
            out->bases[q] = l;
    }
}
