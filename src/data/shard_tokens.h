/* The tokens of a shard: uint16 each, or with --encoding onehot a byte a base, which is widened
 * when it is read. Private to data/shards.c. */
#ifndef DT_DATA_SHARD_TOKENS_H
#define DT_DATA_SHARD_TOKENS_H

#include <stdint.h>

#include "core/status.h"
#include "io/container.h"
#include "sequence/onehot.h"

/* Name of the array that holds them: "tokens", "bases". */
const char *dt_shard_tokens_name(dt_encoding encoding);

dt_status dt_shard_put_tokens(dt_container *file, dt_encoding encoding, int64_t count,
                              const uint16_t *tokens /* (count) */);

/* DT_ERR_INPUT when there are not `count` of them, or a base is none of sequence/onehot.h; `path`
 * is for the message. */
dt_status dt_shard_get_tokens(dt_container *file, const char *path, dt_encoding encoding,
                              int64_t count, uint16_t *tokens /* (count) */);

#endif
