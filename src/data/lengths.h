/* How long the sequences of a set are, in bases, as a few quantiles: what a model keeps of the
 * lengths that it was trained on. */
#ifndef DT_DATA_LENGTHS_H
#define DT_DATA_LENGTHS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"

#define DT_LENGTH_QUANTILES 9

/* The per cent of each quantile: 0, 1, 5, 25, 50, 75, 95, 99, 100. */
extern const int32_t dt_length_percent[DT_LENGTH_QUANTILES];

typedef struct {
    bool known;                         /* false: shards or a checkpoint of an older version */
    int64_t bases[DT_LENGTH_QUANTILES]; /* normalised; rising: [0] the shortest, [4] the median,
                                           [8] the longest */
} dt_length_quantiles;

/* Those of the sequences items[0 … count-1], count >= 1. The quantile of p per cent is the shortest
 * length that at least p per cent of them do not exceed. Unknown where the dataset does not tell
 * their lengths. DT_ERR_MEMORY. */
dt_status dt_length_quantiles_of(dt_length_quantiles *out, const dt_dataset *dataset,
                                 const int64_t *items, int64_t count);

#endif
