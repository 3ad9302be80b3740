/* The order of training sequences in an epoch, and their division among processes. The order does
 * not depend on the number of processes; only dt_share() does, which divides it.
 */
#ifndef DT_DATA_SAMPLER_H
#define DT_DATA_SAMPLER_H

#include <stdint.h>

#include "core/philox.h"
#include "core/status.h"
#include "data/dataset.h"

typedef struct {
    int64_t count;        /* training sequences */
    const int64_t *items; /* (count) their indices; not owned, must outlive the sampler; NULL:
                             `marks` */
    int64_t *order;       /* the sequences at positions first … first + held - 1 of the epoch */
    int64_t first, held;
    size_t capacity;
    uint32_t seed, epoch;
    int64_t sequences_per_shard; /* 0: the order ignores shards */
    int64_t shards_at_a_time;
    int64_t shards;

    /* With marks: the order of an epoch is computed part by part. */
    const uint8_t *marks; /* (sequences) bits, 0: for training; not owned */
    int64_t sequences;    /* of the set */
    int64_t *shard_items; /* (shards) training sequences of each */
    int64_t *shuffled;    /* (shards) in the order of the epoch */
    int64_t parts, *end;  /* (parts) position at which each part ends */
    int64_t next_part;    /* the first one that is not in `order` yet */
} dt_sampler;

/* Creates a sampler. The order is that of `items` until dt_sampler_begin_epoch(). DT_ERR_INPUT if
 * count is 0, or 2^32 or more. */
dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count,
                            uint32_t seed);
void dt_sampler_free(dt_sampler *sampler);

/* Creates a sampler for a streamed set, in memory that does not depend on its number of sequences.
 * marks: a bit for each (core/bits.h), 0 if it is for training; `count` of them are. Sequence i is
 * in shard i / sequences_per_shard. In each epoch the shards are shuffled and divided into parts of
 * `shards_at_a_time`; the order is part by part, the training sequences of a part being taken shard
 * by shard and then shuffled. */
dt_status dt_sampler_create_streamed(dt_sampler *sampler, const uint8_t *marks, int64_t sequences,
                                     int64_t count, uint32_t seed, int64_t sequences_per_shard,
                                     int64_t shards_at_a_time);

/* Makes the order of the following epochs suit streamed shards, for runs that began before
 * dt_sampler_create_streamed(): the same, but the items of a part are taken in the order of
 * `items` and then shuffled. */
void dt_sampler_by_shards(dt_sampler *sampler, int64_t sequences_per_shard,
                          int64_t shards_at_a_time);

/* Begins epoch number `epoch`, whose order is a permutation that is a pure function of (count,
 * seed, epoch) and the sizes of shards, if any, so that it is the same in every process and
 * resuming needs no state. DT_ERR_MEMORY. */
dt_status dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch);

/* Announces the order of the epoch to a streamed dataset; those before position `first` are
 * done. */
dt_status dt_sampler_announce(const dt_sampler *sampler, const dt_dataset *dataset, int64_t first);

/* Sets *order to the sequences at positions first … first + count - 1 of the epoch, valid until the
 * next call. Positions before the `first` of an earlier call in the epoch may be gone
 * (DT_ERR_INTERNAL). DT_ERR_MEMORY. */
dt_status dt_sampler_take(dt_sampler *sampler, int64_t first, int64_t count, const int64_t **order);

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
