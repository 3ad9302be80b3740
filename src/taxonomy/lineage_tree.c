#include "taxonomy/lineage_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/strmap.h"

/* A node while the tree is built: parent, then class; the order of keys is that of nodes. */
typedef int64_t node_key;
#define PARENT ((node_key)1 << 32)

static node_key key_of(int32_t parent, int32_t label)
{
    return parent * PARENT + label;
}

static int compare_keys(const void *a, const void *b)
{
    const node_key x = *(const node_key *)a;
    const node_key y = *(const node_key *)b;
    return (x > y) - (x < y);
}

/* Sorts and removes duplicates; returns the number of keys left. */
static int64_t distinct(node_key *keys, int64_t count)
{
    int64_t kept = 0;
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    for (int64_t i = 0; i < count; ++i)
        if (i == 0 || keys[i] != keys[kept - 1])
            keys[kept++] = keys[i];
    return kept;
}

/* Appends the nodes of tax_rank r and moves node[i], the node of lineage i, from the rank above to
 * its child. `keys` (count) is working memory. */
static dt_status add_rank(dt_lineage_tree *tree, int32_t r, int32_t *node, node_key *keys,
                          const int32_t *labels, int64_t count)
{
    const int32_t first = tree->first[r];
    const int32_t tax_ranks = tree->tax_ranks;
    for (int64_t i = 0; i < count; ++i)
        keys[i] = key_of(node[i], labels[i * tax_ranks + r]);
    const int64_t nodes = distinct(keys, count);
    if (nodes > INT32_MAX - first)
        return dt_fail(DT_ERR_INPUT, "the lineages have more than %d nodes", INT32_MAX);
    size_t parents = (size_t)first;
    size_t classes = (size_t)first;
    DT_TRY(DT_GROW(tree->parent, parents, (size_t)(first + nodes)));
    DT_TRY(DT_GROW(tree->label, classes, (size_t)(first + nodes)));
    tree->first[r + 1] = first + (int32_t)nodes;
    for (int64_t n = 0; n < nodes; ++n) {
        tree->label[first + n] = (int32_t)(keys[n] & INT32_MAX);
        tree->parent[first + n] = (int32_t)((keys[n] - tree->label[first + n]) / PARENT);
    }
    for (int64_t i = 0; i < count; ++i) {
        const node_key key = key_of(node[i], labels[i * tax_ranks + r]);
        const node_key *found = bsearch(&key, keys, (size_t)nodes, sizeof key, compare_keys);
        node[i] = first + (int32_t)(found - keys);
    }
    return DT_OK;
}

/* Each different lineage once: there are far fewer lineages than sequences. */
struct dt_lineage_set {
    int32_t tax_ranks;
    dt_strmap *seen;
    int32_t *lineages; /* (count, tax_ranks) */
    int64_t count;
    size_t capacity;
};

dt_status dt_lineage_set_create(dt_lineage_set **out, int32_t tax_ranks)
{
    dt_lineage_set *set;
    DT_TRY(DT_NEW(set, 1));
    set->tax_ranks = tax_ranks;
    const dt_status status = dt_strmap_create(&set->seen);
    if (status == DT_OK)
        *out = set;
    else
        dt_lineage_set_destroy(set);
    return status;
}

void dt_lineage_set_destroy(dt_lineage_set *set)
{
    if (!set)
        return;
    dt_strmap_destroy(set->seen);
    free(set->lineages);
    free(set);
}

dt_status dt_lineage_set_add(dt_lineage_set *set, const int32_t *labels, int64_t count)
{
    const int32_t tax_ranks = set->tax_ranks;
    const size_t bytes = (size_t)tax_ranks * sizeof *labels;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t *lineage = labels + i * tax_ranks;
        int added;
        DT_TRY(dt_strmap_add(set->seen, (const char *)lineage, bytes, 0, NULL, &added));
        if (!added)
            continue;
        DT_TRY(DT_GROW(set->lineages, set->capacity, (size_t)((set->count + 1) * tax_ranks)));
        memcpy(set->lineages + set->count++ * tax_ranks, lineage, bytes);
    }
    return DT_OK;
}

dt_status dt_lineage_set_tree(const dt_lineage_set *set, dt_lineage_tree *tree)
{
    const int64_t count = set->count;
    int32_t *node = NULL;
    node_key *keys = NULL;
    dt_status status;
    *tree = (dt_lineage_tree){.tax_ranks = set->tax_ranks};
    DT_TRY_OR(done, DT_NEW(node, (size_t)count));
    DT_TRY_OR(done, DT_NEW(keys, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        node[i] = -1;
    for (int32_t r = 0; r < set->tax_ranks && status == DT_OK; ++r)
        status = add_rank(tree, r, node, keys, set->lineages, count);
done:
    free(node);
    free(keys);
    if (status != DT_OK)
        dt_lineage_tree_free(tree);
    return status;
}

dt_status dt_lineage_tree_build(dt_lineage_tree *tree, const int32_t *labels, int64_t count,
                                int32_t tax_ranks)
{
    dt_lineage_set *set;
    *tree = (dt_lineage_tree){0};
    DT_TRY(dt_lineage_set_create(&set, tax_ranks));
    dt_status status = dt_lineage_set_add(set, labels, count);
    if (status == DT_OK)
        status = dt_lineage_set_tree(set, tree);
    dt_lineage_set_destroy(set);
    return status;
}

void dt_lineage_tree_free(dt_lineage_tree *tree)
{
    free(tree->parent);
    free(tree->label);
    *tree = (dt_lineage_tree){0};
}

bool dt_lineage_tree_fits(const dt_lineage_tree *tree, const dt_taxonomy *taxonomy)
{
    if (tree->tax_ranks != taxonomy->tax_ranks || tree->first[0] != 0)
        return false;
    for (int32_t r = 0; r < tree->tax_ranks; ++r)
        if (tree->first[r + 1] <= tree->first[r])
            return false;
    for (int32_t r = 0; r < tree->tax_ranks; ++r) {
        const int32_t last = r ? tree->first[r] - 1 : -1; /* of the rank above */
        int32_t parent = (r ? tree->first[r - 1] : -1) - 1;
        int32_t label = INT32_MAX;
        for (int32_t n = tree->first[r]; n < tree->first[r + 1]; ++n) {
            const bool next = tree->parent[n] == parent + 1 && tree->parent[n] <= last;
            if (tree->label[n] < 0 || tree->label[n] >= taxonomy->rank[r].classes ||
                !(next || (tree->parent[n] == parent && tree->label[n] > label)))
                return false;
            parent = tree->parent[n];
            label = tree->label[n];
        }
        if (parent != last)
            return false;
    }
    return true;
}

bool dt_lineage_tree_equal(const dt_lineage_tree *a, const dt_lineage_tree *b)
{
    if (a->tax_ranks != b->tax_ranks ||
        memcmp(a->first, b->first, (size_t)(a->tax_ranks + 1) * sizeof *a->first) != 0)
        return false;
    const size_t bytes = (size_t)dt_lineage_tree_nodes(a) * sizeof *a->parent;
    return bytes == 0 ||
           (memcmp(a->parent, b->parent, bytes) == 0 && memcmp(a->label, b->label, bytes) == 0);
}

/* Returns the first node of tax_rank r that is not before (parent, label): nodes of a rank are ordered
 * by parent, then by class. */
static int32_t lower_bound(const dt_lineage_tree *tree, int32_t r, int32_t parent, int32_t label)
{
    int32_t low = tree->first[r];
    int32_t high = tree->first[r + 1];
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (tree->parent[middle] < parent ||
            (tree->parent[middle] == parent && tree->label[middle] < label))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t dt_lineage_tree_find(const dt_lineage_tree *tree, int32_t r, int32_t parent, int32_t label)
{
    const int32_t n = lower_bound(tree, r, parent, label);
    return n < tree->first[r + 1] && tree->parent[n] == parent && tree->label[n] == label ? n : -1;
}

int32_t dt_lineage_tree_leaf(const dt_lineage_tree *tree, const int32_t *labels)
{
    int32_t node = -1;
    for (int32_t r = 0; r < tree->tax_ranks; ++r) {
        node = dt_lineage_tree_find(tree, r, node, labels[r]);
        if (node < 0)
            return -1;
    }
    return node - tree->first[tree->tax_ranks - 1];
}

/* Sets the sum of every node's scores from the root on. */
static void sum_scores(double *sum, const dt_lineage_tree *tree, const double *score,
                       const int32_t *first_column)
{
    for (int32_t n = 0; n < tree->first[1]; ++n)
        sum[n] = score[first_column[0] + tree->label[n]];
    for (int32_t r = 1; r < tree->tax_ranks; ++r) {
        const double *of_rank = score + first_column[r];
        for (int32_t n = tree->first[r]; n < tree->first[r + 1]; ++n)
            sum[n] = sum[tree->parent[n]] + of_rank[tree->label[n]];
    }
}

bool dt_lineage_tree_best(int32_t *labels, const dt_lineage_tree *tree, const double *score,
                          const int32_t *first_column, double *sum)
{
    const int32_t last = tree->tax_ranks - 1;
    sum_scores(sum, tree, score, first_column);
    int32_t best = -1;
    double largest = -HUGE_VAL;
    for (int32_t n = tree->first[last]; n < tree->first[last + 1]; ++n) {
        if (sum[n] > largest) {
            largest = sum[n];
            best = n;
        }
    }
    if (best < 0)
        return false;
    for (int32_t r = last; r >= 0; --r, best = tree->parent[best])
        labels[r] = tree->label[best];
    return true;
}

bool dt_lineage_tree_add_softmax(double *mass, const dt_lineage_tree *tree, const double *score,
                                 const int32_t *first_column, double share, double *sum)
{
    const int32_t leaf = tree->first[tree->tax_ranks - 1];
    const int32_t end = tree->first[tree->tax_ranks];
    double largest = -HUGE_VAL;
    double total = 0.0;
    sum_scores(sum, tree, score, first_column);
    for (int32_t n = leaf; n < end; ++n)
        largest = sum[n] > largest ? sum[n] : largest;
    for (int32_t n = leaf; n < end; ++n) {
        sum[n] = exp(sum[n] - largest);
        total += sum[n];
    }
    const double factor = share / total;
    for (int32_t n = leaf; n < end; ++n)
        mass[n] += factor * sum[n];
    return isfinite(total);
}

void dt_lineage_tree_add_up(double *mass, double *marginal, const dt_lineage_tree *tree,
                            const int32_t *first_column)
{
    const int32_t last = tree->tax_ranks - 1;
    memset(mass, 0, (size_t)tree->first[last] * sizeof *mass);
    memset(marginal, 0, (size_t)first_column[last + 1] * sizeof *marginal);
    for (int32_t r = last; r >= 0; --r)
        for (int32_t n = tree->first[r]; n < tree->first[r + 1]; ++n) {
            marginal[first_column[r] + tree->label[n]] += mass[n];
            if (r > 0)
                mass[tree->parent[n]] += mass[n];
        }
}

void dt_lineage_tree_descend(int32_t *path, const dt_lineage_tree *tree, const double *mass)
{
    int32_t parent = -1;
    for (int32_t r = 0; r < tree->tax_ranks; ++r) {
        int32_t best = lower_bound(tree, r, parent, 0);
        for (int32_t n = best + 1; n < tree->first[r + 1] && tree->parent[n] == parent; ++n)
            if (mass[n] > mass[best])
                best = n;
        path[r] = parent = best;
    }
}
