/* Warnings about taxonomy tables that can be read but are probably wrong. */
#ifndef DT_TAXONOMY_DOUBTS_H
#define DT_TAXONOMY_DOUBTS_H

#include "core/status.h"
#include "taxonomy/taxonomy.h"

/* Warns, once per kind and with an example, of labels of one rank that differ only in spelling
 * (taxonomy/spelling.h), of ranks whose labels are all numbers, and of ranks that are not in order
 * from domain to species. `file` is the table's name for messages. */
dt_status dt_taxonomy_report_doubts(const dt_taxonomy *taxonomy, const char *file);

#endif
