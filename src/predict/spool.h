/* Temporary storage of results for the files that need them once all are known, or several times:
 * the JSON file begins with the largest score of the run. The results are in an unlinked temporary
 * file in the output folder, which disappears however the program ends.
 */
#ifndef DT_PREDICT_SPOOL_H
#define DT_PREDICT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/memory.h"
#include "core/status.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int32_t label; /* predicted class */
    int32_t truth; /* number of the true label (predict/truth.h), DT_NO_TRUTH where unknown */
    float confidence;
    float entropy;
} dt_spool_cell;

/* One sequence. Zero-initialise; free with dt_spool_row_free(). */
typedef struct {
    dt_text id;
    dt_text sequence; /* as given, but normalised; empty: not kept */
    int64_t length;   /* bases */
    int32_t number;   /* of the different sequences, 0, 1, … in the order in which they came; 0 if
                         they are not numbered */
    bool reversed;    /* was reverse-complemented for the model */
    int32_t nearest;  /* reference; -1: none; this and the next only with neighbours */
    float similarity; /* to it */
    int32_t unassigned; /* tax_ranks, the last ones, of which it is too low */
    dt_spool_cell cell[DT_MAX_TAX_RANKS];
} dt_spool_row;

void dt_spool_row_free(dt_spool_row *row);

typedef struct {
    FILE *stream;
    char *buffer;
    const char *folder; /* for messages */
    int32_t tax_ranks;
    int64_t rows;
    int64_t next; /* row that dt_spool_next() will read */
} dt_spool;

/* `folder` must outlive the spool. */
dt_status dt_spool_create(dt_spool *spool, const char *folder, int32_t tax_ranks);
void dt_spool_close(dt_spool *spool); /* accepts a zero-initialised spool */

/* Appends a sequence. DT_ERR_IO if the disk is full, which may be reported only by
 * dt_spool_rewind(). */
dt_status dt_spool_add(dt_spool *spool, const dt_spool_row *row);

/* Goes back to the first row. No row can be added afterwards. */
dt_status dt_spool_rewind(dt_spool *spool);

/* Reads the next row; *found is false after the last one. */
dt_status dt_spool_next(dt_spool *spool, dt_spool_row *row, bool *found);

/* Goes back to the first row and calls `use` for each, until one fails. */
dt_status dt_spool_each(dt_spool *spool, dt_status (*use)(void *context, const dt_spool_row *row),
                        void *context);

#endif
