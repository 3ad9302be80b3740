/* The tokens of a shard: uint16 each; with --encoding onehot one byte per base, widened when read.
 * Private to data/shards.c. */
#ifndef DT_DATA_SHARD_TOKENS_H
#define DT_DATA_SHARD_TOKENS_H

#include <stdint.h>

#include "core/status.h"
#include "io/container.h"
#include "sequence/onehot.h"

/* Returns the name of their array: "tokens" or "bases". */
const char *dt_shard_tokens_name(dt_encoding encoding);

/* Writes the tokens. */
dt_status dt_shard_put_tokens(dt_container *file, dt_encoding encoding, int64_t count,
                              const uint16_t *tokens /* (count) */);

/* Reads the tokens. DT_ERR_INPUT if their number is not `count` or one is not below `vocabulary`;
 * `path` is used in the message. */
dt_status dt_shard_get_tokens(dt_container *file, const char *path, dt_encoding encoding,
                              int32_t vocabulary, int64_t count, uint16_t *tokens /* (count) */);

#endif
