/* --format dada2: the matrix that assignTaxonomy() of the R package dada2 returns, as write.csv()
 * writes it; as.matrix(read.csv(FILE, row.names = 1)) reads it.
 *
 * A row for each different sequence, in the order of the input, named by the sequence on the strand
 * on which it was given; a column for each rank, the domain as `Kingdom`, as there; labels as in
 * the model; NA below the last rank kept. */
#include <ctype.h>

#include "predict/formats/taxon.h"

typedef struct {
    const dt_format_source *source;
    dt_output *out;
    int32_t written; /* rows, the number of the next new sequence */
} matrix;

/* "domain" is "Kingdom", unless the model has kingdoms too; "phylum" is "Phylum". */
static void write_column(dt_output *out, const dt_taxonomy *taxonomy, int32_t tax_rank)
{
    const char *name = taxonomy->rank[tax_rank].name;
    bool kingdoms = false;
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        kingdoms = kingdoms || dt_rank_letter(taxonomy, r) == 'k';
    dt_output_char(out, ',');
    if (dt_rank_letter(taxonomy, tax_rank) == 'd' && !kingdoms)
        name = "Kingdom";
    char first = (char)toupper((unsigned char)name[0]);
    dt_output_char(out, '"');
    dt_output_char(out, first);
    dt_output_text(out, name + 1);
    dt_output_char(out, '"');
}

static dt_status write_row(void *context, const dt_spool_row *row)
{
    matrix *m = context;
    const int32_t kept = dt_kept_ranks(m->source, row);
    if (row->number != m->written)
        return DT_OK; /* a copy of an earlier sequence */
    m->written++;
    dt_output_quoted(m->out, row->sequence.data, row->sequence.length);
    for (int32_t r = 0; r < m->source->taxonomy->tax_ranks; ++r) {
        const char *label = dt_cell_label(m->source, r, row->cell);
        dt_output_char(m->out, ',');
        if (r < kept)
            dt_output_quoted(m->out, label, strlen(label));
        else
            dt_output_text(m->out, "NA");
    }
    dt_output_char(m->out, '\n');
    return DT_OK;
}

dt_status dt_write_dada2(const dt_format_source *source, dt_output *out)
{
    matrix m = {.source = source, .out = out};
    dt_output_text(out, "\"\"");
    for (int32_t r = 0; r < source->taxonomy->tax_ranks; ++r)
        write_column(out, source->taxonomy, r);
    dt_output_char(out, '\n');
    return dt_spool_each(source->spool, write_row, &m);
}
