/* A taxonomy table from the headers of FASTA records (taxonomy/header.h). */
#include "io/fasta.h"
#include "taxonomy/taxonomy_rows.h"

/* Adds the lineage of a record, whose id it replaces. `first`: the line of the first record. */
static dt_status parse_header(dt_taxonomy_rows *rows, dt_fasta_record *record, int64_t first,
                              dt_text *lineage)
{
    dt_taxonomy_table *table = rows->table;
    const dt_header_form form = dt_header_form_of(record);
    bool shortened;
    if (form == DT_HEADER_NONE)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header of '%.100s' has no lineage in a form that is "
                       "known: give a table with their taxonomy (--taxonomy-file; of references "
                       "--reference-taxonomy)",
                       rows->name, (long long)rows->line, record->id.data);
    if (table->rows == 0)
        table->headers = form;
    if (form != table->headers)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header of '%.100s' has a lineage in another form (%s) "
                       "than line %lld (%s): all must have the same, or give the taxonomy with "
                       "--taxonomy-file",
                       rows->name, (long long)rows->line, record->id.data,
                       dt_header_form_name(form), (long long)first,
                       dt_header_form_name(table->headers));
    DT_TRY(dt_header_lineage(form, record, lineage, &shortened));
    DT_TRY(dt_header_set_id(form, record, table->rows + 1));
    const dt_span cells[] = {{record->id.data, record->id.length},
                             {lineage->data, lineage->length}};
    DT_TRY(dt_taxonomy_rows_check_utf8(rows, cells[1]));
    if (shortened)
        dt_taxonomy_rows_note(&rows->shortened, rows, cells[1]);
    dt_taxonomy_rows_note(&rows->from_header, rows, cells[1]);
    return dt_taxonomy_rows_add_lineage(rows, cells[0], cells[1]);
}

static dt_status parse_headers(dt_taxonomy_rows *rows, dt_fasta *fasta, dt_fasta_record *record,
                               dt_text *lineage)
{
    int64_t first = 0;
    bool found = true;
    rows->name = dt_fasta_name(fasta);
    DT_TRY(dt_taxonomy_rows_of_lineages(rows));
    for (;;) {
        DT_TRY(dt_fasta_next(fasta, record, &found));
        if (!found)
            return dt_taxonomy_rows_finish(rows);
        rows->line = record->line;
        first = first ? first : record->line;
        DT_TRY(parse_header(rows, record, first, lineage));
    }
}

static dt_status read_headers(dt_taxonomy_rows *rows, const char *path)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    dt_text lineage = {0};
    DT_TRY(dt_fasta_open(&fasta, path));
    const dt_status status = parse_headers(rows, fasta, &record, &lineage);
    dt_fasta_close(fasta);
    dt_fasta_record_free(&record);
    dt_text_free(&lineage);
    return status;
}

dt_status dt_taxonomy_table_from_headers(dt_taxonomy_table *table, const char *fasta_file)
{
    return dt_taxonomy_rows_read(table, fasta_file, read_headers);
}
