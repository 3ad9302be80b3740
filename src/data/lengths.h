/* Quantiles of the lengths of a set of sequences, in bases. */
#ifndef DT_DATA_LENGTHS_H
#define DT_DATA_LENGTHS_H

#include <stdint.h>

#include "data/dataset.h"
#include "data/length_quantiles.h"

/* Computes the quantiles of the sequences items[0 … count-1], count >= 1. The p % quantile is the
 * smallest length that at least p % of them do not exceed. `known` is false if the dataset does not
 * have their lengths. DT_ERR_MEMORY. */
dt_status dt_length_quantiles_of(dt_length_quantiles *out, const dt_dataset *dataset,
                                 const int64_t *items, int64_t count);

#endif
