/* Refuses duplicate ids, for tables in which each id may occur only once.
 *
 * Each id is stored as a 128-bit hash, 16 bytes, in a hash table that is between a quarter and half
 * full: 32 to 64 bytes per id, whatever its length. Among a billion different ids, two have the
 * same hash with a probability of 1e-21. */
#ifndef DT_PREDICT_UNIQUE_IDS_H
#define DT_PREDICT_UNIQUE_IDS_H

#include <stdbool.h>

#include "io/fasta.h"

typedef struct dt_unique_ids dt_unique_ids;

/* `reader`: the program for which ids must be unique, for messages; not copied. NULL: they must be in
 * any case. */
dt_status dt_unique_ids_create(dt_unique_ids **out, const char *reader);
void dt_unique_ids_destroy(dt_unique_ids *ids); /* NULL is allowed */

/* Adds the record's id. DT_ERR_INPUT, with `file` and the line, if the id was added before. */
dt_status dt_unique_ids_add(dt_unique_ids *ids, const dt_fasta_record *record, const char *file);

/* Reads the whole of `path`, which must be readable more than once, and refuses duplicate ids.
 * Sequences of fewer than `min_length` letters (after normalisation if `normalize`) are ignored. */
dt_status dt_unique_ids_check(const char *path, const char *reader, bool normalize,
                              int64_t min_length);

#endif
