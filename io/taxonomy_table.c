#include "io/taxonomy_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/memory.h"
#include "io/line_reader.h"
#include "sequence/unicode_class.h"
#include "taxonomy/label_encoder.h"

enum { MAX_COLUMNS = DT_MAX_TAX_RANKS + 1, LINEAGE_RANKS = 7, MISSING = -1 };

static const char *const lineage_rank[LINEAGE_RANKS] = {"domain", "phylum", "class",  "order",
                                                        "family", "genus",  "species"};

typedef struct {
    const char *data;
    size_t length;
} span;

/* What is needed while a table is read. */
typedef struct {
    dt_line_reader *reader;
    const char *name; /* of the file */
    dt_taxonomy_table *table;
    bool lineages;     /* format (b) */
    int32_t columns;   /* cells of each row */
    int32_t id_column; /* format (a) */
    int32_t tax_ranks; /* columns of `numbers` */
    char *rank_name[DT_MAX_TAX_RANKS];
    dt_label_encoder encoder[DT_MAX_TAX_RANKS];
    int32_t *numbers; /* (rows, tax_ranks) the encoders' numbers, or MISSING */
    size_t numbers_capacity;
    size_t lines_capacity;
    dt_text plain; /* the present line's cells that were in quotation marks, without them */
} table_parser;

/* ---- text ---- */

static span trim(span text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (span){text.data + 1, text.length - 1};
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static bool equals(span text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

/* Takes the part of *rest up to the next `separator`; false when *rest was used up before. */
static bool next_part(span *rest, char separator, span *part)
{
    if (!rest->data)
        return false;
    const char *end = memchr(rest->data, separator, rest->length);
    if (end) {
        *part = (span){rest->data, (size_t)(end - rest->data)};
        *rest = (span){end + 1, rest->length - part->length - 1};
    } else {
        *part = *rest;
        *rest = (span){0};
    }
    return true;
}

/* A cell that stands in quotation marks without them, those in it single again. `plain` has room.
 */
static span unquote(dt_text *plain, span cell)
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
    return (span){out, length};
}

/* Splits a line at its tabs into the first MAX_COLUMNS cells; *count is how many there are. */
static dt_status split_cells(table_parser *parser, span line, span cells[MAX_COLUMNS],
                             int32_t *count)
{
    const bool quoted = memchr(line.data, '"', line.length) != NULL;
    span cell;
    *count = 0;
    dt_text_clear(&parser->plain);
    if (quoted)
        DT_TRY(DT_GROW(parser->plain.data, parser->plain.capacity, line.length));
    while (next_part(&line, '\t', &cell)) {
        if (*count < MAX_COLUMNS)
            cells[*count] = quoted ? unquote(&parser->plain, cell) : cell;
        ++*count;
    }
    return DT_OK;
}

static dt_status copy_span(char **out, span text)
{
    DT_TRY(DT_NEW(*out, text.length + 1));
    memcpy(*out, text.data, text.length);
    return DT_OK;
}

static long long line_number(const table_parser *parser)
{
    return (long long)dt_line_reader_number(parser->reader);
}

/* Labels go into JSON and HDF5, which are UTF-8. */
static dt_status check_utf8(const table_parser *parser, span line)
{
    for (size_t i = 0; i < line.length;) {
        uint32_t code;
        const size_t bytes = dt_utf8_next(line.data + i, line.length - i, &code);
        if (bytes == 1 && code == DT_REPLACEMENT_CHAR)
            return dt_fail(DT_ERR_INPUT,
                           "%s: line %lld: is not UTF-8 (a byte 0x%02x): convert the file, for "
                           "example with 'iconv -f LATIN1 -t UTF-8'",
                           parser->name, line_number(parser),
                           (unsigned)(unsigned char)line.data[i]);
        i += bytes;
    }
    return DT_OK;
}

/* The next line that is not empty; data is NULL after the last. */
static dt_status next_line(table_parser *parser, span *line)
{
    do
        DT_TRY(dt_line_reader_next(parser->reader, &line->data, &line->length));
    while (line->data && trim(*line).length == 0);
    return line->data ? check_utf8(parser, *line) : DT_OK;
}

/* ---- lineages ---- */

/* The rank that a prefix names, MISSING when the part has none, LINEAGE_RANKS for an unknown one.
 */
static int32_t prefix_rank(span part)
{
    if (part.length < 3 || part.data[1] != '_' || part.data[2] != '_')
        return MISSING;
    const char letters[] = "dpcofgs";
    const char letter = (char)(part.data[0] == 'k' ? 'd' : part.data[0]);
    const char *at = letter ? strchr(letters, letter) : NULL;
    return at ? (int32_t)(at - letters) : LINEAGE_RANKS;
}

static dt_status lineage_error(const table_parser *parser, span part, const char *problem)
{
    char excerpt[DT_EXCERPT_SIZE];
    return dt_fail(DT_ERR_INPUT, "%s: line %lld: the lineage part '%s' %s", parser->name,
                   line_number(parser), dt_excerpt(excerpt, part.data, part.length), problem);
}

/* Sets numbers[LINEAGE_RANKS] to the labels of a lineage. */
static dt_status parse_lineage(table_parser *parser, span lineage, int32_t *numbers)
{
    int32_t deepest = -1;
    int32_t position = 0;
    span part;
    while (next_part(&lineage, ';', &part)) {
        part = trim(part);
        const bool closes = part.length == 0 && !lineage.data; /* "a; b;" ends in an empty part */
        if (closes)
            break;
        const int32_t named = prefix_rank(part);
        const int32_t tax_rank = named == MISSING ? position : named;
        position++;
        if (named == LINEAGE_RANKS)
            return lineage_error(parser, part,
                                 "has an unknown prefix; d__ (or k__), p__, c__, o__, f__, g__ and "
                                 "s__ are known");
        if (tax_rank >= LINEAGE_RANKS)
            return lineage_error(parser, part, "is one too many; domain to species are 7");
        if (tax_rank <= deepest)
            return lineage_error(parser, part,
                                 "is out of order; ranks go from domain to species, each once");
        deepest = tax_rank;
        if (part.length > (named == MISSING ? 0 : 3))
            DT_TRY(dt_label_encoder_add(&parser->encoder[tax_rank], part.data, part.length,
                                        &numbers[tax_rank]));
    }
    return DT_OK;
}

/* ---- rows ---- */

/* No label: an empty cell, an empty prefix, or what R and pandas write for a missing value. */
static bool is_missing(span cell)
{
    static const char *const words[] = {"NA",   "N/A",  "n/a", "#N/A", "<NA>",
                                        "NULL", "null", "NaN", "nan",  "None"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i)
        if (cell.length == strlen(words[i]) && memcmp(cell.data, words[i], cell.length) == 0)
            return true;
    return cell.length == 0 || (cell.length == 3 && prefix_rank(cell) != MISSING);
}

static dt_status parse_labels(table_parser *parser, const span *cells, int32_t *numbers)
{
    for (int32_t r = 0; r < parser->tax_ranks; ++r)
        numbers[r] = MISSING;
    if (parser->lineages)
        return parse_lineage(parser, cells[1], numbers);
    int32_t tax_rank = 0;
    for (int32_t c = 0; c < parser->columns; ++c) {
        if (c == parser->id_column)
            continue;
        const span label = trim(cells[c]);
        if (!is_missing(label))
            DT_TRY(dt_label_encoder_add(&parser->encoder[tax_rank], label.data, label.length,
                                        &numbers[tax_rank]));
        tax_rank++;
    }
    return DT_OK;
}

static dt_status add_id(table_parser *parser, span id)
{
    dt_taxonomy_table *table = parser->table;
    if (id.length == 0)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: the sequence id is empty", parser->name,
                       line_number(parser));
    if (table->rows == INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "%s: more than %d rows", parser->name, INT32_MAX);
    int32_t row;
    int added;
    DT_TRY(dt_strmap_add(table->index, id.data, id.length, (int32_t)table->rows, &row, &added));
    if (!added)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the id '%.*s' stands in line %lld already; each id must "
                       "have one row",
                       parser->name, line_number(parser), (int)(id.length < 200 ? id.length : 200),
                       id.data, (long long)table->lines[row]);
    return table->first_id ? DT_OK : copy_span(&table->first_id, id);
}

static dt_status parse_row(table_parser *parser, span line)
{
    dt_taxonomy_table *table = parser->table;
    span cells[MAX_COLUMNS];
    int32_t count;
    DT_TRY(split_cells(parser, line, cells, &count));
    if (count != parser->columns)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the row has %d tab-separated cells; %d are expected, as in "
                       "the first line",
                       parser->name, line_number(parser), count, parser->columns);
    const size_t rows = (size_t)table->rows;
    DT_TRY(DT_GROW(table->lines, parser->lines_capacity, rows + 1));
    DT_TRY(
        DT_GROW(parser->numbers, parser->numbers_capacity, (rows + 1) * (size_t)parser->tax_ranks));
    DT_TRY(add_id(parser, trim(cells[parser->id_column])));
    DT_TRY(parse_labels(parser, cells, parser->numbers + rows * (size_t)parser->tax_ranks));
    table->lines[rows] = line_number(parser);
    table->rows++;
    return DT_OK;
}

/* ---- the first line ---- */

static dt_status add_rank(table_parser *parser, span name)
{
    name = trim(name);
    if (name.length == 0)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has a column without a name",
                       parser->name, line_number(parser));
    for (int32_t r = 0; r < parser->tax_ranks; ++r)
        if (strlen(parser->rank_name[r]) == name.length &&
            memcmp(parser->rank_name[r], name.data, name.length) == 0)
            return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has two columns '%s'",
                           parser->name, line_number(parser), parser->rank_name[r]);
    DT_TRY(copy_span(&parser->rank_name[parser->tax_ranks], name));
    DT_TRY(dt_label_encoder_create(&parser->encoder[parser->tax_ranks]));
    parser->tax_ranks++;
    return DT_OK;
}

static dt_status begin_columns(table_parser *parser, const span *cells)
{
    if (parser->columns < 2 || parser->columns > MAX_COLUMNS)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header has %d columns beside 'sequence_id'; 1 to %d "
                       "taxonomic ranks are possible",
                       parser->name, line_number(parser), parser->columns - 1, DT_MAX_TAX_RANKS);
    for (int32_t c = 0; c < parser->columns; ++c)
        if (c != parser->id_column)
            DT_TRY(add_rank(parser, cells[c]));
    return DT_OK;
}

static dt_status begin_lineages(table_parser *parser)
{
    parser->lineages = true;
    for (int32_t r = 0; r < LINEAGE_RANKS; ++r)
        DT_TRY(add_rank(parser, (span){lineage_rank[r], strlen(lineage_rank[r])}));
    return DT_OK;
}

/* The names that QIIME 2 takes for the id column. */
static bool names_feature_ids(span cell)
{
    static const char *const names[] = {"feature id", "feature-id", "featureid",
                                        "id",         "#otu id",    "#otuid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
        if (equals(trim(cell), names[i]))
            return true;
    return false;
}

static bool looks_like_lineage(span cell)
{
    cell = trim(cell);
    return memchr(cell.data, ';', cell.length) || prefix_rank(cell) != MISSING;
}

static dt_status unknown_format(const table_parser *parser, span line)
{
    char excerpt[DT_EXCERPT_SIZE];
    const bool commas =
        !memchr(line.data, '\t', line.length) && memchr(line.data, ',', line.length);
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: no column 'sequence_id' in the header and no QIIME 2 taxonomy "
                   "either; found '%s'%s. Expected: 'sequence_id' and one column a rank, separated "
                   "by tabs, or 'Feature ID' and 'Taxon'",
                   parser->name, line_number(parser), dt_excerpt(excerpt, line.data, line.length),
                   commas ? " (separated by commas?)" : "");
}

/* Finds out the format from the first line; *is_row is true when that line is a row already. */
static dt_status begin_table(table_parser *parser, bool *is_row, span *line)
{
    span cells[MAX_COLUMNS] = {0};
    *is_row = false;
    DT_TRY(next_line(parser, line));
    if (!line->data)
        return dt_fail(DT_ERR_INPUT, "%s: the file is empty; a taxonomy table is expected",
                       parser->name);
    DT_TRY(split_cells(parser, *line, cells, &parser->columns));
    const int32_t seen = parser->columns < MAX_COLUMNS ? parser->columns : MAX_COLUMNS;
    for (int32_t c = 0; c < seen; ++c)
        if (equals(trim(cells[c]), "sequence_id")) {
            parser->id_column = c;
            return begin_columns(parser, cells);
        }
    const bool qiime_width = parser->columns == 2 || parser->columns == 3;
    if (!qiime_width)
        return unknown_format(parser, *line);
    if (names_feature_ids(cells[0]) &&
        (equals(trim(cells[1]), "taxon") || equals(trim(cells[1]), "taxonomy")))
        return begin_lineages(parser);
    *is_row = looks_like_lineage(cells[1]);
    return *is_row ? begin_lineages(parser) : unknown_format(parser, *line);
}

/* ---- the whole table ---- */

/* A single rank whose first label is a list is a table of lineages under another header. */
static dt_status check_first_row(table_parser *parser, span line)
{
    span cells[MAX_COLUMNS];
    int32_t count;
    char excerpt[DT_EXCERPT_SIZE];
    if (parser->lineages || parser->columns != 2)
        return DT_OK;
    DT_TRY(split_cells(parser, line, cells, &count));
    if (count != 2)
        return DT_OK; /* parse_row() says it */
    const span label = cells[1 - parser->id_column];
    if (!memchr(label.data, ';', label.length))
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT,
        "%s: line %lld: column '%s' holds whole lineages ('%s'): give one column a rank, "
        "or call the columns 'Feature ID' and 'Taxon'",
        parser->name, line_number(parser), parser->rank_name[0],
        dt_excerpt(excerpt, label.data, label.length));
}

static dt_status parse_rows(table_parser *parser)
{
    span line;
    bool is_row;
    DT_TRY(begin_table(parser, &is_row, &line));
    if (!is_row)
        DT_TRY(next_line(parser, &line));
    if (line.data && parser->lineages && line.length >= 9 && memcmp(line.data, "#q2:types", 9) == 0)
        DT_TRY(next_line(parser, &line));
    if (line.data)
        DT_TRY(check_first_row(parser, line));
    while (line.data) {
        DT_TRY(parse_row(parser, line));
        DT_TRY(next_line(parser, &line));
    }
    if (parser->table->rows == 0)
        return dt_fail(DT_ERR_INPUT, "%s: holds a header but no row", parser->name);
    return DT_OK;
}

/* Sorts the labels of one rank, `Unclassified` among them where a row needs it, and writes the
 * classes into the table, which has `tax_ranks` ranks. */
static dt_status finish_rank(table_parser *parser, int32_t tax_rank, int32_t tax_ranks)
{
    dt_taxonomy_table *table = parser->table;
    dt_label_encoder *encoder = &parser->encoder[tax_rank];
    int64_t missing = 0;
    for (int64_t row = 0; row < table->rows; ++row)
        missing += parser->numbers[row * parser->tax_ranks + tax_rank] == MISSING;
    int32_t unclassified = MISSING;
    if (missing > 0)
        DT_TRY(
            dt_label_encoder_add(encoder, DT_UNCLASSIFIED, strlen(DT_UNCLASSIFIED), &unclassified));
    table->missing += missing;
    int32_t *classes = NULL;
    dt_status status = dt_label_encoder_sort(encoder, &classes);
    for (int64_t row = 0; status == DT_OK && row < table->rows; ++row) {
        const int32_t number = parser->numbers[row * parser->tax_ranks + tax_rank];
        table->labels[row * tax_ranks + tax_rank] =
            classes[number == MISSING ? unclassified : number];
    }
    free(classes);
    DT_TRY(status);
    return dt_taxonomy_add_rank(&table->taxonomy, parser->rank_name[tax_rank], encoder->count,
                                (const char *const *)encoder->label);
}

static dt_status finish_table(table_parser *parser)
{
    dt_taxonomy_table *table = parser->table;
    int32_t tax_ranks = parser->tax_ranks;
    while (parser->lineages && tax_ranks > 0 && parser->encoder[tax_ranks - 1].count == 0)
        tax_ranks--;
    if (tax_ranks == 0)
        return dt_fail(DT_ERR_INPUT, "%s: no lineage holds any label", parser->name);
    DT_TRY(DT_NEW(table->labels, (size_t)(table->rows * tax_ranks)));
    for (int32_t r = 0; r < tax_ranks; ++r)
        DT_TRY(finish_rank(parser, r, tax_ranks));
    if (table->missing > 0)
        dt_warn("%s: %lld of %lld labels are missing; they become '" DT_UNCLASSIFIED "'",
                parser->name, (long long)table->missing, (long long)table->rows * tax_ranks);
    return DT_OK;
}

static dt_status read_table(table_parser *parser, const char *path)
{
    DT_TRY(copy_span(&parser->table->path, (span){path, strlen(path)}));
    DT_TRY(dt_strmap_create(&parser->table->index));
    DT_TRY(dt_line_reader_open(&parser->reader, path, &dt_taxonomy_text));
    parser->name = dt_line_reader_name(parser->reader);
    DT_TRY(parse_rows(parser));
    return finish_table(parser);
}

dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path)
{
    *table = (dt_taxonomy_table){0};
    table_parser parser = {.table = table};
    const dt_status status = read_table(&parser, path);
    dt_line_reader_close(parser.reader);
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r) {
        free(parser.rank_name[r]);
        dt_label_encoder_free(&parser.encoder[r]);
    }
    free(parser.numbers);
    dt_text_free(&parser.plain);
    if (status != DT_OK)
        dt_taxonomy_table_free(table);
    return status;
}

void dt_taxonomy_table_free(dt_taxonomy_table *table)
{
    free(table->path);
    dt_taxonomy_free(&table->taxonomy);
    free(table->labels);
    free(table->lines);
    free(table->first_id);
    dt_strmap_destroy(table->index);
    *table = (dt_taxonomy_table){0};
}

int64_t dt_taxonomy_table_find(const dt_taxonomy_table *table, const char *id, size_t length)
{
    return dt_strmap_find(table->index, id, length);
}
