/* A priority queue of 64-bit numbers, smallest first: a binary heap. */
#ifndef DT_SEQUENCE_HEAP_H
#define DT_SEQUENCE_HEAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/memory.h"

/* Zero-initialise; free with dt_heap_free(). */
typedef struct {
    uint64_t *entry;
    size_t count;
    size_t capacity;
} dt_heap;

/* Allocates memory for `count` entries in total. */
static inline dt_status dt_heap_reserve(dt_heap *heap, size_t count)
{
    return DT_GROW(heap->entry, heap->capacity, count);
}

static inline void dt_heap_free(dt_heap *heap)
{
    free(heap->entry);
    *heap = (dt_heap){0};
}

/* Adds a value; memory must be reserved. */
static inline void dt_heap_push(dt_heap *heap, uint64_t value)
{
    uint64_t *entry = heap->entry;
    size_t i = heap->count++;
    while (i > 0 && entry[(i - 1) / 2] > value) {
        entry[i] = entry[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    entry[i] = value;
}

/* Removes and returns the smallest value. The heap must not be empty. */
static inline uint64_t dt_heap_pop(dt_heap *heap)
{
    uint64_t *entry = heap->entry;
    const uint64_t top = entry[0];
    const uint64_t last = entry[--heap->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        child += child + 1 < heap->count && entry[child + 1] < entry[child];
        if (entry[child] >= last)
            break;
        entry[i] = entry[child];
        i = child;
    }
    entry[i] = last;
    return top;
}

#endif
