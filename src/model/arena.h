/* An arena for a model's buffers on the device: the same function first sums up their sizes (base
 * NULL), then takes their addresses from one allocation. */
#ifndef DT_MODEL_ARENA_H
#define DT_MODEL_ARENA_H

#include <stdint.h>

typedef struct {
    char *base;   /* NULL while planning */
    int64_t used; /* bytes taken so far */
} dt_arena;

/* Returns the address of the next `count` elements of `size` bytes, 256-byte aligned; NULL while
 * planning. */
static inline void *dt_arena_take(dt_arena *arena, int64_t count, int64_t size)
{
    void *out = arena->base ? arena->base + arena->used : (void *)0;
    arena->used += (count * size + 255) / 256 * 256;
    return out;
}

#endif
