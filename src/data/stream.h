/* Tokens of a set that is larger than memory: a few shards of it at a time, read ahead by a thread.
 *
 * The order in which sequences will be used is told in advance (dt_stream_begin). Shards are loaded
 * in the order of their first use, each stays until its last use has passed, and at most `room` are
 * in memory. So the work never waits for a shard that could have been read before, and the order
 * alone decides how much room is needed: dt_sampler_by_shards() gives one that needs little.
 */
#ifndef DT_DATA_STREAM_H
#define DT_DATA_STREAM_H

#include <stdint.h>

#include "core/status.h"

typedef struct dt_token_stream dt_token_stream;

/* Where the shards come from. Shard s holds the sequences s · sequences_per_shard … and is loaded
 * whole; load() is called from the stream's thread, one call at a time. */
typedef struct {
    int64_t sequences_per_shard;
    dt_status (*load)(void *context, int64_t shard, uint16_t *tokens, int64_t count);
    void (*release)(void *context); /* at the end of the stream; NULL: nothing to do */
    void *context;
} dt_shard_source;

/* A stream of the `count` sequences that start at offsets[i] (kept by the caller, in tokens), with
 * memory for `room` shards. Takes over the source, also when it fails (DT_ERR_MEMORY). */
dt_status dt_stream_create(dt_token_stream **out, const dt_shard_source *source,
                           const int64_t *offsets, int64_t count, int64_t room);
void dt_stream_destroy(dt_token_stream *stream); /* NULL is fine */

/* Tells the uses to come: sequence order[0], order[1] …, of which those before `first` have been.
 * Forgets what was told before; shards in memory stay where they are of use. `order` may be changed
 * when this returns. DT_ERR_INTERNAL when the order needs more than `room` shards at once. */
dt_status dt_stream_begin(dt_token_stream *stream, const int64_t *order, int64_t count,
                          int64_t first);

/* Waits until the sequences of the uses first … first + count - 1 are in memory; those before
 * `first` are done with. Where these uses alone need more than `room` shards, memory for as many is
 * taken, and kept (DT_ERR_MEMORY): few of a shard's sequences may be wanted, as those to validate
 * on. Fails with what the thread failed with: the source's error. */
dt_status dt_stream_hold(dt_token_stream *stream, int64_t first, int64_t count);

/* The tokens of sequence i, one of the held uses. */
const uint16_t *dt_stream_tokens(const dt_token_stream *stream, int64_t i);

/* Memory that its tokens take, in bytes. */
int64_t dt_stream_bytes(const dt_token_stream *stream);

#endif
