/* What may be wrong with the taxonomy of a table that can be read all the same. */
#ifndef DT_TAXONOMY_DOUBTS_H
#define DT_TAXONOMY_DOUBTS_H

#include "core/status.h"
#include "taxonomy/taxonomy.h"

/* Warns, once for each kind and with an example, of labels of one rank that differ only in their
 * spelling (taxonomy/spelling.h), of ranks whose labels are all numbers, and of ranks in another
 * order than from domain to species. `file` is what messages call the table. */
dt_status dt_taxonomy_report_doubts(const dt_taxonomy *taxonomy, const char *file);

#endif
