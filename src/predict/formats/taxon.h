/* Lineages and labels as the formats of other programs write them. */
#ifndef DT_PREDICT_FORMATS_TAXON_H
#define DT_PREDICT_FORMATS_TAXON_H

#include <stddef.h>
#include <stdint.h>

#include "predict/formats/format.h"

/* Returns the number of taxonomic ranks to keep: those before the first one whose confidence is
 * below the threshold, which the nearest reference leaves unassigned, or whose label is
 * `Unclassified`. */
int32_t dt_kept_ranks(const dt_format_source *source, const dt_spool_row *row);

/* Returns the confidence of the deepest rank kept; of the first rank, if none is. */
float dt_kept_confidence(const dt_spool_cell *cells, int32_t kept);

/* Returns the label that a cell of a rank has. */
const char *dt_cell_label(const dt_format_source *source, int32_t tax_rank,
                          const dt_spool_cell *cells);

/* Returns the first letter of a rank between domain and species, '\0' for one of another name. */
char dt_rank_letter(const dt_taxonomy *taxonomy, int32_t tax_rank);

/* Returns the label without a prefix of one letter ("g__"). */
const char *dt_without_prefix(const char *label);

/* Writes the label to `out` with the prefix of its rank, if it has none and the rank has a letter.
 * Returns `out`'s text. */
dt_status dt_with_prefix(dt_text *out, const dt_format_source *source, int32_t tax_rank,
                         const dt_spool_cell *cells);

/* Returns N of an annotation `;size=N` of vsearch and usearch in an id; 1 if there is none. */
int64_t dt_read_count(const char *id, size_t length);

#endif
