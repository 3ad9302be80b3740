/* The order of training sequences in an epoch, and their division among processes. The order does
 * not depend on the number of processes; only dt_share() does, which divides it.
 */
#ifndef DT_DATA_SAMPLER_H
#define DT_DATA_SAMPLER_H

#include <stdint.h>

#include "core/philox.h"
#include "core/status.h"

typedef struct {
    int64_t count;        /* training sequences */
    const int64_t *items; /* (count) their indices; not owned, must outlive the sampler */
    int64_t *order;       /* (count) `items` in the order of the epoch */
    uint32_t seed;
    int64_t sequences_per_shard; /* 0: the order ignores shards */
    int64_t shards_at_a_time;
    int64_t shards;
} dt_sampler;

/* Creates a sampler. The order is that of `items` until dt_sampler_begin_epoch(). DT_ERR_INPUT if
 * count is 0, or 2^32 or more. */
dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count,
                            uint32_t seed);
void dt_sampler_free(dt_sampler *sampler);

/* Makes the order of the following epochs suit streamed shards: the shards are shuffled (sequence i
 * is in shard i / sequences_per_shard), then the items within each group of `shards_at_a_time`
 * consecutive shards. */
void dt_sampler_by_shards(dt_sampler *sampler, int64_t sequences_per_shard,
                          int64_t shards_at_a_time);

/* Sets sampler->order to the order of epoch number `epoch`: a permutation that is a pure function
 * of (count, seed, epoch) and the arguments of dt_sampler_by_shards(), if any, so that it is the
 * same in every process and resuming needs no state. DT_ERR_MEMORY. */
dt_status dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch);

/* Shuffles in place (Fisher-Yates): exchanges item i = count-1 … 1 with one of 0 … i, drawn with
 * dt_draw_below() from the stream of `purpose` at counters (i, attempt, part, epoch). For the order
 * of an epoch (DT_DRAW_SHUFFLE), `part` is 0, or the number of a group of shards, from 1.
 * count < 2^32. */
void dt_shuffle(int64_t *items, int64_t count, uint32_t seed, dt_draw purpose, uint32_t part,
                uint32_t epoch);

/* Divides 0 … total-1 into `parts` contiguous shares whose sizes differ by at most one, larger ones
 * first. Share `index` is *begin … *begin + *count - 1. */
void dt_share(int64_t total, int64_t parts, int64_t index, int64_t *begin, int64_t *count);

#endif
