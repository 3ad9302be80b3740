/* Chooses the file to read in a zip archive, and checks that nothing is outside the archive. */
#ifndef DT_IO_ZIP_MEMBER_H
#define DT_IO_ZIP_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Sets *chosen to the index of the entry to read. `names` (`size` bytes) holds the names of all
 * entries, each '\0'-terminated. In a QIIME 2 artifact, whose files are all in a folder named by a
 * UUID, it is `artifact_member` of that folder; any other archive must hold a single file. Folders,
 * and files that macOS adds, are ignored. Otherwise DT_ERR_INPUT, with the names found; `name` is
 * the archive's. */
dt_status dt_zip_member_choose(const char *name, const char *names, size_t size,
                               const char *artifact_member, int64_t *chosen);

/* DT_ERR_INPUT if a file of `size` bytes, open as `fd`, contains anything before or after its zip
 * archive, which would be lost (two joined archives, or text at the end). Uses the end record of
 * the archive (APPNOTE 4.3.16); DT_OK if there is none. */
dt_status dt_zip_check_whole(const char *name, int fd, int64_t size);

#endif
