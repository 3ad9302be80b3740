#include "data/lengths.h"

#include <stdlib.h>

#include "core/memory.h"

static int by_length(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
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
        out->bases[q] = bases[dt_length_covered(count, q) - 1];
    out->known = true;
    free(bases);
    return DT_OK;
}
