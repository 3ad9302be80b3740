/* Quantiles of the lengths of a set of sequences, in bases. A checkpoint stores those of its
 * training sequences. */
#ifndef DT_DATA_LENGTHS_H
#define DT_DATA_LENGTHS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"

#define DT_LENGTH_QUANTILES 9

/* Percentage of each quantile: 0, 1, 5, 25, 50, 75, 95, 99, 100. */
extern const int32_t dt_length_percent[DT_LENGTH_QUANTILES];

typedef struct {
    bool known;                         /* false with shards or a checkpoint of an older version */
    int64_t bases[DT_LENGTH_QUANTILES]; /* after normalisation; ascending: [0] minimum, [4]
                                           median, [8] maximum */
} dt_length_quantiles;

/* Computes the quantiles of the sequences items[0 … count-1], count >= 1. The p % quantile is the
 * smallest length that at least p % of them do not exceed. `known` is false if the dataset does not
 * have their lengths. DT_ERR_MEMORY. */
dt_status dt_length_quantiles_of(dt_length_quantiles *out, const dt_dataset *dataset,
                                 const int64_t *items, int64_t count);

/* The same from with_length[l], the number of sequences of l letters, l < lengths; `known` is false
 * if there are none. */
void dt_length_quantiles_of_counts(dt_length_quantiles *out, const int64_t *with_length,
                                   int64_t lengths);

#endif
