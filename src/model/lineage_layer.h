/* The lineage layer, between the heads and the loss (docs/model.md 3): it turns the heads' outputs,
 * whose sums are the scores of whole lineages, into the logarithms of each class's probability among
 * its taxonomic rank, up to a constant.
 */
#ifndef DT_MODEL_LINEAGE_LAYER_H
#define DT_MODEL_LINEAGE_LAYER_H

#include "layers.h"
#include "model/arena.h"
#include "taxonomy/lineage_tree.h"

typedef struct {
    dt_lineages lineages; /* its arrays are those of `memory`; tax_ranks 0: there is no layer */
    int32_t *index;       /* (index_count) host: all arrays, one after the other */
    int64_t index_count;
    void *memory; /* the same on the device */

    void *marginals; /* (B, C) statistics; replaced by their gradient before the backward pass */
    void *nodes;     /* (B, nodes) statistics */
    void *dnodes;    /* likewise, training only */
} dt_lineage_layer;

static inline bool dt_has_lineage_layer(const dt_lineage_layer *layer)
{
    return layer->lineages.classes.tax_ranks > 0;
}

/* Makes the index of a tree with these classes. Free with dt_lineage_layer_free(). */
dt_status dt_lineage_layer_create(dt_lineage_layer *layer, const dt_lineage_tree *tree,
                                  const dt_class_layout *classes);
void dt_lineage_layer_free(dt_lineage_layer *layer);

/* Makes device memory of index_count numbers the index, for dt_lineage_layer_upload(). */
void dt_lineage_layer_place(dt_lineage_layer *layer, void *memory);

/* Takes memory for all; nothing without a layer. Upload then copies the index to it. */
void dt_lineage_layer_reserve(dt_lineage_layer *layer, dt_arena *arena, const dt_backend *backend,
                              int32_t max_sequences, bool training);
void dt_lineage_layer_upload(const dt_lineage_layer *layer, dt_backend *backend);

#endif
