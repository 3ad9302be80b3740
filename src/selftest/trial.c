#include "selftest/trial.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"
#include "core/pool.h"
#include "core/update_rule.h"
#include "layers.h"

/* Two short sequences, and one as long as the model takes. */
enum { LINEAGES = 40, SEQUENCES = 3, SHORT = 5, LESS_SHORT = 18, MOST_TOKENS = 128 };

/* A device calls the operations for a shape at first, then records and then replays them, for each of
 * its two batch buffers. */
#define REPEATS 6

/* Power of two: it changes no digit, and keeps the small gradients of fp16 from vanishing. */
#define FP16_LOSS_SCALE 256.0

#define SEED 42

typedef struct {
    int32_t token_ids[MOST_TOKENS];
    int32_t starts[SEQUENCES + 1];
    int32_t labels[SEQUENCES * DT_MAX_TAX_RANKS];
    dt_batch batch;
} made_batch;

typedef struct {
    const dt_model_config *config;
    dt_backend *backend;
    dt_model *model;
    dt_loss loss;
    made_batch made;
    float *initial; /* (count) parameters */
    float *again;   /* (count) gradients of a repetition */
} subject;

/* ---- setting up ------------------------------------------------------------------------------ */

enum { TOKEN_STREAM, LABEL_STREAM };

static int32_t draw(uint32_t stream, int32_t index, int32_t below)
{
    return (int32_t)dt_draw_below((uint32_t)below, SEED, stream, (uint32_t)index, 0, 0);
}

static void make_batch(made_batch *made, const dt_model_config *config)
{
    const int32_t lengths[SEQUENCES] = {SHORT, config->max_length, LESS_SHORT};
    for (int s = 0; s < SEQUENCES; ++s)
        made->starts[s + 1] = made->starts[s] + lengths[s];
    for (int32_t t = 0; t < made->starts[SEQUENCES]; ++t)
        made->token_ids[t] = draw(TOKEN_STREAM, t, config->vocabulary);
    for (int32_t i = 0; i < SEQUENCES * config->tax_ranks; ++i)
        made->labels[i] = draw(LABEL_STREAM, i, config->classes[i % config->tax_ranks]);
    made->batch = (dt_batch){.sequences = SEQUENCES,
                             .tax_ranks = config->tax_ranks,
                             .token_ids = made->token_ids,
                             .cu_seqlens = made->starts,
                             .labels = made->labels,
                             .seed = SEED};
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        made->batch.loss_scale[r] = 1.0 / SEQUENCES;
}

static double loss_scale(const subject *s)
{
    return s->backend->precision == DT_PRECISION_FP16 ? FP16_LOSS_SCALE : 1.0;
}

/* Lineages in which every class of up to LINEAGES occurs, some below several parents. */
static dt_status add_lineages(dt_model *model)
{
    const dt_class_layout *classes = dt_model_classes(model);
    int32_t labels[LINEAGES * DT_MAX_TAX_RANKS];
    dt_lineage_tree tree;
    for (int32_t i = 0; i < LINEAGES * classes->tax_ranks; ++i) {
        const int32_t r = i % classes->tax_ranks;
        labels[i] = i / classes->tax_ranks % (classes->first[r + 1] - classes->first[r]);
    }
    DT_TRY(dt_lineage_tree_build(&tree, labels, LINEAGES, classes->tax_ranks));
    const dt_status status = dt_model_add_lineages(model, &tree);
    dt_lineage_tree_free(&tree);
    return status;
}

static dt_status set_up(subject *s, const char *device, const dt_backend_options *options,
                        bool lineages, dt_trial *out)
{
    dt_pool *pool = NULL;
    DT_TRY(dt_backend_open(device, options, &s->backend));
    out->on_host = s->backend->host_memory;
    DT_TRY(dt_model_create(&s->model, s->config, s->backend, true));
    if (lineages)
        DT_TRY(add_lineages(s->model));
    DT_TRY(dt_model_reserve(s->model, SEQUENCES, MOST_TOKENS));
    DT_TRY(dt_pool_create(&pool, 1));
    const dt_status status = dt_params_init(dt_model_params(s->model), s->backend, SEED, pool);
    dt_pool_destroy(pool);
    DT_TRY(status);
    s->backend->ops->state_write(s->backend, &(dt_update_state){.loss_scale = loss_scale(s)});
    s->loss = (dt_loss){.classes = *dt_model_classes(s->model),
                        .type = lineages ? DT_LOSS_LINEAGE : DT_LOSS_CROSS_ENTROPY};
    make_batch(&s->made, s->config);
    out->count = dt_model_params(s->model)->trained;
    out->logits = (int64_t)SEQUENCES * s->loss.classes.first[s->config->tax_ranks];
    DT_TRY(DT_NEW(s->initial, (size_t)out->count));
    DT_TRY(DT_NEW(s->again, (size_t)out->count));
    DT_TRY(DT_NEW(out->logit, (size_t)out->logits));
    DT_TRY(DT_NEW(out->gradient, (size_t)out->count));
    DT_TRY(DT_NEW(out->change, (size_t)out->count));
    return dt_params_read(s->backend, DT_PARAMETERS, 0, out->count, s->initial);
}

/* ---- the parts of a trial -------------------------------------------------------------------- */

static void predict(subject *s, dt_trial *out)
{
    const dt_backend_ops *op = s->backend->ops;
    const dt_device_batch *batch = op->batch_upload(s->backend, &s->made.batch);
    if (batch)
        op->download(s->backend, out->logit, dt_model_forward(s->model, batch, false),
                     out->logits * (int64_t)sizeof *out->logit);
}

/* Leaves the gradients of the batch, with dropout, in `gradient`. recorded: the way of training,
 * where a device records the step and replays it. */
static dt_status step(subject *s, int64_t count, bool recorded, float *gradient)
{
    const dt_backend_ops *op = s->backend->ops;
    const double scale = loss_scale(s);
    op->gradients_zero(s->backend);
    const dt_device_batch *batch = op->batch_upload(s->backend, &s->made.batch);
    DT_TRY(op->check(s->backend));
    int how = recorded ? op->step_begin(s->backend, batch, 0) : DT_STEP_RUN;
    while (how != DT_STEP_REPLAYED) {
        dt_model_forward(s->model, batch, true);
        DT_TRY(dt_model_backward(s->model, batch, &s->loss, NULL, NULL));
        if (how == DT_STEP_RUN || op->step_end(s->backend))
            break;
        how = DT_STEP_RUN; /* it cannot be recorded */
    }
    DT_TRY(dt_params_read(s->backend, DT_GRADIENTS, 0, count, gradient));
    for (int64_t i = 0; scale != 1.0 && i < count; ++i)
        gradient[i] = (float)(gradient[i] / scale);
    return op->check(s->backend);
}

static dt_status update(subject *s, const float *gradient, dt_trial *out)
{
    static const dt_update_rule rule = {.learning_rate = DT_TRIAL_LEARNING_RATE,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .eps = 1e-8,
                                        .weight_decay = 0.01,
                                        .max_grad_norm = 0.5,
                                        .total_steps = 10};
    const dt_backend_ops *op = s->backend->ops;
    dt_update_state state;
    for (int64_t i = 0; i < out->count; ++i)
        s->again[i] = (float)(gradient[i] * loss_scale(s));
    DT_TRY(dt_params_write(s->backend, DT_GRADIENTS, 0, out->count, s->again));
    op->update(s->backend, out->count, &rule);
    op->state_read(s->backend, &state);
    out->loss = state.loss;
    DT_TRY(dt_params_read(s->backend, DT_PARAMETERS, 0, out->count, out->change));
    for (int64_t i = 0; i < out->count; ++i)
        out->change[i] -= s->initial[i];
    return op->check(s->backend);
}

/* Repeats the step from the same parameters, recorded: in bf16, since what is recorded differs little
 * between formats. */
static dt_status replay(subject *s, dt_trial *out)
{
    out->replays = true;
    DT_TRY(dt_params_write(s->backend, DT_PARAMETERS, 0, out->count, s->initial));
    for (int i = 0; i < REPEATS; ++i) {
        DT_TRY(step(s, out->count, true, s->again));
        for (int64_t k = 0; k < out->count; ++k)
            out->replay_differs += s->again[k] != out->gradient[k];
    }
    return DT_OK;
}

static dt_status run_parts(subject *s, const dt_trial *reference, dt_trial *out)
{
    predict(s, out);
    DT_TRY(step(s, out->count, false, out->gradient));
    DT_TRY(update(s, reference ? reference->gradient : out->gradient, out));
    if (s->backend->precision == DT_PRECISION_BF16 && s->backend->ops->step_begin)
        DT_TRY(replay(s, out));
    return s->backend->ops->sync(s->backend);
}

dt_status dt_trial_run(const char *device, const dt_backend_options *options,
                       const dt_model_config *config, bool lineages, const dt_trial *reference,
                       dt_trial *out)
{
    subject *s;
    *out = (dt_trial){0};
    DT_TRY(DT_NEW(s, 1));
    s->config = config;
    dt_status status = set_up(s, device, options, lineages, out);
    if (status == DT_OK)
        status = run_parts(s, reference, out);
    dt_model_destroy(s->model);
    if (s->backend)
        s->backend->ops->destroy(s->backend);
    free(s->initial);
    free(s->again);
    free(s);
    if (status != DT_OK)
        dt_trial_free(out);
    return status;
}

void dt_trial_free(dt_trial *trial)
{
    free(trial->logit);
    free(trial->gradient);
    free(trial->change);
    *trial = (dt_trial){0};
}
