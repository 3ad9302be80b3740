/* Reads the stored bytes of an input, a path or standard input, block by block. */
#ifndef DT_IO_RAW_FILE_H
#define DT_IO_RAW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Maximum block size. This many of the consumed bytes stay in memory and can be given back. */
#ifdef DT_SMALL_BLOCKS /* for fuzz targets: their inputs are small, and should be of several blocks */
#define DT_RAW_BLOCK ((size_t)1 << 10)
#else
#define DT_RAW_BLOCK ((size_t)1 << 17)
#endif

typedef struct {
    const char *name; /* for messages; the caller's, must outlive this */
    int fd;
    int64_t size;        /* bytes of a regular file that is read from its beginning; else -1 */
    unsigned char *ring; /* (2, DT_RAW_BLOCK) the most recent bytes */
    int64_t read;        /* bytes read so far; byte i is at index i modulo 2 DT_RAW_BLOCK */
    int64_t taken;       /* bytes consumed by the caller so far */
    bool at_end;
} dt_raw_file;

/* Opens `path`; "-" is standard input. DT_ERR_IO if the system fails, or for a folder. */
dt_status dt_raw_file_open(dt_raw_file *raw, const char *path, const char *name);
void dt_raw_file_close(dt_raw_file *raw); /* a zero-initialised one is allowed */

/* Sets *block to the bytes not yet consumed, after reading more if there are none; *length is 0 at
 * the end. The block is valid until the next call. */
dt_status dt_raw_file_block(dt_raw_file *raw, const unsigned char **block, size_t *length);
void dt_raw_file_take(dt_raw_file *raw, size_t length);

/* Makes the first block at least `wanted` (<= DT_RAW_BLOCK) bytes long, unless the file is shorter.
 * Only before anything is consumed. */
dt_status dt_raw_file_peek(dt_raw_file *raw, size_t wanted);

/* Copies up to `size` bytes to `buffer` and consumes them; *got is 0 at the end. */
dt_status dt_raw_file_copy(dt_raw_file *raw, void *buffer, size_t size, size_t *got);

/* Continues at byte `position`, in a file with a known size. */
dt_status dt_raw_file_seek(dt_raw_file *raw, int64_t position);

/* Copies the rest of a pipe to an unnamed temporary file and continues at its beginning, so that
 * the size is known and it can be searched. Only before anything is consumed. */
dt_status dt_raw_file_spool(dt_raw_file *raw);

#endif
