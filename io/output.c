#include "io/output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

dt_status dt_output_attach(dt_output *out, FILE *stream, const char *name)
{
    out->stream = stream;
    out->used = 0;
    out->error = 0;
    out->name = name;
    return DT_NEW(out->buffer, DT_OUTPUT_BUFFER);
}

dt_status dt_output_begin(dt_output *out, const char *path)
{
    DT_TRY(dt_new_file_begin(&out->file, path));
    FILE *stream = dt_new_file_open(&out->file);
    if (!stream) {
        dt_new_file_discard(&out->file);
        return dt_fail(DT_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
    }
    setvbuf(stream, NULL, _IONBF, 0); /* we buffer ourselves */
    const char *name = strcmp(path, "-") == 0 ? "standard output" : out->file.path;
    const dt_status status = dt_output_attach(out, stream, name);
    if (status != DT_OK) {
        fclose(stream);
        dt_new_file_discard(&out->file);
    }
    return status;
}

static void write_out(dt_output *out, const char *bytes, size_t length)
{
    if (out->error || !length)
        return;
    errno = 0;
    if (fwrite(bytes, 1, length, out->stream) != length)
        out->error = errno ? errno : EIO;
}

static void empty_buffer(dt_output *out)
{
    write_out(out, out->buffer, out->used);
    out->used = 0;
}

static dt_status first_error(const dt_output *out)
{
    if (!out->error)
        return DT_OK;
    return dt_fail(DT_ERR_IO, "%s: cannot write: %s", out->name, strerror(out->error));
}

dt_status dt_output_flush(dt_output *out)
{
    empty_buffer(out);
    if (!out->error && fflush(out->stream) != 0)
        out->error = errno ? errno : EIO;
    return first_error(out);
}

dt_status dt_output_detach(dt_output *out)
{
    const dt_status status = dt_output_flush(out);
    free(out->buffer);
    out->buffer = NULL;
    return status;
}

dt_status dt_output_commit(dt_output *out)
{
    dt_status status = dt_output_detach(out);
    if (fclose(out->stream) != 0 && status == DT_OK) {
        out->error = errno;
        status = first_error(out);
    }
    out->stream = NULL;
    if (status == DT_OK)
        return dt_new_file_commit(&out->file);
    dt_new_file_discard(&out->file);
    return status;
}

void dt_output_discard(dt_output *out)
{
    if (out->stream)
        fclose(out->stream);
    free(out->buffer);
    out->stream = NULL;
    out->buffer = NULL;
    dt_new_file_discard(&out->file);
}

void dt_output_overflow(dt_output *out, const char *bytes, size_t length)
{
    empty_buffer(out);
    if (length > DT_OUTPUT_BUFFER)
        write_out(out, bytes, length);
    else
        dt_output_bytes(out, bytes, length);
}

void dt_output_int(dt_output *out, int64_t number)
{
    char text[24];
    size_t at = sizeof text;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        text[--at] = '-';
    dt_output_bytes(out, text + at, sizeof text - at);
}

void dt_output_float(dt_output *out, float number)
{
    char text[DT_NUMBER_SIZE];
    dt_output_bytes(out, text, dt_format_float(text, number));
}

void dt_output_double(dt_output *out, double number)
{
    char text[DT_NUMBER_SIZE];
    dt_output_bytes(out, text, dt_format_double(text, number));
}

void dt_output_quoted(dt_output *out, const char *text, size_t length)
{
    dt_output_char(out, '"');
    for (size_t i = 0; i < length; ++i) {
        if (text[i] == '"')
            dt_output_char(out, '"');
        dt_output_char(out, text[i]);
    }
    dt_output_char(out, '"');
}

void dt_output_cell(dt_output *out, const char *text, size_t length)
{
    bool quoted = length > 0 && text[0] == '"';
    for (size_t i = 0; i < length; ++i)
        quoted |= text[i] == '\t' || text[i] == '\n' || text[i] == '\r';
    if (quoted)
        dt_output_quoted(out, text, length);
    else
        dt_output_bytes(out, text, length);
}
