#include "io/line_reader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/file_kind.h"

#ifdef DT_SMALL_BLOCKS /* io/raw_file.h */
enum { BLOCK = 1 << 6 };
#else
enum { BLOCK = 1 << 18 };
#endif

struct dt_line_reader {
    char *name;
    dt_text_input *input;
    char *buffer;
    size_t capacity;
    size_t begin;   /* start of the text not yet returned */
    size_t end;     /* end of the text read */
    int64_t number; /* of the line returned last */
    bool at_end;    /* end of the input reached */
    int64_t text;   /* bytes of decompressed text read so far */
};

void dt_line_reader_close(dt_line_reader *reader)
{
    if (!reader)
        return;
    dt_text_input_close(reader->input);
    free(reader->buffer);
    free(reader->name);
    free(reader);
}

/* Assumes that the buffered text has the same compression ratio as the text before it. */
double dt_line_reader_share(const dt_line_reader *reader)
{
    const double taken = dt_text_input_share(reader->input);
    const double text = (double)reader->text;
    const double returned = text - (double)(reader->end - reader->begin);
    if (taken < 0.0)
        return -1.0;
    const double share = text > 0.0 ? taken * returned / text : 0.0;
    return share > 1.0 ? 1.0 : share;
}

int64_t dt_line_reader_number(const dt_line_reader *reader)
{
    return reader->number;
}

const char *dt_line_reader_name(const dt_line_reader *reader)
{
    return reader->name;
}

static bool is_control(unsigned char byte)
{
    return (byte < ' ' && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7f;
}

/* Checks the text from `from` on for bytes that no text file contains. The buffer before `from`
 * holds the beginning of a single line. */
static dt_status refuse_binary(const dt_line_reader *reader, size_t from)
{
    unsigned bad = 0;
    for (size_t i = from; i < reader->end; ++i) /* vectorised; the common case ends here */
        bad |= is_control((unsigned char)reader->buffer[i]);
    if (!bad)
        return DT_OK;
    int64_t line = reader->number + 1;
    size_t i = from;
    for (; !is_control((unsigned char)reader->buffer[i]); ++i)
        line += reader->buffer[i] == '\n';
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: binary data (byte 0x%02x); plain or compressed text is "
                   "expected",
                   reader->name, (long long)line, (unsigned)(unsigned char)reader->buffer[i]);
}

/* Moves the unread text to the front of the buffer and reads more; the buffer ends in line `line`,
 * counted from 0. */
static dt_status refill(dt_line_reader *reader, int64_t line)
{
    const size_t kept = reader->end - reader->begin;
    size_t got;
    if (reader->begin > 0)
        memmove(reader->buffer, reader->buffer + reader->begin, kept);
    reader->begin = 0;
    reader->end = kept;
    if (kept > reader->capacity / 2)
        DT_TRY(DT_GROW(reader->buffer, reader->capacity, reader->capacity * 2));
    DT_TRY(dt_text_input_read(reader->input, reader->buffer + kept, reader->capacity - kept, line,
                              &got));
    reader->at_end = got == 0;
    reader->end += got;
    reader->text += (int64_t)got;
    return DT_OK;
}

/* Reads enough to recognise a file that is not text. */
static dt_status read_beginning(dt_line_reader *reader)
{
    while (reader->end < DT_FILE_KIND_BYTES && !reader->at_end) {
        int64_t lines = 0;
        for (size_t i = 0; i < reader->end; ++i)
            lines += reader->buffer[i] == '\n';
        DT_TRY(refill(reader, lines));
    }
    DT_TRY(dt_text_input_check(reader->input, reader->buffer, reader->end));
    return refuse_binary(reader, 0);
}

static dt_status fill_reader(dt_line_reader *reader, const char *path, const dt_text_kind *kind)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    DT_TRY(DT_NEW(reader->name, strlen(name) + 1));
    memcpy(reader->name, name, strlen(name));
    reader->capacity = BLOCK;
    DT_TRY(DT_NEW(reader->buffer, reader->capacity));
    DT_TRY(dt_text_input_open(&reader->input, path, reader->name, kind));
    return read_beginning(reader);
}

dt_status dt_line_reader_open(dt_line_reader **out, const char *path, const dt_text_kind *kind)
{
    *out = NULL;
    dt_line_reader *reader;
    DT_TRY(DT_NEW(reader, 1));
    const dt_status status = fill_reader(reader, path, kind);
    if (status != DT_OK) {
        dt_line_reader_close(reader);
        return status;
    }
    *out = reader;
    return DT_OK;
}

dt_status dt_line_reader_next(dt_line_reader *reader, const char **line, size_t *length)
{
    const char *newline = NULL;
    size_t searched = 0; /* bytes of the line already searched for a newline */
    for (;;) {
        const char *from = reader->buffer + reader->begin + searched;
        newline = memchr(from, '\n', reader->end - reader->begin - searched);
        if (newline || reader->at_end)
            break;
        searched = reader->end - reader->begin;
        DT_TRY(refill(reader, reader->number));
        DT_TRY(refuse_binary(reader, searched));
    }
    *line = NULL;
    *length = 0;
    if (!newline && reader->begin == reader->end)
        return DT_OK;
    const char *begin = reader->buffer + reader->begin;
    size_t count = newline ? (size_t)(newline - begin) : reader->end - reader->begin;
    reader->begin += count + (newline != NULL);
    reader->number++;
    if (count >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0) {
        begin += 3;
        count -= 3;
    }
    if (count > 0 && begin[count - 1] == '\r')
        count--;
    if (memchr(begin, '\r', count))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: a carriage return within the line; convert the file's line "
                       "ends to Unix",
                       reader->name, (long long)reader->number);
    *line = begin;
    *length = count;
    return DT_OK;
}
