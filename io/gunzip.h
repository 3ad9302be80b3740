/* Decompresses gzip to its very end: several members one behind the other (as bgzip writes them, or
 * cat joins them) are one text, and zero bytes behind the last are padding. What else follows is
 * refused: other readers drop it in silence.
 */
#ifndef DT_IO_GUNZIP_H
#define DT_IO_GUNZIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/raw_file.h"

typedef struct dt_gunzip dt_gunzip;

/* Reads from `raw`, which must outlive it. */
dt_status dt_gunzip_open(dt_gunzip **out, dt_raw_file *raw);
void dt_gunzip_close(dt_gunzip *gunzip); /* NULL is fine */

/* Sets *got to the next bytes of the text in `buffer`, 0 at the end. All bytes before the damaged
 * place are returned before the error. `line`: lines of the text that the caller has, for messages.
 * DT_ERR_INPUT: damaged, cut off, or followed by something else. A file of bgzip that lacks the
 * mark of its end, and so may be cut off, is warned of. */
dt_status dt_gunzip_read(dt_gunzip *gunzip, void *buffer, size_t size, int64_t line, size_t *got);

#endif
