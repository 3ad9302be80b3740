/* Streams the tokens of a set that is larger than memory: a thread reads a few shards ahead.
 *
 * The order in which sequences will be used is announced in advance (dt_stream_begin). Shards are
 * loaded in the order of their first use and kept until their last use has passed; at most
 * `max_shards` are in memory. Thus the caller never waits for a shard that could have been read
 * earlier. How many shards are needed at once depends only on the order: few with
 * dt_sampler_by_shards().
 */
#ifndef DT_DATA_STREAM_H
#define DT_DATA_STREAM_H

#include <stdint.h>

#include "core/status.h"

typedef struct dt_token_stream dt_token_stream;

/* Source of the shards. Shard s contains the sequences from s · sequences_per_shard on, and is
 * loaded as a whole. load() is called from the stream's thread, one call at a time. */
typedef struct {
    int64_t sequences_per_shard;
    dt_status (*load)(void *context, int64_t shard, uint16_t *tokens, int64_t count);
    void (*release)(void *context); /* called at the end of the stream; may be NULL */
    void *context;
} dt_shard_source;

/* Creates a stream of `count` sequences with memory for `max_shards` shards. Sequence i starts at
 * token offsets[i]; `offsets` must outlive the stream. Takes ownership of the source, also on
 * failure (DT_ERR_MEMORY). */
dt_status dt_stream_create(dt_token_stream **out, const dt_shard_source *source,
                           const int64_t *offsets, int64_t count, int64_t max_shards);
void dt_stream_destroy(dt_token_stream *stream); /* NULL is allowed */

/* Announces the uses: sequence order[0], order[1] …, of which those before `first` are already
 * done. Replaces the previous order; shards in memory that are still needed are kept. `order` is
 * not used after the call. DT_ERR_INTERNAL if the order needs more than `max_shards` shards at
 * once. */
dt_status dt_stream_begin(dt_token_stream *stream, const int64_t *order, int64_t count,
                          int64_t first);

/* Waits until the sequences of the uses first … first + count - 1 are in memory; those before
 * `first` are released. If these uses need more than `max_shards` shards, memory for as many is
 * allocated and kept (DT_ERR_MEMORY); this happens when few sequences per shard are used, as in
 * validation. Returns the source's error if the thread failed. */
dt_status dt_stream_hold(dt_token_stream *stream, int64_t first, int64_t count);

/* Returns the tokens of sequence i, which must be held. */
const uint16_t *dt_stream_tokens(const dt_token_stream *stream, int64_t i);

/* Returns the memory for tokens, in bytes. */
int64_t dt_stream_bytes(const dt_token_stream *stream);

#endif
