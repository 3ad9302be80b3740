/* Reads taxonomy tables, the formats of taxonomy/taxonomy_table.h. */
#include "taxonomy/taxonomy_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "io/line_reader.h"
#include "taxonomy/lineage.h"
#include "taxonomy/spelling.h"
#include "taxonomy/taxonomy_rows.h"

enum { MAX_COLUMNS = DT_MAX_TAX_RANKS + 1 };

/* State while a table is read. */
typedef struct {
    dt_taxonomy_rows *rows;
    dt_line_reader *reader;
    int32_t columns;   /* cells per row */
    int32_t id_column; /* 0, but for format (a) */
    dt_text plain;     /* unquoted cells of the current line */
} table_parser;

/* ---- text ------------------------------------------------------------------------------------ */

static bool equals(dt_span text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

/* Removes the quotation marks around a cell and halves doubled ones inside. */
static dt_span unquote(dt_text *plain, dt_span cell)
{
    if (cell.length < 2 || cell.data[0] != '"' || cell.data[cell.length - 1] != '"')
        return cell;
    char *out = plain->data + plain->length;
    size_t length = 0;
    for (size_t i = 1; i + 1 < cell.length; ++i) {
        out[length++] = cell.data[i];
        i += cell.data[i] == '"' && cell.data[i + 1] == '"' && i + 2 < cell.length;
    }
    plain->length += length;
    return (dt_span){out, length};
}

/* Splits a line at tabs into its first MAX_COLUMNS cells; *count is the number of all cells. */
static dt_status split_cells(table_parser *parser, dt_span line, dt_span cells[MAX_COLUMNS],
                             int32_t *count)
{
    const bool quoted = memchr(line.data, '"', line.length) != NULL;
    dt_span cell;
    *count = 0;
    dt_text_clear(&parser->plain);
    if (quoted)
        DT_TRY(DT_GROW(parser->plain.data, parser->plain.capacity, line.length));
    while (dt_next_part(&line, '\t', &cell)) {
        if (*count < MAX_COLUMNS)
            cells[*count] = quoted ? unquote(&parser->plain, cell) : cell;
        ++*count;
    }
    return DT_OK;
}

static long long line_number(const table_parser *parser)
{
    return (long long)parser->rows->line;
}

/* Reads the next line that is not empty; data is NULL after the last. */
static dt_status next_line(table_parser *parser, dt_span *line)
{
    do
        DT_TRY(dt_line_reader_next(parser->reader, &line->data, &line->length));
    while (line->data && dt_trim(*line).length == 0);
    parser->rows->line = dt_line_reader_number(parser->reader);
    return line->data ? dt_taxonomy_rows_check_utf8(parser->rows, *line) : DT_OK;
}

/* ---- headers --------------------------------------------------------------------------------- */

static bool names_sequence_ids(dt_span cell)
{
    cell = dt_trim(cell);
    return dt_labels_alike(cell.data, cell.length, "sequence_id", strlen("sequence_id"));
}

/* The names of the id column in QIIME 2. */
static bool names_feature_ids(dt_span cell)
{
    static const char *const names[] = {"feature id", "feature-id", "featureid",
                                        "id",         "#otu id",    "#otuid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
        if (equals(dt_trim(cell), names[i]))
            return true;
    return false;
}

static bool is_qiime_header(const dt_span *cells)
{
    return names_feature_ids(cells[0]) &&
           (equals(dt_trim(cells[1]), "taxon") || equals(dt_trim(cells[1]), "taxonomy"));
}

/* ---- rows ------------------------------------------------------------------------------------ */

static dt_status parse_row(table_parser *parser, dt_span line)
{
    dt_span cells[MAX_COLUMNS] = {0};
    int32_t count;
    DT_TRY(split_cells(parser, line, cells, &count));
    if (count != parser->columns)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the row has %d tab-separated cells; %d are expected, as in "
                       "the first line",
                       parser->rows->name, line_number(parser), count, parser->columns);
    if (parser->rows->lineages ? is_qiime_header(cells)
                               : names_sequence_ids(cells[parser->id_column]))
        return dt_fail(
            DT_ERR_INPUT,
            "%s: line %lld: a second header, probably because tables were joined: remove "
            "it",
            parser->rows->name, line_number(parser));
    if (parser->rows->lineages)
        return dt_taxonomy_rows_add_lineage(parser->rows, cells[0], cells[1]);
    const dt_span id = cells[parser->id_column];
    memmove(cells + parser->id_column, cells + parser->id_column + 1,
            (size_t)(count - 1 - parser->id_column) * sizeof *cells);
    return dt_taxonomy_rows_add(parser->rows, id, cells);
}

/* ---- the first line -------------------------------------------------------------------------- */

static dt_status begin_columns(table_parser *parser, const dt_span *cells)
{
    if (parser->columns < 2 || parser->columns > MAX_COLUMNS)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header has %d columns besides 'sequence_id'; 1 to %d "
                       "taxonomic ranks are supported",
                       parser->rows->name, line_number(parser), parser->columns - 1,
                       DT_MAX_TAX_RANKS);
    for (int32_t c = 0; c < parser->columns; ++c) {
        if (c == parser->id_column)
            continue;
        if (names_sequence_ids(cells[c]))
            return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has two columns 'sequence_id'",
                           parser->rows->name, line_number(parser));
        DT_TRY(dt_taxonomy_rows_add_rank(parser->rows, cells[c]));
    }
    return DT_OK;
}

static dt_status unknown_format(const table_parser *parser, dt_span line)
{
    char excerpt[DT_EXCERPT_SIZE];
    const bool commas =
        !memchr(line.data, '\t', line.length) && memchr(line.data, ',', line.length);
    return dt_fail(
        DT_ERR_INPUT,
        "%s: line %lld: the header has no column 'sequence_id' and is not that of a QIIME 2 "
        "taxonomy; found '%s'%s. Expected are 'sequence_id' and one column per rank, "
        "separated by tabs, or 'Feature ID' and 'Taxon'",
        parser->rows->name, line_number(parser), dt_excerpt(excerpt, line.data, line.length),
        commas ? " (separated by commas?)" : "");
}

/* Reports a row of labels, one per cell, in place of the header. */
static dt_status missing_header(const table_parser *parser, dt_span label)
{
    char excerpt[DT_EXCERPT_SIZE];
    return dt_fail(
        DT_ERR_INPUT,
        "%s: line %lld: the header is missing; this is a row with one label per column "
        "('%s'): begin the file with 'sequence_id' and the names of the ranks, separated "
        "by tabs",
        parser->rows->name, line_number(parser), dt_excerpt(excerpt, label.data, label.length));
}

/* Determines the format from the first line; *is_row is true if that line is a row. */
static dt_status begin_table(table_parser *parser, bool *is_row, dt_span *line)
{
    dt_span cells[MAX_COLUMNS] = {0};
    *is_row = false;
    DT_TRY(next_line(parser, line));
    if (!line->data)
        return dt_fail(DT_ERR_INPUT, "%s: the file is empty; a taxonomy table is expected",
                       parser->rows->name);
    DT_TRY(split_cells(parser, *line, cells, &parser->columns));
    const int32_t seen = parser->columns < MAX_COLUMNS ? parser->columns : MAX_COLUMNS;
    for (int32_t c = 0; c < seen; ++c)
        if (names_sequence_ids(cells[c])) {
            parser->id_column = c;
            return begin_columns(parser, cells);
        }
    if (parser->columns < 2)
        return unknown_format(parser, *line);
    if (is_qiime_header(cells))
        return dt_taxonomy_rows_of_lineages(parser->rows);
    if (!dt_looks_like_lineage(cells[1]))
        return unknown_format(parser, *line);
    for (int32_t c = 2; c < seen; ++c)
        if (dt_label_prefix(cells[c].data, cells[c].length) > 0)
            return missing_header(parser, cells[c]);
    *is_row = true;
    return dt_taxonomy_rows_of_lineages(parser->rows);
}

/* ---- the whole table ------------------------------------------------------------------------- */

/* Detects a whole lineage: in the only rank anything with ';', else parts with prefixes. */
static bool holds_lineage(const table_parser *parser, dt_span label)
{
    const bool bars = !dt_span_has(label, ';');
    dt_span part;
    if (!bars && parser->columns == 2)
        return true;
    dt_next_part(&label, bars ? '|' : ';', &part);
    while (dt_next_part(&label, bars ? '|' : ';', &part)) {
        part = dt_trim(part);
        if (dt_label_prefix(part.data, part.length) > 0)
            return true;
    }
    return false;
}

/* Rejects a rank whose first label is a whole lineage: a table of lineages with another header. */
static dt_status check_first_row(table_parser *parser, dt_span line)
{
    dt_span cells[MAX_COLUMNS];
    int32_t count;
    char excerpt[DT_EXCERPT_SIZE];
    if (parser->rows->lineages)
        return DT_OK;
    DT_TRY(split_cells(parser, line, cells, &count));
    if (count != parser->columns)
        return DT_OK; /* parse_row() reports it */
    for (int32_t c = 0; c < count; ++c) {
        if (c == parser->id_column || !holds_lineage(parser, cells[c]))
            continue;
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: column '%s' contains whole lineages ('%s'): use one column "
                       "per rank, or "
                       "rename the columns to 'Feature ID' and 'Taxon'",
                       parser->rows->name, line_number(parser),
                       parser->rows->rank_name[c - (c > parser->id_column)],
                       dt_excerpt(excerpt, cells[c].data, cells[c].length));
    }
    return DT_OK;
}

static dt_status parse_rows(table_parser *parser)
{
    dt_span line;
    bool is_row;
    DT_TRY(begin_table(parser, &is_row, &line));
    if (!is_row)
        DT_TRY(next_line(parser, &line));
    if (line.data && parser->rows->lineages && line.length >= 9 &&
        memcmp(line.data, "#q2:types", 9) == 0)
        DT_TRY(next_line(parser, &line));
    if (line.data)
        DT_TRY(check_first_row(parser, line));
    while (line.data) {
        DT_TRY(parse_row(parser, line));
        DT_TRY(next_line(parser, &line));
    }
    if (parser->rows->table->rows == 0)
        return dt_fail(DT_ERR_INPUT, "%s: a header without rows", parser->rows->name);
    return DT_OK;
}

static dt_status read_lines(table_parser *parser, const char *path)
{
    DT_TRY(dt_line_reader_open(&parser->reader, path, &dt_taxonomy_text));
    parser->rows->name = dt_line_reader_name(parser->reader);
    DT_TRY(parse_rows(parser));
    return dt_taxonomy_rows_finish(parser->rows);
}

static dt_status read_table(dt_taxonomy_rows *rows, const char *path)
{
    table_parser parser = {.rows = rows};
    const dt_status status = read_lines(&parser, path);
    dt_line_reader_close(parser.reader);
    dt_text_free(&parser.plain);
    return status;
}

dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path)
{
    return dt_taxonomy_rows_read(table, path, read_table);
}
