/* Identical sequences of the input, which are computed once (predict/job.h): a table of limited size
 * from what the model gets of a sequence, its tokens and true labels, to a row of results.
 *
 * Eight slots share a hash; a new sequence replaces the one that was not seen for the longest time.
 * Keys are compared, not only their hashes. dt_repeats_find() and dt_repeats_row() may be called in
 * different threads: whoever stores and reads rows in the order of the calls of dt_repeats_find()
 * always finds the results of the right sequence, even though a slot is used again. */
#ifndef DT_PREDICT_REPEATS_H
#define DT_PREDICT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct dt_repeats dt_repeats;

/* Takes at most about `memory` bytes, for rows of `row_bytes`, up to `max_length` tokens and
 * `labels` labels; the smallest table has eight slots. */
dt_status dt_repeats_create(dt_repeats **out, int64_t memory, size_t row_bytes, int32_t max_length,
                            int32_t labels);
void dt_repeats_destroy(dt_repeats *repeats); /* NULL is allowed */

/* Sets *slot to that of a sequence. *found: its row has the results; otherwise they are to be stored
 * there. label: (labels); NULL: none are known. more: what else the results depend on. */
dt_status dt_repeats_find(dt_repeats *repeats, const uint16_t *tokens, int32_t count,
                          const int32_t *label, uint64_t more, int32_t *slot, bool *found);

/* Returns the row of a slot, of row_bytes. */
void *dt_repeats_row(const dt_repeats *repeats, int32_t slot);

#endif
