/* The order in which sequences are trained on, and who works on which: nothing here depends on the
 * number of processes but dt_share(), which only divides what the order gives.
 */
#ifndef DT_DATA_SAMPLER_H
#define DT_DATA_SAMPLER_H

#include <stdint.h>

#include "core/philox.h"
#include "core/status.h"

typedef struct {
    int64_t count;        /* sequences of the training part */
    const int64_t *items; /* (count) their numbers; not owned, kept by who made the sampler */
    int64_t *order;       /* (count) `items` in the order of the epoch */
    uint32_t seed;
    int64_t sequences_per_shard; /* 0: the order does not care for shards */
    int64_t shards_at_a_time;
    int64_t shards;
} dt_sampler;

/* A sampler of these items. The order is that of `items` until dt_sampler_begin_epoch().
 * DT_ERR_INPUT when there are none, or 2^32 or more. */
dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count,
                            uint32_t seed);
void dt_sampler_free(dt_sampler *sampler);

/* From now on an epoch's order keeps together what stands together on the disk, for a set whose
 * tokens are streamed: the shards (sequence i stands in shard i / sequences_per_shard) are
 * shuffled, then the items of each `shards_at_a_time` shards in a row are shuffled among
 * themselves. */
void dt_sampler_by_shards(dt_sampler *sampler, int64_t sequences_per_shard,
                          int64_t shards_at_a_time);

/* Sets sampler->order to the order of epoch number `epoch`: a permutation that is a pure function
 * of (count, seed, epoch), and of the two numbers above where they were given, so that every
 * process has the same one and resuming needs no state. DT_ERR_MEMORY. */
dt_status dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch);

/* Shuffles in place: Fisher and Yates's exchange of item i = count-1 … 1 with one of 0 … i, each
 * drawn with dt_draw_below() from the stream of `purpose` at counters (i, attempt, part, epoch).
 * For the order of an epoch (DT_DRAW_SHUFFLE) `part` is 0, or the number of a part of the order,
 * from 1. count < 2^32. */
void dt_shuffle(int64_t *items, int64_t count, uint32_t seed, dt_draw purpose, uint32_t part,
                uint32_t epoch);

/* Divides 0 … total-1 into `parts` contiguous shares whose sizes differ by at most one, the larger
 * ones first: share `index` is *begin … *begin + *count - 1. */
void dt_share(int64_t total, int64_t parts, int64_t index, int64_t *begin, int64_t *count);

#endif
