#include "model/cnn.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"

/* ---- parameters ------------------------------------------------------------------------------ */

/* Returns the number of input channels of a layer. */
static int32_t channels_of(const dt_model_config *config, int32_t layer)
{
    return layer == 0 ? config->embed_dim : config->filters * config->kernels;
}

/* Adds one kernel of a layer, initialised as in PyTorch: uniform in ±1/√fan_in. `block`: the part
 * of the parameter's name between the kernel's number and "weight" or "bias". */
static dt_status add_kernel(dt_param_table *table, dt_param *weight, dt_param *bias,
                            const int64_t shape[3], int32_t layer, int32_t kernel,
                            const char *block)
{
    const double bound = 1.0 / sqrt((double)(shape[1] * shape[2]));
    DT_TRY(dt_params_add(table, weight, false, DT_INIT_UNIFORM, bound, shape,
                         "conv_stacks.%d.%d.%s.weight", layer, kernel, block));
    return dt_params_add(table, bias, false, DT_INIT_UNIFORM, bound, (int64_t[3]){shape[0]},
                         "conv_stacks.%d.%d.%s.bias", layer, kernel, block);
}

static dt_residual residual_of(const dt_model_config *config, int32_t layer)
{
    if (!dt_model_is_deep(config))
        return DT_RESIDUAL_NONE;
    return channels_of(config, layer) == config->filters ? DT_RESIDUAL_IDENTITY
                                                         : DT_RESIDUAL_PROJECTION;
}

static dt_status add_layer(dt_cnn_stack *stack, dt_param_table *table, int32_t number)
{
    const dt_model_config *c = &stack->config;
    dt_conv_layer *layer = &stack->layer[number];
    *layer = (dt_conv_layer){.channels = channels_of(c, number),
                             .filters = c->filters,
                             .kernels = c->kernels,
                             .residual = residual_of(c, number),
                             .max_length = c->max_length};
    for (int32_t k = 0; k < c->kernels; ++k) {
        const int64_t shape[3] = {c->filters, layer->channels, c->width[k]};
        layer->width[k] = c->width[k];
        DT_TRY(add_kernel(table, &layer->weight[k], &layer->bias[k], shape, number, k,
                          dt_model_is_deep(c) ? "conv.0" : "0"));
        if (layer->residual == DT_RESIDUAL_PROJECTION)
            DT_TRY(add_kernel(table, &layer->projection[k], &layer->projection_bias[k],
                              (int64_t[3]){c->filters, layer->channels, 1}, number, k, "proj"));
    }
    return DT_OK;
}

static dt_status add_embedding(dt_cnn_stack *stack, dt_param_table *table)
{
    const dt_model_config *c = &stack->config;
    stack->lookup = (dt_lookup){.table = DT_NO_PARAM,
                                .frozen_row = c->pad_id,
                                .vocabulary = c->vocabulary,
                                .dim = c->embed_dim,
                                .max_length = c->max_length};
    if (c->encoding == DT_ENCODING_ONEHOT)
        return DT_OK;
    DT_TRY(dt_params_add(table, &stack->lookup.table, false, DT_INIT_NORMAL, 1.0,
                         (int64_t[3]){c->vocabulary, c->embed_dim}, "embedding.weight"));
    table->spec[table->count - 1].zero_row = c->pad_id;
    return DT_OK;
}

/* Returns the single layer as one operation. */
static dt_conv_max conv_max_of(const dt_cnn_stack *stack)
{
    const dt_conv_layer *layer = &stack->layer[0];
    dt_conv_max conv = {.embedding = stack->lookup.table,
                        .frozen_row = stack->lookup.frozen_row,
                        .vocabulary = stack->lookup.vocabulary,
                        .embed_dim = layer->channels,
                        .filters = layer->filters,
                        .kernels = layer->kernels,
                        .max_length = layer->max_length,
                        .mask_padding = stack->config.mask_padding,
                        .padding_stream = dt_stream(DT_DRAW_CONV_PADDING, 0, 0)};
    for (int32_t k = 0; k < layer->kernels; ++k) {
        conv.width[k] = layer->width[k];
        conv.weight[k] = layer->weight[k];
        conv.bias[k] = layer->bias[k];
    }
    return conv;
}

dt_status dt_cnn_stack_create(dt_cnn_stack *stack, const dt_model_config *config,
                              dt_param_table *table)
{
    *stack = (dt_cnn_stack){.config = *config,
                            .max = {.channels = config->filters * config->kernels,
                                    .max_length = config->max_length,
                                    .mask_padding = config->mask_padding}};
    DT_TRY(DT_NEW(stack->layer, (size_t)config->conv_layers));
    for (int32_t layer = config->conv_layers - 1; layer >= 0; --layer)
        DT_TRY(add_layer(stack, table, layer));
    DT_TRY(add_embedding(stack, table));
    stack->fused = config->conv_layers == 1 && stack->layer[0].residual == DT_RESIDUAL_NONE;
    if (stack->fused)
        stack->conv = conv_max_of(stack);
    return DT_OK;
}

void dt_cnn_stack_free(dt_cnn_stack *stack)
{
    free(stack->layer);
    stack->layer = NULL;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Returns the largest scratch size of any layer. */
static int64_t scratch_bytes(const dt_cnn_stack *stack, dt_backend *backend, int32_t max_sequences,
                             bool training)
{
    int64_t most = 0;
    for (int32_t layer = 0; layer < stack->config.conv_layers; ++layer) {
        const int64_t bytes = backend->ops->conv_layer_scratch(backend, &stack->layer[layer],
                                                               max_sequences, training);
        if (bytes > most)
            most = bytes;
    }
    return most;
}

/* Without a backward pass, layers share their buffers, with two alternating outputs. */
static void reserve_layer(dt_cnn_stack *stack, int32_t layer, dt_arena *arena,
                          const dt_backend *backend, int64_t rows, bool training)
{
    const int64_t columns = (int64_t)stack->config.filters * stack->config.kernels;
    const bool residual = stack->layer[layer].residual != DT_RESIDUAL_NONE;
    dt_conv_state *state = &stack->state[layer];
    if (!training && layer > 1) {
        *state = stack->state[layer - 2];
        return;
    }
    state->y = dt_arena_take(arena, rows * columns, backend->activation_size);
    if (!residual)
        state->r = state->y;
    else if (!training && layer > 0)
        state->r = stack->state[0].r;
    else
        state->r = dt_arena_take(arena, rows * columns, backend->activation_size);
}

static void reserve_layers(dt_cnn_stack *stack, dt_arena *arena, dt_backend *backend,
                           int32_t max_sequences, bool training)
{
    const dt_model_config *c = &stack->config;
    const int64_t a = backend->activation_size;
    const int64_t columns = (int64_t)c->filters * c->kernels;
    const int64_t widest = columns > c->embed_dim ? columns : c->embed_dim;
    const int64_t rows = (int64_t)max_sequences * c->max_length;
    bool residual = false;
    stack->scratch =
        dt_arena_take(arena, scratch_bytes(stack, backend, max_sequences, training), 1);
    stack->embedded = dt_arena_take(arena, rows * c->embed_dim, a);
    for (int32_t layer = 0; layer < c->conv_layers; ++layer) {
        reserve_layer(stack, layer, arena, backend, rows, training);
        residual |= stack->layer[layer].residual != DT_RESIDUAL_NONE;
    }
    if (!training)
        return;
    stack->dy = dt_arena_take(arena, rows * widest, a);
    stack->dx = dt_arena_take(arena, rows * widest, a);
    stack->dz = residual ? dt_arena_take(arena, rows * columns, a) : NULL;
}

void dt_cnn_stack_reserve(dt_cnn_stack *stack, dt_arena *arena, dt_backend *backend,
                          int32_t max_sequences, int64_t max_tokens, bool training)
{
    const int64_t count = (int64_t)max_sequences * stack->config.filters * stack->config.kernels;
    stack->pooled = dt_arena_take(arena, count, backend->activation_size);
    stack->position = dt_arena_take(arena, count, sizeof(int32_t));
    if (training)
        stack->dpooled = dt_arena_take(arena, count, backend->activation_size);
    if (stack->fused)
        stack->scratch =
            dt_arena_take(arena,
                          backend->ops->conv_max_scratch(backend, &stack->conv, max_sequences,
                                                         max_tokens, training),
                          1);
    else
        reserve_layers(stack, arena, backend, max_sequences, training);
}

/* ---- forward and backward -------------------------------------------------------------------- */

static dt_dropout dropout_of(const dt_cnn_stack *stack, int32_t layer, bool training)
{
    return (dt_dropout){.p = training ? stack->config.dropout : 0.0,
                        .stream = dt_stream(DT_DRAW_CONV, (uint32_t)layer, 0)};
}

void dt_cnn_stack_forward(dt_cnn_stack *stack, dt_backend *backend, const dt_device_batch *batch,
                          bool training)
{
    const dt_backend_ops *op = backend->ops;
    if (stack->fused) {
        stack->conv.dropout = dropout_of(stack, 0, training);
        op->conv_max_forward(backend, stack->pooled, stack->position, stack->scratch, batch,
                             &stack->conv);
        return;
    }
    op->lookup_forward(backend, stack->embedded, batch, &stack->lookup);
    const void *x = stack->embedded;
    for (int32_t layer = 0; layer < stack->config.conv_layers; ++layer) {
        dt_conv_state *state = &stack->state[layer];
        state->x = x;
        stack->layer[layer].dropout = dropout_of(stack, layer, training);
        op->conv_layer_forward(backend, state->y, state->r, x, stack->scratch, batch,
                               &stack->layer[layer]);
        x = state->y;
    }
    op->position_max_forward(backend, stack->pooled, stack->position, x, batch, &stack->max);
}

void dt_cnn_stack_backward(dt_cnn_stack *stack, dt_backend *backend, const dt_device_batch *batch)
{
    const dt_backend_ops *op = backend->ops;
    if (stack->fused) {
        op->conv_max_backward(backend, stack->dpooled, stack->pooled, stack->position,
                              stack->scratch, batch, &stack->conv);
        return;
    }
    void *dy = stack->dy;
    void *dx = stack->dx;
    op->position_max_backward(backend, dy, stack->dpooled, stack->position, batch, &stack->max);
    const bool embeds = stack->lookup.table != DT_NO_PARAM;
    for (int32_t layer = stack->config.conv_layers - 1; layer >= 0; --layer) {
        const dt_conv_state *state = &stack->state[layer];
        const bool residual = stack->layer[layer].residual != DT_RESIDUAL_NONE;
        op->conv_layer_backward(backend, layer > 0 || embeds ? dx : NULL, residual ? stack->dz : dy,
                                dy, state->r, state->x, stack->scratch, batch,
                                &stack->layer[layer]);
        void *swap = dy;
        dy = dx;
        dx = swap;
    }
    if (embeds)
        op->lookup_backward(backend, dy, batch, &stack->lookup);
}
