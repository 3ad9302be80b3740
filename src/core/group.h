/* Groups the rows of a batch by token id, so that work per id is done once, or accumulated by one
 * thread in a fixed order. */
#ifndef DT_CORE_GROUP_H
#define DT_CORE_GROUP_H

#include <stdint.h>

/* The rows ordered by id, then by row number: group g, of one id, consists of
 * order[first[g]] … order[first[g + 1] - 1]. */
typedef struct {
    int32_t *order;        /* (rows) */
    int32_t *first;        /* (rows + 1), the first groups + 1 are set */
    int32_t *group_of_row; /* (rows) */
} dt_groups;

/* Groups rows 0 … rows-1 (fewer than 2^31) by ids[row], each in 0 … largest_id. Returns the number
 * of groups. Takes time proportional to the rows; with a larger id than rows also to its bytes. */
int32_t dt_group_rows(const dt_groups *out, const int32_t *ids /* (rows) */, int64_t rows,
                      int32_t largest_id, uint64_t *scratch /* (2, rows) */);

#endif
