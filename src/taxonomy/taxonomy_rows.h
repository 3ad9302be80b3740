/* The rows of a taxonomy while it is read, from a table (taxonomy_read.c) or from the headers of
 * FASTA records (taxonomy_headers.c): ids and labels are added in the order of the file, then become
 * a dt_taxonomy_table. */
#ifndef DT_TAXONOMY_TAXONOMY_ROWS_H
#define DT_TAXONOMY_TAXONOMY_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/utf8.h"
#include "io/span.h"
#include "taxonomy/label_encoder.h"
#include "taxonomy/taxonomy_table.h"

/* The number of rows to which a remark applies, and the first of them. */
typedef struct {
    int64_t count;
    int64_t line;
    char example[DT_EXCERPT_SIZE];
} dt_remark;

/* `name` and `line` are set by the reader. */
typedef struct {
    dt_taxonomy_table *table; /* with its path and index */
    const char *name;         /* of the file, for messages */
    int64_t line;             /* of the row that is read */
    bool lineages;            /* whole lineages: the ranks are the usual ones */
    int32_t tax_ranks;        /* columns of `numbers` */
    char *rank_name[DT_MAX_TAX_RANKS];
    dt_label_encoder encoder[DT_MAX_TAX_RANKS];
    int32_t *numbers; /* (rows, tax_ranks) numbers of the encoders, or -1: missing */
    size_t numbers_capacity;
    size_t lines_capacity;
    dt_remark rooted, numbered, numbered_in_part, with_kingdom, kingdom_alone; /* about lineages */
    dt_remark from_header, shortened; /* set by taxonomy_headers.c */
    bool same_bare_ids;               /* two ids differ only in annotations */
} dt_taxonomy_rows;

/* Adds the next rank. DT_ERR_INPUT: a name that is empty, or alike that of another rank. */
dt_status dt_taxonomy_rows_add_rank(dt_taxonomy_rows *rows, dt_span name);
/* The ranks of whole lineages (taxonomy/lineage.h). */
dt_status dt_taxonomy_rows_of_lineages(dt_taxonomy_rows *rows);

/* DT_ERR_INPUT: the text is not UTF-8. */
dt_status dt_taxonomy_rows_check_utf8(const dt_taxonomy_rows *rows, dt_span text);

/* Add a row: its label at each rank, or its lineage. DT_ERR_INPUT: an id that is empty or not new;
 * a lineage that is not understood. */
dt_status dt_taxonomy_rows_add(dt_taxonomy_rows *rows, dt_span id, const dt_span *labels);
dt_status dt_taxonomy_rows_add_lineage(dt_taxonomy_rows *rows, dt_span id, dt_span lineage);

/* Counts one more row of this kind, and stores the first as an example. */
void dt_taxonomy_rows_note(dt_remark *of, const dt_taxonomy_rows *rows, dt_span example);

/* Completes the table, and reports what is remarkable. DT_ERR_INPUT: no labels. */
dt_status dt_taxonomy_rows_finish(dt_taxonomy_rows *rows);

/* Creates a table, with the rows that `read` adds and completes. On failure it is empty. */
dt_status dt_taxonomy_rows_read(dt_taxonomy_table *table, const char *path,
                                dt_status (*read)(dt_taxonomy_rows *rows, const char *path));

#endif
