/* The bytes of an input as they are stored: a path or standard input, taken block by block. */
#ifndef DT_IO_RAW_FILE_H
#define DT_IO_RAW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Bytes of the largest block. What was taken last stays in memory: as many bytes can be given back.
 */
#define DT_RAW_BLOCK ((size_t)1 << 17)

typedef struct {
    const char *name; /* as messages say it; the opener's, must outlive this */
    int fd;
    int64_t size;        /* bytes of a regular file that is read from its beginning; else -1 */
    unsigned char *ring; /* (2, DT_RAW_BLOCK) the bytes read last */
    int64_t read;        /* bytes read so far; byte i stands at i modulo 2 DT_RAW_BLOCK */
    int64_t taken;       /* of them taken by the caller */
    bool at_end;
} dt_raw_file;

/* Opens `path`; "-" is standard input. DT_ERR_IO where the system refuses, and for a folder. */
dt_status dt_raw_file_open(dt_raw_file *raw, const char *path, const char *name);
void dt_raw_file_close(dt_raw_file *raw); /* takes a zero-initialised one, too */

/* Sets *block to what was not taken yet, which is read when there is nothing; *length is 0 at the
 * end. It stays valid until the next call. */
dt_status dt_raw_file_block(dt_raw_file *raw, const unsigned char **block, size_t *length);
void dt_raw_file_take(dt_raw_file *raw, size_t length);

/* Makes the block at the beginning at least `wanted` bytes long, unless the file is shorter. Only
 * before anything is taken; `wanted` is at most DT_RAW_BLOCK. */
dt_status dt_raw_file_peek(dt_raw_file *raw, size_t wanted);

/* Takes up to `size` bytes into `buffer`; *got is 0 at the end. */
dt_status dt_raw_file_copy(dt_raw_file *raw, void *buffer, size_t size, size_t *got);

/* Goes on at byte `position`, in a file with a size. */
dt_status dt_raw_file_seek(dt_raw_file *raw, int64_t position);

/* Reads the rest of a pipe into a temporary file without a name and goes on there, at its
 * beginning, so that it has a size. Only before anything is taken. */
dt_status dt_raw_file_spool(dt_raw_file *raw);

#endif
