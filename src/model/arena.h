/* Device memory that is planned before it is taken: the same walk over a model's buffers first adds
 * up their sizes (base NULL), then hands out addresses from one allocation. */
#ifndef DT_MODEL_ARENA_H
#define DT_MODEL_ARENA_H

#include <stdint.h>

typedef struct {
    char *base;   /* NULL while planning */
    int64_t used; /* bytes handed out so far */
} dt_arena;

/* The next `count` elements of `size` bytes, 256-byte aligned; NULL while planning. */
static inline void *dt_arena_take(dt_arena *arena, int64_t count, int64_t size)
{
    void *out = arena->base ? arena->base + arena->used : (void *)0;
    arena->used += (count * size + 255) / 256 * 256;
    return out;
}

#endif
