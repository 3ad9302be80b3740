/* Reads the table that gives each sequence its taxon, in one of two formats (docs/model.md 1);
 * plain or compressed, CRLF and a byte-order mark taken (io/line_reader.h). Empty lines are
 * skipped.
 *
 * (a) DeepTaxa's: a header with the column `sequence_id` (in any case, or with a blank for '_') and
 *     one column for each taxonomic rank, tab-separated. The rank columns keep their order and
 *     names, which may be any; labels stand as they are, but for blanks round them. A rank whose
 *     first label is a whole lineage is refused: lineages under another header.
 * (b) QIIME 2's: `Feature ID` and `Taxon`, a lineage as taxonomy/lineage.h reads it; further
 * columns
 *     (`Confidence` and any other) are not used. The header may be missing where the second cell
 *     looks like a lineage. The ranks are domain, phylum, class, order, family, genus, species,
 *     down to the deepest that any row has a label for. Where any lineage has a k__ below its
 *     domain the kingdom is a rank, in all rows, below the domain; else a k__ is the domain.
 *
 * Quotation marks round a cell, as R writes them, are taken off, and doubled ones in it are one.
 *
 * A missing label (an empty cell, an empty prefix as `g__`, a rank that the lineage lacks, NA and
 * the other words by which pandas, with which DeepTaxa reads its table, knows a missing value) is
 * `Unclassified`; one warning counts them. What was left out of lineages is told with a count, and
 * what is doubtful is warned of (taxonomy/doubts.h). An id may occur once only, whatever its
 * labels: a table that says things twice was most likely put together wrongly.
 */
#ifndef DT_TAXONOMY_TAXONOMY_TABLE_H
#define DT_TAXONOMY_TAXONOMY_TABLE_H

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
    dt_strmap *bare; /* id without annotations → row, of the rows that have any; NULL: none has, or
                        two rows differ in nothing else */
    int64_t missing; /* labels that became `Unclassified` */
} dt_taxonomy_table;

/* Reads the table; freed with dt_taxonomy_table_free(), which leaves it empty. DT_ERR_INPUT, naming
 * file and line: neither format, a line that is not UTF-8, a row with too few or too many cells, an
 * empty or repeated id, a lineage whose ranks are out of order, no row, no label at all. */
dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path);
void dt_taxonomy_table_free(dt_taxonomy_table *table);

/* The bytes of an id without the annotations that vsearch and usearch append to it: a tail of
 * ';' and key=value ("a;size=99;sample=B;" is "a"). `length` where there are none. */
size_t dt_bare_id_length(const char *id, size_t length);

/* The row of an id, -1 when the table lacks it. Where no row has the very id, annotations are left
 * out: of the id, then of the rows'. Several threads may look up at a time. */
int64_t dt_taxonomy_table_find(const dt_taxonomy_table *table, const char *id, size_t length);

/* Sequences whose row was found without annotations. Zero-initialise. */
typedef struct {
    int64_t count;
    char first[128]; /* the first one's id */
} dt_bare_matches;

/* Counts an id that has a row where that row was found so. */
void dt_bare_matches_add(dt_bare_matches *matches, const dt_taxonomy_table *table, const char *id,
                         size_t length);

/* One notice with the count and the first, where there are any. `fasta` is what messages call the
 * sequences' file. */
void dt_bare_matches_report(const dt_bare_matches *matches, const dt_taxonomy_table *table,
                            const char *fasta);

#endif
