/* Decompresses a whole gzip file: several members in a row (as written by bgzip, or joined with
 * cat) are one text, and zero bytes after the last member are padding. Anything else after it is an
 * error; other readers silently ignore it.
 */
#ifndef DT_IO_GUNZIP_H
#define DT_IO_GUNZIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/raw_file.h"

typedef struct dt_gunzip dt_gunzip;

/* Reads from `raw`, which must outlive the result. */
dt_status dt_gunzip_open(dt_gunzip **out, dt_raw_file *raw);
void dt_gunzip_close(dt_gunzip *gunzip); /* NULL is allowed */

/* Stores the next bytes of the text in `buffer` and their number in *got, 0 at the end. All bytes
 * before a damaged place are returned before the error. `line`: number of lines read so far, for
 * messages. DT_ERR_INPUT: damaged, truncated, or followed by something else. Warns if a bgzip file
 * lacks its end marker and may therefore be truncated. */
dt_status dt_gunzip_read(dt_gunzip *gunzip, void *buffer, size_t size, int64_t line, size_t *got);

#endif
