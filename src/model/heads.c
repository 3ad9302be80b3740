#include "model/heads.h"

#include <math.h>

#include "core/philox.h"

/* Adds the matrices of all taxonomic ranks contiguously, then their biases, initialised as in
 * PyTorch: uniform in ±1/√fan_in. rows: of each taxonomic rank's matrix; NULL: `features`. */
static dt_status add_linear(dt_param_table *table, dt_param *weight, dt_param *bias,
                            const dt_head_stack *heads, const int32_t *rows, const char *name)
{
    const int64_t features = heads->features;
    const double bound = 1.0 / sqrt((double)features);
    dt_param offset;
    for (int32_t r = 0; r < heads->classes.tax_ranks; ++r) {
        DT_TRY(dt_params_add(table, &offset, r > 0, DT_INIT_UNIFORM, bound,
                             (int64_t[3]){rows ? rows[r] : features, features},
                             "classifiers.%d%s.weight", r, name));
        if (r == 0)
            *weight = offset;
    }
    for (int32_t r = 0; r < heads->classes.tax_ranks; ++r) {
        DT_TRY(dt_params_add(table, &offset, r > 0, DT_INIT_UNIFORM, bound,
                             (int64_t[3]){rows ? rows[r] : features}, "classifiers.%d%s.bias", r,
                             name));
        if (r == 0)
            *bias = offset;
    }
    return DT_OK;
}

dt_status dt_head_stack_create(dt_head_stack *heads, const dt_model_config *config,
                               dt_param_table *table)
{
    *heads = (dt_head_stack){.features = dt_model_features(config),
                             .deep = dt_model_is_deep(config),
                             .dropout = config->dropout,
                             .classes = {.tax_ranks = config->tax_ranks}};
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        heads->classes.first[r + 1] = heads->classes.first[r] + config->classes[r];
    DT_TRY(add_linear(table, &heads->weight, &heads->bias, heads, config->classes,
                      heads->deep ? ".3" : ""));
    if (heads->deep)
        DT_TRY(add_linear(table, &heads->hidden_weight, &heads->hidden_bias, heads, NULL, ".0"));
    return DT_OK;
}

void dt_head_stack_reserve(dt_head_stack *heads, dt_arena *arena, const dt_backend *backend,
                           int32_t max_sequences, bool training)
{
    const int32_t tax_ranks = heads->classes.tax_ranks;
    const int64_t b = max_sequences;
    const int64_t width = (int64_t)tax_ranks * heads->features;
    heads->logits =
        dt_arena_take(arena, b * heads->classes.first[tax_ranks], backend->statistic_size);
    if (!heads->deep)
        return;
    heads->hidden = dt_arena_take(arena, b * width, backend->activation_size);
    if (training)
        heads->dhidden = dt_arena_take(arena, b * width, backend->activation_size);
}

/* Each taxonomic rank has its own random stream. */
static dt_activation activation_of(const dt_head_stack *heads, bool training)
{
    return (dt_activation){
        .relu = true,
        .parts = heads->classes.tax_ranks,
        .columns = heads->features,
        .dropout = {.p = training ? heads->dropout : 0.0, .stream = dt_stream(DT_DRAW_HEAD, 0, 0)}};
}

/* Linear heads take a single call; deep heads take one each, since each reads its own part of the
 * hidden layer. */
static int32_t calls_of(const dt_head_stack *heads)
{
    return heads->deep ? heads->classes.tax_ranks : 1;
}

/* Returns the heads of call `r`; sets the first column of its logits and of its input. */
static dt_heads heads_of(const dt_head_stack *heads, const dt_backend *backend, int32_t r,
                         int64_t *logits, int64_t *x)
{
    const dt_class_layout *c = &heads->classes;
    const int32_t first = c->first[r];
    const int32_t end = heads->deep ? c->first[r + 1] : c->first[c->tax_ranks];
    *logits = (int64_t)first * backend->statistic_size;
    *x = (int64_t)r * heads->features * backend->activation_size;
    return (dt_heads){.weight = heads->weight + (int64_t)first * heads->features,
                      .bias = heads->bias + first,
                      .hidden = heads->features,
                      .classes = end - first,
                      .x_stride = (int64_t)calls_of(heads) * heads->features,
                      .logit_stride = c->first[c->tax_ranks]};
}

void dt_head_stack_forward(dt_head_stack *heads, dt_backend *backend, const dt_device_batch *batch,
                           const void *x, bool training)
{
    const dt_backend_ops *op = backend->ops;
    const int32_t sequences = batch->size.sequences;
    if (heads->deep) {
        const dt_activation activation = activation_of(heads, training);
        op->linear_forward(backend, heads->hidden, x, heads->hidden_weight, heads->hidden_bias,
                           sequences, heads->features, heads->classes.tax_ranks * heads->features);
        op->activate_forward(backend, heads->hidden, heads->hidden, batch, &activation);
        x = heads->hidden;
    }
    for (int32_t r = 0; r < calls_of(heads); ++r) {
        int64_t logits;
        int64_t from;
        const dt_heads call = heads_of(heads, backend, r, &logits, &from);
        op->heads_forward(backend, (char *)heads->logits + logits, (const char *)x + from,
                          sequences, &call);
    }
}

void dt_head_stack_backward(dt_head_stack *heads, dt_backend *backend, const dt_device_batch *batch,
                            void *dx, const void *x)
{
    const dt_backend_ops *op = backend->ops;
    const int32_t sequences = batch->size.sequences;
    void *to = heads->deep ? heads->dhidden : dx;
    const void *from = heads->deep ? heads->hidden : x;
    for (int32_t r = 0; r < calls_of(heads); ++r) {
        int64_t logits;
        int64_t part;
        const dt_heads call = heads_of(heads, backend, r, &logits, &part);
        op->heads_backward(backend, (char *)to + part, (const char *)heads->logits + logits,
                           (const char *)from + part, sequences, &call);
    }
    if (!heads->deep)
        return;
    const dt_activation activation = activation_of(heads, true);
    op->activate_backward(backend, heads->dhidden, heads->dhidden, heads->hidden, batch,
                          &activation);
    op->linear_backward(backend, dx, false, heads->dhidden, x, heads->hidden_weight,
                        heads->hidden_bias, sequences, heads->features,
                        heads->classes.tax_ranks * heads->features);
}
