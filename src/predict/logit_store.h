/* Logits and true labels of held-out sequences, kept for reading them several times: the logits,
 * which are many, in a temporary file that has no name once it is open, so that nothing is left
 * behind however the program ends. */
#ifndef DT_PREDICT_LOGIT_STORE_H
#define DT_PREDICT_LOGIT_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef struct {
    FILE *stream;
    char *folder; /* for messages */
    int32_t tax_ranks;
    int32_t classes; /* of all tax_ranks: C */
    int64_t count;   /* sequences so far */
    int32_t *labels; /* (count, tax_ranks) true classes, -1 where unknown */
    size_t label_capacity;
    float *row;          /* (C) */
    const float *logits; /* (count, C), after dt_logit_store_map() */
    void *map;           /* what they stand in */
    size_t mapped;       /* its bytes */
} dt_logit_store;

/* Takes 4 · classes bytes a sequence in `folder`. Follow with dt_logit_store_close(), which takes a
 * zero-initialised one, too. */
dt_status dt_logit_store_create(dt_logit_store *store, const char *folder, int32_t tax_ranks,
                                int32_t classes);
void dt_logit_store_close(dt_logit_store *store);

/* Adds a sequence. `logits` has statistics of `statistic_size` bytes. DT_ERR_IO on a full disk,
 * possibly only in dt_logit_store_map(). */
dt_status dt_logit_store_add(dt_logit_store *store, const void *logits, int32_t statistic_size,
                             const int32_t *labels);

/* Sets store->logits. Nothing can be added afterwards. count >= 1. */
dt_status dt_logit_store_map(dt_logit_store *store);

#endif
