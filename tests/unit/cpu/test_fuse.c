/* What happens once a sequence: the vector of position 0, the mean over the tokens, the fusion of
 * the branches, ReLU and dropout. */
#include "cpu_test.h"

static test_batch storage;
static const int32_t lengths[] = {5, 1, 7};

typedef struct {
    int32_t hidden;
    dt_dropout dropout;
} fuse_case;

/* Parameters: w_cnn, w_bert. Inputs: cnn, bert. */

static void fuse_forward(const test_run *run)
{
    const fuse_case *c = run->what->op;
    run->backend->ops->fuse_forward(run->backend, run->out[0], run->in[0], run->in[1], 0, 1,
                                    run->batch, c->hidden, &c->dropout);
}

static void fuse_backward(const test_run *run)
{
    const fuse_case *c = run->what->op;
    run->backend->ops->fuse_backward(run->backend, run->din[0], run->din[1], run->dout[0],
                                     run->in[0], run->in[1], 0, 1, run->batch, c->hidden,
                                     &c->dropout);
}

static void fuse_reference(const test_case *what, double *const in[], const double *params,
                           double *out[])
{
    const fuse_case *c = what->op;
    for (int64_t i = 0; i < what->out_count[0]; ++i)
        out[0][i] =
            (params[0] * in[0][i] + params[1] * in[1][i] + in[1][i]) *
            kept_row(what->batch, &c->dropout, DT_ROWS_SEQUENCES, i % c->hidden, i / c->hidden);
}

static void check_fuse(int32_t hidden, double p)
{
    const fuse_case c = {hidden, {p, dt_stream(DT_DRAW_FUSED, 0, 0)}};
    check_case(&(test_case){.ins = 2,
                            .outs = 1,
                            .in_count = {3 * hidden, 3 * hidden},
                            .out_count = {3 * hidden},
                            .params = 2,
                            .batch = make_batch(&storage, lengths, 3, 5),
                            .op = &c,
                            .forward = fuse_forward,
                            .backward = fuse_backward,
                            .reference = fuse_reference});
}

static void branches_are_weighted_added_and_dropped(void **state)
{
    (void)state;
    check_fuse(1, 0.0);
    check_fuse(17, 0.0);
    check_fuse(129, 0.25);
}

/* Input: x (N, H); output: y (B, H). The gradient is added to dx, which starts at 0 here. */

static void gather_forward(const test_run *run)
{
    run->backend->ops->gather_first_forward(run->backend, run->out[0], run->in[0], run->batch,
                                            *(const int32_t *)run->what->op);
}

static void gather_backward(const test_run *run)
{
    double *dx = numbers(run->what->in_count[0]);
    for (int64_t i = 0; i < run->what->in_count[0]; ++i)
        dx[i] = 1.0;
    upload(run->backend, run->din[0], dx, run->what->in_count[0]);
    run->backend->ops->gather_first_backward(run->backend, run->din[0], run->dout[0], run->batch,
                                             *(const int32_t *)run->what->op);
    download(run->backend, dx, run->din[0], run->what->in_count[0]);
    for (int64_t i = 0; i < run->what->in_count[0]; ++i)
        dx[i] -= 1.0;
    upload(run->backend, run->din[0], dx, run->what->in_count[0]);
    free(dx);
}

static void gather_reference(const test_case *what, double *const in[], const double *params,
                             double *out[])
{
    (void)params;
    const int32_t hidden = *(const int32_t *)what->op;
    for (int64_t b = 0; b < 3; ++b)
        for (int64_t i = 0; i < hidden; ++i)
            out[0][b * hidden + i] = in[0][what->batch->cu_seqlens[b] * hidden + i];
}

static void first_token_of_each_sequence(void **state)
{
    (void)state;
    const int32_t hidden = 17;
    check_case(&(test_case){.ins = 1,
                            .outs = 1,
                            .in_count = {(int64_t)13 * hidden},
                            .out_count = {(int64_t)3 * hidden},
                            .batch = make_batch(&storage, lengths, 3, 5),
                            .op = &hidden,
                            .forward = gather_forward,
                            .backward = gather_backward,
                            .reference = gather_reference});
}

static void mean_forward(const test_run *run)
{
    run->backend->ops->mean_forward(run->backend, run->out[0], run->in[0], run->batch,
                                    *(const int32_t *)run->what->op);
}

static void mean_backward(const test_run *run)
{
    run->backend->ops->mean_backward(run->backend, run->din[0], run->dout[0], run->batch,
                                     *(const int32_t *)run->what->op);
}

static void mean_reference(const test_case *what, double *const in[], const double *params,
                           double *out[])
{
    (void)params;
    const int32_t hidden = *(const int32_t *)what->op;
    const int32_t *first = what->batch->cu_seqlens;
    for (int64_t b = 0; b < 3; ++b)
        for (int64_t i = 0; i < hidden; ++i) {
            double sum = 0.0;
            for (int64_t row = first[b]; row < first[b + 1]; ++row)
                sum += in[0][row * hidden + i];
            out[0][b * hidden + i] = sum / (first[b + 1] - first[b]);
        }
}

static void mean_over_the_tokens_of_each_sequence(void **state)
{
    (void)state;
    const int32_t hidden = 17;
    check_case(&(test_case){.ins = 1,
                            .outs = 1,
                            .in_count = {(int64_t)13 * hidden},
                            .out_count = {(int64_t)3 * hidden},
                            .batch = make_batch(&storage, lengths, 3, 5),
                            .op = &hidden,
                            .forward = mean_forward,
                            .backward = mean_backward,
                            .reference = mean_reference});
}

/* Input: x (B, parts·columns). */

static void activate_forward(const test_run *run)
{
    run->backend->ops->activate_forward(run->backend, run->out[0], run->in[0], run->batch,
                                        run->what->op);
}

static void activate_backward(const test_run *run)
{
    run->backend->ops->activate_backward(run->backend, run->din[0], run->dout[0], run->out[0],
                                         run->batch, run->what->op);
}

static void activate_reference(const test_case *what, double *const in[], const double *params,
                               double *out[])
{
    (void)params;
    const dt_activation *a = what->op;
    for (int64_t i = 0; i < what->out_count[0]; ++i) {
        const int64_t part = i / a->columns;
        dt_dropout dropout = a->dropout;
        dropout.stream += (uint32_t)(part % a->parts);
        const double x = a->relu && in[0][i] < 0.0 ? 0.0 : in[0][i];
        out[0][i] =
            x * kept_row(what->batch, &dropout, DT_ROWS_SEQUENCES, i % a->columns, part / a->parts);
    }
}

static void relu_and_dropout_draw_part_by_part(void **state)
{
    (void)state;
    const dt_activation cases[] = {
        {.parts = 1, .columns = 17},
        {.parts = 1, .columns = 129, .dropout = {0.25, dt_stream(DT_DRAW_FUSED, 0, 0)}},
        {.relu = true, .parts = 3, .columns = 6, .dropout = {0.3, dt_stream(DT_DRAW_HEAD, 0, 0)}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const int64_t count = 3LL * cases[i].parts * cases[i].columns;
        check_case(&(test_case){.ins = 1,
                                .outs = 1,
                                .in_count = {count},
                                .out_count = {count},
                                .batch = make_batch(&storage, lengths, 3, 5),
                                .op = &cases[i],
                                .forward = activate_forward,
                                .backward = activate_backward,
                                .reference = activate_reference});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_are_weighted_added_and_dropped),
        cmocka_unit_test(first_token_of_each_sequence),
        cmocka_unit_test(mean_over_the_tokens_of_each_sequence),
        cmocka_unit_test(relu_and_dropout_draw_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
