/* A range of the elements of a flat vector. */
#ifndef DT_CORE_RANGE_H
#define DT_CORE_RANGE_H

#include <stdint.h>

typedef struct {
    int64_t begin, end; /* elements begin … end-1 */
} dt_range;

static inline int64_t dt_range_count(dt_range range)
{
    return range.end - range.begin;
}

/* Returns what two ranges have in common; empty, but within `a`, if nothing. */
static inline dt_range dt_range_common(dt_range a, dt_range b)
{
    dt_range common = {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
    if (common.begin >= common.end)
        common.begin = common.end = a.begin;
    return common;
}

#endif
