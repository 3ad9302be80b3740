/* Reads the table that gives each sequence its taxon, in one of two formats (reference-model 1);
 * plain or compressed, CRLF and a byte-order mark taken (io/line_reader.h). Empty lines are
 * skipped.
 *
 * (a) DeepTaxa's: a header with the column `sequence_id` and one column for each taxonomic rank,
 *     tab-separated. The rank columns keep their order and names; labels stand as they are, but
 *     for blanks round them. A single rank whose first label holds a ';' is refused: lineages
 *     under another header.
 * (b) QIIME 2's: two or three columns (`Feature ID`, `Taxon`, optional `Confidence`), the header
 *     may be missing. The lineage is split at ';', blanks round its parts are removed. A prefix
 *     (d__ or k__, p__, c__, o__, f__, g__, s__) says which rank a part is of, a part without one
 *     goes by its position. Labels keep their prefix, as QIIME 2 shows them. The ranks are domain,
 *     phylum, class, order, family, genus, species, down to the deepest that any row has a label
 *     for.
 *
 * Quotation marks round a cell, as R writes them, are taken off, and doubled ones in it are one.
 *
 * A missing label (an empty cell, an empty prefix as `g__`, a rank that the lineage lacks, in (a)
 * NA and the other words by which pandas, with which DeepTaxa reads its table, knows a missing
 * value) is `Unclassified`; one warning counts them. An id may occur once only, whatever its
 * labels: a table that says things twice was most likely put together wrongly.
 */
#ifndef DT_IO_TAXONOMY_TABLE_H
#define DT_IO_TAXONOMY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "core/strmap.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    char *path;           /* as the user named it */
    dt_taxonomy taxonomy; /* the distinct labels of each rank, in byte order */
    int64_t rows;
    int32_t *labels;  /* (rows, tax_ranks) classes */
    int64_t *lines;   /* (rows) line of each row in the file */
    char *first_id;   /* id of the first row, as an example for messages */
    dt_strmap *index; /* id → row */
    int64_t missing;  /* labels that became `Unclassified` */
} dt_taxonomy_table;

/* Reads the table; freed with dt_taxonomy_table_free(), which leaves it empty. DT_ERR_INPUT, naming
 * file and line: neither format, a line that is not UTF-8, a row with too few or too many cells, an
 * empty or repeated id, a lineage whose ranks are out of order, no row, no label at all. */
dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path);
void dt_taxonomy_table_free(dt_taxonomy_table *table);

/* The row of an id, -1 when the table lacks it. */
int64_t dt_taxonomy_table_find(const dt_taxonomy_table *table, const char *id, size_t length);

#endif
