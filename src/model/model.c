#include "model/model.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"
#include "model/arena.h"
#include "model/cnn.h"
#include "model/encoder.h"
#include "model/heads.h"
#include "model/lineage_layer.h"

struct dt_model {
    dt_model_config config;
    dt_backend *backend;
    bool training; /* gradients and moments exist */
    bool vectors;  /* the flat vectors are allocated */
    dt_param_table params;

    /* parameters */
    dt_param w_cnn;             /* (1) */
    dt_param w_bert;            /* (1) */
    dt_param projection_weight; /* (H, F·kernels) */
    dt_param projection_bias;   /* (H) */
    dt_cnn_stack convolutions;
    dt_bag bag;
    dt_encoder_stack encoder;
    dt_head_stack heads;
    dt_lineage_layer lineages;
    int64_t heads_end, cnn_end; /* ends of the first ranges of the vector; the second is that of the
                                   CNN or the bag */

    /* buffers, in one allocation */
    void *memory;
    void *cnn;        /* (B, H) output of the CNN branch */
    const void *bert; /* (B, H) output of the BERT branch, owned by the encoder */
    void *fused;      /* (B, H) sequence embeddings; kmer: before ReLU */
    void *features;   /* (B, H) input of the heads: fused after (ReLU and) dropout; hybrid: fused */
    void *dfused;     /* (B, H) */
    void *dcnn;       /* (B, H) */
    void *dbert;      /* (B, H) */
};

/* ---- parameters ------------------------------------------------------------------------------ */

/* Returns 1/√fan_in, PyTorch's bound for initial values of linear and convolution layers. */
static double fan_in_bound(int64_t fan_in)
{
    return 1.0 / sqrt((double)fan_in);
}

static dt_status add_fusion(dt_model *model)
{
    DT_TRY(dt_params_add(&model->params, &model->w_cnn, false, DT_INIT_CONSTANT, 1.0,
                         (int64_t[3]){1}, "w_cnn"));
    return dt_params_add(&model->params, &model->w_bert, false, DT_INIT_CONSTANT, 1.0,
                         (int64_t[3]){1}, "w_bert");
}

/* Adds the projection from the CNN's maxima to the encoder's width. */
static dt_status add_projection(dt_model *model)
{
    const dt_model_config *c = &model->config;
    dt_param_table *table = &model->params;
    const int64_t channels = (int64_t)c->filters * c->kernels;
    const double bound = fan_in_bound(channels);
    DT_TRY(dt_params_add(table, &model->projection_weight, false, DT_INIT_UNIFORM, bound,
                         (int64_t[3]){c->hidden, channels}, "cnn_proj.weight"));
    return dt_params_add(table, &model->projection_bias, false, DT_INIT_UNIFORM, bound,
                         (int64_t[3]){c->hidden}, "cnn_proj.bias");
}

static dt_status add_bag(dt_model *model)
{
    const dt_model_config *c = &model->config;
    model->bag = (dt_bag){.rows = dt_kmer_ids(c->kmer_size), .dim = c->hidden};
    return dt_params_add(&model->params, &model->bag.table, false, DT_INIT_NORMAL, 1.0,
                         (int64_t[3]){model->bag.rows, c->hidden}, "kmer_embedding.weight");
}

/* BERT's pooler belongs to the state dict but is never used, so it is placed at the end. */
static dt_status add_pooler(dt_model *model)
{
    const int64_t hidden = model->config.hidden;
    dt_param offset;
    DT_TRY(dt_params_add(&model->params, &offset, false, DT_INIT_NORMAL, 0.02,
                         (int64_t[3]){hidden, hidden}, "bert.pooler.dense.weight"));
    return dt_params_add(&model->params, &offset, false, DT_INIT_CONSTANT, 0.0,
                         (int64_t[3]){hidden}, "bert.pooler.dense.bias");
}

/* Adds the parameters in the order in which the backward pass finishes their gradients. */
static dt_status add_parameters(dt_model *model)
{
    DT_TRY(dt_head_stack_create(&model->heads, &model->config, &model->params));
    const dt_model_config *c = &model->config;
    const bool fused = dt_model_is_fused(c);
    if (fused)
        DT_TRY(add_fusion(model));
    model->heads_end = model->params.elements;
    if (fused)
        DT_TRY(add_projection(model));
    if (dt_model_has_cnn(c))
        DT_TRY(dt_cnn_stack_create(&model->convolutions, c, &model->params));
    if (dt_model_has_bag(c))
        DT_TRY(add_bag(model));
    model->cnn_end = model->params.elements;
    if (dt_model_has_encoder(c))
        DT_TRY(dt_encoder_stack_create(&model->encoder, c, &model->params));
    model->params.trained = model->params.elements;
    return dt_model_has_encoder(c) ? add_pooler(model) : DT_OK;
}

dt_status dt_model_layout(const dt_model_config *config, dt_param_table *table)
{
    dt_model model = {.config = *config};
    dt_status status = add_parameters(&model);
    dt_encoder_stack_free(&model.encoder);
    dt_cnn_stack_free(&model.convolutions);
    if (status == DT_OK)
        *table = model.params;
    else
        dt_params_free(&model.params);
    return status;
}

dt_status dt_model_create(dt_model **out, const dt_model_config *config, dt_backend *backend,
                          bool training)
{
    dt_model *model;
    DT_TRY(dt_model_config_check(config));
    if (dt_model_has_encoder(config))
        DT_TRY(backend->ops->attention_check(backend, config->hidden / config->heads, training));
    DT_TRY(DT_NEW(model, 1));
    model->config = *config;
    model->backend = backend;
    model->training = training;
    const dt_status status = add_parameters(model);
    if (status != DT_OK) {
        dt_model_destroy(model);
        return status;
    }
    *out = model;
    return DT_OK;
}

void dt_model_destroy(dt_model *model)
{
    if (!model)
        return;
    model->backend->ops->free(model->backend, model->memory);
    dt_encoder_stack_free(&model->encoder);
    dt_cnn_stack_free(&model->convolutions);
    dt_lineage_layer_free(&model->lineages);
    dt_params_free(&model->params);
    free(model);
}

dt_status dt_model_add_lineages(dt_model *model, const dt_lineage_tree *tree)
{
    return dt_lineage_layer_create(&model->lineages, tree, &model->heads.classes);
}

bool dt_model_trains(const dt_model *model)
{
    return model->training;
}

const dt_model_config *dt_model_config_of(const dt_model *model)
{
    return &model->config;
}

const dt_param_table *dt_model_params(const dt_model *model)
{
    return &model->params;
}

dt_backend *dt_model_backend(const dt_model *model)
{
    return model->backend;
}

const dt_class_layout *dt_model_classes(const dt_model *model)
{
    return &model->heads.classes;
}

const void *dt_model_head_outputs(const dt_model *model)
{
    return model->heads.logits;
}

const void *dt_model_fused(const dt_model *model)
{
    return dt_model_has_bag(&model->config) ? model->features : model->fused;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void take_hybrid_buffers(dt_model *model, dt_arena *arena, int32_t max_sequences)
{
    const int64_t count = (int64_t)max_sequences * model->config.hidden;
    model->cnn = dt_arena_take(arena, count, model->backend->activation_size);
    if (!model->training)
        return;
    model->dcnn = dt_arena_take(arena, count, model->backend->activation_size);
    model->dbert = dt_arena_take(arena, count, model->backend->activation_size);
}

static void take_buffers(dt_model *model, dt_arena *arena, int32_t max_sequences,
                         int64_t max_tokens)
{
    const dt_model_config *c = &model->config;
    dt_backend *backend = model->backend;
    const int64_t a = backend->activation_size;
    const int64_t count = (int64_t)max_sequences * dt_model_features(c);
    const int64_t multiple = backend->row_multiple;
    const int64_t max_rows = (max_tokens + multiple - 1) / multiple * multiple;
    const bool fused = dt_model_is_fused(c);
    if (dt_model_has_cnn(c))
        dt_cnn_stack_reserve(&model->convolutions, arena, backend, max_sequences, max_tokens,
                             model->training);
    if (fused)
        take_hybrid_buffers(model, arena, max_sequences);
    model->fused = dt_model_has_encoder(c) || dt_model_has_bag(c) ? dt_arena_take(arena, count, a)
                                                                  : model->convolutions.pooled;
    model->features = fused ? model->fused : dt_arena_take(arena, count, a);
    dt_head_stack_reserve(&model->heads, arena, backend, max_sequences, model->training);
    dt_lineage_layer_reserve(&model->lineages, arena, backend, max_sequences, model->training);
    if (model->training)
        model->dfused = dt_arena_take(arena, count, a);
    if (dt_model_has_encoder(c))
        dt_encoder_stack_reserve(&model->encoder, arena, backend, max_rows, max_sequences,
                                 model->training);
}

int64_t dt_model_vector_bytes(const dt_model *model)
{
    dt_backend *backend = model->backend;
    return backend->ops->vectors_bytes(backend, model->params.elements, model->training);
}

/* Returns the size of the model's own buffers, which are one allocation. */
static int64_t own_bytes(const dt_model *model, int32_t max_sequences, int64_t max_tokens)
{
    dt_model plan = *model; /* a copy, because addresses are written */
    dt_layer_state *state = calloc((size_t)model->config.layers, sizeof *state);
    if (!state)
        return INT64_MAX;
    plan.encoder.state = state;
    dt_arena arena = {0};
    take_buffers(&plan, &arena, max_sequences, max_tokens);
    free(state);
    return arena.used;
}

int64_t dt_model_buffer_bytes(const dt_model *model, int32_t max_sequences, int64_t max_tokens)
{
    dt_backend *backend = model->backend;
    const int64_t own = own_bytes(model, max_sequences, max_tokens);
    const int64_t batches =
        backend->ops->batch_bytes(backend, max_sequences, max_tokens, model->config.tax_ranks);
    return own < INT64_MAX - batches ? own + batches : INT64_MAX;
}

dt_status dt_model_reserve(dt_model *model, int32_t max_sequences, int64_t max_tokens)
{
    dt_backend *backend = model->backend;
    const int64_t bytes = own_bytes(model, max_sequences, max_tokens);
    if (!model->vectors)
        DT_TRY(backend->ops->vectors_alloc(backend, model->params.elements, model->training));
    model->vectors = true;
    DT_TRY(
        backend->ops->batch_reserve(backend, max_sequences, max_tokens, model->config.tax_ranks));
    DT_TRY(backend->ops->alloc(backend, &model->memory, bytes));
    dt_arena arena = {.base = model->memory};
    take_buffers(model, &arena, max_sequences, max_tokens);
    dt_lineage_layer_upload(&model->lineages, backend);
    return DT_OK;
}

/* ---- forward and backward -------------------------------------------------------------------- */

static dt_dropout fused_dropout(const dt_model *model, bool training)
{
    return (dt_dropout){.p = training ? model->config.dropout : 0.0,
                        .stream = dt_stream(DT_DRAW_FUSED, 0, 0)};
}

/* Returns the dropout of the sequence embeddings, if it is a separate operation. */
static dt_activation fused_activation(const dt_model *model, bool training)
{
    return (dt_activation){.relu = dt_model_has_bag(&model->config),
                           .parts = 1,
                           .columns = dt_model_features(&model->config),
                           .dropout = fused_dropout(model, training)};
}

/* The convolutions are a branch: their kernels are small and leave room for those of the encoder. */
static void branch(dt_backend *backend, dt_branch_point point)
{
    if (backend->ops->branch)
        backend->ops->branch(backend, point);
}

static void hybrid_forward(dt_model *model, const dt_device_batch *batch, bool training)
{
    dt_backend *backend = model->backend;
    const int32_t hidden = model->config.hidden;
    const int32_t channels = model->config.filters * model->config.kernels;
    const dt_dropout dropout = fused_dropout(model, training);
    branch(backend, DT_BRANCH_BEGIN);
    dt_cnn_stack_forward(&model->convolutions, backend, batch, training);
    backend->ops->linear_forward(backend, model->cnn, model->convolutions.pooled,
                                 model->projection_weight, model->projection_bias,
                                 batch->size.sequences, channels, hidden);
    branch(backend, DT_BRANCH_END);
    model->bert = dt_encoder_stack_forward(&model->encoder, backend, batch, training);
    branch(backend, DT_BRANCH_JOIN);
    backend->ops->fuse_forward(backend, model->fused, model->cnn, model->bert, model->w_cnn,
                               model->w_bert, batch, hidden, &dropout);
}

/* Returns the logits. */
static void *lineages_forward(dt_model *model, const dt_device_batch *batch)
{
    dt_backend *backend = model->backend;
    dt_lineage_layer *layer = &model->lineages;
    if (!dt_has_lineage_layer(layer))
        return model->heads.logits;
    backend->ops->lineage_forward(backend, layer->marginals, layer->nodes, model->heads.logits,
                                  batch->size.sequences, &layer->lineages);
    return layer->marginals;
}

/* Computes the loss, and the gradient of the heads' outputs in their place. */
static void loss_backward(dt_model *model, const dt_device_batch *batch, const dt_loss *loss)
{
    dt_backend *backend = model->backend;
    dt_lineage_layer *layer = &model->lineages;
    if (!dt_has_lineage_layer(layer)) {
        backend->ops->loss(backend, model->heads.logits, batch, loss);
        return;
    }
    backend->ops->loss(backend, layer->marginals, batch, loss);
    backend->ops->lineage_backward(backend, model->heads.logits, layer->dnodes, layer->marginals,
                                   layer->nodes, batch->size.sequences, &layer->lineages);
}

void *dt_model_forward(dt_model *model, const dt_device_batch *batch, bool training)
{
    dt_backend *backend = model->backend;
    const dt_backend_ops *op = backend->ops;
    const dt_activation activation = fused_activation(model, training);

    switch (model->config.type) {
    case DT_MODEL_HYBRID:
        hybrid_forward(model, batch, training);
        break;
    case DT_MODEL_BERT:
        model->bert = dt_encoder_stack_forward(&model->encoder, backend, batch, training);
        op->mean_forward(backend, model->fused, model->bert, batch, model->config.hidden);
        op->activate_forward(backend, model->features, model->fused, batch, &activation);
        break;
    case DT_MODEL_CNN:
        dt_cnn_stack_forward(&model->convolutions, backend, batch, training);
        op->activate_forward(backend, model->features, model->fused, batch, &activation);
        break;
    case DT_MODEL_KMER:
        op->bag_forward(backend, model->fused, batch, &model->bag);
        op->activate_forward(backend, model->features, model->fused, batch, &activation);
        break;
    }
    dt_head_stack_forward(&model->heads, backend, batch, model->features, training);
    return lineages_forward(model, batch);
}

/* Reports finished ranges, each with its own event; keeps the first error. */
typedef struct {
    dt_backend *backend;
    bool mark; /* record the events */
    dt_gradient_ready ready;
    void *context;
    int32_t slot;
    dt_status status;
} range_reporter;

_Static_assert(DT_MAX_ENCODER_LAYERS + 3 <= DT_UPDATE_SLOT,
               "heads, CNN, encoder layers and embeddings report a range each");

static void report_range(void *context, int64_t begin, int64_t end)
{
    range_reporter *reporter = context;
    const int32_t slot = reporter->slot++;
    if (!reporter->ready || reporter->status != DT_OK)
        return;
    if (reporter->mark && reporter->backend->ops->event_record)
        reporter->backend->ops->event_record(reporter->backend, slot);
    reporter->status =
        reporter->ready(reporter->context,
                        (dt_gradient_range){.offset = begin, .count = end - begin, .slot = slot});
}

/* Computes the gradients of the branches' outputs and of the fusion's parameters from dfused. */
static void fused_backward(dt_model *model, const dt_device_batch *batch)
{
    dt_backend *backend = model->backend;
    const dt_backend_ops *op = backend->ops;
    const int32_t hidden = model->config.hidden;
    const dt_dropout dropout = fused_dropout(model, true);
    const dt_activation activation = fused_activation(model, true);
    switch (model->config.type) {
    case DT_MODEL_HYBRID:
        op->fuse_backward(backend, model->dcnn, model->dbert, model->dfused, model->cnn,
                          model->bert, model->w_cnn, model->w_bert, batch, hidden, &dropout);
        break;
    case DT_MODEL_BERT:
        op->activate_backward(backend, model->dfused, model->dfused, NULL, batch, &activation);
        op->mean_backward(backend, model->encoder.dx, model->dfused, batch, hidden);
        break;
    case DT_MODEL_CNN:
        op->activate_backward(backend, model->convolutions.dpooled, model->dfused, NULL, batch,
                              &activation);
        break;
    case DT_MODEL_KMER:
        op->activate_backward(backend, model->dfused, model->dfused, model->features, batch,
                              &activation);
        break;
    }
}

static void cnn_backward(dt_model *model, const dt_device_batch *batch)
{
    dt_backend *backend = model->backend;
    const dt_model_config *c = &model->config;
    dt_cnn_stack *convolutions = &model->convolutions;
    if (dt_model_is_fused(c))
        backend->ops->linear_backward(backend, convolutions->dpooled, false, model->dcnn,
                                      convolutions->pooled, model->projection_weight,
                                      model->projection_bias, batch->size.sequences,
                                      c->filters * c->kernels, c->hidden);
    dt_cnn_stack_backward(convolutions, backend, batch);
}

dt_status dt_model_backward(dt_model *model, const dt_device_batch *batch, const dt_loss *loss,
                            dt_gradient_ready ready, void *context)
{
    dt_backend *backend = model->backend;
    range_reporter reporter = {
        .backend = backend, .mark = true, .ready = ready, .context = context};

    loss_backward(model, batch, loss);
    dt_head_stack_backward(&model->heads, backend, batch, model->dfused, model->features);
    fused_backward(model, batch);
    report_range(&reporter, 0, model->heads_end);
    branch(backend, DT_BRANCH_BEGIN);
    if (dt_model_has_cnn(&model->config)) {
        cnn_backward(model, batch);
        report_range(&reporter, model->heads_end, model->cnn_end); /* an event of the branch */
    }
    branch(backend, DT_BRANCH_END);
    if (dt_model_has_bag(&model->config)) {
        backend->ops->bag_backward(backend, model->dfused, batch, &model->bag);
        report_range(&reporter, model->heads_end, model->cnn_end);
    }
    if (dt_model_has_encoder(&model->config))
        dt_encoder_stack_backward(&model->encoder, backend, batch, model->dbert, report_range,
                                  &reporter);
    branch(backend, DT_BRANCH_JOIN);
    return reporter.status;
}

static dt_status report_all(dt_model *model, range_reporter reporter)
{
    report_range(&reporter, 0, model->heads_end);
    if (dt_model_has_cnn(&model->config) || dt_model_has_bag(&model->config))
        report_range(&reporter, model->heads_end, model->cnn_end);
    if (dt_model_has_encoder(&model->config))
        dt_encoder_stack_ranges(&model->encoder, report_range, &reporter);
    return reporter.status;
}

dt_status dt_model_report_ranges(dt_model *model, dt_gradient_ready ready, void *context)
{
    return report_all(
        model, (range_reporter){
                   .backend = model->backend, .mark = true, .ready = ready, .context = context});
}

dt_status dt_model_report_started(dt_model *model, dt_gradient_ready ready, void *context)
{
    return report_all(
        model, (range_reporter){.backend = model->backend, .ready = ready, .context = context});
}
