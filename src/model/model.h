/* The classifier: parameters, forward and backward pass on packed batches (docs/model.md 2).
 *
 *     hybridcnnbert = CNN branch ┐
 *                                ├ weighted sum → dropout → one linear head a taxonomic rank
 *                     BERT branch ┘
 *     bert          = encoder → mean over the tokens → dropout → heads
 *     cnn           = residual convolutions → maximum → dropout → heads with a hidden layer
 *
 * A model lives on one backend. Everything is asynchronous there, as backend.h says.
 */
#ifndef DT_MODEL_MODEL_H
#define DT_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "model/config.h"
#include "model/params.h"

typedef struct dt_model dt_model;

/* A contiguous part of the gradient vector, final when the backend's event `slot` has happened. */
typedef struct {
    int64_t offset;
    int64_t count;
    int32_t slot;
} dt_gradient_range;

/* Called on the host, in the order of the backward pass, as soon as a range's last operation has
 * been asked for. */
typedef dt_status (*dt_gradient_ready)(void *context, dt_gradient_range range);

/* Lays out the parameters of a config, after checking it and that the backend can compute it. Takes
 * no memory of the device, so that a plan can be made of any model. The backend must outlive the
 * model. */
dt_status dt_model_create(dt_model **out, const dt_model_config *config, dt_backend *backend,
                          bool training);
void dt_model_destroy(dt_model *model); /* NULL is fine */

/* The layout alone, for plans and descriptions; no backend is needed. Free with dt_params_free().
 */
dt_status dt_model_layout(const dt_model_config *config, dt_param_table *table);

bool dt_model_trains(const dt_model *model); /* as it was created: with gradients and moments */
const dt_model_config *dt_model_config_of(const dt_model *model);
const dt_param_table *dt_model_params(const dt_model *model);
dt_backend *dt_model_backend(const dt_model *model);

/* Bytes of the flat vectors on the device, without taking them. */
int64_t dt_model_vector_bytes(const dt_model *model);

/* Bytes of buffers for batches of up to this size, the backend's own ones included, without taking
 * them. */
int64_t dt_model_buffer_bytes(const dt_model *model, int32_t max_sequences, int64_t max_tokens);

/* Takes the flat vectors (zeros: follow with dt_params_init() or a checkpoint) and the buffers,
 * once. No batch may be larger. After DT_ERR_MEMORY it may be called again, with smaller sizes. */
dt_status dt_model_reserve(dt_model *model, int32_t max_sequences, int64_t max_tokens);

/* Runs the batch forward. training: with dropout, and what the backward pass needs is kept. Returns
 * the logits (B, C), statistics on the device, valid until the next forward pass. */
void *dt_model_forward(dt_model *model, const dt_device_batch *batch, bool training);

/* The class layout of the logits. */
const dt_class_layout *dt_model_classes(const dt_model *model);

/* The vector that stands for the sequence (B, dt_model_features()): what the heads read before
 * dropout, of the last forward pass without training. */
const void *dt_model_fused(const dt_model *model);

/* Reports every range of the gradient vector, in the order of a backward pass: for a rank that has
 * no sequence in a batch and still takes part in the sum. */
dt_status dt_model_report_ranges(dt_model *model, dt_gradient_ready ready, void *context);

/* The same for a backward pass that was recorded as a step and has been started (step_begin and
 * step_end of backend.h): the ranges' events are its own. */
dt_status dt_model_report_started(dt_model *model, dt_gradient_ready ready, void *context);

/* Loss of the last forward pass and the gradients of all parameters, accumulated. `ready` (NULL:
 * not wanted; give it on the last micro-batch of an update only) hears of each range that is final.
 * While a step is recorded nothing is final: there it should do nothing, and
 * dt_model_report_started() follows once the step has been started. */
dt_status dt_model_backward(dt_model *model, const dt_device_batch *batch, const dt_loss *loss,
                            dt_gradient_ready ready, void *context);

#endif
