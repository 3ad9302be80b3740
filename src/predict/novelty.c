#include "predict/novelty.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Returns the largest value with at most `share` of the values below it; sorts them. */
static float quantile(float *values, int64_t count, double share)
{
    const int64_t below = (int64_t)floor(share * (double)count + 1e-9);
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[below < count ? below : count - 1];
}

/* Returns the threshold of a rank with `known` sequences of known taxa; `values` has memory for as
 * many. */
static float threshold_of(float *values, const dt_novelty_cell *cells, int64_t count,
                          int32_t tax_ranks, int32_t r, int64_t known)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count; ++i)
        if (cells[i * tax_ranks + r].known)
            values[n++] = cells[i * tax_ranks + r].nearest;
    const float keeps = quantile(values, known, 1.0 - DT_NOVELTY_KEPT);
    n = 0;
    for (int64_t i = 0; i < count; ++i)
        if (cells[i * tax_ranks + r].known)
            values[n++] = cells[i * tax_ranks + r].outside;
    const float enough = nextafterf(quantile(values, known, DT_NOVELTY_FOUND), 2.0f);
    return keeps < enough ? keeps : enough;
}

dt_status dt_fit_novelty(dt_novelty_rank *out, const dt_novelty_cell *cells, int64_t count,
                         int32_t tax_ranks)
{
    float *values;
    double least = 0.0;
    DT_TRY(DT_NEW(values, (size_t)count));
    for (int32_t r = 0; r < tax_ranks; ++r) {
        int64_t known = 0;
        for (int64_t i = 0; i < count; ++i)
            known += cells[i * tax_ranks + r].known;
        if (known >= DT_NOVELTY_ENOUGH) {
            const double own = (double)threshold_of(values, cells, count, tax_ranks, r, known);
            least = own > least ? own : least;
        }
        out[r] = (dt_novelty_rank){.similarity = least, .known = known};
        for (int64_t i = 0; i < count; ++i) {
            const dt_novelty_cell *cell = &cells[i * tax_ranks + r];
            out[r].kept += cell->known && (double)cell->nearest >= least;
            out[r].novel += cell->known && (double)cell->outside < least;
        }
    }
    free(values);
    return DT_OK;
}
