/* The bytes of a text that a file holds, plain or compressed: gzip, and where the module for
 * io/unpack.h is installed bzip2, xz, zstd and a zip archive of one file or of QIIME 2. Which it is
 * is told by content. The end is exact: a file that ends early, is damaged, or goes on as something
 * else is refused.
 */
#ifndef DT_IO_TEXT_INPUT_H
#define DT_IO_TEXT_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/packed.h"

/* What the text is to be: the word for it in messages, and where it stands in a QIIME 2 artifact.
 */
typedef struct {
    const char *what;
    const char *artifact_member;
} dt_text_kind;

extern const dt_text_kind dt_fasta_text;
extern const dt_text_kind dt_taxonomy_text;

typedef struct dt_text_input dt_text_input;

/* Opens `path`; "-" is standard input. Reads the first bytes: DT_ERR_INPUT where they belong to
 * something that is no text (io/file_kind.h) or to a format that cannot be read here, DT_ERR_IO
 * where the system refuses. `name` stands for the file in messages and must outlive the input. */
dt_status dt_text_input_open(dt_text_input **out, const char *path, const char *name,
                             const dt_text_kind *kind);
void dt_text_input_close(dt_text_input *input); /* NULL is fine */

/* Sets *got to the next bytes in `buffer`, at most `size`; 0 at the end. `line`: lines of the text
 * that the caller has, for messages. DT_ERR_INPUT as said above. */
dt_status dt_text_input_read(dt_text_input *input, void *buffer, size_t size, int64_t line,
                             size_t *got);

/* Which part of the stored file has been taken: 0 … 1; -1 where its size is not known (a pipe). */
double dt_text_input_share(const dt_text_input *input);

/* DT_ERR_INPUT where the file is no text, or one of another kind, by the first bytes of the text.
 */
dt_status dt_text_input_check(const dt_text_input *input, const char *bytes, size_t length);

#endif
