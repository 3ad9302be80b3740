/* Compression formats: detection and error messages. */
#ifndef DT_IO_PACKED_H
#define DT_IO_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/raw_file.h"

typedef enum {
    DT_PACKED_NOT, /* plain, or another format: io/file_kind.h */
    DT_PACKED_GZIP,
    DT_PACKED_BZIP2,
    DT_PACKED_XZ,
    DT_PACKED_ZSTD,
    DT_PACKED_ZIP,
} dt_packing;

/* Detects the format from the first bytes of a file; 10 bytes are enough. */
dt_packing dt_packing_of(const unsigned char *bytes, size_t length);

/* Returns "gzip", "zip" ... */
const char *dt_packing_name(dt_packing packing);

/* Skips zero bytes (padding) at the current position. Sets *block to what follows, and *length to 0
 * if nothing does. */
dt_status dt_packed_skip_zeros(dt_raw_file *raw, const unsigned char **block, size_t *length);

/* Return DT_ERR_INPUT with a message, for a fault after `line` lines of the text: the file ends
 * within its data; the data is damaged, with the library's `reason`; the data ends, and the bytes
 * at the current position would be lost. */
dt_status dt_packed_cut_off(const char *name, dt_packing packing, int64_t line);
dt_status dt_packed_damaged(const char *name, dt_packing packing, int64_t line, const char *reason);
dt_status dt_packed_refuse_rest(dt_raw_file *raw, dt_packing packing, int64_t line);

#endif
