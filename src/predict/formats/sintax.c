/* --format sintax: the table of `vsearch --sintax --tabbedout`, with a cutoff. Its columns, without
 * a header: id; `d:Bacteria(1.00),p:Bacillota(0.98),…`, all ranks with their confidences; strand, -
 * for a sequence that was reverse-complemented; the ranks kept, without confidences.
 *
 * Ranks between domain and species alone have a letter there; others are left out, and so is
 * `Unclassified`. Commas and tabs inside a label would be separators and become `_`. */
#include <stdio.h>

#include "predict/formats/taxon.h"

typedef struct {
    const dt_format_source *source;
    dt_output *out;
} table;

/* Writes "g:Name" after a comma, unless it is the first one. Returns false for a rank left out. */
static bool write_name(const table *t, int32_t tax_rank, const dt_spool_cell *cells, bool first)
{
    const char *label = dt_cell_label(t->source, tax_rank, cells);
    const char letter = dt_rank_letter(t->source->taxonomy, tax_rank);
    if (!letter || strcmp(label, DT_UNCLASSIFIED) == 0)
        return false;
    if (!first)
        dt_output_char(t->out, ',');
    dt_output_char(t->out, letter);
    dt_output_char(t->out, ':');
    for (const char *c = dt_without_prefix(label); *c; ++c)
        dt_output_char(t->out, (char)(*c == ',' || *c == '\t' ? '_' : *c));
    return true;
}

static dt_status write_row(void *context, const dt_spool_row *row)
{
    const table *t = context;
    const int32_t kept = dt_kept_ranks(t->source, row);
    bool first = true;
    char number[32];
    dt_output_bytes(t->out, row->id.data, row->id.length);
    dt_output_char(t->out, '\t');
    for (int32_t r = 0; r < t->source->taxonomy->tax_ranks; ++r) {
        if (!write_name(t, r, row->cell, first))
            continue;
        snprintf(number, sizeof number, "(%.2f)", (double)row->cell[r].confidence);
        dt_output_text(t->out, number);
        first = false;
    }
    dt_output_text(t->out, row->reversed ? "\t-\t" : "\t+\t");
    first = true;
    for (int32_t r = 0; r < kept; ++r)
        first = !write_name(t, r, row->cell, first) && first;
    dt_output_char(t->out, '\n');
    return DT_OK;
}

dt_status dt_write_sintax(const dt_format_source *source, dt_output *out)
{
    return dt_spool_each(source->spool, write_row, &(table){source, out});
}
