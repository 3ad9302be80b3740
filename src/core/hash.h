/* FNV-1a with 64 bits (Fowler, Noll, Vo): tells whether data are the same as they were. No
 * protection against whoever makes two alike on purpose. */
#ifndef DT_CORE_HASH_H
#define DT_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DT_HASH_START UINT64_C(0xcbf29ce484222325)

/* Adds a byte, or a number of up to 64 bits as if it were one. */
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

/* With its end, so that two texts in a row are not one. */
static inline uint64_t dt_hash_text(uint64_t hash, const char *text)
{
    return dt_hash_bytes(hash, text, strlen(text) + 1);
}

/* All of a hash in half its bits. */
static inline uint32_t dt_hash_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
