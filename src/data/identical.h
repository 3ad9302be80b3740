/* Identical sequences, such as amplicons of related species: which are copies, and whether copies
 * have the same lineage. Sequences are compared by hashes of 128 bits; memory is about 60 bytes for
 * each different sequence. */
#ifndef DT_DATA_IDENTICAL_H
#define DT_DATA_IDENTICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "taxonomy/taxonomy_table.h"

typedef struct dt_identical dt_identical;

/* table: the lineages, must outlive the object; NULL: none are known. */
dt_status dt_identical_create(dt_identical **out, const dt_taxonomy_table *table);
void dt_identical_destroy(dt_identical *identical); /* NULL is allowed */

/* A sequence among those added. */
typedef struct {
    int32_t number; /* of the different sequences, 0, 1, … in the order in which they came */
    bool new_sequence;
    bool new_lineage; /* of this sequence: the first one, or other labels than those before */
} dt_identity;

/* Adds a sequence with its row in the table, -1: it has none, and is then taken for a copy of any
 * lineage. */
dt_status dt_identical_add(dt_identical *identical, const char *sequence, size_t length,
                           int64_t row, dt_identity *identity);

/* Returns the number of different sequences. */
int32_t dt_identical_count(const dt_identical *identical);

/* Returns the row of the first copy of a sequence that has one, -1 if none has. */
int64_t dt_identical_row(const dt_identical *identical, int32_t number);

/* Returns how many taxonomic ranks, from the first one on, all copies of a sequence share. */
int32_t dt_identical_common(const dt_identical *identical, int32_t number);

#endif
