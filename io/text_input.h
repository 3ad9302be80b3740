/* Reads the text in a plain or compressed file: gzip, and with the module for io/unpack.h also
 * bzip2, xz, zstd, and zip archives of a single file or of QIIME 2. The content, not the name,
 * determines the format. The end is checked: data that is truncated, damaged or followed by
 * something else is rejected.
 */
#ifndef DT_IO_TEXT_INPUT_H
#define DT_IO_TEXT_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/packed.h"

/* The expected kind of text: its name for messages, and its path in a QIIME 2 artifact. */
typedef struct {
    const char *what;
    const char *artifact_member;
} dt_text_kind;

extern const dt_text_kind dt_fasta_text;
extern const dt_text_kind dt_taxonomy_text;

typedef struct dt_text_input dt_text_input;

/* Opens `path` ("-" is standard input) and reads the first bytes. DT_ERR_INPUT if they belong to a
 * file that is not text (io/file_kind.h) or to a format that cannot be read here; DT_ERR_IO if the
 * system fails. `name` is the file's name for messages and must outlive the input. */
dt_status dt_text_input_open(dt_text_input **out, const char *path, const char *name,
                             const dt_text_kind *kind);
void dt_text_input_close(dt_text_input *input); /* NULL is allowed */

/* Stores the next bytes, at most `size`, in `buffer` and their number in *got, 0 at the end.
 * `line`: number of lines read so far, for messages. DT_ERR_INPUT for faults of the compressed
 * data. */
dt_status dt_text_input_read(dt_text_input *input, void *buffer, size_t size, int64_t line,
                             size_t *got);

/* Returns the share of the stored file consumed so far: 0 … 1; -1: unknown size (a pipe). */
double dt_text_input_share(const dt_text_input *input);

/* DT_ERR_INPUT if the first bytes of the text show that it is not text, or of another kind. */
dt_status dt_text_input_check(const dt_text_input *input, const char *bytes, size_t length);

#endif
