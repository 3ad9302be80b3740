/* bf16, the upper half of a float: 8 bits of exponent, 7 of fraction. In memory a number is a
 * uint16_t.
 *
 * Header only, without a branch, so that loops over numbers are vectorised. GPUs convert by an
 * instruction of their own, with the same bits for every float.
 */
#ifndef DT_CORE_BF16_H
#define DT_CORE_BF16_H

#include <stdint.h>
#include <string.h>

/* What becomes of all that is no number: one bit pattern, so that sums which two ranks take in
 * another order have equal bits. */
#define DT_BF16_NAN 0x7fffu

static inline float dt_bf16_value(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* The nearest bf16, of two equally near ones the even one; what is larger than them all becomes
 * infinite, as what was infinite stays. */
static inline uint16_t dt_bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? DT_BF16_NAN : rounded);
}

#endif
