/* How the operations of the CPU backend are tested, through the table only.
 *
 * A test_case states an operation: its inputs, outputs and parameters, a forward call, a backward
 * call and a naive reference in double precision. check_case() then proves
 *   - forward equals the reference (double build);
 *   - backward equals central finite differences of forward (double build), dropout included, since
 *     its masks are fixed by the batch;
 *   - every float build that this processor runs agrees with the double build, forward and
 * backward;
 *   - the result is repeatable bit by bit, on one thread and on three;
 *   - all outputs are written (they start as NaN) and parameter gradients are added to what is
 *     there.
 */
#ifndef DT_TESTS_CPU_TEST_H
#define DT_TESTS_CPU_TEST_H

#include "backend.h"
#include "core/module.h"
#include "core/philox.h"
#include "layers.h"
#include "test.h"

#define MAX_ARRAYS 4

typedef struct test_case test_case;

typedef struct {
    const test_case *what;
    dt_backend *backend;
    const dt_device_batch *batch;
    void *in[MAX_ARRAYS], *din[MAX_ARRAYS];   /* device */
    void *out[MAX_ARRAYS], *dout[MAX_ARRAYS]; /* device */
    void *raw;                                /* device; from forward to backward */
} test_run;

struct test_case {
    int ins, outs;
    int64_t in_count[MAX_ARRAYS];
    int64_t out_count[MAX_ARRAYS];
    bool side_output[MAX_ARRAYS]; /* has no gradient (statistics) */
    bool no_gradient[MAX_ARRAYS]; /* input without a gradient */
    int64_t params;
    int64_t raw_bytes;
    double tolerance; /* of float against double, by the largest element; 0: 2e-5 */
    const dt_batch *batch;
    const void *op; /* the operation's own description */
    void (*prepare)(double *params);
    void (*forward)(const test_run *run);
    void (*backward)(const test_run *run);
    void (*reference)(const test_case *what, double *const in[], const double *params,
                      double *out[]);
};

typedef struct {
    double *in[MAX_ARRAYS]; /* as given */
    double *params;
    double *dout[MAX_ARRAYS];
    double *out[MAX_ARRAYS], *din[MAX_ARRAYS]; /* results */
    double *dparams;
} test_values;

/* ---- numbers -------------------------------------------------------------------------------- */

static inline double *numbers(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    assert_non_null(out);
    return out;
}

/* Uniform in [-1, 1), the same on every run. */
static inline void fill(double *out, int64_t count, uint32_t stream)
{
    for (int64_t i = 0; i < count; ++i) {
        uint32_t draw[4];
        dt_philox(7, stream, (uint32_t)i, 0, 0, 0, draw);
        out[i] = (double)(float)(draw[0] / 2147483648.0 - 1.0);
    }
}

static inline double largest_of(const double *x, int64_t count)
{
    double largest = 0.0;
    for (int64_t i = 0; i < count; ++i)
        largest = fabs(x[i]) > largest ? fabs(x[i]) : largest;
    return largest;
}

/* |a - b| <= tolerance · (1e-3 + largest |b|) for every element, NaN being never close. */
static inline void assert_close(const char *what, const double *a, const double *b, int64_t count,
                                double tolerance)
{
    const double bound = tolerance * (1e-3 + largest_of(b, count));
    for (int64_t i = 0; i < count; ++i)
        if (!(fabs(a[i] - b[i]) <= bound))
            fail_msg("%s[%lld] is %.12g, not %.12g (allowed %.2g)", what, (long long)i, a[i], b[i],
                     bound);
}

static inline void to_host_type(const dt_backend *backend, void *to, const double *from,
                                int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        if (backend->activation_size == 8)
            ((double *)to)[i] = from[i];
        else
            ((float *)to)[i] = (float)from[i];
}

static inline void upload(dt_backend *backend, void *device, const double *from, int64_t count)
{
    void *host = numbers(count);
    to_host_type(backend, host, from, count);
    backend->ops->upload(backend, device, host, count * backend->activation_size);
    free(host);
}

static inline void download(dt_backend *backend, double *to, const void *device, int64_t count)
{
    void *host = numbers(count);
    backend->ops->download(backend, host, device, count * backend->activation_size);
    for (int64_t i = 0; i < count; ++i)
        to[i] = backend->activation_size == 8 ? ((double *)host)[i] : (double)((float *)host)[i];
    free(host);
}

static inline void poison(dt_backend *backend, void *device, int64_t count)
{
    double *nan = numbers(count);
    for (int64_t i = 0; i < count; ++i)
        nan[i] = (double)NAN;
    upload(backend, device, nan, count);
    free(nan);
}

static inline void write_vector(dt_backend *backend, dt_vector which, const double *from,
                                int64_t count)
{
    void *host = numbers(count);
    to_host_type(backend, host, from, count);
    backend->ops->vector_write(backend, which, 0, count, host);
    free(host);
}

static inline void read_vector(dt_backend *backend, dt_vector which, double *to, int64_t count)
{
    void *host = numbers(count);
    backend->ops->vector_read(backend, which, 0, count, host);
    for (int64_t i = 0; i < count; ++i)
        to[i] = backend->master_size == 8 ? ((double *)host)[i] : (double)((float *)host)[i];
    free(host);
}

/* ---- backends and batches ------------------------------------------------------------------- */

/* A build by the name of its module, where dt_backend_open("cpu") would take the best one. */
static inline dt_backend *open_backend(const char *name, int threads)
{
    dt_backend *backend;
    void *symbol;
    const dt_backend_options options = {.threads = threads};
    setenv("OMP_WAIT_POLICY", "passive", 0); /* more threads than processors, and tiny loops */
    ASSERT_OK(dt_module_symbol(name, "dt_backend_module", &symbol));
    ASSERT_OK(((const dt_backend_entry *)symbol)->open(&options, &backend));
    return backend;
}

/* The float builds that can run here; NULL at the end. */
static inline const char *const *float_builds(void)
{
    static const char *builds[4];
    int count = 0;
    builds[count++] = "cpu";
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        builds[count++] = "cpu_v3";
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        builds[count++] = "cpu_v4";
#endif
    builds[count] = NULL;
    return builds;
}

#define MAX_SEQUENCES 16
#define MAX_TOKENS 1024

/* A batch of sequences of these lengths with ids below `vocabulary`; static memory of the caller.
 */
typedef struct {
    dt_batch batch;
    int32_t ids[MAX_TOKENS];
    int32_t cu_seqlens[MAX_SEQUENCES + 1];
    int32_t labels[MAX_SEQUENCES * 4];
} test_batch;

static inline const dt_batch *make_batch(test_batch *t, const int32_t *lengths, int32_t sequences,
                                         int32_t vocabulary)
{
    memset(t, 0, sizeof *t);
    for (int32_t b = 0; b < sequences; ++b)
        t->cu_seqlens[b + 1] = t->cu_seqlens[b] + lengths[b];
    assert_true(t->cu_seqlens[sequences] <= MAX_TOKENS);
    for (int32_t i = 0; i < t->cu_seqlens[sequences]; ++i) {
        uint32_t draw[4];
        dt_philox(3, 1, (uint32_t)i, 0, 0, 0, draw);
        t->ids[i] = (int32_t)(draw[0] % (uint32_t)vocabulary);
    }
    t->batch = (dt_batch){.sequences = sequences,
                          .tax_ranks = 0,
                          .token_ids = t->ids,
                          .cu_seqlens = t->cu_seqlens,
                          .seed = 42,
                          .step = 3,
                          .first_sequence = 11};
    return &t->batch;
}

/* The sequence that holds a row. */
static inline int32_t sequence_of(const dt_batch *batch, int64_t row)
{
    int32_t b = 0;
    while (batch->cu_seqlens[b + 1] <= row)
        ++b;
    return b;
}

/* What dropout makes of 1 at a channel of sequence b at a token position. */
static inline double kept(const dt_batch *batch, double p, uint32_t stream, int64_t channel,
                          int64_t position, int64_t b)
{
    uint32_t draw[4];
    dt_philox(batch->seed, stream, (uint32_t)(channel / 4), (uint32_t)position,
              (uint32_t)(batch->first_sequence + b), batch->step, draw);
    return draw[channel % 4] >= dt_dropout_threshold(p) ? 1.0 / (1.0 - p) : 0.0;
}

/* The same for a row of a matrix. */
static inline double kept_row(const dt_batch *batch, const dt_dropout *dropout, dt_row_kind rows,
                              int64_t channel, int64_t row)
{
    const int64_t b = rows == DT_ROWS_SEQUENCES ? row : sequence_of(batch, row);
    const int64_t position = rows == DT_ROWS_SEQUENCES ? 0 : row - batch->cu_seqlens[b];
    return kept(batch, dropout->p, dropout->stream, channel, position, b);
}

/* ---- running a case ------------------------------------------------------------------------- */

#define GRADIENT_START 0.25 /* what gradients hold before, to see that they are added to */

static inline test_values make_values(const test_case *c)
{
    test_values v = {0};
    v.params = numbers(c->params);
    v.dparams = numbers(c->params);
    fill(v.params, c->params, 100);
    if (c->prepare)
        c->prepare(v.params);
    for (int i = 0; i < c->ins; ++i) {
        v.in[i] = numbers(c->in_count[i]);
        v.din[i] = numbers(c->in_count[i]);
        fill(v.in[i], c->in_count[i], (uint32_t)(200 + i));
    }
    for (int i = 0; i < c->outs; ++i) {
        v.out[i] = numbers(c->out_count[i]);
        v.dout[i] = numbers(c->out_count[i]);
        fill(v.dout[i], c->side_output[i] ? 0 : c->out_count[i], (uint32_t)(300 + i));
    }
    return v;
}

static inline void free_values(const test_case *c, test_values *v)
{
    free(v->params);
    free(v->dparams);
    for (int i = 0; i < c->ins; ++i) {
        free(v->in[i]);
        free(v->din[i]);
    }
    for (int i = 0; i < c->outs; ++i) {
        free(v->out[i]);
        free(v->dout[i]);
    }
}

static inline test_run start_run(const test_case *c, const char *build, int threads)
{
    test_run run = {.what = c, .backend = open_backend(build, threads)};
    dt_backend *be = run.backend;
    ASSERT_OK(be->ops->batch_reserve(be, MAX_SEQUENCES, MAX_TOKENS, 4));
    ASSERT_OK(be->ops->vectors_alloc(be, c->params + 1, true));
    run.batch = be->ops->batch_upload(be, c->batch);
    for (int i = 0; i < c->ins; ++i) {
        ASSERT_OK(be->ops->alloc(be, &run.in[i], c->in_count[i] * be->activation_size));
        ASSERT_OK(be->ops->alloc(be, &run.din[i], c->in_count[i] * be->activation_size));
    }
    for (int i = 0; i < c->outs; ++i) {
        ASSERT_OK(be->ops->alloc(be, &run.out[i], c->out_count[i] * be->activation_size));
        ASSERT_OK(be->ops->alloc(be, &run.dout[i], c->out_count[i] * be->activation_size));
    }
    ASSERT_OK(be->ops->alloc(be, &run.raw, c->raw_bytes + 1));
    return run;
}

static inline void end_run(test_run *run)
{
    dt_backend *be = run->backend;
    for (int i = 0; i < MAX_ARRAYS; ++i) {
        be->ops->free(be, run->in[i]);
        be->ops->free(be, run->din[i]);
        be->ops->free(be, run->out[i]);
        be->ops->free(be, run->dout[i]);
    }
    be->ops->free(be, run->raw);
    be->ops->destroy(be);
}

static inline void run_forward(const test_run *run, test_values *v)
{
    const test_case *c = run->what;
    write_vector(run->backend, DT_PARAMETERS, v->params, c->params);
    for (int i = 0; i < c->ins; ++i)
        upload(run->backend, run->in[i], v->in[i], c->in_count[i]);
    for (int i = 0; i < c->outs; ++i)
        poison(run->backend, run->out[i], c->out_count[i]);
    c->forward(run);
    ASSERT_OK(run->backend->ops->sync(run->backend));
    for (int i = 0; i < c->outs; ++i)
        download(run->backend, v->out[i], run->out[i], c->out_count[i]);
}

static inline void run_backward(const test_run *run, test_values *v)
{
    const test_case *c = run->what;
    for (int64_t i = 0; i < c->params; ++i)
        v->dparams[i] = GRADIENT_START;
    write_vector(run->backend, DT_GRADIENTS, v->dparams, c->params);
    for (int i = 0; i < c->outs; ++i)
        upload(run->backend, run->dout[i], v->dout[i], c->out_count[i]);
    for (int i = 0; i < c->ins; ++i)
        poison(run->backend, run->din[i], c->in_count[i]);
    c->backward(run);
    ASSERT_OK(run->backend->ops->sync(run->backend));
    for (int i = 0; i < c->ins; ++i)
        if (!c->no_gradient[i])
            download(run->backend, v->din[i], run->din[i], c->in_count[i]);
    read_vector(run->backend, DT_GRADIENTS, v->dparams, c->params);
    for (int64_t i = 0; i < c->params; ++i)
        v->dparams[i] -= GRADIENT_START;
}

/* Forward and backward on a backend of this name. */
static inline test_values run_case(const test_case *c, const char *build, int threads)
{
    test_values v = make_values(c);
    test_run run = start_run(c, build, threads);
    run_forward(&run, &v);
    run_backward(&run, &v);
    end_run(&run);
    return v;
}

/* ---- the checks ----------------------------------------------------------------------------- */

/* Σ dout · out, whose gradient backward computes. */
static inline double weighted_sum(const test_case *c, const test_values *v)
{
    double sum = 0.0;
    for (int i = 0; i < c->outs; ++i)
        for (int64_t j = 0; j < c->out_count[i] && !c->side_output[i]; ++j)
            sum += v->out[i][j] * v->dout[i][j];
    return sum;
}

static inline void check_differences(const char *what, const test_run *run, test_values *v,
                                     double *values, const double *gradient, int64_t count)
{
    enum { SAMPLES = 60 };
    const double h = 1e-5;
    const double bound = 1e-7 * (0.1 + largest_of(gradient, count));
    const int64_t samples = count < SAMPLES ? count : SAMPLES;
    for (int64_t s = 0; s < samples; ++s) {
        const int64_t i = count <= SAMPLES ? s : (s * 7919 + s * s * 104729) % count;
        const double x = values[i];
        values[i] = x + h;
        run_forward(run, v);
        const double above = weighted_sum(run->what, v);
        values[i] = x - h;
        run_forward(run, v);
        const double below = weighted_sum(run->what, v);
        values[i] = x;
        const double difference = (above - below) / (2.0 * h);
        if (!(fabs(gradient[i] - difference) <= bound))
            fail_msg("%s[%lld]: backward %.10g, finite difference %.10g (allowed %.2g)", what,
                     (long long)i, gradient[i], difference, bound);
    }
}

static inline void check_backward(const test_case *c)
{
    test_values v = make_values(c);
    test_run run = start_run(c, "cpu64", 1);
    run_forward(&run, &v);
    run_backward(&run, &v);
    check_differences("parameter", &run, &v, v.params, v.dparams, c->params);
    for (int i = 0; i < c->ins; ++i)
        if (!c->no_gradient[i])
            check_differences("input", &run, &v, v.in[i], v.din[i], c->in_count[i]);
    end_run(&run);
    free_values(c, &v);
}

static inline void assert_values_close(const test_case *c, const test_values *a,
                                       const test_values *b, double tolerance)
{
    for (int i = 0; i < c->outs; ++i)
        assert_close("output", a->out[i], b->out[i], c->out_count[i], tolerance);
    for (int i = 0; i < c->ins; ++i)
        if (!c->no_gradient[i])
            assert_close("input gradient", a->din[i], b->din[i], c->in_count[i], tolerance);
    assert_close("parameter gradient", a->dparams, b->dparams, c->params, tolerance);
}

static inline void assert_same_bits(const test_case *c, const test_values *a, const test_values *b)
{
    for (int i = 0; i < c->outs; ++i)
        assert_memory_equal(a->out[i], b->out[i], (size_t)c->out_count[i] * sizeof(double));
    for (int i = 0; i < c->ins; ++i)
        assert_memory_equal(a->din[i], b->din[i], (size_t)c->in_count[i] * sizeof(double));
    assert_memory_equal(a->dparams, b->dparams, (size_t)c->params * sizeof(double));
}

static inline void check_forward(const test_case *c, const test_values *exact)
{
    test_values expected = make_values(c);
    c->reference(c, expected.in, expected.params, expected.out);
    for (int i = 0; i < c->outs; ++i)
        assert_close("output against reference", exact->out[i], expected.out[i], c->out_count[i],
                     1e-11);
    free_values(c, &expected);
}

static inline void check_case(const test_case *c)
{
    test_values exact = run_case(c, "cpu64", 2);
    check_forward(c, &exact);
    check_backward(c);
    for (const char *const *build = float_builds(); *build; ++build) {
        test_values got = run_case(c, *build, 3);
        assert_values_close(c, &got, &exact, c->tolerance > 0.0 ? c->tolerance : 2e-5);
        test_values again = run_case(c, *build, 3);
        assert_same_bits(c, &again, &got);
        free_values(c, &again);
        again = run_case(c, *build, 1);
        assert_same_bits(c, &again, &got);
        free_values(c, &again);
        free_values(c, &got);
    }
    free_values(c, &exact);
}

#endif
