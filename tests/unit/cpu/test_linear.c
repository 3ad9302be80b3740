#include "cpu_test.h"

static test_batch storage;
static const int32_t lengths[] = {4, 3};

typedef struct {
    int64_t rows;
    int32_t in, out;
} sizes;

/* Parameters: W (out, in), b (out). Input: x. */

static void linear_reference(const test_case *c, double *const in[], const double *params,
                             double *out[])
{
    const sizes *s = c->op;
    for (int64_t row = 0; row < s->rows; ++row)
        for (int64_t o = 0; o < s->out; ++o) {
            double sum = params[(int64_t)s->out * s->in + o];
            for (int64_t i = 0; i < s->in; ++i)
                sum += in[0][row * s->in + i] * params[o * s->in + i];
            out[0][row * s->out + o] = sum;
        }
}

static void linear_forward(const test_run *run)
{
    const sizes *s = run->what->op;
    run->backend->ops->linear_forward(run->backend, run->out[0], run->in[0], 0,
                                      (dt_param)s->out * s->in, s->rows, s->in, s->out);
}

static void linear_backward(const test_run *run)
{
    const sizes *s = run->what->op;
    run->backend->ops->linear_backward(run->backend, run->din[0], false, run->dout[0], run->in[0],
                                       0, (dt_param)s->out * s->in, s->rows, s->in, s->out);
}

/* dx is added to: with twos before, twos are more after */
static void linear_backward_added(const test_run *run)
{
    const sizes *s = run->what->op;
    const int64_t count = s->rows * s->in;
    double *x = numbers(count);
    for (int64_t i = 0; i < count; ++i)
        x[i] = 2.0;
    upload(run->backend, run->din[0], x, count);
    run->backend->ops->linear_backward(run->backend, run->din[0], true, run->dout[0], run->in[0], 0,
                                       (dt_param)s->out * s->in, s->rows, s->in, s->out);
    download(run->backend, x, run->din[0], count);
    for (int64_t i = 0; i < count; ++i)
        x[i] -= 2.0;
    upload(run->backend, run->din[0], x, count);
    free(x);
}

/* Half as many classes of each half of x, as two heads of a taxonomic rank each. */
static void call_heads(const test_run *run, bool backward)
{
    const sizes *s = run->what->op;
    const dt_backend *be = run->backend;
    for (int64_t part = 0; part < 2; ++part) {
        const int64_t x = part * (s->in / 2) * be->activation_size;
        const int64_t y = part * (s->out / 2) * be->statistic_size;
        const dt_heads heads = {.weight = part * (s->out / 2) * (s->in / 2),
                                .bias = (dt_param)s->out * s->in / 2 + part * (s->out / 2),
                                .hidden = s->in / 2,
                                .classes = s->out / 2,
                                .x_stride = s->in,
                                .logit_stride = s->out};
        if (backward)
            be->ops->heads_backward(run->backend, (char *)run->din[0] + x, (char *)run->dout[0] + y,
                                    (char *)run->in[0] + x, (int32_t)s->rows, &heads);
        else
            be->ops->heads_forward(run->backend, (char *)run->out[0] + y, (char *)run->in[0] + x,
                                   (int32_t)s->rows, &heads);
    }
}

static void heads_forward(const test_run *run)
{
    call_heads(run, false);
}

static void heads_backward(const test_run *run)
{
    call_heads(run, true);
}

static void heads_reference(const test_case *what, double *const in[], const double *params,
                            double *out[])
{
    const sizes *s = what->op;
    const int64_t half = s->in / 2;
    for (int64_t i = 0; i < s->rows * s->out; ++i) {
        const int64_t class = i % s->out;
        const double *x = in[0] + i / s->out * s->in + class / (s->out / 2) * half;
        out[0][i] = params[s->out * half + class];
        for (int64_t c = 0; c < half; ++c)
            out[0][i] += x[c] * params[class * half + c];
    }
}

static test_case linear_case(const sizes *s)
{
    return (test_case){.ins = 1,
                       .outs = 1,
                       .in_count = {s->rows * s->in},
                       .out_count = {s->rows * s->out},
                       .params = (int64_t)s->out * s->in + s->out,
                       .batch = make_batch(&storage, lengths, 2, 10),
                       .op = s,
                       .forward = linear_forward,
                       .backward = linear_backward,
                       .reference = linear_reference};
}

static void linear_of_odd_sizes(void **state)
{
    (void)state;
    const sizes all[] = {{1, 1, 1}, {1, 3, 17}, {7, 17, 3}, {130, 33, 129}, {5, 129, 70}};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        const test_case c = linear_case(&all[i]);
        check_case(&c);
    }
}

static void gradient_of_x_can_be_added(void **state)
{
    (void)state;
    const sizes s = {19, 33, 20};
    test_case c = linear_case(&s);
    c.backward = linear_backward_added;
    check_case(&c);
}

static void heads_read_parts_of_rows(void **state)
{
    (void)state;
    const sizes s = {3, 34, 210};
    test_case c = linear_case(&s);
    c.params = s.out * s.in / 2 + s.out;
    c.forward = heads_forward;
    c.backward = heads_backward;
    c.reference = heads_reference;
    check_case(&c);
}

static void gradient_of_x_can_be_left_out(void **state)
{
    (void)state;
    const sizes s = {6, 5, 4};
    const test_case c = linear_case(&s);
    test_values v = make_values(&c);
    test_run run = start_run(&c, "cpu64", 2);
    run_forward(&run, &v);
    run_backward(&run, &v);
    double *before = numbers(c.params);
    double *after = numbers(c.params);
    memcpy(before, v.dparams, (size_t)c.params * sizeof *before);
    write_vector(run.backend, DT_GRADIENTS, after, c.params);
    run.backend->ops->linear_backward(run.backend, NULL, false, run.dout[0], run.in[0], 0,
                                      (dt_param)s.out * s.in, s.rows, s.in, s.out);
    read_vector(run.backend, DT_GRADIENTS, after, c.params);
    assert_close("gradient", after, before, c.params, 1e-14);
    free(before);
    free(after);
    end_run(&run);
    free_values(&c, &v);
}

/* ---- with GELU ------------------------------------------------------------------------------ */

static void gelu_reference(const test_case *c, double *const in[], const double *params,
                           double *out[])
{
    linear_reference(c, in, params, out + 1);
    for (int64_t i = 0; i < c->out_count[0]; ++i)
        out[0][i] = 0.5 * out[1][i] * (1.0 + erf(out[1][i] * 0.70710678118654752440));
}

static void gelu_forward(const test_run *run)
{
    const sizes *s = run->what->op;
    run->backend->ops->linear_gelu_forward(run->backend, run->out[0], run->out[1], run->in[0], 0,
                                           (dt_param)s->out * s->in, s->rows, s->in, s->out);
}

/* u is not kept: y must be the same */
static void gelu_forward_alone(const test_run *run)
{
    const sizes *s = run->what->op;
    gelu_forward(run);
    poison(run->backend, run->out[0], run->what->out_count[0]);
    run->backend->ops->linear_gelu_forward(run->backend, run->out[0], NULL, run->in[0], 0,
                                           (dt_param)s->out * s->in, s->rows, s->in, s->out);
}

/* y is not wanted: u must be the same */
static void gelu_forward_input_only(const test_run *run)
{
    const sizes *s = run->what->op;
    gelu_forward(run);
    poison(run->backend, run->out[1], run->what->out_count[1]);
    run->backend->ops->linear_gelu_forward(run->backend, NULL, run->out[1], run->in[0], 0,
                                           (dt_param)s->out * s->in, s->rows, s->in, s->out);
}

static void gelu_backward(const test_run *run)
{
    const sizes *s = run->what->op;
    const dt_param bias = (dt_param)s->out * s->in;
    run->backend->ops->gelu_backward(run->backend, run->dout[0], run->out[1], bias, s->rows,
                                     s->out);
    run->backend->ops->linear_backward(run->backend, run->din[0], false, run->dout[0], run->in[0],
                                       0, DT_NO_PARAM, s->rows, s->in, s->out);
}

static void gelu_after_linear(void **state)
{
    (void)state;
    const sizes all[] = {{1, 3, 1}, {9, 17, 129}, {1100, 3, 5}};
    void (*const forwards[])(const test_run *) = {gelu_forward, gelu_forward_alone,
                                                  gelu_forward_input_only};
    for (size_t i = 0; i < 3; ++i) {
        test_case c = linear_case(&all[i]);
        c.outs = 2;
        c.out_count[1] = c.out_count[0];
        c.side_output[1] = true;
        c.forward = forwards[i];
        c.backward = gelu_backward;
        c.reference = gelu_reference;
        check_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_of_odd_sizes),
        cmocka_unit_test(gradient_of_x_can_be_added),
        cmocka_unit_test(gradient_of_x_can_be_left_out),
        cmocka_unit_test(heads_read_parts_of_rows),
        cmocka_unit_test(gelu_after_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
