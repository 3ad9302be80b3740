#include "data/length_quantiles.h"

const int32_t dt_length_percent[DT_LENGTH_QUANTILES] = {0, 1, 5, 25, 50, 75, 95, 99, 100};

int64_t dt_length_covered(int64_t count, int q)
{
    const int64_t reached = (count * dt_length_percent[q] + 99) / 100;
    return reached > 0 ? reached : 1;
}

void dt_length_quantiles_of_counts(dt_length_quantiles *out, const int64_t *with_length,
                                   int64_t lengths, const int32_t *longer, int64_t longer_count)
{
    int64_t count = longer_count;
    *out = (dt_length_quantiles){0};
    for (int64_t l = 0; l < lengths; ++l)
        count += with_length[l];
    out->known = count > 0;
    int q = 0;
    int64_t shorter = 0; /* or equal */
    for (int64_t l = 0; l < lengths && count > 0; ++l) {
        shorter += with_length[l];
        for (; q < DT_LENGTH_QUANTILES && shorter >= dt_length_covered(count, q); ++q)
            out->bases[q] = l;
    }
    for (; q < DT_LENGTH_QUANTILES && count > 0; ++q)
        out->bases[q] = longer[dt_length_covered(count, q) - 1 - shorter];
}
