#include "taxonomy/taxonomy_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/printable.h"
#include "taxonomy/doubts.h"
#include "taxonomy/lineage.h"
#include "taxonomy/spelling.h"

enum { MISSING = -1 };

static dt_status copy_span(char **out, dt_span text)
{
    DT_TRY(DT_NEW(*out, text.length + 1));
    memcpy(*out, text.data, text.length);
    return DT_OK;
}

static long long line_number(const dt_taxonomy_rows *rows)
{
    return (long long)rows->line;
}

/* Labels are copied to JSON and HDF5, which are UTF-8. */
dt_status dt_taxonomy_rows_check_utf8(const dt_taxonomy_rows *rows, dt_span line)
{
    const size_t valid = dt_utf8_valid(line.data, line.length);
    if (valid == line.length)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: not UTF-8 (byte 0x%02x): convert the file, for example with "
                   "'iconv -f LATIN1 -t UTF-8'",
                   rows->name, line_number(rows), (unsigned)(unsigned char)line.data[valid]);
}

/* Sets *number to that of a label of rank r. */
static dt_status take_label(dt_taxonomy_rows *rows, int32_t r, dt_span label, int32_t *number)
{
    char text[DT_EXCERPT_SIZE];
    if (dt_has_control(label.data, label.length))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the label '%s' has a control character, such as a tab: "
                       "remove it",
                       rows->name, line_number(rows), dt_excerpt(text, label.data, label.length));
    return dt_label_encoder_add(&rows->encoder[r], label.data, label.length, number);
}

/* ---- ranks ----------------------------------------------------------------------------------- */

dt_status dt_taxonomy_rows_add_rank(dt_taxonomy_rows *rows, dt_span name)
{
    name = dt_trim(name);
    if (name.length == 0)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has a column without a name",
                       rows->name, line_number(rows));
    for (int32_t r = 0; r < rows->tax_ranks; ++r)
        if (dt_labels_alike(rows->rank_name[r], strlen(rows->rank_name[r]), name.data, name.length))
            return dt_fail(DT_ERR_INPUT,
                           "%s: line %lld: the header has two columns '%s' (ignoring case)",
                           rows->name, line_number(rows), rows->rank_name[r]);
    DT_TRY(copy_span(&rows->rank_name[rows->tax_ranks], name));
    DT_TRY(dt_label_encoder_create(&rows->encoder[rows->tax_ranks]));
    rows->tax_ranks++;
    return DT_OK;
}

dt_status dt_taxonomy_rows_of_lineages(dt_taxonomy_rows *rows)
{
    rows->lineages = true;
    for (int32_t r = 0; r < DT_USUAL_RANKS; ++r)
        DT_TRY(dt_taxonomy_rows_add_rank(rows, dt_span_of(dt_usual_rank[r])));
    return DT_OK;
}

/* ---- lineages -------------------------------------------------------------------------------- */

/* Counts one more row of this kind, and stores the first as an example. */
void dt_taxonomy_rows_note(dt_remark *of, const dt_taxonomy_rows *rows, dt_span example)
{
    if (of->count++ > 0)
        return;
    of->line = line_number(rows);
    dt_excerpt(of->example, example.data, example.length);
}

/* Sets numbers[DT_USUAL_RANKS] to the numbers of a lineage's labels. */
static dt_status parse_lineage(dt_taxonomy_rows *rows, dt_span text, int32_t *numbers)
{
    dt_lineage lineage;
    DT_TRY(dt_lineage_parse(&lineage, text, rows->name, line_number(rows)));
    for (int32_t r = 0; r < DT_USUAL_RANKS; ++r)
        if (lineage.label[r].data)
            DT_TRY(take_label(rows, r, lineage.label[r], &numbers[r]));
    if (lineage.root.data)
        dt_taxonomy_rows_note(&rows->rooted, rows, lineage.root);
    if (lineage.numbers)
        dt_taxonomy_rows_note(&rows->numbered, rows, text);
    if (lineage.some_numbers)
        dt_taxonomy_rows_note(&rows->numbered_in_part, rows, text);
    if (lineage.kingdom_below_domain)
        dt_taxonomy_rows_note(&rows->with_kingdom, rows, text);
    else if (lineage.label[DT_LINEAGE_KINGDOM].data)
        dt_taxonomy_rows_note(&rows->kingdom_alone, rows, lineage.label[DT_LINEAGE_KINGDOM]);
    return DT_OK;
}

/* For a table in which no lineage has both: k__ is the domain. */
static dt_status move_kingdoms_to_domains(dt_taxonomy_rows *rows)
{
    const dt_label_encoder *kingdoms = &rows->encoder[DT_LINEAGE_KINGDOM];
    int32_t *domain;
    dt_status status = DT_OK;
    DT_TRY(DT_NEW(domain, (size_t)kingdoms->count));
    for (int32_t k = 0; k < kingdoms->count && status == DT_OK; ++k)
        status = dt_label_encoder_add(&rows->encoder[DT_LINEAGE_DOMAIN], kingdoms->label[k],
                                      strlen(kingdoms->label[k]), &domain[k]);
    for (int64_t row = 0; row < rows->table->rows && status == DT_OK; ++row) {
        int32_t *numbers = rows->numbers + row * DT_USUAL_RANKS;
        if (numbers[DT_LINEAGE_KINGDOM] != MISSING)
            numbers[DT_LINEAGE_DOMAIN] = domain[numbers[DT_LINEAGE_KINGDOM]];
    }
    free(domain);
    return status;
}

static void report_lineages(const dt_taxonomy_rows *rows)
{
    const dt_remark *rooted = &rows->rooted;
    const dt_remark *numbered = &rows->numbered;
    const dt_remark *alone = &rows->kingdom_alone;
    if (rows->from_header.count)
        dt_notice("%s: lineages are taken from the headers, in the form of %s: '%.100s' is '%s'",
                  rows->name, dt_header_form_name(rows->table->headers), rows->table->first_id,
                  rows->from_header.example);
    if (rows->shortened.count)
        dt_notice(
            "%s: %lld lineages have more levels than there are ranks (line %lld: '%s'): their "
            "domain and species are used",
            rows->name, (long long)rows->shortened.count, (long long)rows->shortened.line,
            rows->shortened.example);
    if (rooted->count)
        dt_notice(
            "%s: removed the root, which is not a taxonomic rank, from %lld lineages (line %lld: "
            "'%s')",
            rows->name, (long long)rooted->count, (long long)rooted->line, rooted->example);
    if (numbered->count)
        dt_notice("%s: removed the confidences in parentheses from %lld lineages (line %lld: '%s')",
                  rows->name, (long long)numbered->count, (long long)numbered->line,
                  numbered->example);
    if (rows->numbered_in_part.count)
        dt_warn("%s: %lld lineages have a confidence in parentheses at only some names (line %lld: "
                "'%s'): all their parentheses are treated as part of the names",
                rows->name, (long long)rows->numbered_in_part.count,
                (long long)rows->numbered_in_part.line, rows->numbered_in_part.example);
    if (alone->count && rows->with_kingdom.count)
        dt_warn("%s: %lld lineages have k__ and no domain (line %lld: '%s'): k__ is treated as the "
                "kingdom, as in line %lld, and their domain is missing",
                rows->name, (long long)alone->count, (long long)alone->line, alone->example,
                (long long)rows->with_kingdom.line);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Adds an annotated id without its annotations, as long as no two of these are equal. */
static dt_status add_bare_id(dt_taxonomy_rows *rows, dt_span id, int32_t row)
{
    dt_taxonomy_table *table = rows->table;
    const size_t length = dt_bare_id_length(id.data, id.length);
    int added;
    if (length == id.length || rows->same_bare_ids)
        return DT_OK;
    if (!table->bare)
        DT_TRY(dt_strmap_create(&table->bare));
    DT_TRY(dt_strmap_add(table->bare, id.data, length, row, NULL, &added));
    if (!added) {
        rows->same_bare_ids = true;
        dt_strmap_destroy(table->bare);
        table->bare = NULL;
    }
    return DT_OK;
}

static dt_status add_id(dt_taxonomy_rows *rows, dt_span id)
{
    dt_taxonomy_table *table = rows->table;
    if (id.length == 0)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: the sequence id is empty", rows->name,
                       line_number(rows));
    if (table->rows == INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "%s: more than %d rows", rows->name, INT32_MAX);
    int32_t row;
    int added;
    DT_TRY(dt_strmap_add(table->index, id.data, id.length, (int32_t)table->rows, &row, &added));
    if (!added)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: duplicate id '%.*s', first seen on line %lld; each id must "
                       "have one row",
                       rows->name, line_number(rows), (int)(id.length < 200 ? id.length : 200),
                       id.data, (long long)table->lines[row]);
    DT_TRY(add_bare_id(rows, id, row));
    return table->first_id ? DT_OK : copy_span(&table->first_id, id);
}

/* Adds a row's id, and sets *numbers to the place of its labels, which are all missing. */
static dt_status add_row(dt_taxonomy_rows *rows, dt_span id, int32_t **numbers)
{
    dt_taxonomy_table *table = rows->table;
    const size_t at = (size_t)table->rows;
    const size_t ranks = (size_t)rows->tax_ranks;
    DT_TRY(DT_GROW(table->lines, rows->lines_capacity, at + 1));
    DT_TRY(DT_GROW(rows->numbers, rows->numbers_capacity, (at + 1) * ranks));
    DT_TRY(add_id(rows, dt_trim(id)));
    *numbers = rows->numbers + at * ranks;
    for (size_t r = 0; r < ranks; ++r)
        (*numbers)[r] = MISSING;
    table->lines[at] = rows->line;
    table->rows++;
    return DT_OK;
}

dt_status dt_taxonomy_rows_add(dt_taxonomy_rows *rows, dt_span id, const dt_span *labels)
{
    int32_t *numbers;
    DT_TRY(add_row(rows, id, &numbers));
    for (int32_t r = 0; r < rows->tax_ranks; ++r) {
        const dt_span label = dt_trim(labels[r]);
        if (!dt_is_missing(label))
            DT_TRY(take_label(rows, r, label, &numbers[r]));
    }
    return DT_OK;
}

dt_status dt_taxonomy_rows_add_lineage(dt_taxonomy_rows *rows, dt_span id, dt_span lineage)
{
    int32_t *numbers;
    DT_TRY(add_row(rows, id, &numbers));
    return parse_lineage(rows, lineage, numbers);
}

/* ---- the whole table ------------------------------------------------------------------------- */

/* Sorts the labels of one column, with `Unclassified` if a row needs it, and adds it to the table
 * as the next of its `tax_ranks` ranks, with its classes. */
static dt_status finish_rank(dt_taxonomy_rows *rows, int32_t column, int32_t tax_ranks)
{
    dt_taxonomy_table *table = rows->table;
    dt_label_encoder *encoder = &rows->encoder[column];
    int32_t *out = table->labels + table->taxonomy.tax_ranks;
    int64_t missing = 0;
    for (int64_t row = 0; row < table->rows; ++row)
        missing += rows->numbers[row * rows->tax_ranks + column] == MISSING;
    int32_t unclassified = MISSING;
    if (missing > 0)
        DT_TRY(
            dt_label_encoder_add(encoder, DT_UNCLASSIFIED, strlen(DT_UNCLASSIFIED), &unclassified));
    table->missing += missing;
    int32_t *classes = NULL;
    dt_status status = dt_label_encoder_sort(encoder, &classes);
    for (int64_t row = 0; status == DT_OK && row < table->rows; ++row) {
        const int32_t number = rows->numbers[row * rows->tax_ranks + column];
        out[row * tax_ranks] = classes[number == MISSING ? unclassified : number];
    }
    free(classes);
    DT_TRY(status);
    return dt_taxonomy_add_rank(&table->taxonomy, rows->rank_name[column], encoder->count,
                                (const char *const *)encoder->label);
}

/* Chooses the columns that become ranks; for lineages, those down to the deepest with a label,
 * without kingdom unless some lineage has both domain and kingdom. Returns their number. */
static int32_t choose_columns(const dt_taxonomy_rows *rows, int32_t *column)
{
    int32_t end = rows->tax_ranks;
    int32_t count = 0;
    while (rows->lineages && end > 0 && rows->encoder[end - 1].count == 0)
        end--;
    for (int32_t c = 0; c < end; ++c)
        if (!rows->lineages || c != DT_LINEAGE_KINGDOM ||
            (rows->with_kingdom.count > 0 && rows->encoder[c].count > 0))
            column[count++] = c;
    return count;
}

dt_status dt_taxonomy_rows_finish(dt_taxonomy_rows *rows)
{
    dt_taxonomy_table *table = rows->table;
    int32_t column[DT_MAX_TAX_RANKS];
    if (rows->lineages && rows->with_kingdom.count == 0)
        DT_TRY(move_kingdoms_to_domains(rows));
    const int32_t tax_ranks = choose_columns(rows, column);
    if (tax_ranks == 0)
        return dt_fail(DT_ERR_INPUT, "%s: no lineage has any labels", rows->name);
    DT_TRY(DT_NEW(table->labels, (size_t)(table->rows * tax_ranks)));
    for (int32_t r = 0; r < tax_ranks; ++r)
        DT_TRY(finish_rank(rows, column[r], tax_ranks));
    report_lineages(rows);
    if (table->missing > 0)
        dt_warn("%s: %lld of %lld labels are missing and become '" DT_UNCLASSIFIED "'", rows->name,
                (long long)table->missing, (long long)table->rows * tax_ranks);
    return dt_taxonomy_report_doubts(&table->taxonomy, rows->name);
}

static void free_rows(dt_taxonomy_rows *rows)
{
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r) {
        free(rows->rank_name[r]);
        dt_label_encoder_free(&rows->encoder[r]);
    }
    free(rows->numbers);
}

dt_status dt_taxonomy_rows_read(dt_taxonomy_table *table, const char *path,
                                dt_status (*read)(dt_taxonomy_rows *rows, const char *path))
{
    dt_taxonomy_rows rows = {.table = table};
    *table = (dt_taxonomy_table){0};
    dt_status status = dt_copy_text(&table->path, path);
    if (status == DT_OK)
        status = dt_strmap_create(&table->index);
    if (status == DT_OK)
        status = read(&rows, path);
    free_rows(&rows);
    if (status != DT_OK)
        dt_taxonomy_table_free(table);
    return status;
}
