/* The tree of the lineages that a training set holds, and the best of them for a sequence.
 *
 * Nodes are keyed by their whole path: a label that stands under two parents (one family name, or
 * `Unclassified`) is two nodes. Every lineage has a label at each tax_rank, so all leaves are nodes
 * of the last one. Nodes of a tax_rank stand together, ordered by parent, then by class: the tree
 * of the same lineages is the same whatever the order of the sequences.
 */
#ifndef DT_TAXONOMY_LINEAGE_TREE_H
#define DT_TAXONOMY_LINEAGE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int32_t tax_ranks;                   /* 0: there is no tree */
    int32_t first[DT_MAX_TAX_RANKS + 1]; /* nodes of rank r: first[r] … first[r+1]-1 */
    int32_t *parent;                     /* (nodes) one tax_rank above; -1 at the first one */
    int32_t *label;                      /* (nodes) class at the node's tax_rank */
} dt_lineage_tree;

/* The tree of `count` lineages, labels (count, tax_ranks); count, tax_ranks >= 1. */
dt_status dt_lineage_tree_build(dt_lineage_tree *tree, const int32_t *labels, int64_t count,
                                int32_t tax_ranks);
void dt_lineage_tree_free(dt_lineage_tree *tree); /* leaves it empty */

static inline int32_t dt_lineage_tree_nodes(const dt_lineage_tree *tree)
{
    return tree->first[tree->tax_ranks];
}

/* Different lineages. */
static inline int32_t dt_lineage_tree_lineages(const dt_lineage_tree *tree)
{
    return tree->tax_ranks ? tree->first[tree->tax_ranks] - tree->first[tree->tax_ranks - 1] : 0;
}

/* Whether it is a tree of this taxonomy: every node has a parent one rank above, and a class that
 * there is. For what comes from a file. */
bool dt_lineage_tree_fits(const dt_lineage_tree *tree, const dt_taxonomy *taxonomy);
bool dt_lineage_tree_equal(const dt_lineage_tree *a, const dt_lineage_tree *b);

/* Sets labels[0 … tax_ranks-1] to the lineage with the largest sum of scores, by dynamic
 * programming from the root to the leaves: best(node) = best(parent) + score of the node's class.
 * Of equal sums the first in the order of the nodes. `score` holds those of all classes, tax_rank r
 * from first_column[r] on; log-probabilities, or these plus a constant of each tax_rank, which
 * does not change the choice. O(nodes); `sum` (nodes) is working memory. False, with
 * the labels left alone, when no sum is a number. */
bool dt_lineage_tree_best(int32_t *labels, const dt_lineage_tree *tree, const double *score,
                          const int32_t *first_column /* (tax_ranks) */, double *sum);

#endif
