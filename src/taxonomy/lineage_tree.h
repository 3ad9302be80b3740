/* The tree of the lineages in a training set, and the search for a sequence's best lineage.
 *
 * Nodes are identified by their whole path: a label under two parents (the same family name, or
 * `Unclassified`) is two nodes. Every lineage has a label at each tax_rank, so all leaves are nodes
 * of the last one. Nodes are ordered by tax_rank, then by parent, then by class: the tree does not
 * depend on the order of the sequences.
 */
#ifndef DT_TAXONOMY_LINEAGE_TREE_H
#define DT_TAXONOMY_LINEAGE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int32_t tax_ranks;                   /* 0: no tree */
    int32_t first[DT_MAX_TAX_RANKS + 1]; /* nodes of rank r: first[r] … first[r+1]-1 */
    int32_t *parent; /* (nodes) node one tax_rank above; -1 at the first tax_rank */
    int32_t *label;  /* (nodes) class within the node's tax_rank */
} dt_lineage_tree;

/* Builds the tree of `count` lineages, labels (count, tax_ranks); count, tax_ranks >= 1. */
dt_status dt_lineage_tree_build(dt_lineage_tree *tree, const int32_t *labels, int64_t count,
                                int32_t tax_ranks);
void dt_lineage_tree_free(dt_lineage_tree *tree); /* leaves an empty one */

/* The different lineages of a set that is not in memory as a whole: labels (count, tax_ranks) are
 * added in parts, then the tree of all is built. */
typedef struct dt_lineage_set dt_lineage_set;
dt_status dt_lineage_set_create(dt_lineage_set **out, int32_t tax_ranks);
dt_status dt_lineage_set_add(dt_lineage_set *set, const int32_t *labels, int64_t count);
dt_status dt_lineage_set_tree(const dt_lineage_set *set, dt_lineage_tree *tree);
void dt_lineage_set_destroy(dt_lineage_set *set); /* NULL is allowed */

static inline int32_t dt_lineage_tree_nodes(const dt_lineage_tree *tree)
{
    return tree->first[tree->tax_ranks];
}

/* Returns the number of different lineages. */
static inline int32_t dt_lineage_tree_lineages(const dt_lineage_tree *tree)
{
    return tree->tax_ranks ? tree->first[tree->tax_ranks] - tree->first[tree->tax_ranks - 1] : 0;
}

/* Returns true if the tree fits the taxonomy: every node has a parent one rank above and a valid
 * class. For trees read from a file. */
bool dt_lineage_tree_fits(const dt_lineage_tree *tree, const dt_taxonomy *taxonomy);
bool dt_lineage_tree_equal(const dt_lineage_tree *a, const dt_lineage_tree *b);

/* Sets labels[0 … tax_ranks-1] to the lineage with the largest sum of scores, by dynamic
 * programming from the root to the leaves: best(node) = best(parent) + score of the node's class.
 * Of equal sums the first node counts. `score` holds the scores of all classes, those of tax_rank r
 * from first_column[r] on: log-probabilities, possibly plus a constant per tax_rank, which does not
 * affect the choice. O(nodes); `sum` (nodes) is working memory. Returns false and leaves the labels
 * unchanged if all sums are NaN. */
bool dt_lineage_tree_best(int32_t *labels, const dt_lineage_tree *tree, const double *score,
                          const int32_t *first_column /* (tax_ranks) */, double *sum);

#endif
