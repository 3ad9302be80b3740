#include "io/fasta.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "io/line_reader.h"

struct dt_fasta {
    dt_line_reader *reader;
    dt_text header; /* of the next record, without '>' or '@' */
    int64_t header_line;
    bool has_header; /* false before the first record and at the end */
    bool started;
    bool takes_fastq, is_fastq;
    int64_t records; /* of FASTQ so far */
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

dt_status dt_fasta_open_reads(dt_fasta **out, const char *path)
{
    DT_TRY(dt_fasta_open(out, path));
    (*out)->takes_fastq = true;
    return DT_OK;
}

bool dt_fasta_is_fastq(const dt_fasta *fasta)
{
    return fasta->is_fastq;
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
        fasta->is_fastq = fasta->takes_fastq && line[0] == '@';
        return line[0] == '>' || fasta->is_fastq ? keep_header(fasta, line, length)
                                                 : not_fasta(fasta, line, length);
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
        return dt_fail(
            DT_ERR_INPUT, "%s: line %lld: a record without an id: an id must directly follow '%c'",
            dt_fasta_name(fasta), (long long)fasta->header_line, fasta->is_fastq ? '@' : '>');
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

/* Reads the lines after a header of FASTA, and the next header. */
static dt_status read_fasta_record(dt_fasta *fasta, dt_fasta_record *record)
{
    for (;;) {
        const char *line;
        size_t length;
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
        if (!line)
            return DT_OK;
        if (length > 0 && line[0] == '>')
            return keep_header(fasta, line, length);
        DT_TRY(add_sequence_line(fasta, record, line, length));
    }
}

static dt_status bad_fastq(const dt_fasta *fasta, const dt_fasta_record *record, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: line %lld: FASTQ record %lld, '%.100s': %s",
                   dt_fasta_name(fasta), (long long)dt_line_reader_number(fasta->reader),
                   (long long)fasta->records, record->id.data, what);
}

/* Skips the quality, which is as long as the sequence and may have '@' anywhere. */
static dt_status skip_quality(const dt_fasta *fasta, const dt_fasta_record *record)
{
    size_t quality = 0;
    while (quality < record->sequence.length) {
        const char *line;
        size_t length;
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
        if (!line)
            return bad_fastq(fasta, record,
                             "the file ends within its quality: the file is truncated");
        quality += length;
    }
    if (quality > record->sequence.length)
        return bad_fastq(fasta, record, "its quality is longer than its sequence");
    return DT_OK;
}

/* Reads the lines after a header of FASTQ, and the next header. */
static dt_status read_fastq_record(dt_fasta *fasta, dt_fasta_record *record)
{
    const char *line;
    size_t length;
    fasta->records++;
    for (;;) {
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
        if (!line)
            return bad_fastq(fasta, record, "has no quality: the file is truncated");
        if (length > 0 && line[0] == '+')
            break;
        DT_TRY(add_sequence_line(fasta, record, line, length));
    }
    DT_TRY(skip_quality(fasta, record));
    do
        DT_TRY(dt_line_reader_next(fasta->reader, &line, &length));
    while (line && length == 0);
    if (line && line[0] != '@')
        return bad_fastq(fasta, record,
                         "is not followed by '@': its quality is longer than its sequence, or a "
                         "line is missing");
    return line ? keep_header(fasta, line, length) : DT_OK;
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
    DT_TRY(fasta->is_fastq ? read_fastq_record(fasta, record) : read_fasta_record(fasta, record));
    if (record->sequence.length == 0)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: line %lld: the record '%.100s' has no sequence: complete it or remove it",
            dt_fasta_name(fasta), (long long)record->line, record->id.data);
    record->share = dt_line_reader_share(fasta->reader);
    *found = true;
    return DT_OK;
}
