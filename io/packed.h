/* Compressed files: which formats there are, and the words for what can be wrong with one. */
#ifndef DT_IO_PACKED_H
#define DT_IO_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/raw_file.h"

typedef enum {
    DT_PACKED_NOT, /* plain, or something else: io/file_kind.h */
    DT_PACKED_GZIP,
    DT_PACKED_BZIP2,
    DT_PACKED_XZ,
    DT_PACKED_ZSTD,
    DT_PACKED_ZIP,
} dt_packing;

/* By the first bytes of a file, of which 10 are enough. */
dt_packing dt_packing_of(const unsigned char *bytes, size_t length);

/* "gzip", "zip" ... */
const char *dt_packing_name(dt_packing packing);

/* Sets *block to what follows the zero bytes at the present place, *length to 0 where nothing does:
 * zero bytes behind the end are padding. */
dt_status dt_packed_skip_zeros(dt_raw_file *raw, const unsigned char **block, size_t *length);

/* DT_ERR_INPUT, each after `line` lines of the text: the file ends within its data; they are
 * damaged, for which the library gives `reason`; they end, and what stands at the present place
 * would be lost. */
dt_status dt_packed_cut_off(const char *name, dt_packing packing, int64_t line);
dt_status dt_packed_damaged(const char *name, dt_packing packing, int64_t line, const char *reason);
dt_status dt_packed_refuse_rest(dt_raw_file *raw, dt_packing packing, int64_t line);

#endif
