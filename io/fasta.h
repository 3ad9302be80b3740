/* Reads FASTA record by record: from a path or standard input, plain or compressed, sequences on
 * one or more lines, Unix or Windows line ends (io/line_reader.h).
 *
 * Validation is strict: what other readers skip or silently accept is an error that names the file
 * and the line. This covers an empty file, text before the first '>' (FASTQ is recognised), a
 * record without id or sequence, an id that is not UTF-8 (the description may be anything), '>'
 * inside a sequence (a lost line end), binary content, other file formats, and compressed data that
 * is truncated, damaged or followed by something else.
 *
 * FASTQ is read only by whoever asks for reads, with sequence and quality on one or more lines; the
 * quality is skipped. Refused is also a quality of another length than its sequence, such as that of
 * a last record that is truncated.
 */
#ifndef DT_IO_FASTA_H
#define DT_IO_FASTA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

typedef struct dt_fasta dt_fasta;

/* One record, owned by the caller. Zero-initialise it, reuse it from call to call (no allocation
 * once its buffers are large enough), free it with dt_fasta_record_free(). It is independent of the
 * reader: it may be modified, kept, or passed to another thread. */
typedef struct {
    dt_text id;          /* the header up to the first blank; never empty */
    dt_text description; /* the rest of the header, trimmed; may be empty */
    dt_text sequence; /* all its lines joined, blanks and tabs removed, otherwise unchanged; never
                         empty */
    int64_t line;     /* of the header, in the decompressed text, from 1 */
    double share;     /* of the file read so far (dt_line_reader_share()) */
} dt_fasta_record;

void dt_fasta_record_free(dt_fasta_record *record);

/* Opens `path`; "-" is standard input. Errors: see dt_line_reader_open(). */
dt_status dt_fasta_open(dt_fasta **out, const char *path);
/* Also takes FASTQ. */
dt_status dt_fasta_open_reads(dt_fasta **out, const char *path);
/* Returns whether the records are FASTQ; known once one was read. */
bool dt_fasta_is_fastq(const dt_fasta *fasta);
void dt_fasta_close(dt_fasta *fasta); /* NULL is allowed */

/* Reads the next record; *found is false after the last. DT_ERR_INPUT for the faults listed above,
 * after which the reader can only be closed. */
dt_status dt_fasta_next(dt_fasta *fasta, dt_fasta_record *record, bool *found);

/* Returns the file's name for messages: its path or "standard input". */
const char *dt_fasta_name(const dt_fasta *fasta);

#endif
