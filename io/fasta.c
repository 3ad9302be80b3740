#include "io/fasta.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "io/line_reader.h"

struct dt_fasta {
    dt_line_reader *reader;
    dt_text header; /* of the next record, without '>' */
    int64_t header_line;
    bool has_header; /* false before the first record and at the end */
    bool started;
};

void dt_fasta_record_free(dt_fasta_record *record)
{
    dt_text_free(&record->id);
    dt_text_free(&record->description);
    dt_text_free(&record->sequence);
    *record = (dt_fasta_record){0};
}

dt_status dt_fasta_open(dt_fasta **out, const char *path)
{
    *out = NULL;
    dt_fasta *fasta;
    DT_TRY(DT_NEW(fasta, 1));
    const dt_status status = dt_line_reader_open(&fasta->reader, path, &dt_fasta_text);
    if (status != DT_OK) {
        dt_fasta_close(fasta);
        return status;
    }
    *out = fasta;
    return DT_OK;
}

void dt_fasta_close(dt_fasta *fasta)
{
    if (!fasta)
        return;
    dt_line_reader_close(fasta->reader);
    dt_text_free(&fasta->header);
    free(fasta);
}

const char *dt_fasta_name(const dt_fasta *fasta)
{
    return dt_line_reader_name(fasta->reader);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static dt_status keep_header(dt_fasta *fasta, const char *line, size_t length)
{
    dt_text_clear(&fasta->header);
    fasta->header_line = dt_line_reader_number(fasta->reader);
    fasta->has_header = true;
    return dt_text_add(&fasta->header, line + 1, length - 1);
}

static dt_status not_fasta(const dt_fasta *fasta, const char *line, size_t length)
{
    const char *name = dt_fasta_name(fasta);
    const long long number = dt_line_reader_number(fasta->reader);
    char excerpt[DT_EXCERPT_SIZE];
    if (line[0] == '@')
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: begins with '@' as FASTQ does; FASTA is expected (convert "
                       "the file, for example with 'seqtk seq -A')",
                       name, number);
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: text before the first '>' ('%s'); is this a FASTA file?", name,
                   number, dt_excerpt(excerpt, line, length));
}

/* Finds the first header; only empty lines may precede it. */
static dt_status start(dt_fasta *fasta)
{
    fasta->started = true;
    for (;;) {
        const char *line;
        size_t length;
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
        if (!line) {
            const bool empty = dt_line_reader_number(fasta->reader) == 0;
            return dt_fail(DT_ERR_INPUT, "%s: %s; at least one FASTA record is required",
                           dt_fasta_name(fasta),
                           empty ? "the file is empty" : "no line begins with '>'");
        }
        while (length > 0 && is_blank(line[length - 1]))
            length--;
        if (length == 0)
            continue;
        return line[0] == '>' ? keep_header(fasta, line, length) : not_fasta(fasta, line, length);
    }
}

/* Ids are copied to JSON, HDF5 and tables, all of which are UTF-8. */
static dt_status check_id(const dt_fasta *fasta, const char *id, size_t length)
{
    const size_t valid = dt_utf8_valid(id, length);
    char excerpt[DT_EXCERPT_SIZE];
    if (valid == length)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: the id '%s' is not UTF-8 (byte 0x%02x): convert the file, for "
                   "example with 'iconv -f LATIN1 -t UTF-8'",
                   dt_fasta_name(fasta), (long long)fasta->header_line,
                   dt_excerpt(excerpt, id, length), (unsigned)(unsigned char)id[valid]);
}

static dt_status split_header(const dt_fasta *fasta, dt_fasta_record *record)
{
    const char *header = fasta->header.data;
    size_t end = fasta->header.length;
    while (end > 0 && is_blank(header[end - 1]))
        end--;
    size_t id_length = 0;
    while (id_length < end && !is_blank(header[id_length]))
        id_length++;
    if (id_length == 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: a record without an id: an id must directly follow '>'",
                       dt_fasta_name(fasta), (long long)fasta->header_line);
    DT_TRY(check_id(fasta, header, id_length));
    size_t rest = id_length;
    while (rest < end && is_blank(header[rest]))
        rest++;
    dt_text_clear(&record->id);
    dt_text_clear(&record->description);
    dt_text_clear(&record->sequence);
    record->line = fasta->header_line;
    DT_TRY(dt_text_add(&record->id, header, id_length));
    DT_TRY(dt_text_add(&record->description, header + rest, end - rest));
    return dt_text_add(&record->sequence, "", 0);
}

/* Appends one line of a sequence. Nearly all lines have no blanks: one pass checks, one copies. */
static dt_status add_sequence_line(const dt_fasta *fasta, dt_fasta_record *record, const char *line,
                                   size_t length)
{
    unsigned special = 0;
    for (size_t i = 0; i < length; ++i)
        special |=
            (unsigned)(line[i] == '>') | (unsigned)(line[i] == ' ') | (unsigned)(line[i] == '\t');
    if (!special)
        return dt_text_add(&record->sequence, line, length);
    for (size_t i = 0; i < length; ++i) {
        if (line[i] == '>')
            return dt_fail(
                DT_ERR_INPUT,
                "%s: line %lld: '>' inside the sequence of '%.100s': a line break is missing",
                dt_fasta_name(fasta), (long long)dt_line_reader_number(fasta->reader),
                record->id.data);
        if (!is_blank(line[i]))
            DT_TRY(dt_text_add(&record->sequence, line + i, 1));
    }
    return DT_OK;
}

dt_status dt_fasta_next(dt_fasta *fasta, dt_fasta_record *record, bool *found)
{
    *found = false;
    if (!fasta->started)
        DT_TRY(start(fasta));
    if (!fasta->has_header)
        return DT_OK;
    DT_TRY(split_header(fasta, record));
    fasta->has_header = false;
    for (;;) {
        const char *line;
        size_t length;
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
        if (!line)
            break;
        if (length > 0 && line[0] == '>') {
            DT_TRY(keep_header(fasta, line, length));
            break;
        }
        DT_TRY(add_sequence_line(fasta, record, line, length));
    }
    if (record->sequence.length == 0)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: line %lld: the record '%.100s' has no sequence: complete it or remove it",
            dt_fasta_name(fasta), (long long)record->line, record->id.data);
    record->share = dt_line_reader_share(fasta->reader);
    *found = true;
    return DT_OK;
}
