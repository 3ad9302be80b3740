/* The tree of the lineages in a training set, the search for a sequence's best lineage, and its
 * distribution over the lineages.
 *
 * Nodes are identified by their whole path: a label under two parents (the same family name, or
 * `Unclassified`) is two nodes. Every lineage has a label at each tax_rank, so all leaves are nodes
 * of the last one; leaf i, one of the lineages, is node first[tax_ranks-1] + i. Nodes are ordered
 * by tax_rank, then by parent, then by class: the tree does not depend on the order of the
 * sequences.
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

/* Returns true if the tree fits the taxonomy: its nodes are in order, every node has a
 * parent one rank above and a valid class, and those above the last rank have children. For trees
 * read from a file. */
bool dt_lineage_tree_fits(const dt_lineage_tree *tree, const dt_taxonomy *taxonomy);
bool dt_lineage_tree_equal(const dt_lineage_tree *a, const dt_lineage_tree *b);

/* Returns the node of tax_rank r below `parent` (-1 at the first tax_rank) with that class, or -1. */
int32_t dt_lineage_tree_find(const dt_lineage_tree *tree, int32_t r, int32_t parent, int32_t label);
/* Returns the leaf of a lineage, labels (tax_ranks) with -1 for unknown ones; -1: not in the tree. */
int32_t dt_lineage_tree_leaf(const dt_lineage_tree *tree, const int32_t *labels);

/* A distribution over the lineages that does not come from the network: neighbours' vote. The shares
 * of different leaves, each > 0, sum to 1; count 0: no vote. */
typedef struct {
    int32_t leaf; /* 0 … lineages-1 */
    double share;
} dt_leaf_share;
typedef struct {
    const dt_leaf_share *share; /* (count), not owned */
    int32_t count;
} dt_vote;

/* Sets labels[0 … tax_ranks-1] to the lineage with the largest sum of scores, by dynamic
 * programming from the root to the leaves: best(node) = best(parent) + score of the node's class.
 * Of equal sums the first node counts. `score` holds the scores of all classes, those of tax_rank r
 * from first_column[r] on: log-probabilities, possibly plus a constant per tax_rank, which does not
 * affect the choice. O(nodes); `sum` (nodes) is working memory. Returns false and leaves the labels
 * unchanged if all sums are NaN. */
bool dt_lineage_tree_best(int32_t *labels, const dt_lineage_tree *tree, const double *score,
                          const int32_t *first_column /* (tax_ranks) */, double *sum);

/* The distribution over the lineages (docs/model.md 4): P(leaf) is the softmax over the leaves of
 * the sum of their classes' scores, which are as in dt_lineage_tree_best(); P(node) is the sum of
 * the leaves below.
 *
 * Adds share · P(leaf) to the leaves of `mass` (nodes); `sum` (nodes) is working memory. Returns
 * false, with `mass` undefined, if that is not a number. O(nodes), an exponential for each leaf. */
bool dt_lineage_tree_add_softmax(double *mass, const dt_lineage_tree *tree, const double *score,
                                 const int32_t *first_column, double share, double *sum);
/* Sets the mass of every other node to the sum of the leaves below it, and marginal, a value for
 * each class with the columns of `score`, to the sum of the nodes with that class. */
void dt_lineage_tree_add_up(double *mass, double *marginal, const dt_lineage_tree *tree,
                            const int32_t *first_column);
/* Sets path (tax_ranks) to the nodes from the root on, at each tax_rank the child with the largest
 * mass, the first of equal ones. */
void dt_lineage_tree_descend(int32_t *path, const dt_lineage_tree *tree, const double *mass);

#endif
