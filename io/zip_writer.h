/* Writes a zip archive of stored entries (PKWARE APPNOTE 6.3), to a new file that replaces the old
 * one when it is complete (io/output.h). The data of each entry starts at a multiple of
 * DT_ZIP_ALIGNMENT. An entry is written as a stream: its checksum and size follow its data (flag
 * bit 3, 4.3.9) and are in the central directory, so that a reader must use that. There is always a
 * zip64 end record; other zip64 fields only where a number needs them.
 *
 *     dt_zip_writer *zip;
 *     DT_TRY(dt_zip_writer_create(&zip, path));
 *     dt_zip_writer_begin(zip, "folder/name", size);
 *     dt_zip_writer_add(zip, bytes, length);    as often as necessary, `size` bytes in all
 *     ...
 *     return failed ? (dt_zip_writer_discard(zip), status) : dt_zip_writer_commit(zip);
 *
 * The functions without a status record their first error, which commit reports. Equal content
 * gives equal bytes: all entries have the date 1980-01-01.
 */
#ifndef DT_IO_ZIP_WRITER_H
#define DT_IO_ZIP_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/output.h"

#define DT_ZIP_ALIGNMENT 64

typedef struct dt_zip_writer dt_zip_writer;

dt_status dt_zip_writer_create(dt_zip_writer **out, const char *path);

/* Writes the archive to the caller's output, which is empty and stays open. End with
 * dt_zip_writer_detach(), which completes the archive and frees the writer; errors as those of
 * dt_zip_writer_commit(). */
dt_status dt_zip_writer_attach(dt_zip_writer **out, dt_output *output);
dt_status dt_zip_writer_detach(dt_zip_writer *zip);

/* Ends the current entry and begins another, of `size` bytes. */
void dt_zip_writer_begin(dt_zip_writer *zip, const char *name, int64_t size);
/* Adds bytes to the current entry. */
void dt_zip_writer_add(dt_zip_writer *zip, const void *bytes, size_t length);
/* A whole entry. */
void dt_zip_writer_put(dt_zip_writer *zip, const char *name, const void *bytes, size_t length);

/* Returns a hash of the names and checksums of all complete entries. */
uint64_t dt_zip_writer_hash(const dt_zip_writer *zip);

/* Completes the file and frees the writer. DT_ERR_IO if writing failed, DT_ERR_INTERNAL if an entry
 * got another number of bytes than announced; an earlier file is kept then. */
dt_status dt_zip_writer_commit(dt_zip_writer *zip);
/* Frees the writer and deletes the unfinished file. Preserves the calling thread's error message.
 */
void dt_zip_writer_discard(dt_zip_writer *zip);

#endif
