/* Reads FASTA, record by record: plain or compressed, a path or standard input, sequences on one
 * line or many, CRLF or not (io/line_reader.h).
 *
 * Validation comes first: what other readers skip or accept silently is an error here that names
 * file and line. That is: an empty file, text before the first '>' (FASTQ is named as such), a
 * record without id or without sequence, an id that is not UTF-8 (what follows the id may be
 * anything), '>' inside a sequence (a lost line end), binary content, a file of another kind,
 * compressed data that are cut off, damaged or go on as something else.
 */
#ifndef DT_IO_FASTA_H
#define DT_IO_FASTA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

typedef struct dt_fasta dt_fasta;

/* One record. Zero-initialise; reused from call to call, so that reading allocates nothing once
 * the texts are large enough; freed with dt_fasta_record_free(). Belongs to the caller, and so may
 * be kept while others are read, changed in place, or read in one thread and used in another. */
typedef struct {
    dt_text id;          /* the header up to the first blank; never empty */
    dt_text description; /* the rest of the header, blanks at both ends removed; may be empty */
    dt_text sequence;    /* all its lines, blanks and tabs removed, otherwise as they stand; never
                            empty */
    int64_t line;        /* of the header, in the decompressed text, from 1 */
    double share;        /* of the file that is read with this record (dt_line_reader_share()) */
} dt_fasta_record;

void dt_fasta_record_free(dt_fasta_record *record);

/* Opens `path`; "-" is standard input. Fails as dt_line_reader_open(). */
dt_status dt_fasta_open(dt_fasta **out, const char *path);
void dt_fasta_close(dt_fasta *fasta); /* NULL is fine */

/* Reads the next record; *found is false after the last. DT_ERR_INPUT as above. After an error the
 * reader can only be closed. */
dt_status dt_fasta_next(dt_fasta *fasta, dt_fasta_record *record, bool *found);

/* The file as messages name it: its path or "standard input". */
const char *dt_fasta_name(const dt_fasta *fasta);

#endif
