/* Reads text line by line: from a path or standard input, plain or compressed (io/text_input.h),
 * with Unix or Windows line ends. A UTF-8 byte-order mark is dropped at the beginning and, for
 * joined files, at the beginning of a later line.
 *
 * Rejected are control characters (except tab), other file formats, and compressed data that is
 * truncated, damaged or followed by something else. Memory: one block, or the longest line.
 */
#ifndef DT_IO_LINE_READER_H
#define DT_IO_LINE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/text_input.h"

typedef struct dt_line_reader dt_line_reader;

/* Opens `path` ("-" is standard input) and reads its beginning. DT_ERR_IO if the system fails;
 * DT_ERR_INPUT, with the format found, if it is not a file of this `kind`. */
dt_status dt_line_reader_open(dt_line_reader **out, const char *path, const dt_text_kind *kind);
void dt_line_reader_close(dt_line_reader *reader); /* NULL is allowed */

/* Sets *line to the next line without its line end (not '\0'-terminated) and *length to its bytes;
 * *line is NULL after the last one. The line is valid until the next call. DT_ERR_INPUT, with file
 * and line, for binary data and for faults of the compressed data. */
dt_status dt_line_reader_next(dt_line_reader *reader, const char **line, size_t *length);

/* Returns the number of the line returned last, counted from 1 in the decompressed text; at the
 * end, the number of lines (0 for an empty file). */
int64_t dt_line_reader_number(const dt_line_reader *reader);

/* Returns the share of the stored file before the next line: 0 … 1; -1 if the file's size is
 * unknown (a pipe). */
double dt_line_reader_share(const dt_line_reader *reader);

/* Returns the file's name for messages: its path or "standard input". */
const char *dt_line_reader_name(const dt_line_reader *reader);

#endif
