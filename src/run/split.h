/* The split into training and validation sequences, equal to DeepTaxa's for the same seed: NumPy's
 * legacy shuffle of 0 … count-1 (docs/model.md 1). */
#ifndef DT_RUN_SPLIT_H
#define DT_RUN_SPLIT_H

#include <stdint.h>

#include "core/status.h"

typedef struct {
    int64_t training_count;
    int64_t validation_count;
    int64_t *training; /* (training_count) sequence numbers, in shuffled order; NULL: marks only */
    int64_t *validation; /* (validation_count) */
    uint8_t *marks; /* (training_count + validation_count) bits (core/bits.h): 1 for validation;
                            NULL: numbers only */
} dt_split;

/* Splits `count` sequences: the first int(count · (1 - validation_share)) shuffled indices are for
 * training, the rest for validation; computed in doubles like Python. Returns DT_ERR_INPUT if there
 * are no training sequences. */
dt_status dt_split_create(dt_split *split, int64_t count, double validation_share, uint32_t seed);

/* The same split as marks, in count / 8 bytes, for a streamed set: without the order of the
 * numbers. */
dt_status dt_split_create_marks(dt_split *split, int64_t count, double validation_share,
                                uint32_t seed);

/* Adds the marks to a split that has the numbers. DT_ERR_INPUT if a number is out of range. */
dt_status dt_split_add_marks(dt_split *split);

/* Returns the first validation sequence from *next on, of a split with marks, and sets *next behind
 * it. There must be one. */
int64_t dt_split_next(const dt_split *split, int64_t *next);

void dt_split_free(dt_split *split);

#endif
