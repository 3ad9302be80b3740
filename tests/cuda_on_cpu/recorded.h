/* Training with recorded steps on the tested device: a fixture's model on a small dataset, through
 * dt_stepper, counting the results of step_begin(). */
#ifndef DT_TESTS_RECORDED_H
#define DT_TESTS_RECORDED_H

#include "../parity/subject.h"
#include "comm.h"
#include "core/philox.h"
#include "tested_device.h"
#include "train/step.h"

/* Counts of the results of step_begin(): [DT_STEP_RUN], [DT_STEP_RECORD], [DT_STEP_REPLAYED]. */
static int answers[3];

static const dt_backend_ops *real_ops; /* of the backend whose calls are counted */

static inline int counting_step_begin(dt_backend *backend, const dt_device_batch *batch,
                                      uint64_t key)
{
    const int answer = real_ops->step_begin(backend, batch, key);
    answers[answer]++;
    return answer;
}

/* Replaces the backend's table with a copy that a test may change; step_begin is counted or
 * removed. */
static inline void change_ops(dt_backend *backend, dt_backend_ops *table, bool recorded)
{
    real_ops = backend->ops;
    *table = *backend->ops;
    assert_non_null(table->step_begin);
    table->step_begin = recorded ? counting_step_begin : NULL;
    backend->ops = table;
    memset(answers, 0, sizeof answers);
}

static inline uint32_t random_bits(uint32_t stream, int64_t i)
{
    uint32_t draw[4];
    dt_philox(77, stream, (uint32_t)i, 0, 0, 0, draw);
    return draw[0];
}

/* `count` sequences of 2 to max_length tokens, from few distinct ids to many, with some labels
 * unknown. */
static inline dt_dataset small_dataset(const dt_model_config *config, int64_t count)
{
    dt_dataset out = {.count = count, .taxonomy = {.tax_ranks = config->tax_ranks}};
    const int32_t most = config->max_length;
    const int32_t ranks = config->tax_ranks;
    out.tokens = calloc((size_t)(count * most), sizeof *out.tokens);
    out.offsets = calloc((size_t)count + 1, sizeof *out.offsets);
    out.labels = calloc((size_t)(count * ranks), sizeof *out.labels);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t length = 2 + random_bits(1, i) % ((uint32_t)most - 1);
        const uint32_t ids = 2 + random_bits(2, i) % ((uint32_t)config->vocabulary - 1);
        out.offsets[i + 1] = out.offsets[i] + length;
        for (int64_t t = out.offsets[i]; t < out.offsets[i + 1]; ++t)
            out.tokens[t] = (uint16_t)(random_bits(3, t) % ids);
        for (int32_t r = 0; r < ranks; ++r)
            out.labels[i * ranks + r] =
                (int32_t)(random_bits(4, i * ranks + r) % (uint32_t)(config->classes[r] + 1)) - 1;
    }
    return out;
}

typedef struct {
    const char *fixture;
    dt_precision precision;
    int64_t sequences;
    int32_t batch, micro_batch, accum_steps, epochs;
} training_plan;

typedef struct {
    subject s;
    dt_backend_ops ops;
    dt_dataset dataset;
    dt_sampler sampler;
    dt_run_settings settings;
    dt_stepper stepper;
    dt_objective objective;
    dt_comm *comm;
    int64_t *items;
} training;

static inline void training_open(training *t, const training_plan *plan, bool recorded)
{
    const dt_backend_options options = {.threads = 1, .precision = plan->precision};
    *t = (training){0};
    subject_open_with(&t->s, plan->fixture, tested_device(), &options, plan->micro_batch, 0.2);
    change_ops(t->s.backend, &t->ops, recorded);
    t->dataset = small_dataset(&t->s.config, plan->sequences);
    t->items = calloc((size_t)plan->sequences, sizeof *t->items);
    for (int64_t i = 0; i < plan->sequences; ++i)
        t->items[i] = i;
    ASSERT_OK(dt_sampler_create(&t->sampler, t->items, plan->sequences, 9));
    ASSERT_OK(dt_comm_single(&t->comm));
    t->settings = (dt_run_settings){.seed = 5,
                                    .batch_size = plan->batch,
                                    .accum_steps = plan->accum_steps,
                                    .micro_batch = plan->micro_batch,
                                    .rule = {.learning_rate = 1e-2,
                                             .beta1 = 0.9,
                                             .beta2 = 0.999,
                                             .eps = 1e-8,
                                             .max_grad_norm = 1.0,
                                             .total_steps = 1000}};
    t->stepper = (dt_stepper){.model = t->s.model,
                              .comm = t->comm,
                              .dataset = &t->dataset,
                              .sampler = &t->sampler,
                              .settings = &t->settings,
                              .objective = &t->objective,
                              .loss = {.classes = *dt_model_classes(t->s.model)}};
    t->objective = (dt_objective){.classes = t->stepper.loss.classes};
    for (int32_t r = 0; r < t->s.config.tax_ranks; ++r)
        t->objective.level_weight[r] = 1.0 + r;
    ASSERT_OK(dt_batch_memory_create(&t->stepper.memory, plan->micro_batch,
                                     (int64_t)plan->micro_batch * t->s.config.max_length,
                                     t->s.config.tax_ranks));
    t->stepper.memory.kmer_size = dt_model_kmer_size(&t->s.config);
}

static inline void training_close(training *t)
{
    dt_batch_memory_free(&t->stepper.memory);
    dt_sampler_free(&t->sampler);
    dt_dataset_free(&t->dataset);
    free(t->items);
    t->comm->ops->destroy(t->comm);
    subject_close(&t->s);
}

static inline int64_t trained_elements(const training *t)
{
    return dt_model_params(t->s.model)->trained;
}

/* Returns all trained elements of a vector; the caller frees it. */
static inline float *vector_of(training *t, dt_vector which)
{
    const int64_t count = trained_elements(t);
    float *out = calloc((size_t)count, sizeof *out);
    t->s.backend->ops->vector_read(t->s.backend, which, 0, count, out);
    ASSERT_OK(t->s.backend->ops->check(t->s.backend));
    return out;
}

/* ---- whole trainings ------------------------------------------------------------------------- */

/* The loss of every update and the final parameters. */
typedef struct {
    int64_t updates;
    double *loss;
    float *parameters;
    int64_t count;
} training_result;

static inline void training_result_free(training_result *result)
{
    free(result->loss);
    free(result->parameters);
}

static inline void make_update(dt_stepper *stepper, int64_t update, int64_t *micro_steps)
{
    bool made = false;
    ASSERT_OK(dt_stepper_update(stepper, update, micro_steps, &made));
    assert_true(made);
}

/* What decides the algorithms of matrix products (choices_time() in backend.h). */
typedef enum { CHOICES_NONE, CHOICES_MADE, CHOICES_TAKEN } choices_from;

/* Chooses them by a rehearsal of an epoch, which computes each shape once in both buffers of batches,
 * and leaves no gradients. */
static inline void rehearse_training(training *t)
{
    dt_backend *backend = t->s.backend;
    int computed = 0;
    backend->ops->choices_time(backend, true);
    ASSERT_OK(dt_sampler_begin_epoch(&t->sampler, 0));
    for (int time = 0; time < 3; ++time) {
        computed = answers[DT_STEP_RUN];
        for (int64_t i = 0; i < dt_batches_per_epoch(t->sampler.count, &t->settings); ++i)
            ASSERT_OK(dt_stepper_rehearse(&t->stepper, i));
    }
    assert_true(computed > 0);
    assert_int_equal(answers[DT_STEP_RUN], computed);
    assert_int_equal(answers[DT_STEP_RECORD], 0);
    backend->ops->choices_time(backend, false);
    float *gradients = vector_of(t, DT_GRADIENTS);
    for (int64_t i = 0; i < trained_elements(t); ++i)
        assert_true(gradients[i] == 0.0f);
    free(gradients);
}

/* How steps are computed. The simplest way has no branches either, and gradients start at zero. */
typedef enum { STEPS_SIMPLE, STEPS_UNRECORDED, STEPS_RECORDED } training_steps;

/* Sets the gradients of all tensors to NaN, so that those that an update does not write are
 * noticed. */
static inline void poison_gradients(training *t)
{
    const dt_param_table *table = dt_model_params(t->s.model);
    float *nan = calloc((size_t)table->elements, sizeof *nan);
    memset(nan, 0xff, (size_t)table->elements * sizeof *nan);
    for (int32_t i = 0; i < table->count; ++i)
        t->ops.vector_write(t->s.backend, DT_GRADIENTS, table->spec[i].offset, table->spec[i].count,
                            nan);
    free(nan);
}

/* Trains. *choices: set if they are made, read if they are taken. */
static inline training_result run_training(const training_plan *plan, training_steps steps,
                                           choices_from from, char **choices)
{
    training t;
    training_open(&t, plan, steps == STEPS_RECORDED);
    dt_backend *backend = t.s.backend;
    assert_non_null(t.ops.branch);
    assert_non_null(t.ops.gradients_replace);
    if (steps == STEPS_SIMPLE) {
        t.ops.branch = NULL;
        t.ops.gradients_replace = NULL;
    }
    const int64_t each = dt_updates_per_epoch(plan->sequences, &t.settings);
    training_result out = {.updates = each * plan->epochs, .count = trained_elements(&t)};
    int64_t micro_steps = 0;
    out.loss = calloc((size_t)out.updates, sizeof *out.loss);
    if (from == CHOICES_MADE) {
        rehearse_training(&t);
        *choices = strdup(backend->ops->choices_read(backend));
    }
    if (from == CHOICES_TAKEN)
        assert_true(backend->ops->choices_write(backend, *choices));
    for (int64_t update = 0; update < out.updates; ++update) {
        dt_update_state state;
        if (update % each == 0)
            ASSERT_OK(dt_sampler_begin_epoch(&t.sampler, (uint32_t)(update / each)));
        poison_gradients(&t);
        make_update(&t.stepper, update % each, &micro_steps);
        backend->ops->state_read(backend, &state);
        assert_int_equal(state.steps, update + 1);
        out.loss[update] = state.loss;
    }
    out.parameters = vector_of(&t, DT_PARAMETERS);
    training_close(&t);
    return out;
}

/* Returns whether all losses and parameters have the same bits. */
static inline bool same_training(const training_result *a, const training_result *b)
{
    return a->updates == b->updates && a->count == b->count &&
           memcmp(a->loss, b->loss, (size_t)a->updates * sizeof *a->loss) == 0 &&
           memcmp(a->parameters, b->parameters, (size_t)a->count * sizeof *a->parameters) == 0;
}

#endif
