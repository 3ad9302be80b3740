/* A zip archive whose entries are stored, not compressed, as PyTorch writes it: the entries are
 * found by the central directory (APPNOTE 4.3.12; with zip64, 4.3.14) and read from the file.
 *
 * Sizes are checked before memory is taken: an entry lies inside the file, outside the directory,
 * and no two overlap. Bytes that were read are checked against the entry's CRC-32. All failures are
 * DT_ERR_INPUT (damaged, or not such an archive) or DT_ERR_IO, with the file's name.
 */
#ifndef DT_IO_ZIP_STORED_H
#define DT_IO_ZIP_STORED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    const char *name; /* '\0'-terminated, owned by the archive */
    int64_t header;   /* position of its local header in the file */
    int64_t data;     /* position of its first byte */
    int64_t size;     /* bytes */
    uint32_t crc;
    bool verified; /* all its bytes were read and fit the CRC */
} dt_zip_entry;

typedef struct {
    const char *path; /* for messages; the caller's, must outlive this */
    int fd;
    int64_t bytes;       /* of the file */
    dt_zip_entry *entry; /* (count) sorted by name */
    int64_t count;
    char *names; /* of all entries */
    /* the entry that is read from its beginning to its end, and what was read of it so far */
    const dt_zip_entry *current;
    int64_t position;
    uint32_t crc;
} dt_zip;

/* Opens the archive and reads its directory. Close it with dt_zip_close(), also on failure. */
dt_status dt_zip_open(dt_zip *zip, const char *path);
void dt_zip_close(dt_zip *zip); /* a zero-initialised one is allowed */

/* Returns the entry of this name; NULL if there is none. */
dt_zip_entry *dt_zip_find(const dt_zip *zip, const char *name);

/* Reads bytes first … first + count - 1 of an entry into `out`. An entry that is read from its
 * beginning to its end, in blocks, is checked on the way: the last block fails if the CRC does not
 * fit. Who begins at the first byte and stops before the last calls dt_zip_verify() before. */
dt_status dt_zip_read(dt_zip *zip, dt_zip_entry *entry, int64_t first, int64_t count, void *out);

/* Reads the whole entry to check it, unless that was done. */
dt_status dt_zip_verify(const dt_zip *zip, dt_zip_entry *entry);

/* Reads a whole entry; the caller frees *out (entry->size + 1 bytes, '\0'-terminated). */
dt_status dt_zip_load(dt_zip *zip, dt_zip_entry *entry, char **out);

#endif
