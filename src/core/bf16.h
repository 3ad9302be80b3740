/* bf16: the upper half of a float, with 8 bits of exponent and 7 of fraction, stored as a uint16_t.
 *
 * Header only and without branches, so that loops are vectorised. GPUs convert with their own
 * instruction, which gives the same bits for every float.
 */
#ifndef DT_CORE_BF16_H
#define DT_CORE_BF16_H

#include <stdint.h>
#include <string.h>

/* The only NaN that conversions produce, so that sums which ranks compute in different order have
 * equal bits. */
#define DT_BF16_NAN 0x7fffu

static inline float dt_bf16_value(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Rounds to the nearest bf16, ties to even; values beyond the largest one, and infinities, become
 * infinite. */
static inline uint16_t dt_bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? DT_BF16_NAN : rounded);
}

#endif
