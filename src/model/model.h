/* The classifier: parameters, forward and backward pass on packed batches (docs/model.md 2).
 *
 *     hybridcnnbert = CNN branch ┐
 *                                ├ weighted sum → dropout → one linear head per taxonomic rank
 *                     BERT branch ┘
 *     bert          = encoder → mean over the tokens → dropout → heads
 *     cnn           = residual convolutions → maximum → dropout → heads with a hidden layer
 *     kmer          = bag of k-mer embeddings → ReLU → dropout → heads
 *
 * With --loss-type lineage, the lineage layer follows the heads.
 *
 * A model belongs to one backend. All operations are asynchronous, see backend.h.
 */
#ifndef DT_MODEL_MODEL_H
#define DT_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "model/config.h"
#include "model/params.h"
#include "taxonomy/lineage_tree.h"

typedef struct dt_model dt_model;

/* A contiguous range of the gradient vector; final after the backend's event `slot`. */
typedef struct {
    int64_t offset;
    int64_t count;
    int32_t slot;
} dt_gradient_range;

/* Called on the host, in the order of the backward pass, as soon as the last operation of a range
 * has been launched. */
typedef dt_status (*dt_gradient_ready)(void *context, dt_gradient_range range);

/* Checks the config, and that the backend supports it, and lays out the parameters. Allocates no
 * device memory, so a model of any size can be planned. The backend must outlive the model. */
dt_status dt_model_create(dt_model **out, const dt_model_config *config, dt_backend *backend,
                          bool training);
void dt_model_destroy(dt_model *model); /* NULL is allowed */

/* Lays out the parameters without a backend. Free with dt_params_free(). */
dt_status dt_model_layout(const dt_model_config *config, dt_param_table *table);

bool dt_model_trains(const dt_model *model); /* created for training, with gradients and moments */
const dt_model_config *dt_model_config_of(const dt_model *model);
const dt_param_table *dt_model_params(const dt_model *model);
dt_backend *dt_model_backend(const dt_model *model);

/* Puts the lineage layer between heads and loss (model/lineage_layer.h), for a model that is or was
 * trained with --loss-type lineage. To be called before memory is planned or reserved; the tree, with
 * the model's classes, is copied. Fails for a single tax_rank, or if the tree has not those of the
 * model. */
dt_status dt_model_add_lineages(dt_model *model, const dt_lineage_tree *tree);

/* Returns the bytes of the flat vectors on the device, without allocating them. */
int64_t dt_model_vector_bytes(const dt_model *model);

/* Returns the bytes of the buffers for batches of up to this size, including the backend's own
 * ones, without allocating them. */
int64_t dt_model_buffer_bytes(const dt_model *model, int32_t max_sequences, int64_t max_tokens);

/* Allocates the flat vectors (zero; to be set with dt_params_init() or from a checkpoint) and the
 * buffers. To be called once; no batch may be larger. After DT_ERR_MEMORY it may be called again
 * with smaller sizes. */
dt_status dt_model_reserve(dt_model *model, int32_t max_sequences, int64_t max_tokens);

/* Forward pass. training: with dropout, and keeping the activations for the backward pass. Returns
 * the logits (B, C), statistics on the device, valid until the next forward pass: the heads' outputs,
 * or with a lineage layer its marginals. */
void *dt_model_forward(dt_model *model, const dt_device_batch *batch, bool training);

/* Returns the heads' outputs (B, C) of the last forward pass, likewise: the logits, or the input of
 * the lineage layer. Valid until the backward pass. */
const void *dt_model_head_outputs(const dt_model *model);

/* Returns the class layout of the logits. */
const dt_class_layout *dt_model_classes(const dt_model *model);

/* Returns the sequence embeddings (B, dt_model_features()) of the last forward pass without
 * training: the input of the heads, before dropout. */
const void *dt_model_fused(const dt_model *model);

/* Reports all ranges of the gradient vector in the order of a backward pass: for a rank that has no
 * sequences in a batch but takes part in the sum. */
dt_status dt_model_report_ranges(dt_model *model, dt_gradient_ready ready, void *context);

/* The same for a backward pass that was recorded as a step and has been launched (step_begin and
 * step_end in backend.h): the ranges' events are those of the step. */
dt_status dt_model_report_started(dt_model *model, dt_gradient_ready ready, void *context);

/* Computes the loss of the last forward pass and adds to the gradients of all parameters. `ready`
 * is called for each range that is final; pass it with the last micro-batch of an update only,
 * otherwise NULL. While a step is recorded, no range is final: `ready` should do nothing then, and
 * dt_model_report_started() is called once the step has been launched. */
dt_status dt_model_backward(dt_model *model, const dt_device_batch *batch, const dt_loss *loss,
                            dt_gradient_ready ready, void *context);

#endif
