/* Nearest references of a sequence: exact search.
 *
 * The similarity of a query Q and a reference R, both taken as sets of different 8-mers, is the
 * Jaccard index |Q ∩ R| / |Q ∪ R| (P. Jaccard, Bulletin de la Société vaudoise des sciences
 * naturelles 37, 1901). The K nearest are counted with their copies, the largest similarity first,
 * of equal ones the lower reference number first. References that have no 8-mer of the query are
 * no neighbours.
 *
 * Results depend on nothing but the references and the query.
 */
#ifndef DT_NEIGHBOURS_INDEX_H
#define DT_NEIGHBOURS_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/status.h"
#include "neighbours/nearest.h"
#include "neighbours/references.h"

/* For all threads. */
typedef struct dt_neighbour_index dt_neighbour_index;

/* references: must outlive the index and not change. pool: NULL: one thread. */
dt_status dt_neighbour_index_create(dt_neighbour_index **out, const dt_references *references,
                                    dt_pool *pool);
void dt_neighbour_index_destroy(dt_neighbour_index *index); /* NULL is allowed */

/* Returns the memory of an index in bytes, without the references. */
size_t dt_neighbour_index_bytes(const dt_neighbour_index *index);

/* Working memory of one thread. */
typedef struct dt_neighbour_search dt_neighbour_search;

/* most: the largest K of dt_neighbours_find(). The index must outlive the search. */
dt_status dt_neighbour_search_create(dt_neighbour_search **out, const dt_neighbour_index *index,
                                     int32_t most);
void dt_neighbour_search_destroy(dt_neighbour_search *search); /* NULL is allowed */

/* Writes the k nearest references of a sequence, 1 <= k <= most, in order, and returns how many
 * (at most k; fewer if references have copies, 0 if the query has no 8-mer or none shares one).
 * sequence: text of `length` letters in upper or lower case without gap characters; U is T, no
 * 8-mer crosses another letter. exclude: a reference of which one copy is left out (the query itself,
 * see dt_references_find()); -1: none. */
int32_t dt_neighbours_find(dt_neighbour_search *search, const char *sequence, size_t length,
                           int32_t k, int32_t exclude, dt_neighbour *out /* (k) */);

#endif
