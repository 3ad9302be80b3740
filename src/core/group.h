/* Grouping the rows of a batch by their token id, so that what belongs to one id is computed once,
 * or added up by one thread in a fixed order. */
#ifndef DT_CORE_GROUP_H
#define DT_CORE_GROUP_H

#include <stdint.h>

/* The rows in the order of their ids, and of their own number among equals: group g, of one id, has
 * order[first[g]] … order[first[g + 1] - 1]. */
typedef struct {
    int32_t *order;        /* (rows) */
    int32_t *first;        /* (rows + 1), of which groups + 1 are set */
    int32_t *group_of_row; /* (rows) */
} dt_groups;

/* Groups rows 0 … rows-1 (fewer than 2^31) by ids[row], which lie in 0 … largest_id. Returns the
 * number of groups. Time grows with the rows and the bytes of largest_id. */
int32_t dt_group_rows(const dt_groups *out, const int32_t *ids /* (rows) */, int64_t rows,
                      int32_t largest_id, uint64_t *scratch /* (2, rows) */);

#endif
