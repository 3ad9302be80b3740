#include "cpu_test.h"

static const int32_t lengths[] = {5, 1, 17, 2};
static test_batch storage;

/* Parameters: gamma, beta, bias. Inputs: x without the bias, residual. Outputs: y, s, statistics. */

static void forward(const test_run *run)
{
    dt_backend *be = run->backend;
    const dt_add_norm *norm = run->what->op;
    const int64_t count = run->what->in_count[0];
    double *x = numbers(count);
    double *params = numbers(run->what->params);
    download(be, x, run->in[0], count);
    read_vector(be, DT_PARAMETERS, params, run->what->params);
    for (int64_t i = 0; i < count; ++i)
        x[i] += params[norm->bias + i % norm->hidden];
    upload(be, run->out[1], x, count);
    free(params);
    free(x);
    be->ops->add_norm_forward(be, run->out[0], run->out[1], run->out[2], run->in[1], run->batch,
                              norm);
}

static void backward(const test_run *run)
{
    dt_backend *be = run->backend;
    be->ops->add_norm_backward(be, run->din[0], run->din[1], run->dout[0], run->out[1], run->out[2],
                               run->batch, run->what->op);
}

/* dresidual in the place of dy */
static void backward_in_place(const test_run *run)
{
    dt_backend *be = run->backend;
    const int64_t count = run->what->in_count[1];
    be->ops->add_norm_backward(be, run->din[0], run->dout[0], run->dout[0], run->out[1],
                               run->out[2], run->batch, run->what->op);
    double *gradient = numbers(count);
    download(be, gradient, run->dout[0], count);
    upload(be, run->din[1], gradient, count);
    free(gradient);
}

static void reference(const test_case *c, double *const in[], const double *params, double *out[])
{
    const dt_add_norm *norm = c->op;
    const int64_t h = norm->hidden;
    for (int64_t row = 0; row < c->in_count[0] / h; ++row) {
        double mean = 0.0;
        double variance = 0.0;
        double *s = out[1] + row * h;
        for (int64_t i = 0; i < h; ++i) {
            const double x = in[0][row * h + i] + params[norm->bias + i];
            s[i] = x * kept_row(c->batch, &norm->dropout, norm->rows, i, row) + in[1][row * h + i];
            mean += s[i] / (double)h;
        }
        for (int64_t i = 0; i < h; ++i)
            variance += (s[i] - mean) * (s[i] - mean) / (double)h;
        out[2][2 * row] = mean;
        out[2][2 * row + 1] = 1.0 / sqrt(variance + norm->eps);
        for (int64_t i = 0; i < h; ++i)
            out[0][row * h + i] = (s[i] - mean) * out[2][2 * row + 1] * params[i] + params[h + i];
    }
}

static void check(int32_t hidden, double p, dt_row_kind rows, bool in_place)
{
    const dt_add_norm norm = {.gamma = 0,
                              .beta = hidden,
                              .bias = 2 * (dt_param)hidden,
                              .hidden = hidden,
                              .eps = 1e-3,
                              .rows = rows,
                              .dropout = {p, dt_stream(DT_DRAW_FEED_FORWARD, 1, 0)}};
    const dt_batch *batch = make_batch(&storage, lengths, 4, 10);
    const int64_t n = rows == DT_ROWS_TOKENS ? batch->cu_seqlens[4] : 4;
    check_case(&(test_case){
        .ins = 2,
        .outs = 3,
        .in_count = {n * hidden, n * hidden},
        .out_count = {n * hidden, n * hidden, n * 2},
        .side_output = {false, true, true},
        .params = 3 * (int64_t)hidden,
        .tolerance = hidden == 1 ? 1e-2 : 1e-4, /* one column: exactly 0, less rounding */
        .batch = batch,
        .op = &norm,
        .forward = forward,
        .backward = in_place ? backward_in_place : backward,
        .reference = reference});
}

static void add_norm_of_token_rows(void **state)
{
    (void)state;
    check(3, 0.0, DT_ROWS_TOKENS, false);
    check(17, 0.0, DT_ROWS_TOKENS, false);
    check(129, 0.0, DT_ROWS_TOKENS, false);
}

static void one_column_gives_beta(void **state)
{
    (void)state;
    check(1, 0.0, DT_ROWS_TOKENS, false);
}

static void dropout_is_that_of_the_token(void **state)
{
    (void)state;
    check(17, 0.4, DT_ROWS_TOKENS, false);
    check(129, 0.1, DT_ROWS_TOKENS, false);
}

static void rows_of_sequences_draw_as_position_0(void **state)
{
    (void)state;
    check(17, 0.4, DT_ROWS_SEQUENCES, false);
}

static void gradient_of_the_residual_may_replace_dy(void **state)
{
    (void)state;
    check(65, 0.2, DT_ROWS_TOKENS, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_norm_of_token_rows),
        cmocka_unit_test(one_column_gives_beta),
        cmocka_unit_test(dropout_is_that_of_the_token),
        cmocka_unit_test(rows_of_sequences_draw_as_position_0),
        cmocka_unit_test(gradient_of_the_residual_may_replace_dy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
