/* Groups of consecutive references, and the union of the 8-mers of each group, by 8-mer: a row is
 * the groups that have it, as a bitmap or, if they are few, as a list. References of one leaf stand
 * beside each other, so most 8-mers of a group are in several of its references.
 */
#ifndef DT_NEIGHBOURS_GROUP_SETS_H
#define DT_NEIGHBOURS_GROUP_SETS_H

#include "core/pool.h"
#include "neighbours/references.h"

typedef struct {
    int32_t size;    /* references of a group; the last one may have fewer */
    int32_t groups;  /* at most 65,536 */
    int32_t *least;  /* (groups) the fewest different 8-mers of one of its references */
    size_t words;    /* of a bitmap, 64 groups each */
    int64_t *first;  /* (DT_NEIGHBOUR_KMERS + 1) where an 8-mer's list begins */
    uint16_t *lists; /* ascending */
    int32_t *bitmap; /* (DT_NEIGHBOUR_KMERS) number of its bitmap, -1: it has a list */
    uint64_t *bitmaps;
    int32_t bitmap_count;
} dt_group_sets;

/* kmers (references) receives the number of different 8-mers of each reference. pool: NULL: one
 * thread; the sets do not depend on it. */
dt_status dt_group_sets_create(dt_group_sets *sets, int32_t *kmers, const dt_references *references,
                               dt_pool *pool);
void dt_group_sets_free(dt_group_sets *sets); /* {0} is allowed */
size_t dt_group_sets_bytes(const dt_group_sets *sets);

/* Working memory of one thread. */
typedef struct {
    uint64_t *planes; /* (DT_GROUP_PLANES, words) counters of all groups: a bitmap for each bit */
    uint64_t *carry;  /* (words) */
    uint64_t *zero;   /* (words) an empty bitmap */
} dt_group_counters;

enum { DT_GROUP_PLANES = 17 };

dt_status dt_group_counters_create(dt_group_counters *counters, const dt_group_sets *sets);
void dt_group_counters_free(dt_group_counters *counters);

/* Sets shared[g] to the number of the query's 8-mers that are in the union of group g. */
void dt_group_sets_count(const dt_group_sets *sets, dt_group_counters *counters,
                         const uint16_t *query /* (count) different 8-mers */, int32_t count,
                         int32_t *shared /* (64 · words) */);

#endif
