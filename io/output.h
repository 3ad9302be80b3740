/* A file that is written in one go: buffered, with one error at the end instead of one a call, and
 * put in place whole or not at all.
 *
 *     dt_output out;
 *     DT_TRY(dt_output_begin(&out, path));
 *     dt_output_text(&out, "...");
 *     return failed ? (dt_output_discard(&out), status) : dt_output_commit(&out);
 *
 * A write that fails (a full disk) is remembered; what follows is dropped, and commit or flush
 * reports it.
 */
#ifndef DT_IO_OUTPUT_H
#define DT_IO_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"

#define DT_OUTPUT_BUFFER ((size_t)256 * 1024)

typedef struct {
    FILE *stream;
    char *buffer; /* (DT_OUTPUT_BUFFER) */
    size_t used;
    int error;        /* errno of the first write that failed, 0 when none did */
    const char *name; /* what messages call the file */
    dt_new_file file; /* dt_output_begin() only */
} dt_output;

/* Begins the file that dt_output_commit() will put at `path`. The struct must stay where it is. */
dt_status dt_output_begin(dt_output *out, const char *path);
/* Writes what is buffered, syncs, and renames over `path`. On failure nothing is left behind. */
dt_status dt_output_commit(dt_output *out);
/* Throws away what was begun. Keeps the calling thread's error message. */
void dt_output_discard(dt_output *out);

/* Writes to a stream of the caller's, which stays open (standard output, a log that is appended
 * to). `name` must outlive it. Ends with dt_output_detach(), which writes what is buffered. */
dt_status dt_output_attach(dt_output *out, FILE *stream, const char *name);
dt_status dt_output_detach(dt_output *out);

/* Passes what is buffered to the system, and reports the first error so far. */
dt_status dt_output_flush(dt_output *out);

/* What does not fit into the buffer any more. */
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

/* A cell of a tab-separated table: as it stands, but in quotation marks, with those in it doubled,
 * where a reader of the table would take it for something else: it holds a tab or a line end, or
 * begins with a quotation mark. */
void dt_output_cell(dt_output *out, const char *text, size_t length);

void dt_output_int(dt_output *out, int64_t number);
/* The shortest decimal that reads back as the same value of its type. What is not finite is "nan",
 * "inf" or "-inf". */
void dt_output_float(dt_output *out, float number);
void dt_output_double(dt_output *out, double number);

/* The same numbers as text; DT_NUMBER_SIZE bytes suffice. Returns the length. A whole number is
 * told from an integer by its ".0", as Python prints it. */
#define DT_NUMBER_SIZE 40
size_t dt_format_float(char *out, float number);
size_t dt_format_double(char *out, double number);

/* 1234567 as "1,234,567", for people; DT_NUMBER_SIZE bytes suffice. Returns out. */
char *dt_with_commas(int64_t number, char *out);

#endif
