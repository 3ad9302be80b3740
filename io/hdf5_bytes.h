/* Parts of an HDF5 file, read within bounds: the basis of the HDF5 reader (hdf5_reader.h). Private to
 * the container.
 *
 * Every part is copied out of the file once, with its length checked, and is never read again, so
 * that a file which another process changes meanwhile cannot be seen in two states. The total of the
 * parts is limited by the size of the file (`left`), so that no arrangement of parts that refer to
 * each other, circles included, takes more time or memory than in proportion to that.
 */
#ifndef DT_IO_HDF5_BYTES_H
#define DT_IO_HDF5_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_HDF5_UNDEFINED UINT64_MAX /* the address of something that was never written */

typedef struct {
    int fd;
    const char *path;   /* for messages */
    const char *object; /* the group or array that is being read, for messages */
    uint64_t bytes;     /* size of the file */
    uint64_t left;      /* bytes that may still be loaded */
} dt_hdf5_file;

/* DT_ERR_INPUT: the file is damaged, "what" (an "object header") of the current object is invalid. */
dt_status dt_hdf5_damaged(const dt_hdf5_file *file, const char *what);

/* DT_ERR_INPUT: the current object is valid HDF5 that is not read; `what` completes "'object' …". */
dt_status dt_hdf5_refused(const dt_hdf5_file *file, const char *what);

/* Reads `size` bytes at `address` (relative to the end of the user block). `what` is for messages. */
dt_status dt_hdf5_read(const dt_hdf5_file *file, uint64_t address, uint64_t size, void *out,
                       const char *what);

/* The same into new memory, the caller's to free(); counted in `file->left`. */
dt_status dt_hdf5_load(dt_hdf5_file *file, uint64_t address, uint64_t size, unsigned char **out,
                       const char *what);

/* The same for a part that begins with a signature of four letters. With `checked` it ends with the
 * checksum of all before. */
dt_status dt_hdf5_load_part(dt_hdf5_file *file, uint64_t address, uint64_t size,
                            const char *signature, bool checked, unsigned char **out,
                            const char *what);

/* HDF5's checksum of metadata (Bob Jenkins, lookup3.c, hashlittle() with initial value 0). */
uint32_t dt_hdf5_checksum(const unsigned char *bytes, size_t length);

/* HDF5's Fletcher-32 of a chunk: sums of 16-bit big-endian words. */
uint32_t dt_hdf5_fletcher32(const unsigned char *bytes, size_t length);

/* ---- Decoding. What is beyond the end reads as 0 and sets `failed`, which is looked at once. ---- */

typedef struct {
    const unsigned char *at;
    size_t left;
    bool failed;
} dt_hdf5_cursor;

/* Skips `count` bytes and returns where they are; NULL if there are fewer. */
const unsigned char *dt_hdf5_take(dt_hdf5_cursor *cursor, size_t count);

/* Takes a little-endian number of `size` bytes, 1 … 8. */
uint64_t dt_hdf5_number(dt_hdf5_cursor *cursor, size_t size);

/* The number of bytes that HDF5 stores a number of at most `limit` in. */
size_t dt_hdf5_bytes_for(uint64_t limit);

/* The largest n with 2^n <= value (> 0). */
unsigned dt_hdf5_log2(uint64_t value);

#endif
