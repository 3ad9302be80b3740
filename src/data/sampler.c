#include "data/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"

/* An unbiased number in 0 … bound-1 for item i. */
static uint32_t draw_below(uint32_t bound, uint32_t seed, uint32_t i, uint32_t epoch)
{
    const uint32_t rejected = (0u - bound) % bound; /* 2^32 mod bound */
    for (uint32_t attempt = 0;; ++attempt) {
        uint32_t draws[4];
        dt_philox(seed, dt_stream(DT_DRAW_SHUFFLE, 0, 0), i, attempt, 0, epoch, draws);
        for (int d = 0; d < 4; ++d) {
            const uint64_t product = (uint64_t)draws[d] * bound;
            if ((uint32_t)product >= rejected)
                return (uint32_t)(product >> 32);
        }
    }
}

void dt_shuffle(int64_t *items, int64_t count, uint32_t seed, uint32_t epoch)
{
    for (int64_t i = count - 1; i > 0; --i) {
        const uint32_t j = draw_below((uint32_t)i + 1, seed, (uint32_t)i, epoch);
        const int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

dt_status dt_sampler_create(dt_sampler *sampler, const int64_t *items, int64_t count, uint32_t seed)
{
    *sampler = (dt_sampler){0};
    if (count < 1 || count > UINT32_MAX)
        return dt_fail(DT_ERR_INPUT, "cannot train on %lld sequences: 1 to %u are possible",
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

void dt_sampler_begin_epoch(dt_sampler *sampler, uint32_t epoch)
{
    memcpy(sampler->order, sampler->items, (size_t)sampler->count * sizeof *sampler->order);
    dt_shuffle(sampler->order, sampler->count, sampler->seed, epoch);
}

void dt_share(int64_t total, int64_t parts, int64_t index, int64_t *begin, int64_t *count)
{
    const int64_t base = total / parts;
    const int64_t larger = total % parts;
    *begin = base * index + (index < larger ? index : larger);
    *count = base + (index < larger);
}
