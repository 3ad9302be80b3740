/* Reads a taxonomy table, which gives the taxon of each sequence, in one of two formats
 * (docs/model.md 1). The file may be compressed and have Windows line ends and a byte-order mark
 * (io/line_reader.h). Empty lines are ignored.
 *
 * (a) DeepTaxa: tab-separated, with a header: a column `sequence_id` (any case; a blank may replace
 *     '_') and one column per taxonomic rank. Columns keep their order and names, which are
 *     arbitrary; labels are unchanged, except for blanks at their ends. If the first label of a
 *     rank is a whole lineage, the table is rejected as one of lineages with another header.
 * (b) QIIME 2: `Feature ID` and `Taxon`, a lineage in the syntax of taxonomy/lineage.h; further
 *     columns (such as `Confidence`) are ignored. The header may be missing if the second cell
 *     looks like a lineage. The ranks are domain, phylum, class, order, family, genus, species,
 *     down to the deepest with any label. If any lineage has a k__ below its domain, kingdom is a
 *     rank below domain in all rows; otherwise k__ is the domain.
 *
 * Quotation marks around a cell, as R writes them, are removed, and doubled ones inside are
 * replaced by single ones.
 *
 * A missing label (an empty cell, only a prefix such as `g__`, a rank that the lineage lacks, NA,
 * and other values that pandas, which DeepTaxa uses, reads as missing) becomes `Unclassified`; one
 * warning gives their number. A notice reports what was removed from lineages, and warnings report
 * doubtful content (taxonomy/doubts.h). Repeated ids are an error even if the labels are equal,
 * because such a table was probably assembled incorrectly.
 */
#ifndef DT_TAXONOMY_TAXONOMY_TABLE_H
#define DT_TAXONOMY_TAXONOMY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "core/strmap.h"
#include "taxonomy/header.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    char *path;             /* as given by the user */
    dt_header_form headers; /* lineages are from FASTA headers of this form; 0: from a table */
    dt_taxonomy taxonomy;   /* the distinct labels of each rank, in byte order */
    int64_t rows;
    int32_t *labels;  /* (rows, tax_ranks) classes */
    int64_t *lines;   /* (rows) line of each row in the file */
    char *first_id;   /* id of the first row, an example for messages */
    dt_strmap *index; /* id → row */
    dt_strmap *bare; /* for ids with annotations: id without them → row; NULL: no id has any, or two
                        rows differ only in them */
    int64_t missing; /* labels that became `Unclassified` */
} dt_taxonomy_table;

/* Reads the table; dt_taxonomy_table_free() frees it and leaves it empty. DT_ERR_INPUT, with file
 * and line: neither format, a line that is not UTF-8, a row with too few or too many cells, an
 * empty or repeated id, a lineage whose ranks are out of order, no rows, no labels. */
dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path);

/* Takes the lineages from the headers of a FASTA file (taxonomy/header.h), with one notice that says
 * so. Rows have the ids of dt_header_set_id(). DT_ERR_INPUT, with the record, where a header has no
 * lineage, or in another form than the first one; further as above and in io/fasta.h. */
dt_status dt_taxonomy_table_from_headers(dt_taxonomy_table *table, const char *fasta_file);

/* The first of both functions, if the sequences' taxonomy is in a file of its own, else the second:
 * `path` is that of the sequences. */
dt_status dt_taxonomy_table_for(dt_taxonomy_table *table, const char *path, const char *fasta_file);
void dt_taxonomy_table_free(dt_taxonomy_table *table);

/* Returns the row of an id, -1 if it is not in the table. If no row has exactly this id,
 * annotations are ignored, first in the id, then in the rows. Thread-safe. */
int64_t dt_taxonomy_table_find(const dt_taxonomy_table *table, const char *id, size_t length);

/* Sequences whose row was found only without annotations. Zero-initialise. */
typedef struct {
    int64_t count;
    char first[128]; /* id of the first one */
} dt_bare_matches;

/* Counts an id if its row was found only without annotations. */
void dt_bare_matches_add(dt_bare_matches *matches, const dt_taxonomy_table *table, const char *id,
                         size_t length);

/* Prints a notice with their number and the first id, if there are any. `fasta` is the name of the
 * sequences' file for messages. */
void dt_bare_matches_report(const dt_bare_matches *matches, const dt_taxonomy_table *table,
                            const char *fasta);

#endif
