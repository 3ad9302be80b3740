/* MT19937, the Mersenne Twister (Matsumoto and Nishimura, ACM TOMACS 8, 1998), seeded and used like
 * NumPy's legacy `np.random.seed` and `np.random.shuffle`. Only used to reproduce DeepTaxa's split;
 * all other random numbers are from core/philox.h.
 */
#ifndef DT_CORE_MT19937_H
#define DT_CORE_MT19937_H

#include <stdint.h>

typedef struct {
    uint32_t state[624];
    int next; /* index of the next word of `state` to use; 624: generate a new state */
} dt_mt19937;

/* Sets the state to that after `np.random.seed(seed)`. */
void dt_mt19937_seed(dt_mt19937 *generator, uint32_t seed);

/* Returns the next 32 random bits. */
uint32_t dt_mt19937_next(dt_mt19937 *generator);

/* Returns a number in 0 … max by masked rejection: draws are masked to the bits that `max` needs
 * and rejected while they exceed it. Uses 32 bits per draw, or 64 (upper half first) if max needs
 * more; max = 0 uses none. */
uint64_t dt_mt19937_interval(dt_mt19937 *generator, uint64_t max);

/* Shuffles `count` items like `np.random.shuffle` on an array. */
void dt_mt19937_shuffle(dt_mt19937 *generator, int64_t *items, int64_t count);

#endif
