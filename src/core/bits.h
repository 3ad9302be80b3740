/* A bit for each of many numbered things, eight in a byte. */
#ifndef DT_CORE_BITS_H
#define DT_CORE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the bytes for `count` bits. */
static inline size_t dt_bits_bytes(int64_t count)
{
    return (size_t)(count + 7) / 8;
}

static inline bool dt_bit(const uint8_t *bits, int64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static inline void dt_bit_set(uint8_t *bits, int64_t i, bool value)
{
    const uint8_t mask = (uint8_t)(1u << (i % 8));
    bits[i / 8] = value ? bits[i / 8] | mask : bits[i / 8] & (uint8_t)~mask;
}

#endif
