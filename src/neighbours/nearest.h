/* A neighbour, and the K nearest references so far. */
#ifndef DT_NEIGHBOURS_NEAREST_H
#define DT_NEIGHBOURS_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int32_t reference;
    int32_t copies;    /* how many of its copies are among the K */
    double similarity; /* 0 < similarity <= 1 */
} dt_neighbour;

typedef struct {
    dt_neighbour *list; /* (k + 1) in order */
    int32_t count;      /* of the list */
    int32_t k;          /* >= 1 */
    int64_t copies;     /* of those in the list; without the last one fewer than k */
} dt_nearest;

/* Returns true if `reference` with that similarity belongs to the list. */
static inline bool dt_nearest_takes(const dt_nearest *nearest, double similarity, int32_t reference)
{
    if (nearest->copies < nearest->k)
        return similarity > 0;
    const dt_neighbour *last = &nearest->list[nearest->count - 1];
    return similarity > last->similarity ||
           (similarity == last->similarity && reference < last->reference);
}

/* Returns the similarity below which no reference belongs to the list. */
static inline double dt_nearest_least(const dt_nearest *nearest)
{
    return nearest->copies < nearest->k ? 0 : nearest->list[nearest->count - 1].similarity;
}

/* Returns true if a stands before b in the order of neighbours. */
static inline bool dt_nearer(const dt_neighbour *a, const dt_neighbour *b)
{
    return a->similarity > b->similarity ||
           (a->similarity == b->similarity && a->reference < b->reference);
}

/* Inserts a reference that dt_nearest_takes(), and drops those that no longer belong. */
static inline void dt_nearest_insert(dt_nearest *nearest, dt_neighbour neighbour)
{
    dt_neighbour *list = nearest->list;
    int32_t place = nearest->count++;
    for (; place && dt_nearer(&neighbour, &list[place - 1]); --place)
        list[place] = list[place - 1];
    list[place] = neighbour;
    nearest->copies += neighbour.copies;
    while (nearest->copies - list[nearest->count - 1].copies >= nearest->k)
        nearest->copies -= list[--nearest->count].copies;
}

/* Leaves k copies in the list. */
static inline void dt_nearest_finish(dt_nearest *nearest)
{
    if (nearest->copies > nearest->k)
        nearest->list[nearest->count - 1].copies -= (int32_t)(nearest->copies - nearest->k);
}

#endif
