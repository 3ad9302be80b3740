#include "cpu_test.h"

static test_batch storage;

enum { VOCABULARY = 9, FROZEN = 4 };

/* Parameters: embedding, then weight and bias of each kernel. Output: y. The positions and the
 * scratch stand in `raw`. */

static int64_t channels_of(const dt_conv_max *conv)
{
    return (int64_t)conv->filters * conv->kernels;
}

static int32_t *positions(const test_run *run)
{
    return run->raw;
}

static void *scratch(const test_run *run)
{
    const int64_t used = run->what->out_count[0] * (int64_t)sizeof(int32_t);
    return (char *)run->raw + (used + 63) / 64 * 64;
}

static void forward(const test_run *run)
{
    run->backend->ops->conv_max_forward(run->backend, run->out[0], positions(run), scratch(run),
                                        run->batch, run->what->op);
}

static void backward(const test_run *run)
{
    run->backend->ops->conv_max_backward(run->backend, run->dout[0], run->out[0], positions(run),
                                         scratch(run), run->batch, run->what->op);
}

/* The convolution as defined, on the sequence padded with zero vectors. */
static double convolve(const dt_conv_max *conv, const double *params, const dt_batch *batch,
                       int32_t b, int32_t kernel, int64_t f, int64_t t)
{
    const int32_t width = conv->width[kernel];
    const int64_t n = batch->cu_seqlens[b + 1] - batch->cu_seqlens[b];
    double sum = params[conv->bias[kernel] + f];
    for (int32_t j = 0; j < width; ++j) {
        const int64_t token = t + j - width / 2;
        if (token < 0 || token >= n)
            continue;
        const int64_t id = batch->token_ids[batch->cu_seqlens[b] + token];
        for (int32_t e = 0; e < conv->embed_dim; ++e)
            sum += params[conv->weight[kernel] + (f * conv->embed_dim + e) * width + j] *
                   params[conv->embedding + id * conv->embed_dim + e];
    }
    return sum;
}

static double maximum(const dt_conv_max *conv, const double *params, const dt_batch *batch,
                      int32_t b, int32_t kernel, int64_t f)
{
    const double p = conv->dropout.p;
    const int64_t channel = (int64_t)kernel * conv->filters + f;
    const int64_t n = batch->cu_seqlens[b + 1] - batch->cu_seqlens[b];
    int32_t widest = 0;
    for (int32_t i = 0; i < conv->kernels; ++i)
        widest = conv->width[i] > widest ? conv->width[i] : widest;
    int64_t evaluated = n + widest / 2;
    if (evaluated > conv->max_length)
        evaluated = conv->max_length;
    if (conv->mask_padding)
        evaluated = n;
    double best = 0.0;
    for (int64_t t = 0; t < evaluated; ++t) {
        const double value = fmax(convolve(conv, params, batch, b, kernel, f, t), 0.0) *
                             kept(batch, p, conv->dropout.stream, channel, t, b);
        best = fmax(best, value);
    }
    const int64_t m = conv->max_length - evaluated;
    if (conv->mask_padding || m == 0)
        return best;
    const double all_dropped = pow(p, (double)m);
    const double joins = kept(batch, all_dropped, conv->padding_stream, channel, 0, b) > 0.0;
    return fmax(best, joins * fmax(params[conv->bias[kernel] + f], 0.0) / (1.0 - p));
}

static void reference(const test_case *c, double *const in[], const double *params, double *out[])
{
    (void)in;
    const dt_conv_max *conv = c->op;
    for (int32_t b = 0; b < c->batch->sequences; ++b)
        for (int32_t i = 0; i < conv->kernels; ++i)
            for (int64_t f = 0; f < conv->filters; ++f)
                out[0][b * channels_of(conv) + i * conv->filters + f] =
                    maximum(conv, params, c->batch, b, i, f);
}

static dt_conv_max layout(int32_t embed_dim, int32_t filters, int32_t kernels,
                          const int32_t *widths, int32_t max_length, double p)
{
    dt_conv_max conv = {.frozen_row = -1,
                        .vocabulary = VOCABULARY,
                        .embed_dim = embed_dim,
                        .filters = filters,
                        .kernels = kernels,
                        .max_length = max_length,
                        .dropout = {p, dt_stream(DT_DRAW_CONV, 0, 0)},
                        .padding_stream = dt_stream(DT_DRAW_CONV_PADDING, 0, 0)};
    dt_param next = (dt_param)VOCABULARY * embed_dim;
    for (int32_t i = 0; i < kernels; ++i) {
        conv.width[i] = widths[i];
        conv.weight[i] = next;
        next += (dt_param)filters * embed_dim * widths[i];
        conv.bias[i] = next;
        next += filters;
    }
    return conv;
}

static test_case case_of(const dt_conv_max *conv, const int32_t *lengths, int32_t sequences)
{
    const int32_t last = conv->kernels - 1;
    const dt_batch *batch = make_batch(&storage, lengths, sequences, VOCABULARY);
    dt_backend *be = open_backend("cpu64", 3);
    const int64_t bytes =
        be->ops->conv_max_scratch(be, conv, sequences, batch->cu_seqlens[sequences], true);
    be->ops->destroy(be);
    const int64_t outputs = sequences * channels_of(conv);
    return (test_case){.outs = 1,
                       .out_count = {outputs},
                       .params = conv->bias[last] + conv->filters,
                       .raw_bytes = (outputs * 4 + 63) / 64 * 64 + bytes,
                       .batch = batch,
                       .op = conv,
                       .forward = forward,
                       .backward = backward,
                       .reference = reference};
}

static const int32_t three[] = {3, 5, 7};
static const int32_t one[] = {1};
static const int32_t mixed_widths[] = {9, 1};

static void maximum_over_the_padded_sequence(void **state)
{
    (void)state;
    /* n = L, L-1, L-2, short ones, a single token */
    const int32_t lengths[] = {12, 11, 10, 4, 1, 2};
    dt_conv_max conv = layout(5, 3, 3, three, 12, 0.0);
    test_case c = case_of(&conv, lengths, 6);
    check_case(&c);
    conv = layout(1, 4, 2, mixed_widths, 13, 0.0);
    c = case_of(&conv, lengths, 6);
    check_case(&c);
    conv = layout(17, 1, 1, one, 40, 0.0);
    c = case_of(&conv, lengths, 6);
    check_case(&c);
}

static void masked_padding_takes_no_part(void **state)
{
    (void)state;
    const int32_t lengths[] = {12, 11, 4, 1};
    dt_conv_max conv = layout(5, 6, 3, three, 12, 0.0);
    conv.mask_padding = true;
    test_case c = case_of(&conv, lengths, 4);
    check_case(&c);
    conv.dropout.p = 0.3;
    check_case(&c);
}

static void dropout_comes_before_the_maximum(void **state)
{
    (void)state;
    const int32_t lengths[] = {12, 11, 10, 9, 8, 4, 1, 2};
    dt_conv_max conv = layout(5, 7, 3, three, 12, 0.5);
    test_case c = case_of(&conv, lengths, 8);
    check_case(&c);
    conv = layout(5, 7, 3, three, 12, 0.1);
    c = case_of(&conv, lengths, 8);
    check_case(&c);
}

static void more_channels_than_a_thread_takes_at_once(void **state)
{
    (void)state;
    const int32_t lengths[] = {6, 3};
    const dt_conv_max conv = layout(3, 301, 2, three, 8, 0.2);
    const test_case c = case_of(&conv, lengths, 2);
    check_case(&c);
}

static void padding_wins_where_the_bias_is_largest(void **state)
{
    (void)state;
    const int32_t lengths[] = {2};
    const dt_conv_max conv = layout(2, 4, 1, three, 12, 0.0);
    const test_case c = case_of(&conv, lengths, 1);
    test_values v = make_values(&c);
    memset(v.params, 0, (size_t)c.params * sizeof *v.params);
    for (int64_t i = 0; i < c.params; ++i)
        v.params[i] = i < conv.weight[0] ? 1.0 : -1.0; /* tokens lower every value */
    for (int64_t f = 0; f < 4; ++f)
        v.params[conv.bias[0] + f] = f == 3 ? -0.5 : 0.5;
    test_run run = start_run(&c, "cpu", 2);
    run_forward(&run, &v);
    run_backward(&run, &v);
    for (int64_t f = 0; f < 4; ++f) {
        /* bias > 0: position -1, all of dy goes to the bias; bias < 0: ReLU gives 0, no gradient */
        assert_true(v.out[0][f] == (f == 3 ? 0.0 : 0.5));
        if (f < 3)
            assert_int_equal(positions(&run)[f], -1);
        const double expected = f == 3 ? 0.0 : v.dout[0][f];
        assert_close("bias", &v.dparams[conv.bias[0] + f], &expected, 1, 1e-6);
    }
    for (int64_t i = 0; i < conv.bias[0]; ++i)
        assert_true(v.dparams[i] == 0.0);
    end_run(&run);
    free_values(&c, &v);
}

static void frozen_row_gets_no_gradient(void **state)
{
    (void)state;
    const int32_t lengths[] = {12, 12};
    dt_conv_max conv = layout(3, 40, 1, three, 12, 0.0);
    const test_case c = case_of(&conv, lengths, 2);
    test_values with = run_case(&c, "cpu64", 2);
    conv.frozen_row = FROZEN;
    test_values without = run_case(&c, "cpu64", 2);
    double frozen_sum = 0.0;
    for (int64_t i = 0; i < c.params; ++i) {
        const bool frozen = i >= FROZEN * 3 && i < (FROZEN + 1) * 3;
        assert_true(without.dparams[i] == (frozen ? 0.0 : with.dparams[i]));
        frozen_sum += frozen ? fabs(with.dparams[i]) : 0.0;
    }
    assert_true(frozen_sum > 0.0);
    free_values(&c, &with);
    free_values(&c, &without);
}

static void not_a_number_stays_to_be_seen(void **state)
{
    (void)state;
    const int32_t lengths[] = {5};
    const dt_conv_max conv = layout(2, 4, 1, three, 12, 0.1);
    const test_case c = case_of(&conv, lengths, 1);
    test_values v = make_values(&c);
    v.params[conv.weight[0]] = (double)NAN;
    test_run run = start_run(&c, "cpu", 1);
    run_forward(&run, &v);
    assert_true(isnan(v.out[0][0]));
    assert_true(isfinite(v.out[0][1]));
    end_run(&run);
    free_values(&c, &v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maximum_over_the_padded_sequence),
        cmocka_unit_test(masked_padding_takes_no_part),
        cmocka_unit_test(dropout_comes_before_the_maximum),
        cmocka_unit_test(more_channels_than_a_thread_takes_at_once),
        cmocka_unit_test(padding_wins_where_the_bias_is_largest),
        cmocka_unit_test(frozen_row_gets_no_gradient),
        cmocka_unit_test(not_a_number_stays_to_be_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
