#include "io/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/memory.h"

enum { BLOCK = 1 << 18, EXCERPT = 40 };

struct dt_line_reader {
    char *name;
    gzFile file;
    char *buffer;
    size_t capacity;
    size_t begin;   /* of what has not been returned yet */
    size_t end;     /* of what has been read */
    int64_t number; /* of the line returned last */
    bool at_start;  /* nothing has been read yet */
    bool at_end;    /* nothing is left to read */
};

const char *dt_excerpt(char out[DT_EXCERPT_SIZE], const char *bytes, size_t length)
{
    const size_t shown = length < EXCERPT ? length : EXCERPT;
    for (size_t i = 0; i < shown; ++i)
        out[i] = (char)(bytes[i] < ' ' || bytes[i] > '~' ? '?' : bytes[i]);
    memcpy(out + shown, shown < length ? "..." : "", shown < length ? 4 : 1);
    return out;
}

static dt_status open_descriptor(const char *path, int *fd)
{
    const bool standard_input = strcmp(path, "-") == 0;
    *fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open it: %s",
                       standard_input ? "standard input" : path, strerror(errno));
    struct stat info;
    if (fstat(*fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(*fd);
        return dt_fail(DT_ERR_IO, "%s: is a folder; name a file", path);
    }
    return DT_OK;
}

static dt_status fill_reader(dt_line_reader *reader, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    DT_TRY(DT_NEW(reader->name, strlen(name) + 1));
    memcpy(reader->name, name, strlen(name));
    reader->capacity = BLOCK;
    DT_TRY(DT_NEW(reader->buffer, reader->capacity));
    int fd;
    DT_TRY(open_descriptor(path, &fd));
    reader->file = gzdopen(fd, "rb");
    if (!reader->file) {
        close(fd);
        return dt_fail(DT_ERR_MEMORY, "%s: out of memory for reading it", reader->name);
    }
    gzbuffer(reader->file, BLOCK / 2);
    return DT_OK;
}

dt_status dt_line_reader_open(dt_line_reader **out, const char *path)
{
    *out = NULL;
    dt_line_reader *reader;
    DT_TRY(DT_NEW(reader, 1));
    reader->at_start = true;
    const dt_status status = fill_reader(reader, path);
    if (status != DT_OK) {
        dt_line_reader_close(reader);
        return status;
    }
    *out = reader;
    return DT_OK;
}

void dt_line_reader_close(dt_line_reader *reader)
{
    if (!reader)
        return;
    if (reader->file)
        gzclose_r(reader->file);
    free(reader->buffer);
    free(reader->name);
    free(reader);
}

int64_t dt_line_reader_number(const dt_line_reader *reader)
{
    return reader->number;
}

const char *dt_line_reader_name(const dt_line_reader *reader)
{
    return reader->name;
}

/* Turns what zlib says after a short read into our message; DT_OK at a proper end. */
static dt_status read_error(const dt_line_reader *reader)
{
    int code;
    const char *reason = gzerror(reader->file, &code);
    const long long line = (long long)reader->number;
    switch (code) {
    case Z_OK:
    case Z_STREAM_END:
        return DT_OK;
    case Z_BUF_ERROR:
        return dt_fail(DT_ERR_INPUT,
                       "%s: the gzip data ends too early, after line %lld: the file was cut off; "
                       "copy or download it again",
                       reader->name, line);
    case Z_ERRNO:
        return dt_fail(DT_ERR_IO, "%s: cannot read on after line %lld: %s", reader->name, line,
                       strerror(errno));
    case Z_MEM_ERROR:
        return dt_fail(DT_ERR_MEMORY, "%s: out of memory for decompressing it", reader->name);
    default:
        return dt_fail(
            DT_ERR_INPUT,
            "%s: damaged gzip data after line %lld (%s): copy or download the file again",
            reader->name, line, reason);
    }
}

/* The first bytes of formats that a user may give by mistake. */
static dt_status refuse_other_formats(const dt_line_reader *reader)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } formats[] = {
        {"BZh91AY&SY", 10, "compressed with bzip2"},
        {"\xfd"
         "7zXZ",
         5, "compressed with xz"},
        {"\x28\xb5\x2f\xfd", 4, "compressed with zstd"},
        {"PK\x03\x04", 4, "a zip archive"},
        {"\x89HDF", 4, "an HDF5 file"},
        {"\xff\xfe", 2, "UTF-16 text"},
        {"\xfe\xff", 2, "UTF-16 text"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; ++i)
        if (reader->end >= formats[i].length &&
            memcmp(reader->buffer, formats[i].magic, formats[i].length) == 0)
            return dt_fail(DT_ERR_INPUT, "%s: is %s; plain or gzip-compressed text is expected",
                           reader->name, formats[i].what);
    return DT_OK;
}

static bool is_control(unsigned char byte)
{
    return (byte < ' ' && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7f;
}

/* Checks what was just read, from `from` on, for bytes that no text file holds. What stands before
 * it in the buffer is the beginning of one line. */
static dt_status refuse_binary(const dt_line_reader *reader, size_t from)
{
    unsigned bad = 0;
    for (size_t i = from; i < reader->end; ++i) /* vectorises; the common case ends here */
        bad |= is_control((unsigned char)reader->buffer[i]);
    if (!bad)
        return DT_OK;
    int64_t line = reader->number + 1;
    size_t i = from;
    for (; !is_control((unsigned char)reader->buffer[i]); ++i)
        line += reader->buffer[i] == '\n';
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: is no text but binary data (a byte 0x%02x); plain or "
                   "gzip-compressed text is expected",
                   reader->name, (long long)line, (unsigned)(unsigned char)reader->buffer[i]);
}

/* Reads on behind what the buffer still holds, which is moved to its front. */
static dt_status refill(dt_line_reader *reader)
{
    const size_t kept = reader->end - reader->begin;
    memmove(reader->buffer, reader->buffer + reader->begin, kept);
    reader->begin = 0;
    reader->end = kept;
    if (kept > reader->capacity / 2)
        DT_TRY(DT_GROW(reader->buffer, reader->capacity, reader->capacity * 2));
    const size_t room = reader->capacity - kept;
    const int got =
        gzread(reader->file, reader->buffer + kept, (unsigned)(room < 1 << 30 ? room : 1 << 30));
    if (got <= 0) {
        reader->at_end = true;
        return read_error(reader);
    }
    reader->end += (size_t)got;
    if (reader->at_start) {
        DT_TRY(refuse_other_formats(reader));
        if (reader->end >= 3 && memcmp(reader->buffer, "\xef\xbb\xbf", 3) == 0)
            reader->begin = 3;
    }
    reader->at_start = false;
    return refuse_binary(reader, kept);
}

dt_status dt_line_reader_next(dt_line_reader *reader, const char **line, size_t *length)
{
    const char *newline = NULL;
    size_t searched = 0; /* bytes of the line that are known to hold no newline */
    for (;;) {
        const char *from = reader->buffer + reader->begin + searched;
        newline = memchr(from, '\n', reader->end - reader->begin - searched);
        if (newline || reader->at_end)
            break;
        searched = reader->end - reader->begin;
        DT_TRY(refill(reader));
    }
    *line = NULL;
    *length = 0;
    if (!newline && reader->begin == reader->end)
        return DT_OK;
    const char *begin = reader->buffer + reader->begin;
    size_t count = newline ? (size_t)(newline - begin) : reader->end - reader->begin;
    reader->begin += count + (newline != NULL);
    reader->number++;
    if (count > 0 && begin[count - 1] == '\r')
        count--;
    if (memchr(begin, '\r', count))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: holds a carriage return that ends no line; convert the line "
                       "ends of the file to Unix ones",
                       reader->name, (long long)reader->number);
    *line = begin;
    *length = count;
    return DT_OK;
}
