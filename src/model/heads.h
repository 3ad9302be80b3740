/* The classification heads, one per taxonomic rank (docs/model.md 2): linear, or in the model type
 * cnn with a hidden layer of the features' width, ReLU and dropout.
 */
#ifndef DT_MODEL_HEADS_H
#define DT_MODEL_HEADS_H

#include "layers.h"
#include "model/arena.h"
#include "model/config.h"
#include "model/params.h"

typedef struct {
    int32_t features; /* width of the heads' input */
    bool deep;        /* with a hidden layer */
    double dropout;
    dt_class_layout classes;
    dt_param hidden_weight; /* (R·features, features), deep only */
    dt_param hidden_bias;   /* (R·features) */
    dt_param weight;        /* (C, features) of all tax_ranks */
    dt_param bias;          /* (C) */

    void *logits;  /* (B, C) statistics; replaced by their gradient before the backward pass */
    void *hidden;  /* (B, R·features) after ReLU and dropout, deep only */
    void *dhidden; /* the same, training only */
} dt_head_stack;

/* Adds the heads' parameters to the table. */
dt_status dt_head_stack_create(dt_head_stack *heads, const dt_model_config *config,
                               dt_param_table *table);

void dt_head_stack_reserve(dt_head_stack *heads, dt_arena *arena, const dt_backend *backend,
                           int32_t max_sequences, bool training);

/* Computes heads->logits from x (B, features). training: with dropout. */
void dt_head_stack_forward(dt_head_stack *heads, dt_backend *backend, const dt_device_batch *batch,
                           const void *x, bool training);

/* Computes dx (B, features) and the parameters' gradients from heads->logits, which must hold the
 * gradient of the logits. */
void dt_head_stack_backward(dt_head_stack *heads, dt_backend *backend, const dt_device_batch *batch,
                            void *dx, const void *x);

#endif
