/* Philox4x32-10, the counter-based random number generator for dropout masks, initial values and
 * permutations (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A draw is a pure function of (key, counter). The key is (seed, stream), where the stream
 * identifies the purpose; the counter is the position of the value in the GLOBAL computation, never
 * in a buffer of a rank or thread. Therefore the results of a run do not depend on how the work is
 * divided, and resuming needs no generator state.
 *
 * Header only and without libc, so that C, vectorised loops and CUDA produce the same bits.
 */
#ifndef DT_CORE_PHILOX_H
#define DT_CORE_PHILOX_H

#include <stdint.h>

#if defined(__CUDACC__)
#define DT_HOST_DEVICE __host__ __device__
#else
#define DT_HOST_DEVICE
#endif

/* Purposes of draws: the upper byte of a stream. Do not renumber: runs must be reproducible. */
typedef enum {
    DT_DRAW_INIT = 1,          /* initial value: counter (element / 4, 0, 0, 0), index = tensor */
    DT_DRAW_SHUFFLE = 2,       /* order of an epoch: counter (i, attempt, part, epoch) */
    DT_DRAW_EMBEDDING = 3,     /* dropout after the encoder's embedding */
    DT_DRAW_ATTENTION = 4,     /* dropout on attention probabilities; sub = head */
    DT_DRAW_ATTENTION_OUT = 5, /* dropout after the attention's output projection */
    DT_DRAW_FEED_FORWARD = 6,  /* dropout after the feed-forward's second projection */
    DT_DRAW_CONV = 7,          /* dropout after a convolution's ReLU */
    DT_DRAW_CONV_PADDING = 8,  /* the padded positions past the end, all at once */
    DT_DRAW_FUSED = 9,         /* dropout on the sequence embedding that the heads read */
    DT_DRAW_HEAD = 10,         /* dropout inside the heads of the cnn; sub = taxonomic rank */
    DT_DRAW_EXCHANGE = 11,     /* permutation importance: counter (i, attempt, region, 0) */
    DT_DRAW_SAMPLE = 12,       /* sample of the sequences of a file: counter (i, attempt) */
} dt_draw;

/* The stream of a draw: purpose (8 bits), layer or tensor `index` (12 bits), `sub` (12 bits).
 * Larger values would collide with other streams. */
#define DT_STREAM_PARTS 4096 /* limit of `index` and of `sub` */
static inline DT_HOST_DEVICE uint32_t dt_stream(dt_draw purpose, uint32_t index, uint32_t sub)
{
    return (uint32_t)purpose << 24 | (index & 0xfffu) << 12 | (sub & 0xfffu);
}

/* Returns four 32-bit draws for key (seed, stream) at counter c[0..3]. Dropout masks use
 *   c[0] = channel / 4 (attention: key position / 4); the draw of a channel is out[channel % 4]
 *   c[1] = position of the token in its sequence
 *   c[2] = position of the sequence in the global batch
 *   c[3] = number of the micro-step since the start of training
 * and keep a value if draw >= threshold, threshold = dt_dropout_threshold(p). */
static inline DT_HOST_DEVICE void dt_philox(uint32_t seed, uint32_t stream, uint32_t c0,
                                            uint32_t c1, uint32_t c2, uint32_t c3, uint32_t out[4])
{
    uint32_t k0 = seed;
    uint32_t k1 = stream;
    for (int round = 0; round < 10; ++round) {
        const uint64_t product0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t product1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t next0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        const uint32_t next2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)product1;
        c3 = (uint32_t)product0;
        c0 = next0;
        c2 = next2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Returns an unbiased number in 0 … bound-1 (bound >= 1) from the draws at counters (c0, attempt,
 * c2, c3) for attempt = 0, 1, …: multiplying by the bound and rejecting low remainders makes all
 * numbers equally likely (Lemire, "Fast random integer generation in an interval", ACM TOMACS 29,
 * 2019). */
static inline uint32_t dt_draw_below(uint32_t bound, uint32_t seed, uint32_t stream, uint32_t c0,
                                     uint32_t c2, uint32_t c3)
{
    /* 2^32 mod bound, which is not 0. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
    const uint32_t rejected = (0u - bound) % bound;
    for (uint32_t attempt = 0;; ++attempt) {
        uint32_t draws[4];
        dt_philox(seed, stream, c0, attempt, c2, c3, draws);
        for (int d = 0; d < 4; ++d) {
            const uint64_t product = (uint64_t)draws[d] * bound;
            if ((uint32_t)product >= rejected)
                return (uint32_t)(product >> 32);
        }
    }
}

/* Draws below this value are dropped: p · 2^32, rounded. p in [0, 1). */
static inline DT_HOST_DEVICE uint32_t dt_dropout_threshold(double p)
{
    return (uint32_t)(p * 4294967296.0 + 0.5);
}

#endif
