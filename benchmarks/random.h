/* Sequences of random numbers from a seed: the same on every machine and for any number of threads,
 * since each purpose (`what`, `item`) has its own sequence. Philox4x32-10, in the streams below
 * 2^24, which src/ does not use.
 */
#ifndef DT_BENCHMARKS_RANDOM_H
#define DT_BENCHMARKS_RANDOM_H

#include <stdint.h>

#include "core/philox.h"

typedef struct {
    uint32_t seed, what, item;
    uint32_t drawn;
    uint32_t bits[4];
} dt_random;

static inline dt_random dt_random_begin(uint32_t seed, uint32_t what, uint32_t item)
{
    return (dt_random){.seed = seed, .what = what & 0xffffffu, .item = item};
}

/* Returns 32 random bits. */
static inline uint32_t dt_random_bits(dt_random *random)
{
    const uint32_t place = random->drawn++;
    if (place % 4 == 0)
        dt_philox(random->seed, random->what, place / 4, random->item, 0, 0, random->bits);
    return random->bits[place % 4];
}

/* Returns a number in 0 … count-1, uniform up to 1 part in 2^32 / count. count > 0. */
static inline uint32_t dt_random_below(dt_random *random, uint32_t count)
{
    return (uint32_t)((uint64_t)dt_random_bits(random) * count >> 32);
}

/* Shuffles the items (Fisher and Yates). */
static inline void dt_random_shuffle(dt_random *random, int32_t *items, int32_t count)
{
    for (int32_t i = count - 1; i > 0; --i) {
        const int32_t j = (int32_t)dt_random_below(random, (uint32_t)i + 1);
        const int32_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

#endif
