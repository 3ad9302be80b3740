/* A fixture's model on a backend, and what it holds as doubles: what the tests of the whole model
 * share. */
#ifndef DT_TESTS_PARITY_SUBJECT_H
#define DT_TESTS_PARITY_SUBJECT_H

#include "backend.h"
#include "core/update_rule.h"
#include "fixture.h"
#include "layers.h"
#include "model/model.h"

typedef struct {
    hid_t file;
    dt_backend *backend;
    dt_model *model;
    dt_model_config config;
    const dt_lineage_tree *lineages; /* of a lineage layer; NULL: none */
} subject;

/* Sets the model's parameters to the fixture's, as before the first update. */
static inline void subject_reset(subject *s)
{
    const dt_param_table *table = dt_model_params(s->model);
    for (int32_t i = 0; i < table->count; ++i) {
        char name[160];
        int64_t count;
        snprintf(name, sizeof name, "/model/%s", table->spec[i].name);
        float *values = fixture_read(s->file, name, H5T_NATIVE_FLOAT, sizeof(float), &count);
        assert_int_equal(count, table->spec[i].count);
        ASSERT_OK(dt_params_write(s->backend, DT_PARAMETERS, table->spec[i].offset, count, values));
        free(values);
    }
    float *zeros = calloc((size_t)table->elements, sizeof *zeros);
    ASSERT_OK(dt_params_write(s->backend, DT_EXP_AVG, 0, table->elements, zeros));
    ASSERT_OK(dt_params_write(s->backend, DT_EXP_AVG_SQ, 0, table->elements, zeros));
    free(zeros);
    const dt_update_state state = {.loss_scale = 1.0};
    s->backend->ops->state_write(s->backend, &state);
}

/* Puts the model of s->file and s->config on a backend, with room for `sequences` of max_length
 * tokens. */
static inline void subject_place(subject *s, const char *backend, const dt_backend_options *options,
                                 int32_t sequences)
{
    ASSERT_OK(dt_backend_open(backend, options, &s->backend));
    ASSERT_OK(dt_model_create(&s->model, &s->config, s->backend, true));
    if (s->lineages)
        ASSERT_OK(dt_model_add_lineages(s->model, s->lineages));
    ASSERT_OK(dt_model_reserve(s->model, sequences, (int64_t)sequences * s->config.max_length));
    subject_reset(s);
}

/* The fixture's model, with this dropout in place of its own unless it is negative. */
static inline void subject_open_with(subject *s, const char *fixture, const char *backend,
                                     const dt_backend_options *options, int32_t sequences,
                                     double dropout)
{
    s->file = fixture_open(fixture);
    s->config = fixture_config(s->file);
    s->lineages = NULL;
    if (dropout >= 0.0)
        s->config.dropout = dropout;
    subject_place(s, backend, options, sequences);
}

/* The same in a precision of the backend's. */
static inline void subject_open_precision(subject *s, const char *fixture, const char *backend,
                                          int32_t threads, int32_t sequences,
                                          dt_precision precision)
{
    subject_open_with(s, fixture, backend,
                      &(dt_backend_options){.threads = threads, .precision = precision}, sequences,
                      -1.0);
}

/* The same in fp32, or in double precision where the backend is built for it. */
static inline void subject_open(subject *s, const char *fixture, const char *backend,
                                int32_t threads, int32_t sequences)
{
    subject_open_precision(s, fixture, backend, threads, sequences, DT_PRECISION_FP32);
}

static inline void subject_close(subject *s)
{
    dt_model_destroy(s->model);
    s->backend->ops->destroy(s->backend);
    H5Fclose(s->file);
}

/* Elements of a flat vector as doubles, whatever the precision. */
static inline double *vector_doubles(subject *s, dt_vector which, const dt_param_spec *spec)
{
    double *out = calloc((size_t)spec->count, sizeof *out);
    if (s->backend->master_size == sizeof(double)) {
        s->backend->ops->vector_read(s->backend, which, spec->offset, spec->count, out);
        return out;
    }
    float *values = calloc((size_t)spec->count, sizeof *values);
    s->backend->ops->vector_read(s->backend, which, spec->offset, spec->count, values);
    for (int64_t i = 0; i < spec->count; ++i)
        out[i] = (double)values[i];
    free(values);
    return out;
}

/* `count` statistics or activations as doubles. */
static inline double *device_doubles(subject *s, const void *device, int64_t count, int32_t size)
{
    double *out = calloc((size_t)count, sizeof *out);
    void *raw = calloc((size_t)count, (size_t)size);
    s->backend->ops->download(s->backend, raw, device, count * size);
    for (int64_t i = 0; i < count; ++i)
        out[i] = size == sizeof(double) ? ((double *)raw)[i] : (double)((float *)raw)[i];
    free(raw);
    return out;
}

/* ‖a − b‖ / ‖b‖, or ‖a − b‖ where b is zero. */
static inline double difference(const double *a, const double *b, int64_t count)
{
    double distance = 0.0;
    double size = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        distance += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0.0 ? sqrt(distance / size) : sqrt(distance);
}

/* Replaces the bases of packed sequences by their k-mers, if the model reads those. */
static inline void make_bags(const dt_model_config *config, int32_t *tokens, int32_t *cu_seqlens,
                             int32_t sequences)
{
    int32_t used = 0;
    int32_t begin = 0;
    for (int32_t b = 0; dt_model_has_bag(config) && b < sequences; ++b) {
        const int32_t length = cu_seqlens[b + 1] - begin;
        memmove(tokens + used, tokens + begin, (size_t)length * sizeof *tokens);
        begin += length;
        used += dt_kmer_bag(tokens + used, length, config->kmer_size);
        cu_seqlens[b + 1] = used;
    }
}

/* The fixture's batch; the caller frees the three arrays. */
static inline dt_batch read_batch(subject *s, int32_t **tokens, int32_t **cu_seqlens,
                                  int32_t **labels)
{
    int64_t ends;
    *tokens = fixture_ints(s->file, "/batch/tokens", NULL);
    *cu_seqlens = fixture_ints(s->file, "/batch/cu_seqlens", &ends);
    *labels = fixture_ints(s->file, "/batch/labels", NULL);
    make_bags(&s->config, *tokens, *cu_seqlens, (int32_t)ends - 1);
    dt_batch batch = {.sequences = (int32_t)ends - 1,
                      .tax_ranks = s->config.tax_ranks,
                      .token_ids = *tokens,
                      .cu_seqlens = *cu_seqlens,
                      .labels = *labels};
    double *weights = fixture_doubles(s->file, "/batch/level_weights", NULL);
    for (int32_t r = 0; r < batch.tax_ranks; ++r)
        batch.loss_scale[r] = weights[r] / batch.sequences;
    free(weights);
    return batch;
}

#endif
