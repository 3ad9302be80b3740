/* Refuses an id that comes twice, for tables in which each id may stand once.
 *
 * An id is kept as a hash of 128 bits: 16 bytes an id, in a table that is at least a quarter and at
 * most a half full, so 32 to 64 bytes for each id, however long it is. Two different ids of a
 * billion have the same hash with a probability of 1e-21. */
#ifndef DT_PREDICT_UNIQUE_IDS_H
#define DT_PREDICT_UNIQUE_IDS_H

#include <stdbool.h>

#include "io/fasta.h"

typedef struct dt_unique_ids dt_unique_ids;

dt_status dt_unique_ids_create(dt_unique_ids **out);
void dt_unique_ids_destroy(dt_unique_ids *ids); /* NULL is fine */

/* Notes the record's id. DT_ERR_INPUT, with `file` and the line, where it came before. */
dt_status dt_unique_ids_add(dt_unique_ids *ids, const dt_fasta_record *record, const char *file);

/* Reads the whole of `path`, which must be a file that can be read again, and refuses it where an
 * id comes twice; sequences of fewer than `min_length` letters, normalised or as they stand, may
 * have any. */
dt_status dt_unique_ids_check(const char *path, bool normalize, int64_t min_length);

#endif
