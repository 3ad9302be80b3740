/* Streams a set that is larger than memory: a thread reads a few shards ahead.
 *
 * The order in which sequences will be used is announced in advance (dt_stream_begin). Shards are
 * loaded in the order of their first use and kept until their last use has passed; at most
 * `max_shards` are in memory. Thus the caller never waits for a shard that could have been read
 * earlier. How many shards are needed at once depends only on the order: few with
 * dt_sampler_by_shards(). Memory does not depend on the number of sequences, only, by a few numbers
 * for each, on that of the shards.
 */
#ifndef DT_DATA_STREAM_H
#define DT_DATA_STREAM_H

#include <stdint.h>

#include "core/status.h"

typedef struct dt_shard_stream dt_shard_stream;

/* The sequences of a shard in memory. */
typedef struct {
    int64_t count;       /* sequences */
    int64_t token_count; /* of all of them */
    uint16_t *tokens;    /* (token_count) */
    int64_t *offsets;    /* (count + 1) where each sequence starts in `tokens` */
    int32_t *labels;     /* (count, tax_ranks) classes */
    int32_t *bases;      /* (count) letters before tokenising; -1: unknown */
} dt_shard;

/* Source of the shards. Shard s contains the sequences from s · sequences_per_shard on, and is
 * loaded as a whole. load() sets the arrays of *to that are not NULL; the stream's thread and
 * dt_stream_describe() call it, one at a time. */
typedef struct {
    int64_t sequences; /* of the set */
    int64_t sequences_per_shard;
    int32_t tax_ranks;
    int64_t *tokens; /* (shards) of each; the stream frees it */
    dt_status (*load)(void *context, int64_t shard, dt_shard *to);
    /* *ids: those of the shard, each followed by '\0'; the caller frees them. May be NULL */
    dt_status (*load_ids)(void *context, int64_t shard, char **ids);
    void (*release)(void *context); /* called at the end of the stream; may be NULL */
    void *context;
} dt_shard_source;

/* Creates a stream with memory for `max_shards` shards. Takes ownership of the source, also on
 * failure (DT_ERR_MEMORY). */
dt_status dt_stream_create(dt_shard_stream **out, const dt_shard_source *source,
                           int64_t max_shards);
void dt_stream_destroy(dt_shard_stream *stream); /* NULL is allowed */

/* Announces the uses: sequence order[0], order[1] …, of which those before `first` are already
 * done. Replaces the previous order; shards in memory that are still needed are kept. `order` is
 * not used after the call. DT_ERR_INTERNAL if the order needs more than `max_shards` shards at
 * once. */
dt_status dt_stream_begin(dt_shard_stream *stream, const int64_t *order, int64_t count,
                          int64_t first);

/* A shard, and the range of uses in which it may be needed. */
typedef struct {
    int64_t shard;
    int64_t first, last;
} dt_shard_use;

/* The same for an order of `count` uses that is known by shards only: use[0 … shards-1], ascending
 * by their first use, each shard at most once. */
dt_status dt_stream_begin_shards(dt_shard_stream *stream, const dt_shard_use *use, int64_t shards,
                                 int64_t count, int64_t first);

/* Waits until the shards of the uses first … first + count - 1 are in memory; those before
 * `first` are released. If these uses need more than `max_shards` shards, memory for as many is
 * allocated and kept (DT_ERR_MEMORY); this happens when few sequences per shard are used, as in
 * validation. Returns the source's error if the thread failed. */
dt_status dt_stream_hold(dt_shard_stream *stream, int64_t first, int64_t count);

/* The shard in memory that contains sequence i, which must be held; *place: its number there. */
const dt_shard *dt_stream_shard(const dt_shard_stream *stream, int64_t i, int64_t *place);

/* Reads shard number `shard` into *to, which has memory for it, as load() of the source. Not while
 * uses are announced. */
dt_status dt_stream_describe(dt_shard_stream *stream, int64_t shard, dt_shard *to);
dt_status dt_stream_ids(dt_shard_stream *stream, int64_t shard, char **ids);

int64_t dt_stream_shards(const dt_shard_stream *stream);
int64_t dt_stream_sequences_per_shard(const dt_shard_stream *stream);
/* Returns how many sequences the largest shard has: fewer, if the set has only one. */
int64_t dt_stream_most_sequences(const dt_shard_stream *stream);

/* Returns the number of tokens of the whole set. */
int64_t dt_stream_tokens(const dt_shard_stream *stream);

/* Returns the memory for shards, in bytes. */
int64_t dt_stream_bytes(const dt_shard_stream *stream);

#endif
