/* The references of a model: their sequences, and of which ids they are copies. */
#ifndef DT_NEIGHBOURS_REFERENCE_SET_H
#define DT_NEIGHBOURS_REFERENCE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "neighbours/references.h"
#include "taxonomy/lineage_tree.h"

typedef struct {
    dt_references sequences;
    int64_t total; /* sequences of the training set: the sum of the copies */
    int64_t *ids;  /* (total) a hash of each copy's id and leaf, ascending */
} dt_reference_set;

void dt_reference_set_free(dt_reference_set *set); /* leaves an empty one */

/* Checks arrays that were read from the file `path`, and completes set->sequences. `leaves`: of the
 * lineage tree. DT_ERR_INPUT if they contradict each other. */
dt_status dt_reference_set_complete(dt_reference_set *set, int32_t leaves, const char *path);

/* Returns whether a sequence of the set has this id and lineage. */
bool dt_reference_set_has(const dt_reference_set *set, const char *id, int32_t leaf);

/* Writes a hash of the set and of the lineages to which its leaves refer, in hexadecimal digits:
 * equal for equal sets. */
#define DT_REFERENCE_CHECKSUM 17
void dt_reference_set_checksum(const dt_reference_set *set, const dt_lineage_tree *tree,
                               char out[DT_REFERENCE_CHECKSUM]);

/* ---- Collecting ------------------------------------------------------------------------------ */

typedef struct dt_reference_collector dt_reference_collector;

dt_status dt_reference_collector_create(dt_reference_collector **out);
void dt_reference_collector_destroy(dt_reference_collector *collector); /* NULL is allowed */

/* Adds a sequence, letters as in dt_reference_builder_add(). */
dt_status dt_reference_collector_add(dt_reference_collector *collector, const char *id,
                                     const char *sequence, size_t length, int32_t leaf);

/* Moves what was added into *out, which the caller frees; the collector is empty afterwards. */
dt_status dt_reference_collector_finish(dt_reference_collector *collector, dt_reference_set *out);

#endif
