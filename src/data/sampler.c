#include "data/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"

void dt_shuffle(int64_t *items, int64_t count, uint32_t seed, dt_draw purpose, uint32_t part,
                uint32_t epoch)
{
    const uint32_t stream = dt_stream(purpose, 0, 0);
    for (int64_t i = count - 1; i > 0; --i) {
        const uint32_t j = dt_draw_below((uint32_t)i + 1, seed, stream, (uint32_t)i, part, epoch);
        const int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count, uint32_t seed)
{
    *sampler = (dt_sampler){0};
    if (count < 1 || count > UINT32_MAX)
        return dt_fail(DT_ERR_INPUT, "cannot train on %lld sequences; the number must be 1 to %u",
                       (long long)count, UINT32_MAX);
    DT_TRY(DT_NEW(sampler->order, (size_t)count));
    sampler->count = count;
    sampler->items = items;
    sampler->seed = seed;
    memcpy(sampler->order, items, (size_t)count * sizeof *items);
    return DT_OK;
}

void dt_sampler_free(dt_sampler *sampler)
{
    free(sampler->order);
    *sampler = (dt_sampler){0};
}

void dt_sampler_by_shards(dt_sampler *sampler, int64_t sequences_per_shard,
                          int64_t shards_at_a_time)
{
    sampler->sequences_per_shard = sequences_per_shard;
    sampler->shards_at_a_time = shards_at_a_time;
    sampler->shards = 0;
    for (int64_t i = 0; i < sampler->count; ++i) {
        const int64_t shard = sampler->items[i] / sequences_per_shard;
        if (shard >= sampler->shards)
            sampler->shards = shard + 1;
    }
}

/* Sets `part` to the part of the epoch that each shard belongs to: its position among the shuffled
 * shards, divided by the shards per part. `shuffled` (shards) is working memory. */
static void draw_parts(const dt_sampler *sampler, uint32_t epoch, int64_t *shuffled, int64_t *part)
{
    for (int64_t s = 0; s < sampler->shards; ++s)
        shuffled[s] = s;
    dt_shuffle(shuffled, sampler->shards, sampler->seed, DT_DRAW_SHUFFLE, 0, epoch);
    for (int64_t place = 0; place < sampler->shards; ++place)
        part[shuffled[place]] = place / sampler->shards_at_a_time;
}

static dt_status order_by_shards(dt_sampler *sampler, uint32_t epoch)
{
    const int64_t parts =
        (sampler->shards + sampler->shards_at_a_time - 1) / sampler->shards_at_a_time;
    int64_t *part; /* (shards), then the shuffled shards, then the end of each part */
    DT_TRY(DT_NEW(part, (size_t)(2 * sampler->shards + parts + 1)));
    int64_t *end = part + 2 * sampler->shards;
    draw_parts(sampler, epoch, part + sampler->shards, part);
    for (int64_t i = 0; i < sampler->count; ++i)
        end[part[sampler->items[i] / sampler->sequences_per_shard] + 1]++;
    for (int64_t p = 0; p < parts; ++p)
        end[p + 1] += end[p];
    /* end[p] is the begin of part p, and moves to its end as the part is filled */
    for (int64_t i = 0; i < sampler->count; ++i) {
        const int64_t p = part[sampler->items[i] / sampler->sequences_per_shard];
        sampler->order[end[p]++] = sampler->items[i];
    }
    for (int64_t p = 0; p < parts; ++p) {
        const int64_t begin = p > 0 ? end[p - 1] : 0;
        dt_shuffle(sampler->order + begin, end[p] - begin, sampler->seed, DT_DRAW_SHUFFLE,
                   (uint32_t)p + 1, epoch);
    }
    free(part);
    return DT_OK;
}

dt_status dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch)
{
    if (sampler->sequences_per_shard > 0)
        return order_by_shards(sampler, epoch);
    memcpy(sampler->order, sampler->items, (size_t)sampler->count * sizeof *sampler->order);
    dt_shuffle(sampler->order, sampler->count, sampler->seed, DT_DRAW_SHUFFLE, 0, epoch);
    return DT_OK;
}

void dt_share(int64_t total, int64_t parts, int64_t index, int64_t *begin, int64_t *count)
{
    const int64_t base = total / parts;
    const int64_t larger = total % parts;
    *begin = base * index + (index < larger ? index : larger);
    *count = base + (index < larger);
}
