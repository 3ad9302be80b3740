#include "model/encoder.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"

#define LAYER_NORM_EPS 1e-12
#define WEIGHT_DEVIATION 0.02 /* standard deviation of BERT's initial weights */

/* ---- parameters ------------------------------------------------------------------------------ */

static dt_status add_linear(dt_param_table *table, dt_param *weight, dt_param *bias, int64_t out,
                            int64_t in, const char *prefix, int32_t layer, const char *name)
{
    DT_TRY(dt_params_add(table, weight, false, DT_INIT_NORMAL, WEIGHT_DEVIATION,
                         (int64_t[3]){out, in}, "%s.%d.%s.weight", prefix, layer, name));
    return dt_params_add(table, bias, false, DT_INIT_CONSTANT, 0.0, (int64_t[3]){out},
                         "%s.%d.%s.bias", prefix, layer, name);
}

static dt_status add_layer_norm(dt_param_table *table, dt_param *gamma, dt_param *beta,
                                int64_t hidden, const char *prefix, int32_t layer, const char *name)
{
    DT_TRY(dt_params_add(table, gamma, false, DT_INIT_CONSTANT, 1.0, (int64_t[3]){hidden},
                         "%s.%d.%s.LayerNorm.weight", prefix, layer, name));
    return dt_params_add(table, beta, false, DT_INIT_CONSTANT, 0.0, (int64_t[3]){hidden},
                         "%s.%d.%s.LayerNorm.bias", prefix, layer, name);
}

/* Query, key and value are contiguous, so that one matrix product computes all three. */
static dt_status add_qkv(dt_param_table *table, dt_layer_params *p, int64_t hidden,
                         const char *prefix, int32_t layer)
{
    static const char *const part[3] = {"query", "key", "value"};
    dt_param offset;
    for (int i = 0; i < 3; ++i) {
        DT_TRY(dt_params_add(table, &offset, i > 0, DT_INIT_NORMAL, WEIGHT_DEVIATION,
                             (int64_t[3]){hidden, hidden}, "%s.%d.attention.self.%s.weight", prefix,
                             layer, part[i]));
        if (i == 0)
            p->qkv_weight = offset;
    }
    for (int i = 0; i < 3; ++i) {
        DT_TRY(dt_params_add(table, &offset, i > 0, DT_INIT_CONSTANT, 0.0, (int64_t[3]){hidden},
                             "%s.%d.attention.self.%s.bias", prefix, layer, part[i]));
        if (i == 0)
            p->qkv_bias = offset;
    }
    return DT_OK;
}

static dt_status add_layer(dt_encoder_stack *stack, dt_param_table *table, int32_t layer)
{
    static const char prefix[] = "bert.encoder.layer";
    const int64_t hidden = stack->config.hidden;
    const int64_t intermediate = stack->config.intermediate;
    dt_layer_params *p = &stack->layer[layer];
    p->range_begin = table->elements;
    DT_TRY(add_layer_norm(table, &p->down_gamma, &p->down_beta, hidden, prefix, layer, "output"));
    DT_TRY(add_linear(table, &p->down_weight, &p->down_bias, hidden, intermediate, prefix, layer,
                      "output.dense"));
    DT_TRY(add_linear(table, &p->up_weight, &p->up_bias, intermediate, hidden, prefix, layer,
                      "intermediate.dense"));
    DT_TRY(add_layer_norm(table, &p->output_gamma, &p->output_beta, hidden, prefix, layer,
                          "attention.output"));
    DT_TRY(add_linear(table, &p->output_weight, &p->output_bias, hidden, hidden, prefix, layer,
                      "attention.output.dense"));
    DT_TRY(add_qkv(table, p, hidden, prefix, layer));
    p->range_end = table->elements;
    return DT_OK;
}

static dt_status add_embedding(dt_encoder_stack *stack, dt_param_table *table)
{
    const dt_model_config *c = &stack->config;
    dt_embedding *e = &stack->embedding;
    /* BERT's padding index is 0, independently of the tokenizer's [PAD] */
    *e = (dt_embedding){.frozen_row = 0,
                        .vocabulary = c->vocabulary,
                        .max_length = c->max_length,
                        .hidden = c->hidden,
                        .eps = LAYER_NORM_EPS};
    stack->embedding_begin = table->elements;
    DT_TRY(dt_params_add(table, &e->gamma, false, DT_INIT_CONSTANT, 1.0, (int64_t[3]){c->hidden},
                         "bert.embeddings.LayerNorm.weight"));
    DT_TRY(dt_params_add(table, &e->beta, false, DT_INIT_CONSTANT, 0.0, (int64_t[3]){c->hidden},
                         "bert.embeddings.LayerNorm.bias"));
    DT_TRY(dt_params_add(table, &e->word, false, DT_INIT_NORMAL, WEIGHT_DEVIATION,
                         (int64_t[3]){c->vocabulary, c->hidden},
                         "bert.embeddings.word_embeddings.weight"));
    table->spec[table->count - 1].zero_row = e->frozen_row;
    DT_TRY(dt_params_add(table, &e->position, false, DT_INIT_NORMAL, WEIGHT_DEVIATION,
                         (int64_t[3]){c->max_length, c->hidden},
                         "bert.embeddings.position_embeddings.weight"));
    DT_TRY(dt_params_add(table, &e->type, false, DT_INIT_NORMAL, WEIGHT_DEVIATION,
                         (int64_t[3]){2, c->hidden},
                         "bert.embeddings.token_type_embeddings.weight"));
    stack->embedding_end = table->elements;
    return DT_OK;
}

dt_status dt_encoder_stack_create(dt_encoder_stack *stack, const dt_model_config *config,
                                  dt_param_table *table)
{
    *stack = (dt_encoder_stack){.config = *config, .first_only = dt_model_is_fused(config)};
    DT_TRY(DT_NEW(stack->layer, (size_t)config->layers));
    DT_TRY(DT_NEW(stack->state, (size_t)config->layers));
    for (int32_t layer = config->layers - 1; layer >= 0; --layer)
        DT_TRY(add_layer(stack, table, layer));
    return add_embedding(stack, table);
}

void dt_encoder_stack_free(dt_encoder_stack *stack)
{
    free(stack->layer);
    free(stack->state);
    stack->layer = NULL;
    stack->state = NULL;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Returns whether the layer computes position 0 only. */
static bool is_short(const dt_encoder_stack *stack, int32_t layer)
{
    return stack->first_only && layer == stack->config.layers - 1;
}

/* Without a backward pass, layers share their buffers, with two alternating outputs. */
static void share_state(dt_encoder_stack *stack, int32_t layer)
{
    dt_layer_state *s = &stack->state[layer];
    *s = stack->state[layer - 1];
    s->y2 = layer > 1 ? stack->state[layer - 2].y2 : NULL;
}

static void reserve_layer(dt_encoder_stack *stack, int32_t layer, dt_arena *arena,
                          const dt_backend *backend, int64_t max_rows, int32_t max_sequences)
{
    const int64_t hidden = stack->config.hidden;
    const int64_t a = backend->activation_size;
    const int64_t s = backend->statistic_size;
    const int64_t rows = is_short(stack, layer) ? max_sequences : max_rows;
    dt_layer_state *state = &stack->state[layer];
    if (is_short(stack, layer)) {
        state->x_first = dt_arena_take(arena, max_sequences * hidden, a);
        state->q = dt_arena_take(arena, max_sequences * hidden, a);
        state->k = dt_arena_take(arena, max_rows * 2 * hidden, a);
        state->v = (char *)state->k + (arena->base ? hidden * a : 0);
    } else {
        state->q = dt_arena_take(arena, max_rows * 3 * hidden, a);
        state->k = (char *)state->q + (arena->base ? hidden * a : 0);
        state->v = (char *)state->q + (arena->base ? 2 * hidden * a : 0);
    }
    state->context = dt_arena_take(arena, rows * hidden, a);
    state->log_sum = dt_arena_take(arena, rows * stack->config.heads, s);
    state->sum1 = dt_arena_take(arena, rows * hidden, a);
    state->statistics1 = dt_arena_take(arena, rows * 2, s);
    state->y1 = dt_arena_take(arena, rows * hidden, a);
    state->u = dt_arena_take(arena, rows * stack->config.intermediate, a);
    state->g = dt_arena_take(arena, rows * stack->config.intermediate, a);
    state->sum2 = dt_arena_take(arena, rows * hidden, a);
    state->statistics2 = dt_arena_take(arena, rows * 2, s);
    state->y2 = dt_arena_take(arena, rows * hidden, a);
}

/* Returns the bytes that a row of `du` needs for its most demanding use. */
static int64_t du_bytes(const dt_model_config *config, const dt_backend *backend)
{
    const int64_t widest =
        config->intermediate > config->hidden ? config->intermediate : config->hidden;
    const int64_t gradients = widest * backend->activation_size;
    const int64_t scratch = (int64_t)config->heads * backend->statistic_size;
    return gradients > scratch ? gradients : scratch;
}

/* Returns the bytes of `dqkv`: gradients of q, k and v, or scratch of the last layer. */
static int64_t dqkv_bytes(const dt_encoder_stack *stack, dt_backend *backend, int64_t max_rows,
                          int32_t max_sequences)
{
    const dt_model_config *c = &stack->config;
    const dt_attention attention = {.heads = c->heads, .head_size = c->hidden / c->heads};
    const int64_t gradients = max_rows * 3 * c->hidden * backend->activation_size;
    const int64_t scratch =
        backend->ops->single_attention_scratch(backend, &attention, max_sequences, max_rows);
    return stack->first_only && scratch > gradients ? scratch : gradients;
}

void dt_encoder_stack_reserve(dt_encoder_stack *stack, dt_arena *arena, dt_backend *backend,
                              int64_t max_rows, int32_t max_sequences, bool training)
{
    const int64_t hidden = stack->config.hidden;
    const int64_t a = backend->activation_size;
    stack->embedded = dt_arena_take(arena, max_rows * hidden, a);
    stack->statistics = dt_arena_take(arena, max_rows * 2, backend->statistic_size);
    for (int32_t layer = 0; layer < stack->config.layers; ++layer) {
        if (training || layer == 0 || is_short(stack, layer)) {
            reserve_layer(stack, layer, arena, backend, max_rows, max_sequences);
            continue;
        }
        share_state(stack, layer);
        if (!stack->state[layer].y2)
            stack->state[layer].y2 = dt_arena_take(arena, max_rows * hidden, a);
    }
    if (!training)
        return;
    stack->dx = dt_arena_take(arena, max_rows * hidden, a);
    stack->da = dt_arena_take(arena, max_rows * hidden, a);
    stack->dqkv = dt_arena_take(arena, dqkv_bytes(stack, backend, max_rows, max_sequences), 1);
    stack->du = dt_arena_take(arena, max_rows * du_bytes(&stack->config, backend), 1);
    stack->dq = dt_arena_take(arena, max_sequences * hidden, a);
}

/* ---- forward --------------------------------------------------------------------------------- */

static dt_dropout dropout_of(const dt_encoder_stack *stack, dt_draw purpose, int32_t layer,
                             bool training)
{
    return (dt_dropout){.p = training ? stack->config.dropout : 0.0,
                        .stream = dt_stream(purpose, (uint32_t)layer, 0)};
}

static dt_attention attention_of(const dt_encoder_stack *stack, int32_t layer, bool training)
{
    const int32_t hidden = stack->config.hidden;
    const bool one = is_short(stack, layer);
    return (dt_attention){.heads = stack->config.heads,
                          .head_size = hidden / stack->config.heads,
                          .queries = one ? DT_ROWS_SEQUENCES : DT_ROWS_TOKENS,
                          .query_stride = one ? hidden : 3 * hidden,
                          .key_stride = one ? 2 * hidden : 3 * hidden,
                          .dropout = dropout_of(stack, DT_DRAW_ATTENTION, layer, training)};
}

static dt_add_norm add_norm_of(const dt_encoder_stack *stack, int32_t layer, bool feed_forward,
                               bool training)
{
    const dt_layer_params *p = &stack->layer[layer];
    const dt_draw purpose = feed_forward ? DT_DRAW_FEED_FORWARD : DT_DRAW_ATTENTION_OUT;
    return (dt_add_norm){.gamma = feed_forward ? p->down_gamma : p->output_gamma,
                         .beta = feed_forward ? p->down_beta : p->output_beta,
                         .bias = feed_forward ? p->down_bias : p->output_bias,
                         .hidden = stack->config.hidden,
                         .eps = LAYER_NORM_EPS,
                         .rows = is_short(stack, layer) ? DT_ROWS_SEQUENCES : DT_ROWS_TOKENS,
                         .dropout = dropout_of(stack, purpose, layer, training)};
}

/* The part of a layer after the attention, on M rows; the same for full and short layers. */
static void attend_and_feed_forward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                                    const void *residual, int64_t rows,
                                    const dt_device_batch *batch, bool training)
{
    const dt_backend_ops *op = backend->ops;
    const dt_layer_params *p = &stack->layer[layer];
    dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int32_t intermediate = stack->config.intermediate;
    const dt_attention attention = attention_of(stack, layer, training);
    const dt_add_norm norm1 = add_norm_of(stack, layer, false, training);
    const dt_add_norm norm2 = add_norm_of(stack, layer, true, training);

    op->attention_forward(backend, s->context, s->log_sum, s->q, s->k, s->v, batch, &attention);
    op->linear_forward(backend, s->sum1, s->context, p->output_weight, p->output_bias, rows, hidden,
                       hidden);
    op->add_norm_forward(backend, s->y1, s->sum1, s->statistics1, residual, batch, &norm1);
    op->linear_gelu_forward(backend, s->g, s->u, s->y1, p->up_weight, p->up_bias, rows, hidden,
                            intermediate);
    op->linear_forward(backend, s->sum2, s->g, p->down_weight, p->down_bias, rows, intermediate,
                       hidden);
    op->add_norm_forward(backend, s->y2, s->sum2, s->statistics2, s->y1, batch, &norm2);
}

static void full_layer_forward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                               const dt_device_batch *batch, bool training)
{
    const dt_layer_params *p = &stack->layer[layer];
    dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int64_t rows = batch->size.rows;
    backend->ops->linear_forward(backend, s->q, s->x, p->qkv_weight, p->qkv_bias, rows, hidden,
                                 3 * hidden);
    attend_and_feed_forward(stack, backend, layer, s->x, rows, batch, training);
}

static void short_layer_forward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                                const dt_device_batch *batch, bool training)
{
    const dt_backend_ops *op = backend->ops;
    const dt_layer_params *p = &stack->layer[layer];
    dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int64_t query_elements = (int64_t)hidden * hidden;
    op->gather_first_forward(backend, s->x_first, s->x, batch, hidden);
    op->linear_forward(backend, s->q, s->x_first, p->qkv_weight, p->qkv_bias, batch->size.sequences,
                       hidden, hidden);
    op->linear_forward(backend, s->k, s->x, p->qkv_weight + query_elements, p->qkv_bias + hidden,
                       batch->size.rows, hidden, 2 * hidden);
    attend_and_feed_forward(stack, backend, layer, s->x_first, batch->size.sequences, batch,
                            training);
}

const void *dt_encoder_stack_forward(dt_encoder_stack *stack, dt_backend *backend,
                                     const dt_device_batch *batch, bool training)
{
    stack->embedding.dropout = dropout_of(stack, DT_DRAW_EMBEDDING, 0, training);
    backend->ops->embedding_forward(backend, stack->embedded, stack->statistics, batch,
                                    &stack->embedding);
    const void *x = stack->embedded;
    for (int32_t layer = 0; layer < stack->config.layers; ++layer) {
        stack->state[layer].x = x;
        if (is_short(stack, layer))
            short_layer_forward(stack, backend, layer, batch, training);
        else
            full_layer_forward(stack, backend, layer, batch, training);
        x = stack->state[layer].y2;
    }
    return x;
}

/* ---- backward -------------------------------------------------------------------------------- */

/* In: dx = gradient of y2. Out: dx = gradient of the residual path into the layer, da = gradient of
 * the attention's output. */
static void feed_forward_backward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                                  void *dx, int64_t rows, const dt_device_batch *batch)
{
    const dt_backend_ops *op = backend->ops;
    const dt_layer_params *p = &stack->layer[layer];
    const dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int32_t intermediate = stack->config.intermediate;
    const dt_add_norm norm1 = add_norm_of(stack, layer, false, true);
    const dt_add_norm norm2 = add_norm_of(stack, layer, true, true);

    op->add_norm_backward(backend, stack->da, dx, dx, s->sum2, s->statistics2, batch, &norm2);
    op->linear_backward(backend, stack->du, false, stack->da, s->g, p->down_weight, DT_NO_PARAM,
                        rows, intermediate, hidden);
    op->gelu_backward(backend, stack->du, s->u, p->up_bias, rows, intermediate);
    op->linear_backward(backend, dx, true, stack->du, s->y1, p->up_weight, DT_NO_PARAM, rows,
                        hidden, intermediate);
    op->add_norm_backward(backend, stack->du, dx, dx, s->sum1, s->statistics1, batch, &norm1);
    op->linear_backward(backend, stack->da, false, stack->du, s->context, p->output_weight,
                        DT_NO_PARAM, rows, hidden, hidden);
}

static void full_layer_backward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                                const dt_device_batch *batch)
{
    const dt_backend_ops *op = backend->ops;
    const dt_layer_params *p = &stack->layer[layer];
    const dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int64_t rows = batch->size.rows;
    const dt_attention attention = attention_of(stack, layer, true);
    char *dqkv = stack->dqkv;
    const int64_t part = (int64_t)hidden * backend->activation_size;

    feed_forward_backward(stack, backend, layer, stack->dx, rows, batch);
    op->attention_backward(backend, dqkv, dqkv + part, dqkv + 2 * part, stack->da, s->context,
                           s->log_sum, s->q, s->k, s->v, p->qkv_bias, batch, &attention, stack->du);
    op->linear_backward(backend, stack->dx, true, dqkv, s->x, p->qkv_weight, DT_NO_PARAM, rows,
                        hidden, 3 * hidden);
}

/* Computes stack->dx (N, H) from dy (B, H). */
static void short_layer_backward(dt_encoder_stack *stack, dt_backend *backend, int32_t layer,
                                 const dt_device_batch *batch, void *dy)
{
    const dt_backend_ops *op = backend->ops;
    const dt_layer_params *p = &stack->layer[layer];
    const dt_layer_state *s = &stack->state[layer];
    const int32_t hidden = stack->config.hidden;
    const int64_t query_elements = (int64_t)hidden * hidden;
    const dt_attention attention = attention_of(stack, layer, true);

    feed_forward_backward(stack, backend, layer, dy, batch->size.sequences, batch);
    op->single_attention_backward(backend, stack->dq, stack->dx, stack->da, s->context, s->log_sum,
                                  s->q, s->k, s->v, s->x, p->qkv_weight + query_elements,
                                  p->qkv_bias, batch, &attention, stack->dqkv);
    op->linear_backward(backend, dy, true, stack->dq, s->x_first, p->qkv_weight, DT_NO_PARAM,
                        batch->size.sequences, hidden, hidden);
    op->gather_first_backward(backend, stack->dx, dy, batch, hidden);
}

void dt_encoder_stack_backward(dt_encoder_stack *stack, dt_backend *backend,
                               const dt_device_batch *batch, void *dy, dt_range_done done,
                               void *context)
{
    for (int32_t layer = stack->config.layers - 1; layer >= 0; --layer) {
        if (is_short(stack, layer))
            short_layer_backward(stack, backend, layer, batch, dy);
        else
            full_layer_backward(stack, backend, layer, batch);
        done(context, stack->layer[layer].range_begin, stack->layer[layer].range_end);
    }
    backend->ops->embedding_backward(backend, stack->dx, stack->statistics, batch,
                                     &stack->embedding, stack->da);
    done(context, stack->embedding_begin, stack->embedding_end);
}

void dt_encoder_stack_ranges(const dt_encoder_stack *stack, dt_range_done done, void *context)
{
    for (int32_t layer = stack->config.layers - 1; layer >= 0; --layer)
        done(context, stack->layer[layer].range_begin, stack->layer[layer].range_end);
    done(context, stack->embedding_begin, stack->embedding_end);
}
