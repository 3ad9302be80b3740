/* The primers of the training sequences (sequence/primer.h) as part of a checkpoint, or of the first
 * shard of a set. */
#ifndef DT_SEQUENCE_PRIMER_ARRAY_H
#define DT_SEQUENCE_PRIMER_ARRAY_H

#include "core/status.h"
#include "io/container.h"
#include "sequence/primer.h"

/* Writes nothing if there are none. */
dt_status dt_primers_put(dt_container *file, const dt_primers *primers);

/* Sets `primers` if the file has some. DT_ERR_INPUT, with the path, if they are not valid. */
dt_status dt_primers_get(dt_container *file, const char *path, dt_primers *primers);

#endif
