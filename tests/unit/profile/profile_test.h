/* A tiny training whose operations are measured or not. */
#ifndef DT_TESTS_PROFILE_TEST_H
#define DT_TESTS_PROFILE_TEST_H

#include "profile/profiled_backend.h"
#include "test.h"
#include "tests/gpu/real_model.h"

#define SEQUENCES 5

typedef struct {
    real_subject s;
    dt_model_config config;
    real_data data;
    dt_profile *profile; /* NULL: not measured */
} training;

static inline void open_training_on(training *t, const char *device, int threads, bool profiled,
                                    bool spans)
{
    *t = (training){.config = real_config()};
    t->config.layers = 3;
    if (profiled)
        ASSERT_OK(dt_profile_create(&t->profile, spans));
    ASSERT_OK(dt_backend_open(device, &(dt_backend_options){.threads = threads}, &t->s.backend));
    ASSERT_OK(dt_profiled_backend(t->s.backend, t->profile));
    ASSERT_OK(real_make(&t->s, &t->config, SEQUENCES, 38));
    dt_profiled_backend_parameters(t->s.backend, t->profile, dt_model_params(t->s.model));
    ASSERT_OK(real_data_make(&t->data, &t->config, SEQUENCES, SEQUENCES, 20, 38));
}

static inline void open_training(training *t, const char *device, bool profiled, bool spans)
{
    open_training_on(t, device, 1, profiled, spans);
}

static inline void close_training(training *t)
{
    real_data_free(&t->data);
    real_close(&t->s);
    dt_profile_destroy(t->profile);
}

/* One update of all sequences, dropout included. */
static inline void update(training *t)
{
    int32_t cu_seqlens[SEQUENCES + 1];
    dt_backend *b = t->s.backend;
    const dt_loss loss = {.classes = *dt_model_classes(t->s.model)};
    const dt_update_rule rule = {.learning_rate = 1e-3,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .max_grad_norm = 0.5,
                                 .total_steps = 10};
    const dt_batch batch = real_batch(&t->data, 0, SEQUENCES, SEQUENCES, cu_seqlens);
    b->ops->gradients_zero(b);
    const dt_device_batch *on_device = b->ops->batch_upload(b, &batch);
    dt_model_forward(t->s.model, on_device, true);
    ASSERT_OK(dt_model_backward(t->s.model, on_device, &loss, NULL, NULL));
    b->ops->update(b, dt_model_params(t->s.model)->trained, &rule);
    ASSERT_OK(b->ops->sync(b));
}

static inline float *parameters_of(training *t)
{
    float *values;
    const int64_t count = dt_model_params(t->s.model)->elements;
    ASSERT_OK(DT_NEW(values, (size_t)count));
    ASSERT_OK(dt_params_read(t->s.backend, DT_PARAMETERS, 0, count, values));
    return values;
}

/* To the bit. */
static inline void assert_same_parameters(training *one, training *other)
{
    float *a = parameters_of(one);
    float *b = parameters_of(other);
    assert_memory_equal(a, b, (size_t)dt_model_params(one->s.model)->elements * sizeof *a);
    free(a);
    free(b);
}

#endif
