/* Which file of a zip archive is meant, and whether the archive is all that there is. */
#ifndef DT_IO_ZIP_MEMBER_H
#define DT_IO_ZIP_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Sets *chosen to the place of one of the archive's entries, whose names stand one behind the other
 * in `names` (`size` bytes), each ended by '\0'. In an artifact of QIIME 2, whose files all lie in
 * a folder with the name of a UUID, it is `artifact_member` of that folder; else the archive must
 * hold one file. Folders, and what macOS adds to archives, do not count. DT_ERR_INPUT, with the
 * names that there are, for any other archive; `name` is the archive's. */
dt_status dt_zip_member_choose(const char *name, const char *names, size_t size,
                               const char *artifact_member, int64_t *chosen);

/* DT_ERR_INPUT where a file of `size` bytes, open as `fd`, holds more than one zip archive: what
 * stands before it or after it would be lost (two archives put one behind the other; text at the
 * end). By the record at an archive's end (APPNOTE 4.3.16); fine where none is found. */
dt_status dt_zip_check_whole(const char *name, int fd, int64_t size);

#endif
