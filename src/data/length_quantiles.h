/* Quantiles of lengths. A checkpoint stores those of its training sequences, in bases. */
#ifndef DT_DATA_LENGTH_QUANTILES_H
#define DT_DATA_LENGTH_QUANTILES_H

#include <stdbool.h>
#include <stdint.h>

#define DT_LENGTH_QUANTILES 9

/* Percentage of each quantile: 0, 1, 5, 25, 50, 75, 95, 99, 100. */
extern const int32_t dt_length_percent[DT_LENGTH_QUANTILES];

typedef struct {
    bool known;                         /* false with shards or a checkpoint of an older version */
    int64_t bases[DT_LENGTH_QUANTILES]; /* after normalisation; ascending: [0] minimum, [4]
                                           median, [8] maximum */
} dt_length_quantiles;

/* Returns the number of sequences, at least 1, that the q-th quantile of `count` covers. */
int64_t dt_length_covered(int64_t count, int q);

/* Computes the quantiles from with_length[l], the number of sequences of l letters, l < lengths, and
 * the lengths of the longer ones, in ascending order; `known` is false if there are none. */
void dt_length_quantiles_of_counts(dt_length_quantiles *out, const int64_t *with_length,
                                   int64_t lengths, const int32_t *longer, int64_t longer_count);

#endif
