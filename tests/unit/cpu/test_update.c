#include "core/update_rule.h"
#include "cpu_test.h"

enum { COUNT = 200003 };

static const dt_update_rule rule = {.learning_rate = 1e-2,
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .eps = 1e-8,
                                    .weight_decay = 0.1,
                                    .max_grad_norm = 0.5,
                                    .warmup_steps = 2,
                                    .total_steps = 6};

static dt_backend *start(const char *build, int threads, const double *params)
{
    dt_backend *be = open_backend(build, threads);
    ASSERT_OK(be->ops->vectors_alloc(be, COUNT, true));
    write_vector(be, DT_PARAMETERS, params, COUNT);
    return be;
}

/* Gradients of update t. Those of t = 3 are small enough not to be clipped. */
static void gradients(double *out, int t)
{
    fill(out, COUNT, (uint32_t)(10 + t));
    for (int i = 0; i < COUNT; ++i)
        out[i] *= t == 3 ? 1e-4 : 0.1;
}

typedef struct {
    double *param, *m, *v;
    double norm, rate;
} naive;

/* AdamW as in "Decoupled weight decay regularization", with clipping and the linear schedule, of
 * the first COUNT - 1 elements. */
static void naive_update(naive *n, const double *gradient, int t)
{
    double squares = 0.0;
    for (int i = 0; i < COUNT - 1; ++i)
        squares += gradient[i] * gradient[i];
    n->norm = sqrt(squares);
    n->rate = rule.learning_rate * (t < 2 ? t / 2.0 : (6.0 - t) / 4.0);
    const double clip = fmin(1.0, 0.5 / (n->norm + 1e-6));
    for (int i = 0; i < COUNT; ++i) {
        const double g = gradient[i] * clip;
        n->m[i] = 0.9 * n->m[i] + 0.1 * g;
        n->v[i] = 0.999 * n->v[i] + 0.001 * g * g;
        const double m = n->m[i] / (1.0 - pow(0.9, t + 1));
        const double v = n->v[i] / (1.0 - pow(0.999, t + 1));
        n->param[i] -= n->rate * (0.1 * n->param[i] + m / (sqrt(v) + 1e-8));
    }
}

static void check_steps(const char *build, double loss_scale, double tolerance)
{
    naive n = {numbers(COUNT), numbers(COUNT), numbers(COUNT), 0.0, 0.0};
    double *gradient = numbers(COUNT);
    double *got = numbers(COUNT);
    fill(n.param, COUNT, 1);
    dt_backend *be = start(build, 2, n.param);
    be->ops->state_write(be, &(dt_update_state){.loss_scale = loss_scale});
    for (int t = 0; t < 5; ++t) {
        gradients(gradient, t);
        naive_update(&n, gradient, t);
        for (int i = 0; i < COUNT; ++i)
            gradient[i] *= loss_scale;
        write_vector(be, DT_GRADIENTS, gradient, COUNT);
        be->ops->update(be, COUNT - 1, &rule);
        dt_update_state state;
        be->ops->state_read(be, &state);
        assert_int_equal(state.steps, t + 1);
        assert_close("rate", &state.last_rate, &n.rate, 1, 1e-14);
        assert_close("norm", &state.grad_norm, &n.norm, 1, 1e-5);
        read_vector(be, DT_PARAMETERS, got, COUNT);
        assert_close("parameters", got, n.param, COUNT - 1, tolerance);
        read_vector(be, DT_EXP_AVG, got, COUNT);
        assert_close("exp_avg", got, n.m, COUNT - 1, tolerance * 10.0);
        read_vector(be, DT_EXP_AVG_SQ, got, COUNT);
        assert_close("exp_avg_sq", got, n.v, COUNT - 1, tolerance * 10.0);
    }
    fill(n.param, COUNT, 1); /* the element past `count` is left alone */
    read_vector(be, DT_PARAMETERS, got, COUNT);
    assert_true(got[COUNT - 1] == n.param[COUNT - 1]);
    be->ops->destroy(be);
    free(n.param);
    free(n.m);
    free(n.v);
    free(gradient);
    free(got);
}

static void update_equals_adamw_with_clipping_and_schedule(void **state)
{
    (void)state;
    check_steps("cpu64", 1.0, 1e-12);
    for (const char *const *build = float_builds(); *build; ++build)
        check_steps(*build, 1.0, 1e-5);
}

/* A matrix of several blocks, a bias, a matrix of zeros, and one at an odd offset. */
static const dt_update_tensor tensors[] = {
    {0, 150001, true}, {150016, 31, false}, {150080, 64, true}, {150147, 5000, true}};

/* LAMB as in algorithm 2 of "Large batch optimization for deep learning", with clipping and the
 * linear schedule. */
static void naive_lamb(naive *n, const double *gradient, int t)
{
    double *before = numbers(COUNT);
    memcpy(before, n->param, COUNT * sizeof *before);
    naive_update(n, gradient, t); /* for the moments and the rate */
    for (int k = 0; k < 4; ++k) {
        const int64_t end = tensors[k].offset + tensors[k].count;
        double parameters = 0.0;
        double steps = 0.0;
        for (int64_t i = tensors[k].offset; i < end; ++i) {
            const double m = n->m[i] / (1.0 - pow(0.9, t + 1));
            const double v = n->v[i] / (1.0 - pow(0.999, t + 1));
            n->param[i] = m / (sqrt(v) + 1e-8) + 0.1 * before[i];
            parameters += before[i] * before[i];
            steps += n->param[i] * n->param[i];
        }
        const double ratio = tensors[k].scaled && parameters > 0.0 ? sqrt(parameters / steps) : 1.0;
        for (int64_t i = tensors[k].offset; i < end; ++i)
            n->param[i] = before[i] - n->rate * ratio * n->param[i];
    }
    free(before);
}

static void check_lamb(const char *build, double tolerance)
{
    naive n = {numbers(COUNT), numbers(COUNT), numbers(COUNT), 0.0, 0.0};
    double *gradient = numbers(COUNT);
    double *got = numbers(COUNT);
    fill(n.param, COUNT, 1);
    memset(n.param + tensors[2].offset, 0, (size_t)tensors[2].count * sizeof *n.param);
    dt_update_rule lamb = rule;
    lamb.tensors = tensors;
    lamb.tensor_count = 4;
    dt_backend *be = start(build, 2, n.param);
    for (int t = 0; t < 4; ++t) {
        gradients(gradient, t);
        naive_lamb(&n, gradient, t);
        write_vector(be, DT_GRADIENTS, gradient, COUNT);
        be->ops->update(be, COUNT - 1, &lamb);
        read_vector(be, DT_PARAMETERS, got, COUNT);
        for (int k = 0; k < 4; ++k)
            assert_close("parameters", got + tensors[k].offset, n.param + tensors[k].offset,
                         tensors[k].count, tolerance);
    }
    double beside; /* of no tensor */
    fill(n.param, COUNT, 1);
    be->ops->vector_read(be, DT_PARAMETERS, 150001, 1, got);
    beside = be->statistic_size == sizeof(double) ? got[0] : (double)*(float *)got;
    assert_true(beside == (be->statistic_size == sizeof(double) ? n.param[150001]
                                                                : (double)(float)n.param[150001]));
    be->ops->destroy(be);
    free(n.param);
    free(n.m);
    free(n.v);
    free(gradient);
    free(got);
}

static void lamb_scales_the_step_of_each_matrix(void **state)
{
    (void)state;
    check_lamb("cpu64", 1e-12);
    check_lamb("cpu", 1e-5);
}

static void gradients_are_divided_by_the_loss_scale(void **state)
{
    (void)state;
    check_steps("cpu", 1024.0, 1e-5);
}

/* Three updates from the same moments; a share: only that of the elements. */
static dt_backend *update_three_times(const dt_range *share)
{
    double *values = numbers(COUNT);
    dt_backend *be = open_backend("cpu", 2);
    if (share)
        be->ops->moments_share(be, share->begin, dt_range_count(*share));
    assert_int_equal(be->ops->vectors_bytes(be, COUNT, true),
                     (COUNT + (share ? dt_range_count(*share) : (int64_t)COUNT)) * 8 + 64);
    ASSERT_OK(be->ops->vectors_alloc(be, COUNT, true));
    fill(values, COUNT, 1);
    write_vector(be, DT_PARAMETERS, values, COUNT);
    write_vector(be, DT_EXP_AVG, values, COUNT); /* a share takes what it holds */
    for (int i = 0; i < COUNT; ++i)
        values[i] *= values[i];
    write_vector(be, DT_EXP_AVG_SQ, values, COUNT);
    for (int t = 0; t < 3; ++t) {
        gradients(values, t);
        write_vector(be, DT_GRADIENTS, values, COUNT);
        be->ops->update(be, COUNT - 1, &rule);
    }
    ASSERT_OK(be->ops->check(be));
    free(values);
    return be;
}

static void assert_same_share(dt_backend *be, dt_backend *whole, dt_vector which, dt_range share)
{
    static float got[COUNT];
    static float expected[COUNT];
    const int64_t count = dt_range_count(share);
    be->ops->vector_read(be, which, share.begin, count, got);
    whole->ops->vector_read(whole, which, share.begin, count, expected);
    assert_memory_equal(got, expected, (size_t)count * sizeof *got);
}

static void a_share_gets_the_bits_of_a_whole_update(void **state)
{
    (void)state;
    static const dt_range shares[] = {{0, 64}, {64, 100032}, {100032, COUNT}, {COUNT, COUNT}};
    dt_backend *whole = update_three_times(NULL);
    float parameter;
    dt_update_state expected;
    whole->ops->state_read(whole, &expected);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; ++i) {
        dt_update_state got;
        dt_backend *be = update_three_times(&shares[i]);
        for (dt_vector v = DT_PARAMETERS; v < DT_VECTORS; ++v)
            assert_same_share(be, whole, v, shares[i]);
        be->ops->state_read(be, &got);
        assert_true(got.grad_norm == expected.grad_norm && got.steps == expected.steps);
        const int64_t other = shares[i].begin > 0 ? 0 : shares[i].end;
        double *first = numbers(COUNT);
        fill(first, COUNT, 1);
        const float untouched = (float)first[other];
        free(first);
        be->ops->vector_read(be, DT_PARAMETERS, other, 1, &parameter);
        assert_true(parameter == untouched);
        be->ops->vector_read(be, DT_EXP_AVG, other, 1, &parameter);
        ASSERT_FAILS(DT_ERR_INTERNAL, "outside of this rank's share", be->ops->check(be));
        be->ops->destroy(be);
    }
    whole->ops->destroy(whole);
}

static void bad_gradient_is_skipped_and_counted(void **state)
{
    (void)state;
    double *params = numbers(COUNT);
    double *gradient = numbers(COUNT);
    double *got = numbers(COUNT);
    fill(params, COUNT, 1);
    dt_backend *be = start("cpu", 2, params);
    dt_update_state result;
    for (int i = 1; i <= 2; ++i) {
        gradients(gradient, 1);
        gradient[COUNT - 2] = i == 1 ? (double)NAN : (double)INFINITY;
        write_vector(be, DT_GRADIENTS, gradient, COUNT);
        be->ops->update(be, COUNT, &rule);
        be->ops->state_read(be, &result);
        assert_int_equal(result.skipped, i);
        assert_int_equal(result.skipped_in_row, i);
        assert_int_equal(result.steps, 0);
        assert_false(isfinite(result.grad_norm));
    }
    read_vector(be, DT_PARAMETERS, got, COUNT);
    assert_memory_equal(got, params, COUNT * sizeof *got);
    read_vector(be, DT_EXP_AVG, got, COUNT);
    for (int i = 0; i < COUNT; ++i)
        assert_true(got[i] == 0.0);
    gradients(gradient, 1);
    write_vector(be, DT_GRADIENTS, gradient, COUNT);
    be->ops->update(be, COUNT, &rule);
    be->ops->state_read(be, &result);
    assert_int_equal(result.skipped, 2);
    assert_int_equal(result.skipped_in_row, 0);
    assert_int_equal(result.steps, 1);
    assert_int_equal(result.loss_updates, 1);
    be->ops->destroy(be);
    free(params);
    free(gradient);
    free(got);
}

static void dynamic_scale_halves_when_bad_and_doubles_when_long_good(void **state)
{
    (void)state;
    double *params = numbers(COUNT);
    dt_backend *be = start("cpu", 1, params);
    dt_update_rule dynamic = rule;
    dynamic.dynamic_scale = true;
    dynamic.total_steps = 5000;
    const double bad = (double)NAN;
    dt_update_state result = {.loss_scale = 16384.0, .scale_good_steps = 1998};
    be->ops->state_write(be, &result);
    be->ops->update(be, 8, &dynamic);
    be->ops->state_read(be, &result);
    assert_true(result.loss_scale == 16384.0);
    be->ops->update(be, 8, &dynamic);
    be->ops->state_read(be, &result);
    assert_true(result.loss_scale == 32768.0);
    assert_int_equal(result.scale_good_steps, 0);
    be->ops->update(be, 8, &dynamic);
    write_vector(be, DT_GRADIENTS, &bad, 1);
    be->ops->update(be, 8, &dynamic);
    be->ops->state_read(be, &result);
    assert_true(result.loss_scale == 16384.0);
    assert_int_equal(result.scale_good_steps, 0);
    be->ops->destroy(be);
    free(params);
}

static void update_does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    double *params = numbers(COUNT);
    double *gradient = numbers(COUNT);
    double *got[2] = {numbers(COUNT), numbers(COUNT)};
    fill(params, COUNT, 1);
    gradients(gradient, 2);
    for (int i = 0; i < 2; ++i) {
        dt_backend *be = start("cpu", i == 0 ? 1 : 3, params);
        be->ops->state_write(be, &(dt_update_state){.loss_scale = 1.0, .steps = 3});
        write_vector(be, DT_GRADIENTS, gradient, COUNT);
        be->ops->update(be, COUNT, &rule);
        read_vector(be, DT_PARAMETERS, got[i], COUNT);
        be->ops->destroy(be);
    }
    assert_memory_equal(got[0], got[1], COUNT * sizeof(double));
    assert_memory_not_equal(got[0], params, COUNT * sizeof(double));
    free(got[0]);
    free(got[1]);
    free(params);
    free(gradient);
}

/* A schedule that begins anew: its own steps count for the rate, all of them for the moments. */
static void schedule_may_start_later(void **state)
{
    (void)state;
    double *params = numbers(COUNT);
    double *gradient = numbers(COUNT);
    double got;
    fill(params, COUNT, 1);
    gradients(gradient, 0);
    dt_update_rule later = rule;
    later.schedule_start = 9;
    later.weight_decay = 0.0;
    dt_backend *be = start("cpu64", 1, params);
    be->ops->state_write(be, &(dt_update_state){.steps = 12, .loss_scale = 1.0});
    write_vector(be, DT_GRADIENTS, gradient, COUNT);
    be->ops->update(be, COUNT, &later);
    dt_update_state result;
    be->ops->state_read(be, &result);
    assert_int_equal(result.steps, 13);
    double expected = 1e-2 * (6.0 - 3.0) / 4.0;
    assert_close("learning rate", &result.last_rate, &expected, 1, 1e-14);
    const double g = gradient[0] * fmin(1.0, 0.5 / (result.grad_norm + 1e-6));
    const double m = 0.1 * g / (1.0 - pow(0.9, 13));
    const double v = 0.001 * g * g / (1.0 - pow(0.999, 13));
    expected = params[0] - result.last_rate * m / (sqrt(v) + 1e-8);
    be->ops->vector_read(be, DT_PARAMETERS, 0, 1, &got);
    assert_close("parameter", &got, &expected, 1, 1e-12);
    be->ops->destroy(be);
    free(params);
    free(gradient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_may_start_later),
        cmocka_unit_test(update_equals_adamw_with_clipping_and_schedule),
        cmocka_unit_test(lamb_scales_the_step_of_each_matrix),
        cmocka_unit_test(gradients_are_divided_by_the_loss_scale),
        cmocka_unit_test(a_share_gets_the_bits_of_a_whole_update),
        cmocka_unit_test(bad_gradient_is_skipped_and_counted),
        cmocka_unit_test(dynamic_scale_halves_when_bad_and_doubles_when_long_good),
        cmocka_unit_test(update_does_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
