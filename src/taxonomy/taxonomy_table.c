#include "taxonomy/taxonomy_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/utf8.h"
#include "io/fasta.h"
#include "io/line_reader.h"
#include "taxonomy/lineage.h"
#include "core/unicode_class.h"
#include "taxonomy/doubts.h"
#include "taxonomy/label_encoder.h"
#include "taxonomy/spelling.h"

enum { MAX_COLUMNS = DT_MAX_TAX_RANKS + 1, MISSING = -1 };

/* The number of rows to which a remark applies, and the first of them. */
typedef struct {
    int64_t count;
    int64_t line;
    char example[DT_EXCERPT_SIZE];
} remark;

/* State while a table is read. */
typedef struct {
    dt_line_reader *reader; /* of a table; NULL: of a FASTA file */
    const char *name;       /* name of the file */
    int64_t line;           /* number of the current line */
    dt_taxonomy_table *table;
    bool lineages;     /* format (b) */
    int32_t columns;   /* cells per row */
    int32_t id_column; /* format (a) */
    int32_t tax_ranks; /* columns of `numbers` */
    char *rank_name[DT_MAX_TAX_RANKS];
    dt_label_encoder encoder[DT_MAX_TAX_RANKS];
    int32_t *numbers; /* (rows, tax_ranks) numbers of the encoders, or MISSING */
    size_t numbers_capacity;
    size_t lines_capacity;
    remark rooted, numbered, numbered_in_part, with_kingdom, kingdom_alone, from_header,
        shortened;      /* about lineages: see report_lineages() */
    bool same_bare_ids; /* two ids differ only in annotations */
    dt_text plain;      /* unquoted cells of the current line */
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

static dt_status copy_span(char **out, dt_span text)
{
    DT_TRY(DT_NEW(*out, text.length + 1));
    memcpy(*out, text.data, text.length);
    return DT_OK;
}

static long long line_number(const table_parser *parser)
{
    return (long long)parser->line;
}

/* Labels are copied to JSON and HDF5, which are UTF-8. */
static dt_status check_utf8(const table_parser *parser, dt_span line)
{
    const size_t valid = dt_utf8_valid(line.data, line.length);
    if (valid == line.length)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: not UTF-8 (byte 0x%02x): convert the file, for example with "
                   "'iconv -f LATIN1 -t UTF-8'",
                   parser->name, line_number(parser), (unsigned)(unsigned char)line.data[valid]);
}

/* Reads the next line that is not empty; data is NULL after the last. */
static dt_status next_line(table_parser *parser, dt_span *line)
{
    do
        DT_TRY(dt_line_reader_next(parser->reader, &line->data, &line->length));
    while (line->data && dt_trim(*line).length == 0);
    parser->line = dt_line_reader_number(parser->reader);
    return line->data ? check_utf8(parser, *line) : DT_OK;
}

/* ---- lineages -------------------------------------------------------------------------------- */

/* Counts one more row of this kind, and stores the first as an example. */
static void note(remark *of, const table_parser *parser, dt_span example)
{
    if (of->count++ > 0)
        return;
    of->line = line_number(parser);
    dt_excerpt(of->example, example.data, example.length);
}

/* Sets numbers[DT_USUAL_RANKS] to the numbers of a lineage's labels. */
static dt_status parse_lineage(table_parser *parser, dt_span text, int32_t *numbers)
{
    dt_lineage lineage;
    DT_TRY(dt_lineage_parse(&lineage, text, parser->name, line_number(parser)));
    for (int32_t r = 0; r < DT_USUAL_RANKS; ++r)
        if (lineage.label[r].data)
            DT_TRY(dt_label_encoder_add(&parser->encoder[r], lineage.label[r].data,
                                        lineage.label[r].length, &numbers[r]));
    if (lineage.root.data)
        note(&parser->rooted, parser, lineage.root);
    if (lineage.numbers)
        note(&parser->numbered, parser, text);
    if (lineage.some_numbers)
        note(&parser->numbered_in_part, parser, text);
    if (lineage.kingdom_below_domain)
        note(&parser->with_kingdom, parser, text);
    else if (lineage.label[DT_LINEAGE_KINGDOM].data)
        note(&parser->kingdom_alone, parser, lineage.label[DT_LINEAGE_KINGDOM]);
    return DT_OK;
}

/* For a table in which no lineage has both: k__ is the domain. */
static dt_status move_kingdoms_to_domains(table_parser *parser)
{
    const dt_label_encoder *kingdoms = &parser->encoder[DT_LINEAGE_KINGDOM];
    int32_t *domain;
    dt_status status = DT_OK;
    DT_TRY(DT_NEW(domain, (size_t)kingdoms->count));
    for (int32_t k = 0; k < kingdoms->count && status == DT_OK; ++k)
        status = dt_label_encoder_add(&parser->encoder[DT_LINEAGE_DOMAIN], kingdoms->label[k],
                                      strlen(kingdoms->label[k]), &domain[k]);
    for (int64_t row = 0; row < parser->table->rows && status == DT_OK; ++row) {
        int32_t *numbers = parser->numbers + row * DT_USUAL_RANKS;
        if (numbers[DT_LINEAGE_KINGDOM] != MISSING)
            numbers[DT_LINEAGE_DOMAIN] = domain[numbers[DT_LINEAGE_KINGDOM]];
    }
    free(domain);
    return status;
}

static void report_lineages(const table_parser *parser)
{
    const remark *rooted = &parser->rooted;
    const remark *numbered = &parser->numbered;
    const remark *alone = &parser->kingdom_alone;
    if (parser->from_header.count)
        dt_notice("%s: lineages are taken from the headers, in the form of %s: '%.100s' is '%s'",
                  parser->name, dt_header_form_name(parser->table->headers),
                  parser->table->first_id, parser->from_header.example);
    if (parser->shortened.count)
        dt_notice(
            "%s: %lld lineages have more levels than there are ranks (line %lld: '%s'): their "
            "domain and species are used",
            parser->name, (long long)parser->shortened.count, (long long)parser->shortened.line,
            parser->shortened.example);
    if (rooted->count)
        dt_notice(
            "%s: removed the root, which is not a taxonomic rank, from %lld lineages (line %lld: "
            "'%s')",
            parser->name, (long long)rooted->count, (long long)rooted->line, rooted->example);
    if (numbered->count)
        dt_notice("%s: removed the confidences in parentheses from %lld lineages (line %lld: '%s')",
                  parser->name, (long long)numbered->count, (long long)numbered->line,
                  numbered->example);
    if (parser->numbered_in_part.count)
        dt_warn("%s: %lld lineages have a confidence in parentheses at only some names (line %lld: "
                "'%s'): all their parentheses are treated as part of the names",
                parser->name, (long long)parser->numbered_in_part.count,
                (long long)parser->numbered_in_part.line, parser->numbered_in_part.example);
    if (alone->count && parser->with_kingdom.count)
        dt_warn("%s: %lld lineages have k__ and no domain (line %lld: '%s'): k__ is treated as the "
                "kingdom, as in line %lld, and their domain is missing",
                parser->name, (long long)alone->count, (long long)alone->line, alone->example,
                (long long)parser->with_kingdom.line);
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

static dt_status parse_labels(table_parser *parser, const dt_span *cells, int32_t *numbers)
{
    for (int32_t r = 0; r < parser->tax_ranks; ++r)
        numbers[r] = MISSING;
    if (parser->lineages)
        return parse_lineage(parser, cells[1], numbers);
    int32_t tax_rank = 0;
    for (int32_t c = 0; c < parser->columns; ++c) {
        if (c == parser->id_column)
            continue;
        const dt_span label = dt_trim(cells[c]);
        if (!dt_is_missing(label))
            DT_TRY(dt_label_encoder_add(&parser->encoder[tax_rank], label.data, label.length,
                                        &numbers[tax_rank]));
        tax_rank++;
    }
    return DT_OK;
}

/* Adds an annotated id without its annotations, as long as no two of these are equal. */
static dt_status add_bare_id(table_parser *parser, dt_span id, int32_t row)
{
    dt_taxonomy_table *table = parser->table;
    const size_t length = dt_bare_id_length(id.data, id.length);
    int added;
    if (length == id.length || parser->same_bare_ids)
        return DT_OK;
    if (!table->bare)
        DT_TRY(dt_strmap_create(&table->bare));
    DT_TRY(dt_strmap_add(table->bare, id.data, length, row, NULL, &added));
    if (!added) {
        parser->same_bare_ids = true;
        dt_strmap_destroy(table->bare);
        table->bare = NULL;
    }
    return DT_OK;
}

static dt_status add_id(table_parser *parser, dt_span id)
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
                       "%s: line %lld: duplicate id '%.*s', first seen on line %lld; each id must "
                       "have one row",
                       parser->name, line_number(parser), (int)(id.length < 200 ? id.length : 200),
                       id.data, (long long)table->lines[row]);
    DT_TRY(add_bare_id(parser, id, row));
    return table->first_id ? DT_OK : copy_span(&table->first_id, id);
}

static dt_status add_row(table_parser *parser, const dt_span *cells)
{
    dt_taxonomy_table *table = parser->table;
    const size_t rows = (size_t)table->rows;
    DT_TRY(DT_GROW(table->lines, parser->lines_capacity, rows + 1));
    DT_TRY(
        DT_GROW(parser->numbers, parser->numbers_capacity, (rows + 1) * (size_t)parser->tax_ranks));
    DT_TRY(add_id(parser, dt_trim(cells[parser->id_column])));
    DT_TRY(parse_labels(parser, cells, parser->numbers + rows * (size_t)parser->tax_ranks));
    table->lines[rows] = line_number(parser);
    table->rows++;
    return DT_OK;
}

static dt_status parse_row(table_parser *parser, dt_span line)
{
    dt_span cells[MAX_COLUMNS];
    int32_t count;
    DT_TRY(split_cells(parser, line, cells, &count));
    if (count != parser->columns)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the row has %d tab-separated cells; %d are expected, as in "
                       "the first line",
                       parser->name, line_number(parser), count, parser->columns);
    if (parser->lineages ? is_qiime_header(cells) : names_sequence_ids(cells[parser->id_column]))
        return dt_fail(
            DT_ERR_INPUT,
            "%s: line %lld: a second header, probably because tables were joined: remove "
            "it",
            parser->name, line_number(parser));
    return add_row(parser, cells);
}

/* ---- the first line -------------------------------------------------------------------------- */

static dt_status add_rank(table_parser *parser, dt_span name)
{
    name = dt_trim(name);
    if (name.length == 0)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has a column without a name",
                       parser->name, line_number(parser));
    for (int32_t r = 0; r < parser->tax_ranks; ++r)
        if (dt_labels_alike(parser->rank_name[r], strlen(parser->rank_name[r]), name.data,
                            name.length))
            return dt_fail(DT_ERR_INPUT,
                           "%s: line %lld: the header has two columns '%s' (ignoring case)",
                           parser->name, line_number(parser), parser->rank_name[r]);
    DT_TRY(copy_span(&parser->rank_name[parser->tax_ranks], name));
    DT_TRY(dt_label_encoder_create(&parser->encoder[parser->tax_ranks]));
    parser->tax_ranks++;
    return DT_OK;
}

static dt_status begin_columns(table_parser *parser, const dt_span *cells)
{
    if (parser->columns < 2 || parser->columns > MAX_COLUMNS)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header has %d columns besides 'sequence_id'; 1 to %d "
                       "taxonomic ranks are supported",
                       parser->name, line_number(parser), parser->columns - 1, DT_MAX_TAX_RANKS);
    for (int32_t c = 0; c < parser->columns; ++c) {
        if (c == parser->id_column)
            continue;
        if (names_sequence_ids(cells[c]))
            return dt_fail(DT_ERR_INPUT, "%s: line %lld: the header has two columns 'sequence_id'",
                           parser->name, line_number(parser));
        DT_TRY(add_rank(parser, cells[c]));
    }
    return DT_OK;
}

static dt_status begin_lineages(table_parser *parser)
{
    parser->lineages = true;
    for (int32_t r = 0; r < DT_USUAL_RANKS; ++r)
        DT_TRY(add_rank(parser, dt_span_of(dt_usual_rank[r])));
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
        parser->name, line_number(parser), dt_excerpt(excerpt, line.data, line.length),
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
        parser->name, line_number(parser), dt_excerpt(excerpt, label.data, label.length));
}

/* Determines the format from the first line; *is_row is true if that line is a row. */
static dt_status begin_table(table_parser *parser, bool *is_row, dt_span *line)
{
    dt_span cells[MAX_COLUMNS] = {0};
    *is_row = false;
    DT_TRY(next_line(parser, line));
    if (!line->data)
        return dt_fail(DT_ERR_INPUT, "%s: the file is empty; a taxonomy table is expected",
                       parser->name);
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
        return begin_lineages(parser);
    if (!dt_looks_like_lineage(cells[1]))
        return unknown_format(parser, *line);
    for (int32_t c = 2; c < seen; ++c)
        if (dt_label_prefix(cells[c].data, cells[c].length) > 0)
            return missing_header(parser, cells[c]);
    *is_row = true;
    return begin_lineages(parser);
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
    if (parser->lineages)
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
                       parser->name, line_number(parser),
                       parser->rank_name[c - (c > parser->id_column)],
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
    if (line.data && parser->lineages && line.length >= 9 && memcmp(line.data, "#q2:types", 9) == 0)
        DT_TRY(next_line(parser, &line));
    if (line.data)
        DT_TRY(check_first_row(parser, line));
    while (line.data) {
        DT_TRY(parse_row(parser, line));
        DT_TRY(next_line(parser, &line));
    }
    if (parser->table->rows == 0)
        return dt_fail(DT_ERR_INPUT, "%s: a header without rows", parser->name);
    return DT_OK;
}

/* Sorts the labels of one column, with `Unclassified` if a row needs it, and adds it to the table
 * as the next of its `tax_ranks` ranks, with its classes. */
static dt_status finish_rank(table_parser *parser, int32_t column, int32_t tax_ranks)
{
    dt_taxonomy_table *table = parser->table;
    dt_label_encoder *encoder = &parser->encoder[column];
    int32_t *out = table->labels + table->taxonomy.tax_ranks;
    int64_t missing = 0;
    for (int64_t row = 0; row < table->rows; ++row)
        missing += parser->numbers[row * parser->tax_ranks + column] == MISSING;
    int32_t unclassified = MISSING;
    if (missing > 0)
        DT_TRY(
            dt_label_encoder_add(encoder, DT_UNCLASSIFIED, strlen(DT_UNCLASSIFIED), &unclassified));
    table->missing += missing;
    int32_t *classes = NULL;
    dt_status status = dt_label_encoder_sort(encoder, &classes);
    for (int64_t row = 0; status == DT_OK && row < table->rows; ++row) {
        const int32_t number = parser->numbers[row * parser->tax_ranks + column];
        out[row * tax_ranks] = classes[number == MISSING ? unclassified : number];
    }
    free(classes);
    DT_TRY(status);
    return dt_taxonomy_add_rank(&table->taxonomy, parser->rank_name[column], encoder->count,
                                (const char *const *)encoder->label);
}

/* Chooses the columns that become ranks; for lineages, those down to the deepest with a label,
 * without kingdom unless some lineage has both domain and kingdom. Returns their number. */
static int32_t choose_columns(const table_parser *parser, int32_t *column)
{
    int32_t end = parser->tax_ranks;
    int32_t count = 0;
    while (parser->lineages && end > 0 && parser->encoder[end - 1].count == 0)
        end--;
    for (int32_t c = 0; c < end; ++c)
        if (!parser->lineages || c != DT_LINEAGE_KINGDOM ||
            (parser->with_kingdom.count > 0 && parser->encoder[c].count > 0))
            column[count++] = c;
    return count;
}

static dt_status finish_table(table_parser *parser)
{
    dt_taxonomy_table *table = parser->table;
    int32_t column[DT_MAX_TAX_RANKS];
    if (parser->lineages && parser->with_kingdom.count == 0)
        DT_TRY(move_kingdoms_to_domains(parser));
    const int32_t tax_ranks = choose_columns(parser, column);
    if (tax_ranks == 0)
        return dt_fail(DT_ERR_INPUT, "%s: no lineage has any labels", parser->name);
    DT_TRY(DT_NEW(table->labels, (size_t)(table->rows * tax_ranks)));
    for (int32_t r = 0; r < tax_ranks; ++r)
        DT_TRY(finish_rank(parser, column[r], tax_ranks));
    report_lineages(parser);
    if (table->missing > 0)
        dt_warn("%s: %lld of %lld labels are missing and become '" DT_UNCLASSIFIED "'",
                parser->name, (long long)table->missing, (long long)table->rows * tax_ranks);
    return dt_taxonomy_report_doubts(&table->taxonomy, parser->name);
}

static dt_status read_table(table_parser *parser, const char *path)
{
    DT_TRY(dt_line_reader_open(&parser->reader, path, &dt_taxonomy_text));
    parser->name = dt_line_reader_name(parser->reader);
    DT_TRY(parse_rows(parser));
    return finish_table(parser);
}

/* ---- the headers of a FASTA file ------------------------------------------------------------- */

/* Adds the lineage of a record, whose id it replaces. `first`: the line of the first record. */
static dt_status parse_header(table_parser *parser, dt_fasta_record *record, int64_t first,
                              dt_text *lineage)
{
    dt_taxonomy_table *table = parser->table;
    const dt_header_form form = dt_header_form_of(record);
    bool shortened;
    if (form == DT_HEADER_NONE)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header of '%.100s' has no lineage in a form that is "
                       "known: give the taxonomy of the sequences with --taxonomy-file",
                       parser->name, line_number(parser), record->id.data);
    if (table->rows == 0)
        table->headers = form;
    if (form != table->headers)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header of '%.100s' has a lineage in another form (%s) "
                       "than line %lld (%s): all must have the same, or give the taxonomy with "
                       "--taxonomy-file",
                       parser->name, line_number(parser), record->id.data,
                       dt_header_form_name(form), (long long)first,
                       dt_header_form_name(table->headers));
    DT_TRY(dt_header_lineage(form, record, lineage, &shortened));
    DT_TRY(dt_header_set_id(form, record, table->rows + 1));
    const dt_span cells[] = {{record->id.data, record->id.length},
                             {lineage->data, lineage->length}};
    DT_TRY(check_utf8(parser, cells[1]));
    if (shortened)
        note(&parser->shortened, parser, cells[1]);
    note(&parser->from_header, parser, cells[1]);
    return add_row(parser, cells);
}

static dt_status parse_headers(table_parser *parser, dt_fasta *fasta, dt_fasta_record *record,
                               dt_text *lineage)
{
    int64_t first = 0;
    bool found = true;
    parser->name = dt_fasta_name(fasta);
    DT_TRY(begin_lineages(parser));
    for (;;) {
        DT_TRY(dt_fasta_next(fasta, record, &found));
        if (!found)
            return finish_table(parser);
        parser->line = record->line;
        first = first ? first : record->line;
        DT_TRY(parse_header(parser, record, first, lineage));
    }
}

static dt_status read_headers(table_parser *parser, const char *path)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    dt_text lineage = {0};
    DT_TRY(dt_fasta_open(&fasta, path));
    const dt_status status = parse_headers(parser, fasta, &record, &lineage);
    dt_fasta_close(fasta);
    dt_fasta_record_free(&record);
    dt_text_free(&lineage);
    return status;
}

/* ---- interface ------------------------------------------------------------------------------- */

static dt_status read_with(dt_taxonomy_table *table, const char *path,
                           dt_status (*read)(table_parser *parser, const char *path))
{
    *table = (dt_taxonomy_table){0};
    table_parser parser = {.table = table};
    dt_status status = dt_copy_text(&table->path, path);
    if (status == DT_OK)
        status = dt_strmap_create(&table->index);
    if (status == DT_OK)
        status = read(&parser, path);
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

dt_status dt_taxonomy_table_read(dt_taxonomy_table *table, const char *path)
{
    return read_with(table, path, read_table);
}

dt_status dt_taxonomy_table_from_headers(dt_taxonomy_table *table, const char *fasta_file)
{
    return read_with(table, fasta_file, read_headers);
}

dt_status dt_taxonomy_table_for(dt_taxonomy_table *table, const char *path, const char *fasta_file)
{
    return read_with(table, path, strcmp(path, fasta_file) == 0 ? read_headers : read_table);
}

void dt_taxonomy_table_free(dt_taxonomy_table *table)
{
    free(table->path);
    dt_taxonomy_free(&table->taxonomy);
    free(table->labels);
    free(table->lines);
    free(table->first_id);
    dt_strmap_destroy(table->index);
    dt_strmap_destroy(table->bare);
    *table = (dt_taxonomy_table){0};
}
