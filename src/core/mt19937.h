/* MT19937, the Mersenne Twister (Matsumoto and Nishimura, ACM TOMACS 8, 1998), seeded and consumed
 * as NumPy's legacy `np.random.seed` and `np.random.shuffle` do. Its one use is to repeat
 * DeepTaxa's split; everything else is drawn with core/philox.h.
 */
#ifndef DT_CORE_MT19937_H
#define DT_CORE_MT19937_H

#include <stdint.h>

typedef struct {
    uint32_t state[624];
    int next; /* number of the next word of `state` to hand out; 624: the state must be renewed */
} dt_mt19937;

/* The state after `np.random.seed(seed)`. */
void dt_mt19937_seed(dt_mt19937 *generator, uint32_t seed);

/* The next 32 random bits. */
uint32_t dt_mt19937_next(dt_mt19937 *generator);

/* A number in 0 … max by masked rejection: draws are cut to the bits that `max` needs and thrown
 * away while they exceed it. Takes 32 bits a draw, or 64 (the upper half first) where max needs
 * more. max = 0 takes no draw. */
uint64_t dt_mt19937_interval(dt_mt19937 *generator, uint64_t max);

/* Shuffles `count` items as `np.random.shuffle` does an array. */
void dt_mt19937_shuffle(dt_mt19937 *generator, int64_t *items, int64_t count);

#endif
