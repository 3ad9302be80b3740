/* Recognises files that are not text by their first bytes. */
#ifndef DT_IO_FILE_KIND_H
#define DT_IO_FILE_KIND_H

#include <stddef.h>

/* The number of bytes that dt_file_kind_of() examines; fewer if the file is shorter. */
#define DT_FILE_KIND_BYTES 1024

typedef struct {
    const char *what;   /* "an HDF5 file"; NULL: unknown, so probably text */
    const char *remedy; /* advice for the user; NULL: use another file */
} dt_file_kind;

/* Returns what a file is, including archives and compressed files that cannot be read. Formats of
 * io/packed.h are not reported, except zip-based formats of other programs. */
dt_file_kind dt_file_kind_of(const unsigned char *bytes, size_t length);

#endif
