/* Logits and true labels of held-out sequences, stored to be read several times. The logits are in
 * an unlinked temporary file, which disappears however the program ends. */
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
    void *map;           /* the memory-mapped file that holds them */
    size_t mapped;       /* bytes of `map` */
} dt_logit_store;

/* Creates a store in `folder`, which takes 4 · classes bytes per sequence there. Close it with
 * dt_logit_store_close(), also on failure. */
dt_status dt_logit_store_create(dt_logit_store *store, const char *folder, int32_t tax_ranks,
                                int32_t classes);
/* Closes the store; a zero-initialised one is allowed. */
void dt_logit_store_close(dt_logit_store *store);

/* Adds a sequence. Each logit has `statistic_size` bytes. DT_ERR_IO if the disk is full, which may
 * be reported only by dt_logit_store_map(). */
dt_status dt_logit_store_add(dt_logit_store *store, const void *logits, int32_t statistic_size,
                             const int32_t *labels);

/* Sets store->logits. No sequence can be added afterwards. count >= 1. */
dt_status dt_logit_store_map(dt_logit_store *store);

#endif
