/* An output file: buffered, with one error at the end instead of one per call, and moved into place
 * only when complete.
 *
 *     dt_output out;
 *     DT_TRY(dt_output_begin(&out, path));
 *     dt_output_text(&out, "...");
 *     return failed ? (dt_output_discard(&out), status) : dt_output_commit(&out);
 *
 * A failed write (such as a full disk) is recorded; later output is dropped, and commit or flush
 * reports the error.
 */
#ifndef DT_IO_OUTPUT_H
#define DT_IO_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"

#ifdef DT_SMALL_BLOCKS /* io/raw_file.h */
#define DT_OUTPUT_BUFFER ((size_t)64)
#else
#define DT_OUTPUT_BUFFER ((size_t)256 * 1024)
#endif

typedef struct {
    FILE *stream;
    char *buffer; /* (DT_OUTPUT_BUFFER) */
    size_t used;
    int error;        /* errno of the first failed write, 0 if none */
    const char *name; /* name for messages */
    dt_new_file file; /* used after dt_output_begin() */
} dt_output;

/* Creates the file that dt_output_commit() moves to `path`; "-" is standard output. The struct must not
 * be moved. */
dt_status dt_output_begin(dt_output *out, const char *path);
/* Writes the buffer, syncs, and renames to `path`. On failure the new file is deleted. */
dt_status dt_output_commit(dt_output *out);
/* Deletes the unfinished file. Preserves the calling thread's error message. */
void dt_output_discard(dt_output *out);

/* Writes to the caller's stream (standard output, an appended log), which stays open. `name` must
 * outlive the output. End with dt_output_detach(), which writes the buffer. */
dt_status dt_output_attach(dt_output *out, FILE *stream, const char *name);
dt_status dt_output_detach(dt_output *out);

/* Writes the buffer and returns the first error so far. */
dt_status dt_output_flush(dt_output *out);

/* Slow path for bytes that do not fit the buffer. */
void dt_output_overflow(dt_output *out, const char *bytes, size_t length);

static inline void dt_output_bytes(dt_output *out, const char *bytes, size_t length)
{
    if (length > DT_OUTPUT_BUFFER - out->used) {
        dt_output_overflow(out, bytes, length);
        return;
    }
    memcpy(out->buffer + out->used, bytes, length);
    out->used += length;
}

static inline void dt_output_text(dt_output *out, const char *text)
{
    dt_output_bytes(out, text, strlen(text));
}

static inline void dt_output_char(dt_output *out, char c)
{
    dt_output_bytes(out, &c, 1);
}

/* Writes text in quotation marks, with those inside doubled. */
void dt_output_quoted(dt_output *out, const char *text, size_t length);

/* Writes a cell of a tab-separated table. A cell that contains a tab or a line end, or begins with
 * a quotation mark, is quoted, with the quotation marks inside doubled. */
void dt_output_cell(dt_output *out, const char *text, size_t length);

void dt_output_int(dt_output *out, int64_t number);
/* The shortest decimal that reads back as the same value of its type; "nan", "inf" or "-inf" if not
 * finite. */
void dt_output_float(dt_output *out, float number);
void dt_output_double(dt_output *out, double number);

/* Format the same numbers as text; DT_NUMBER_SIZE bytes suffice. Return the length. Whole numbers
 * end in ".0", as in Python, to distinguish them from integers. */
#define DT_NUMBER_SIZE 40
size_t dt_format_float(char *out, float number);
size_t dt_format_double(char *out, double number);

/* Formats 1234567 as "1,234,567", for messages; DT_NUMBER_SIZE bytes suffice. Returns `out`. */
char *dt_with_commas(int64_t number, char *out);

#endif
