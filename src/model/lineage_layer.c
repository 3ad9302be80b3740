#include "model/lineage_layer.h"

#include <stdlib.h>

#include "core/memory.h"

/* The arrays of dt_lineages, in the order in which they are stored. */
enum { PARENT, COLUMN, CHILD, OF, NODE, SHARED, ARRAYS };

/* Sets begin[array] to the first element of each; returns their number. */
static int64_t place_arrays(int64_t begin[ARRAYS], const dt_lineages *l)
{
    const int32_t ranks = l->classes.tax_ranks;
    const int64_t nodes = l->first[ranks];
    const int64_t columns = l->classes.first[ranks];
    const int64_t count[ARRAYS] = {
        [PARENT] = nodes,   [COLUMN] = nodes, [CHILD] = l->first[ranks - 1] + 1,
        [OF] = columns + 1, [NODE] = nodes,   [SHARED] = l->shared_count};
    int64_t end = 0;
    for (int a = 0; a < ARRAYS; ++a) {
        begin[a] = end;
        end += count[a];
    }
    return end;
}

/* Nodes are ordered by parent, so that the children of a node follow those of the one before. */
static void index_nodes(int32_t *index, const int64_t begin[ARRAYS], const dt_lineage_tree *tree,
                        const dt_class_layout *classes)
{
    const int32_t ranks = tree->tax_ranks;
    int32_t *child = index + begin[CHILD];
    for (int32_t r = 0; r < ranks; ++r)
        for (int32_t n = tree->first[r]; n < tree->first[r + 1]; ++n) {
            index[begin[PARENT] + n] = tree->parent[n];
            index[begin[COLUMN] + n] = classes->first[r] + tree->label[n];
            if (r > 0)
                child[tree->parent[n] + 1] = n + 1;
        }
    child[0] = tree->first[1];
}

/* Counts the nodes of each column, then places them in order; the columns that have not exactly one
 * are listed. Returns their number. */
static int32_t index_columns(int32_t *index, const int64_t begin[ARRAYS], int32_t nodes,
                             int32_t columns)
{
    const int32_t *column = index + begin[COLUMN];
    int32_t *of = index + begin[OF];
    int32_t shared = 0;
    for (int32_t n = 0; n < nodes; ++n)
        of[column[n] + 1]++;
    for (int32_t c = 0; c < columns; ++c) {
        if (of[c + 1] != 1)
            index[begin[SHARED] + shared++] = c;
        of[c + 1] += of[c];
    }
    for (int32_t n = nodes - 1; n >= 0;
         --n) /* of[c + 1] moves from the end of c to its beginning */
        index[begin[NODE] + --of[column[n] + 1]] = n;
    for (int32_t c = 0; c < columns; ++c)
        of[c] = of[c + 1];
    of[columns] = nodes;
    return shared;
}

dt_status dt_lineage_layer_create(dt_lineage_layer *layer, const dt_lineage_tree *tree,
                                  const dt_class_layout *classes)
{
    const int32_t columns = classes->first[classes->tax_ranks];
    int64_t begin[ARRAYS];
    *layer = (dt_lineage_layer){0};
    if (classes->tax_ranks < 2)
        return dt_fail(DT_ERR_USAGE, "--loss-type lineage requires at least two taxonomic ranks; "
                                     "with one, it would be --loss-type cross_entropy");
    if (tree->tax_ranks != classes->tax_ranks)
        return dt_fail(DT_ERR_INPUT,
                       "the model was trained with --loss-type lineage, but its file has no "
                       "lineages of its taxonomic ranks: use another file");
    layer->lineages = (dt_lineages){.classes = *classes, .shared_count = columns};
    for (int32_t r = 0; r <= tree->tax_ranks; ++r)
        layer->lineages.first[r] = tree->first[r];
    layer->index_count = place_arrays(begin, &layer->lineages);
    DT_TRY(DT_NEW(layer->index, (size_t)layer->index_count));
    index_nodes(layer->index, begin, tree, classes);
    layer->lineages.shared_count =
        index_columns(layer->index, begin, dt_lineage_tree_nodes(tree), columns);
    layer->index_count = place_arrays(begin, &layer->lineages);
    return DT_OK;
}

void dt_lineage_layer_free(dt_lineage_layer *layer)
{
    free(layer->index);
    *layer = (dt_lineage_layer){0};
}

void dt_lineage_layer_place(dt_lineage_layer *layer, void *memory)
{
    dt_lineages *l = &layer->lineages;
    const int32_t *at = memory;
    int64_t begin[ARRAYS];
    place_arrays(begin, l);
    layer->memory = memory;
    l->parent = at + begin[PARENT];
    l->column = at + begin[COLUMN];
    l->child = at + begin[CHILD];
    l->of = at + begin[OF];
    l->node = at + begin[NODE];
    l->shared = at + begin[SHARED];
}

void dt_lineage_layer_reserve(dt_lineage_layer *layer, dt_arena *arena, const dt_backend *backend,
                              int32_t max_sequences, bool training)
{
    const dt_lineages *l = &layer->lineages;
    if (!dt_has_lineage_layer(layer))
        return;
    const int64_t b = max_sequences;
    const int64_t nodes = l->first[l->classes.tax_ranks];
    const int64_t size = backend->statistic_size;
    layer->marginals = dt_arena_take(arena, b * l->classes.first[l->classes.tax_ranks], size);
    layer->nodes = dt_arena_take(arena, b * nodes, size);
    if (training)
        layer->dnodes = dt_arena_take(arena, b * nodes, size);
    void *memory = dt_arena_take(arena, layer->index_count, sizeof *layer->index);
    if (memory)
        dt_lineage_layer_place(layer, memory);
}

void dt_lineage_layer_upload(const dt_lineage_layer *layer, dt_backend *backend)
{
    if (dt_has_lineage_layer(layer))
        backend->ops->upload(backend, layer->memory, layer->index,
                             layer->index_count * (int64_t)sizeof *layer->index);
}
