/* The CNN branch: embedding, convolution layers of several kernel widths, maximum over positions
 * (docs/model.md 2).
 *
 * A single layer without residual is one operation that skips padding (conv_max). With several
 * layers or residuals, dropout makes padded positions affect the result, so layers are computed one
 * by one on padded sequences. With --encoding onehot, the input has four channels instead of an
 * embedding.
 */
#ifndef DT_MODEL_CNN_H
#define DT_MODEL_CNN_H

#include "layers.h"
#include "model/arena.h"
#include "model/config.h"
#include "model/params.h"

/* The activations that one layer keeps for its backward pass; P = B · max_length. */
typedef struct {
    const void *x; /* (P, channels) input */
    void *r;       /* (P, F·kernels) after ReLU and dropout */
    void *y;       /* (P, F·kernels) output; equals r without a residual */
} dt_conv_state;

typedef struct {
    dt_model_config config;
    bool fused; /* computed by `conv`; otherwise by lookup, layer and max */
    dt_conv_max conv;
    dt_lookup lookup;
    dt_conv_layer *layer; /* (conv_layers) */
    dt_conv_state state[DT_MAX_CONV_LAYERS];
    dt_position_max max;

    void *embedded;    /* (P, E) */
    void *pooled;      /* (B, F·kernels) the maxima */
    int32_t *position; /* (B, F·kernels) their positions */
    void *scratch;

    /* gradients, training only */
    void *dpooled; /* (B, F·kernels) */
    void *dy;      /* (P, max(E, F·kernels)) of a layer's output; swapped with dx per layer */
    void *dx;      /* (P, max(E, F·kernels)) of its input */
    void *dz;      /* (P, F·kernels); NULL if dy is used instead */
} dt_cnn_stack;

/* Adds the convolutions' parameters to the table, last layer first. */
dt_status dt_cnn_stack_create(dt_cnn_stack *stack, const dt_model_config *config,
                              dt_param_table *table);
void dt_cnn_stack_free(dt_cnn_stack *stack);

/* Takes the buffers for batches of up to this size from the arena. */
void dt_cnn_stack_reserve(dt_cnn_stack *stack, dt_arena *arena, dt_backend *backend,
                          int32_t max_sequences, int64_t max_tokens, bool training);

/* Computes stack->pooled. training: with dropout. */
void dt_cnn_stack_forward(dt_cnn_stack *stack, dt_backend *backend, const dt_device_batch *batch,
                          bool training);

/* Backward pass from stack->dpooled. */
void dt_cnn_stack_backward(dt_cnn_stack *stack, dt_backend *backend, const dt_device_batch *batch);

#endif
