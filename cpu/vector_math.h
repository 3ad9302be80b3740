/* Scalar functions for loops that the compiler vectorises: exp, the normal distribution for GELU,
 * and dropout draws. No libm, no branches, no float-to-integer conversions in the float build; the
 * double build for tests calls libm.
 *
 * The coefficients were fitted for this project: minimax in the relative error (Lawson's
 * iteratively reweighted least squares on Chebyshev nodes, in double precision against libm's exp
 * and SciPy's erfcx). Each function states its error; tests/unit/cpu/test_vector_math.c measures
 * the functions as evaluated in float.
 */
#ifndef DT_CPU_VECTOR_MATH_H
#define DT_CPU_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/philox.h"
#include "cpu/real.h"

/* e^x in float, x clamped to [-87, 88] (so never 0, a denormal or infinite); relative error below
 * 2e-7. NaN gives NaN. x = n·ln 2 + r with |r| <= ln 2 / 2, and e^r = 1 + r + r²·q(r), q of degree
 * 4 with a relative error of e^r of 3.1e-9. ln 2 is subtracted in two parts (Cody and Waite). */
static inline float dt_expf(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float round_bits = 12582912.0f; /* 1.5 · 2^23: adding it rounds to an integer */
    const float shifted = x * 1.44269504f + round_bits;
    const float n = shifted - round_bits;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float q = 1.3814466847e-3f;
    q = q * r + 8.3687804184e-3f;
    q = q * r + 4.1668394215e-2f;
    q = q * r + 1.6666520108e-1f;
    q = q * r + 4.9999993412e-1f;
    const float e = q * (r * r) + (r + 1.0f);
    uint32_t bits; /* n is in the low bits of `shifted`; 2^n is built from them */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return e * power;
}

/* Φ(u), the cumulative normal distribution, and φ(u), its density, in float; absolute errors below
 * 1e-7, relative 3e-6 in the lower tail to u = -6. With a = |u| and z = 1 - 1/(1 + a/2), computed
 * as a/2 / (1 + a/2) so that it stays exact where Φ is steepest, Φ(-a) = Q(z)·e^(-a²/2); Q has
 * degree 8 and an absolute error of 1e-8. */
static inline float dt_normal_cdff(float u, float *density)
{
    const float half = 0.5f * (u < 0.0f ? -u : u);
    const float z = half / (1.0f + half);
    float q = 3.0548798638e-2f;
    q = q * z - 3.6440566446e-2f;
    q = q * z - 1.3227367014e-2f;
    q = q * z - 3.3293951899e-2f;
    q = q * z + 9.9627319982e-3f;
    q = q * z + 1.3848963872e-1f;
    q = q * z + 2.0208943517e-1f;
    q = q * z - 7.9788350043e-1f;
    q = q * z + 0.5f;
    const float e = dt_expf(-0.5f * u * u);
    const float tail = q * e;
    *density = 0.398942280f * e;
    return u < 0.0f ? tail : 1.0f - tail;
}

#if defined(DT_REAL_DOUBLE)
static inline double dt_exp(double x)
{
    return exp(x);
}
static inline double dt_normal_cdf(double u, double *density)
{
    *density = 0.39894228040143267794 * exp(-0.5 * u * u);
    return 0.5 * erfc(-u * 0.70710678118654752440);
}
#else
static inline float dt_exp(float x)
{
    return dt_expf(x);
}
static inline float dt_normal_cdf(float u, float *density)
{
    return dt_normal_cdff(u, density);
}
#endif

/* gelu(u) = u·Φ(u), and its derivative Φ(u) + u·φ(u) (Hendrycks & Gimpel 2016, the exact form) */
static inline dt_real dt_gelu(dt_real u)
{
    dt_real density;
    return u * dt_normal_cdf(u, &density);
}

static inline dt_real dt_gelu_slope(dt_real u)
{
    dt_real density;
    const dt_real cdf = dt_normal_cdf(u, &density);
    return cdf + u * density;
}

/* ---- dropout ------------------------------------------------------------------------------- */

/* Dropout of one row: the Philox counter of its draws (see core/philox.h) and the factor of the
 * kept values. */
typedef struct {
    uint32_t seed, stream;
    uint32_t position; /* c[1]: token in its sequence */
    uint32_t sequence; /* c[2]: sequence in the global batch */
    uint32_t step;     /* c[3] */
    uint32_t threshold;
    dt_real kept; /* 1 / (1 - p) */
} dt_mask;

#define DT_DRAW_LANES 16

/* The draws of DT_DRAW_LANES counters c[0] = first, first + 1, …: out[4·i + j] is the draw j of
 * counter first + i. */
static inline void dt_draw_lanes(uint32_t out[4 * DT_DRAW_LANES], const dt_mask *mask,
                                 uint32_t first)
{
    uint32_t c0[DT_DRAW_LANES], c1[DT_DRAW_LANES], c2[DT_DRAW_LANES], c3[DT_DRAW_LANES];
    for (uint32_t i = 0; i < DT_DRAW_LANES; ++i) {
        uint32_t draw[4];
        dt_philox(mask->seed, mask->stream, first + i, mask->position, mask->sequence, mask->step,
                  draw);
        c0[i] = draw[0];
        c1[i] = draw[1];
        c2[i] = draw[2];
        c3[i] = draw[3];
    }
    for (size_t i = 0; i < DT_DRAW_LANES; ++i) {
        out[4 * i] = c0[i];
        out[4 * i + 1] = c1[i];
        out[4 * i + 2] = c2[i];
        out[4 * i + 3] = c3[i];
    }
}

/* factor[i] for the channels first … first + count-1: 0 where dropped, 1/(1-p) where kept. */
static inline void dt_dropout_row(dt_real *factor, const dt_mask *mask, int64_t first,
                                  int64_t count)
{
    if (mask->threshold == 0) {
        for (int64_t i = 0; i < count; ++i)
            factor[i] = mask->kept;
        return;
    }
    const dt_real kept = mask->kept;
    const uint32_t threshold = mask->threshold;
    int64_t skip = first % 4; /* draws of the first counter that belong to preceding channels */
    int64_t counter = first / 4;
    for (int64_t done = 0; done < count; counter += DT_DRAW_LANES) {
        uint32_t draws[4 * DT_DRAW_LANES];
        dt_draw_lanes(draws, mask, (uint32_t)counter);
        const int64_t left = count - done;
        const int64_t ready = (int64_t)4 * DT_DRAW_LANES - skip;
        const int64_t take = left < ready ? left : ready;
        for (int64_t i = 0; i < take; ++i)
            factor[done + i] = draws[skip + i] >= threshold ? kept : (dt_real)0;
        done += take;
        skip = 0;
    }
}

#endif
