/* Names of the files of a set of shards. Private to data/. */
#ifndef DT_DATA_SHARD_FILE_H
#define DT_DATA_SHARD_FILE_H

#include <inttypes.h>
#include <limits.h>
#include <stdint.h>

#include "core/file.h"

#define DT_SHARD_FORMAT "deeptaxa-shard"

/* Sets out to the path of a shard, followed by `end`. */
static inline dt_status dt_shard_path(char out[PATH_MAX], const char *folder, int64_t shard,
                                      const char *end)
{
    return dt_path(out, PATH_MAX, "%s/shard_%05" PRId64 ".h5%s", folder, shard, end);
}

#endif
