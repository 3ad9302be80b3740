#include "data/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
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

static dt_status begin(dt_sampler *sampler, int64_t count, uint32_t seed)
{
    *sampler = (dt_sampler){.count = count, .seed = seed};
    if (count < 1 || count > UINT32_MAX)
        return dt_fail(DT_ERR_INPUT, "cannot train on %lld sequences; the number must be 1 to %u",
                       (long long)count, UINT32_MAX);
    return DT_OK;
}

dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count, uint32_t seed)
{
    DT_TRY(begin(sampler, count, seed));
    DT_TRY(DT_NEW(sampler->order, (size_t)count));
    sampler->items = items;
    sampler->held = count;
    memcpy(sampler->order, items, (size_t)count * sizeof *items);
    return DT_OK;
}

/* The sequences of shard s are *first … *end - 1. */
static void shard_range(const dt_sampler *sampler, int64_t s, int64_t *first, int64_t *end)
{
    *first = s * sampler->sequences_per_shard;
    *end = *first + sampler->sequences_per_shard;
    if (*end > sampler->sequences)
        *end = sampler->sequences;
}

static dt_status count_shards(dt_sampler *sampler)
{
    const int64_t per_part = sampler->shards_at_a_time;
    sampler->shards =
        (sampler->sequences + sampler->sequences_per_shard - 1) / sampler->sequences_per_shard;
    sampler->parts = (sampler->shards + per_part - 1) / per_part;
    DT_TRY(DT_NEW(sampler->shard_items, (size_t)sampler->shards));
    DT_TRY(DT_NEW(sampler->shuffled, (size_t)sampler->shards));
    DT_TRY(DT_NEW(sampler->end, (size_t)sampler->parts));
    for (int64_t s = 0; s < sampler->shards; ++s) {
        int64_t i;
        int64_t end;
        for (shard_range(sampler, s, &i, &end); i < end; ++i)
            sampler->shard_items[s] += !dt_bit(sampler->marks, i);
    }
    return DT_OK;
}

dt_status dt_sampler_create_streamed(dt_sampler *sampler, const uint8_t *marks, int64_t sequences,
                                     int64_t count, uint32_t seed, int64_t sequences_per_shard,
                                     int64_t shards_at_a_time)
{
    DT_TRY(begin(sampler, count, seed));
    sampler->marks = marks;
    sampler->sequences = sequences;
    sampler->sequences_per_shard = sequences_per_shard;
    sampler->shards_at_a_time = shards_at_a_time;
    return count_shards(sampler);
}

void dt_sampler_free(dt_sampler *sampler)
{
    free(sampler->order);
    free(sampler->shard_items);
    free(sampler->shuffled);
    free(sampler->end);
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

/* Shuffles the numbers of the shards. */
static void shuffle_shards(const dt_sampler *sampler, int64_t *shuffled)
{
    for (int64_t s = 0; s < sampler->shards; ++s)
        shuffled[s] = s;
    dt_shuffle(shuffled, sampler->shards, sampler->seed, DT_DRAW_SHUFFLE, 0, sampler->epoch);
}

static void shuffle_part(const dt_sampler *sampler, int64_t part, int64_t *items, int64_t count)
{
    dt_shuffle(items, count, sampler->seed, DT_DRAW_SHUFFLE, (uint32_t)part + 1, sampler->epoch);
}

static dt_status order_by_shards(dt_sampler *sampler)
{
    const int64_t parts =
        (sampler->shards + sampler->shards_at_a_time - 1) / sampler->shards_at_a_time;
    int64_t *part; /* (shards), then the shuffled shards, then the end of each part */
    DT_TRY(DT_NEW(part, (size_t)(2 * sampler->shards + parts + 1)));
    int64_t *shuffled = part + sampler->shards;
    int64_t *end = shuffled + sampler->shards;
    shuffle_shards(sampler, shuffled);
    for (int64_t place = 0; place < sampler->shards; ++place)
        part[shuffled[place]] = place / sampler->shards_at_a_time;
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
        shuffle_part(sampler, p, sampler->order + begin, end[p] - begin);
    }
    free(part);
    return DT_OK;
}

static void begin_parts(dt_sampler *sampler)
{
    int64_t position = 0;
    shuffle_shards(sampler, sampler->shuffled);
    for (int64_t place = 0; place < sampler->shards; ++place) {
        position += sampler->shard_items[sampler->shuffled[place]];
        sampler->end[place / sampler->shards_at_a_time] = position;
    }
    sampler->first = sampler->held = sampler->next_part = 0;
}

dt_status dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch)
{
    sampler->epoch = epoch;
    if (sampler->marks) {
        begin_parts(sampler);
        return DT_OK;
    }
    if (sampler->sequences_per_shard > 0)
        return order_by_shards(sampler);
    memcpy(sampler->order, sampler->items, (size_t)sampler->count * sizeof *sampler->order);
    dt_shuffle(sampler->order, sampler->count, sampler->seed, DT_DRAW_SHUFFLE, 0, epoch);
    return DT_OK;
}

dt_status dt_sampler_announce(const dt_sampler *sampler, const dt_dataset *dataset, int64_t first)
{
    dt_shard_use *use;
    int64_t used = 0;
    if (!sampler->marks)
        return dt_dataset_begin(dataset, sampler->order, sampler->count, first);
    DT_TRY(DT_NEW(use, (size_t)sampler->shards));
    for (int64_t place = 0; place < sampler->shards; ++place) {
        const int64_t shard = sampler->shuffled[place];
        const int64_t part = place / sampler->shards_at_a_time;
        if (sampler->shard_items[shard] > 0)
            use[used++] = (dt_shard_use){shard, part > 0 ? sampler->end[part - 1] : 0,
                                         sampler->end[part] - 1};
    }
    const dt_status status =
        dt_stream_begin_shards(dataset->stream, use, used, sampler->count, first);
    free(use);
    return status;
}

/* Appends the next part to the order. */
static dt_status add_part(dt_sampler *sampler)
{
    const int64_t part = sampler->next_part++;
    const int64_t begin = part > 0 ? sampler->end[part - 1] : 0;
    const int64_t count = sampler->end[part] - begin;
    const int64_t first = part * sampler->shards_at_a_time;
    const int64_t held = sampler->held;
    DT_TRY(DT_GROW(sampler->order, sampler->capacity, (size_t)(held + count)));
    for (int64_t place = first;
         place < first + sampler->shards_at_a_time && place < sampler->shards; ++place) {
        int64_t i;
        int64_t end;
        for (shard_range(sampler, sampler->shuffled[place], &i, &end); i < end; ++i)
            if (!dt_bit(sampler->marks, i))
                sampler->order[sampler->held++] = i;
    }
    shuffle_part(sampler, part, sampler->order + held, count);
    return DT_OK;
}

/* Drops what is before `first`. Parts that end there are not computed at all. */
static void drop_before(dt_sampler *sampler, int64_t first)
{
    const int64_t gone = first - sampler->first;
    if (gone >= sampler->held) {
        while (sampler->next_part < sampler->parts && sampler->end[sampler->next_part] <= first)
            sampler->next_part++;
        sampler->first = sampler->next_part > 0 ? sampler->end[sampler->next_part - 1] : 0;
        sampler->held = 0;
        return;
    }
    memmove(sampler->order, sampler->order + gone,
            (size_t)(sampler->held - gone) * sizeof *sampler->order);
    sampler->first = first;
    sampler->held -= gone;
}

dt_status dt_sampler_take(dt_sampler *sampler, int64_t first, int64_t count, const int64_t **order)
{
    if (first < sampler->first || first + count > sampler->count)
        return dt_fail(DT_ERR_INTERNAL, "positions %lld … of the epoch cannot be taken",
                       (long long)first);
    if (first + count > sampler->first + sampler->held)
        drop_before(sampler, first);
    while (first + count > sampler->first + sampler->held)
        DT_TRY(add_part(sampler));
    *order = sampler->order + (first - sampler->first);
    return DT_OK;
}

void dt_share(int64_t total, int64_t parts, int64_t index, int64_t *begin, int64_t *count)
{
    const int64_t base = total / parts;
    const int64_t larger = total % parts;
    *begin = base * index + (index < larger ? index : larger);
    *count = base + (index < larger);
}
