/* Text files line by line: plain or compressed (io/text_input.h), a path or standard input, Unix or
 * Windows line ends. A UTF-8 byte-order mark is dropped, at the beginning and, where files with one
 * were joined, before a later line.
 *
 * What is no text is refused: control characters (a tab is fine), other formats, compressed data
 * that end too early, are damaged or go on as something else. Memory: one block, or the longest
 * line.
 */
#ifndef DT_IO_LINE_READER_H
#define DT_IO_LINE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/text_input.h"

typedef struct dt_line_reader dt_line_reader;

/* Opens `path`, "-" is standard input, and reads its beginning. DT_ERR_IO where the system refuses;
 * DT_ERR_INPUT, saying what it is, for a file of another kind than `kind`. */
dt_status dt_line_reader_open(dt_line_reader **out, const char *path, const dt_text_kind *kind);
void dt_line_reader_close(dt_line_reader *reader); /* NULL is fine */

/* Sets *line to the next line without its end (not '\0'-ended) and *length to its bytes; *line is
 * NULL after the last one. The line is valid until the next call. DT_ERR_INPUT, with file and
 * line, for what is no text and for compressed data whose end is not as it should be. */
dt_status dt_line_reader_next(dt_line_reader *reader, const char **line, size_t *length);

/* Number of the line that was returned last, in the decompressed text; the first is 1. At the end:
 * the number of lines, 0 for an empty file. */
int64_t dt_line_reader_number(const dt_line_reader *reader);

/* Which part of the file, in bytes as they are stored, stands before the line to come: 0 … 1; -1
 * where its size is not known (a pipe). */
double dt_line_reader_share(const dt_line_reader *reader);

/* The file as messages name it: its path or "standard input". */
const char *dt_line_reader_name(const dt_line_reader *reader);

/* Bytes as a message can show them: at most 40, unprintable ones as '?', ended by "..." where more
 * followed. Returns `out`. */
#define DT_EXCERPT_SIZE 48
const char *dt_excerpt(char out[DT_EXCERPT_SIZE], const char *bytes, size_t length);

#endif
