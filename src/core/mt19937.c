#include "core/mt19937.h"

enum { WORDS = 624, SHIFT = 397 };

void dt_mt19937_seed(dt_mt19937 *generator, uint32_t seed)
{
    for (uint32_t i = 0; i < WORDS; ++i) {
        generator->state[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
    generator->next = WORDS;
}

static void renew(uint32_t *state)
{
    for (int i = 0; i < WORDS; ++i) {
        const uint32_t mixed = (state[i] & 0x80000000u) | (state[(i + 1) % WORDS] & 0x7fffffffu);
        state[i] = state[(i + SHIFT) % WORDS] ^ (mixed >> 1) ^ ((mixed & 1u) * 0x9908b0dfu);
    }
}

uint32_t dt_mt19937_next(dt_mt19937 *generator)
{
    if (generator->next == WORDS) {
        renew(generator->state);
        generator->next = 0;
    }
    uint32_t y = generator->state[generator->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint64_t dt_mt19937_interval(dt_mt19937 *generator, uint64_t max)
{
    if (max == 0)
        return 0;
    uint64_t mask = max;
    for (int bits = 1; bits < 64; bits *= 2)
        mask |= mask >> bits;
    uint64_t value;
    do {
        value = dt_mt19937_next(generator);
        if (max > UINT32_MAX)
            value = value << 32 | dt_mt19937_next(generator);
        value &= mask;
    } while (value > max);
    return value;
}

void dt_mt19937_shuffle(dt_mt19937 *generator, int64_t *items, int64_t count)
{
    for (int64_t i = count - 1; i > 0; --i) {
        const int64_t j = (int64_t)dt_mt19937_interval(generator, (uint64_t)i);
        const int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}
