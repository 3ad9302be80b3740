/* What a file is that was given in place of a text, as far as its first bytes tell. */
#ifndef DT_IO_FILE_KIND_H
#define DT_IO_FILE_KIND_H

#include <stddef.h>

/* The bytes that dt_file_kind_of() looks at; fewer where the file is shorter. */
#define DT_FILE_KIND_BYTES 1024

typedef struct {
    const char *what;   /* "an HDF5 file"; NULL: nothing that is known, so probably a text */
    const char *remedy; /* what to do; NULL: name another file */
} dt_file_kind;

/* Also knows archives and compressed files that are not read. Formats that io/packed.h knows are
 * not told, but for those zip archives that are the files of a program. */
dt_file_kind dt_file_kind_of(const unsigned char *bytes, size_t length);

#endif
