/* 64-bit FNV-1a (Fowler, Noll, Vo), to detect changed data. Not secure against deliberate
 * collisions. */
#ifndef DT_CORE_HASH_H
#define DT_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DT_HASH_START UINT64_C(0xcbf29ce484222325)

/* Hashes a byte, or a number of up to 64 bits as one unit. */
static inline uint64_t dt_hash_add(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x100000001b3);
}

static inline uint64_t dt_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; ++i)
        hash = dt_hash_add(hash, byte[i]);
    return hash;
}

/* Includes the terminator, so that consecutive texts are separated. */
static inline uint64_t dt_hash_text(uint64_t hash, const char *text)
{
    return dt_hash_bytes(hash, text, strlen(text) + 1);
}

/* Folds a hash to 32 bits. */
static inline uint32_t dt_hash_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
