/* Every operation of the CUDA backend beside the CPU backend's, on odd and even shapes. */
#include "beside_cpu.h"
#include "core/update_rule.h"

static const int32_t LENGTHS[] = {5, 1, 17, 9, 0};
static const int32_t LONG_LENGTHS[] = {70, 3, 130, 0};

/* What most tests vary. */
typedef struct {
    const int32_t *lengths;
    int32_t hidden;
    int64_t spare; /* reserved tokens past the batch's */
    dt_row_kind rows;
    double dropout;
} row_shape;

static const row_shape row_shapes[] = {
    {LENGTHS, 24, 100, DT_ROWS_TOKENS, 0.3},  {LENGTHS, 37, 0, DT_ROWS_TOKENS, 0.1},
    {LENGTHS, 1100, 5, DT_ROWS_TOKENS, 0.2},  {LENGTHS, 24, 0, DT_ROWS_SEQUENCES, 0.3},
    {LENGTHS, 6, 40, DT_ROWS_SEQUENCES, 0.0}, {LONG_LENGTHS, 64, 100, DT_ROWS_TOKENS, 0.1},
};
#define ROW_SHAPES (sizeof row_shapes / sizeof *row_shapes)

static dt_dropout dropout_of(double p)
{
    return (dt_dropout){.p = p, .stream = dt_stream(DT_DRAW_EMBEDDING, 3, 0)};
}

/* ---- embedding ------------------------------------------------------------------------------ */

static void embedding(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const int64_t gap = (h + 63) / 64 * 64;
    const dt_embedding e = {.gamma = 0,
                            .beta = gap,
                            .type = 2 * gap,
                            .position = 4 * gap,
                            .word = 4 * gap + 130 * h,
                            .frozen_row = 2,
                            .vocabulary = 13,
                            .hidden = s->hidden,
                            .eps = 1e-12,
                            .dropout = dropout_of(s->dropout)};
    const int64_t params = e.word + 13 * h;
    parameters(r, params, 1.0);
    start_batch(r, s->lengths, 13, 0, NULL, s->spare);
    const int64_t n = r->batch->size.tokens;
    void *y = output(r, n, h);
    void *st = statistics(r, n, 2);
    void *dy = gradient(r, n, h);
    void *scratch = output(r, n, h);
    op->embedding_forward(r->backend, y, st, r->batch, &e);
    op->embedding_backward(r->backend, dy, st, r->batch, &e, scratch);
    record(r, "y", y, n, h);
    record_size(r, "statistics", st, n, 2, r->backend->statistic_size)->slack = 2.0;
    record_vector(r, "gradients", DT_GRADIENTS, params)->slack = 2.0;
}

static void embedding_equals_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        if (row_shapes[i].rows == DT_ROWS_TOKENS)
            beside_cpu(embedding, &row_shapes[i]);
}

/* ---- linear --------------------------------------------------------------------------------- */

typedef struct {
    int64_t rows;
    int32_t in, out;
    bool add;
} linear_shape;

static void linear(test_run *r)
{
    const linear_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const dt_param bias = ((int64_t)s->in * s->out + 63) / 64 * 64;
    parameters(r, bias + s->out, 0.5);
    void *x = input(r, s->rows, s->in);
    void *y = output(r, s->rows, s->out);
    void *u = output(r, s->rows, s->out);
    void *g = output(r, s->rows, s->out);
    void *alone = output(r, s->rows, s->out);
    void *dy = gradient(r, s->rows, s->out);
    void *dg = gradient(r, s->rows, s->out);
    void *given = input(r, s->rows, s->out); /* of gelu backward, the same for both */
    void *dx = s->add ? input(r, s->rows, s->in) : output(r, s->rows, s->in);
    op->linear_forward(r->backend, y, x, 0, bias, s->rows, s->in, s->out);
    op->linear_gelu_forward(r->backend, g, u, x, 0, bias, s->rows, s->in, s->out);
    op->linear_gelu_forward(r->backend, alone, NULL, x, 0, bias, s->rows, s->in, s->out);
    op->gelu_backward(r->backend, dg, given, s->rows * s->out);
    op->linear_backward(r->backend, dx, s->add, dy, x, 0, bias, s->rows, s->in, s->out);
    op->linear_backward(r->backend, NULL, false, dg, x, 0, bias, s->rows, s->in, s->out);
    record(r, "y", y, s->rows, s->out);
    record(r, "u", u, s->rows, s->out);
    record(r, "gelu", g, s->rows, s->out);
    record(r, "gelu alone", alone, s->rows, s->out);
    record(r, "gelu gradient", dg, s->rows, s->out);
    record(r, "dx", dx, s->rows, s->in);
    record_vector(r, "gradients", DT_GRADIENTS, bias + s->out);
}

static void linear_equals_the_cpu(void **state)
{
    (void)state;
    const linear_shape shapes[] = {{1, 1, 1, false},
                                   {7, 5, 3, true},
                                   {33, 24, 40, false},
                                   {130, 17, 31, true},
                                   {300, 64, 16, false}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(linear, &shapes[i]);
}

/* ---- attention ------------------------------------------------------------------------------ */

typedef struct {
    const int32_t *lengths;
    int32_t heads, d;
    dt_row_kind queries;
    double dropout;
    int64_t spare;
} attention_shape;

static void attention(test_run *r)
{
    const attention_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = (int64_t)s->heads * s->d;
    const bool one = s->queries == DT_ROWS_SEQUENCES;
    const int64_t width = one ? 2 * h : 3 * h; /* k, v or q, k, v side by side */
    const int64_t size = r->backend->activation_size;
    start_batch(r, s->lengths, 10, 0, NULL, s->spare);
    const int64_t n = r->batch->size.tokens;
    const int64_t queries = one ? r->batch->size.sequences : n;
    const dt_attention a = {
        .heads = s->heads,
        .head_size = s->d,
        .queries = s->queries,
        .query_stride = one ? h : 3 * h,
        .key_stride = width,
        .dropout = {.p = s->dropout, .stream = dt_stream(DT_DRAW_ATTENTION, 1, 0)}};
    char *together = input(r, n, width);
    char *q = one ? input(r, queries, h) : together;
    char *k = one ? together : together + h * size;
    char *v = k + h * size;
    void *y = output(r, queries, h);
    void *log_sum = statistics(r, queries, s->heads);
    void *dy = gradient(r, queries, h);
    char *d_together = output(r, n, width);
    char *dq = one ? output(r, queries, h) : d_together;
    char *dk = one ? d_together : d_together + h * size;
    char *dv = dk + h * size;
    op->attention_forward(r->backend, y, log_sum, q, k, v, r->batch, &a);
    op->attention_backward(r->backend, dq, dk, dv, dy, y, log_sum, q, k, v, r->batch, &a);
    record(r, "y", y, queries, h);
    record_size(r, "log_sum", log_sum, queries, s->heads, r->backend->statistic_size);
    record(r, "gradients of q, k, v", d_together, n, width)->slack = 2.0;
    if (one)
        record(r, "dq", dq, queries, h)->slack = 2.0;
}

static void attention_equals_the_cpu(void **state)
{
    (void)state;
    const attention_shape shapes[] = {
        {LENGTHS, 2, 8, DT_ROWS_TOKENS, 0.2, 50},
        {LENGTHS, 3, 5, DT_ROWS_TOKENS, 0.0, 0},
        {LENGTHS, 2, 33, DT_ROWS_SEQUENCES, 0.2, 0},
        {LONG_LENGTHS, 1, 32, DT_ROWS_TOKENS, 0.1, 9},
        {LONG_LENGTHS, 2, 64, DT_ROWS_TOKENS, 0.1, 60},
        {LONG_LENGTHS, 2, 64, DT_ROWS_SEQUENCES, 0.1, 0},
        {LENGTHS, 1, 128, DT_ROWS_TOKENS, 0.3, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(attention, &shapes[i]);
}

/* ---- LayerNorm ------------------------------------------------------------------------------ */

static void add_norm(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const dt_add_norm norm = {.gamma = 0,
                              .beta = (h + 63) / 64 * 64,
                              .hidden = s->hidden,
                              .eps = 1e-12,
                              .rows = s->rows,
                              .dropout = dropout_of(s->dropout)};
    parameters(r, norm.beta + h, 1.0);
    start_batch(r, s->lengths, 10, 0, NULL, s->spare);
    const int64_t n = s->rows == DT_ROWS_TOKENS ? r->batch->size.tokens : r->batch->size.sequences;
    void *x = input(r, n, h);
    void *residual = input(r, n, h);
    void *y = output(r, n, h);
    void *st = statistics(r, n, 2);
    void *dy = gradient(r, n, h);
    void *dx = output(r, n, h);
    op->add_norm_forward(r->backend, y, x, st, residual, r->batch, &norm);
    op->add_norm_backward(r->backend, dx, dy, dy, x, st, r->batch, &norm);
    record(r, "s", x, n, h);
    record(r, "y", y, n, h);
    record_size(r, "statistics", st, n, 2, r->backend->statistic_size)->slack = 2.0;
    record(r, "dx", dx, n, h)->slack = 2.0;
    record(r, "dresidual", dy, n, h)->slack = 2.0;
    record_vector(r, "gradients", DT_GRADIENTS, norm.beta + h)->slack = 2.0;
}

static void add_norm_equals_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        beside_cpu(add_norm, &row_shapes[i]);
}

/* ---- what happens once a sequence ------------------------------------------------------------ */

static void per_sequence(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const int32_t classes = 21;
    const dt_param bias = (classes * h + 67) / 64 * 64;
    const dt_dropout dropout = dropout_of(s->dropout);
    parameters(r, bias + classes + 2, 1.0);
    start_batch(r, s->lengths, 10, 0, NULL, s->spare);
    const int64_t n = r->batch->size.tokens;
    const int32_t b = r->batch->size.sequences;
    const dt_param w_cnn = bias + classes;
    void *x = input(r, n, h);
    void *first = output(r, b, h);
    void *cnn = input(r, b, h);
    void *bert = input(r, b, h);
    void *fused = output(r, b, h);
    void *dy = gradient(r, b, h);
    void *dcnn = output(r, b, h);
    void *dbert = output(r, b, h);
    void *logits = statistics(r, b, classes);
    void *dlogits = filled(r, b, classes, 0, 1.0, false, r->backend->statistic_size);
    void *dfused = output(r, b, h);
    op->gather_first_forward(r->backend, first, x, r->batch, s->hidden);
    op->gather_first_backward(r->backend, x, dy, r->batch, s->hidden);
    op->fuse_forward(r->backend, fused, cnn, bert, w_cnn, w_cnn + 1, r->batch, s->hidden, &dropout);
    op->fuse_backward(r->backend, dcnn, dbert, dy, cnn, bert, w_cnn, w_cnn + 1, r->batch, s->hidden,
                      &dropout);
    op->heads_forward(r->backend, logits, cnn, 0, bias, b, s->hidden, classes);
    op->heads_backward(r->backend, dfused, dlogits, bert, 0, bias, b, s->hidden, classes);
    record(r, "first rows", first, b, h);
    record(r, "gradient with first rows", x, n, h);
    record(r, "fused", fused, b, h);
    record(r, "dcnn", dcnn, b, h);
    record(r, "dbert", dbert, b, h);
    record_statistics(r, "logits", logits, b, classes);
    record(r, "dfused", dfused, b, h);
    record_vector(r, "gradients", DT_GRADIENTS, bias + classes + 2);
}

static void sequence_operations_equal_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_SHAPES; ++i)
        beside_cpu(per_sequence, &row_shapes[i]);
}

/* ---- convolution ---------------------------------------------------------------------------- */

typedef struct {
    const int32_t *lengths;
    int32_t embed, filters, kernels;
    int32_t width[3];
    int32_t max_length;
    bool mask_padding;
    double dropout;
} conv_shape;

/* The CPU's record of this name, for inputs that must be the same on both. */
static const test_record *find_record(const test_run *r, const char *name)
{
    for (int i = 0; i < r->records; ++i)
        if (strcmp(r->record[i].name, name) == 0)
            return &r->record[i];
    fail_msg("there is no record %s", name);
    return NULL;
}

static dt_conv_max conv_of(const conv_shape *s, int64_t *params)
{
    dt_conv_max conv = {.frozen_row = 1,
                        .vocabulary = 11,
                        .embed_dim = s->embed,
                        .filters = s->filters,
                        .kernels = s->kernels,
                        .max_length = s->max_length,
                        .mask_padding = s->mask_padding,
                        .dropout = {.p = s->dropout, .stream = dt_stream(DT_DRAW_CONV, 0, 0)},
                        .padding_stream = dt_stream(DT_DRAW_CONV_PADDING, 0, 0)};
    *params = 11 * (int64_t)s->embed;
    for (int32_t i = 0; i < s->kernels; ++i) {
        conv.width[i] = s->width[i];
        conv.weight[i] = *params;
        conv.bias[i] = *params + (int64_t)s->filters * s->embed * s->width[i];
        *params = conv.bias[i] + s->filters;
    }
    return conv;
}

/* In low precision the place of a maximum may differ where two are close; so backward gets the
 * CPU's outputs on both. */
static void conv_max(test_run *r)
{
    const conv_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    int64_t params;
    const dt_conv_max conv = conv_of(s, &params);
    parameters(r, params, 1.0);
    start_batch(r, s->lengths, 11, 0, NULL, 0);
    const int32_t b = r->batch->size.sequences;
    const int64_t channels = (int64_t)s->filters * s->kernels;
    void *y = output(r, b, channels);
    int32_t *position = poisoned(r, b * channels * 4);
    void *dy = gradient(r, b, channels);
    void *scratch =
        poisoned(r, op->conv_max_scratch(r->backend, &conv, b, r->batch->size.tokens, true));
    int32_t *where = calloc((size_t)(b * channels), sizeof *where);
    op->conv_max_forward(r->backend, y, position, scratch, r->batch, &conv);
    op->download(r->backend, where, position, b * channels * 4);
    record(r, "y", y, b, channels)->slack = 2.0;
    test_record *places = add_record(r, "positions", b * channels);
    for (int64_t i = 0; i < b * channels; ++i) {
        if (r->cpu && r->precision != DT_PRECISION_FP32)
            where[i] = (int32_t)find_record(r->cpu, "positions")->value[i];
        places->value[i] = where[i];
    }
    float *given = calloc((size_t)(b * channels), sizeof *given);
    for (int64_t i = 0; i < b * channels; ++i)
        given[i] = rounded((float)find_record(r->cpu ? r->cpu : r, "y")->value[i], r->precision);
    write_numbers(r, y, given, b * channels, r->backend->activation_size);
    op->upload(r->backend, position, where, b * channels * 4);
    op->conv_max_backward(r->backend, dy, y, position, scratch, r->batch, &conv);
    record_vector(r, "gradients", DT_GRADIENTS, params);
    free(given);
    free(where);
}

static void conv_max_equals_the_cpu(void **state)
{
    (void)state;
    static int32_t many[136]; /* more than a block looks up at a time */
    for (int i = 0; i < 135; ++i)
        many[i] = 1 + i % 3;
    const conv_shape shapes[] = {
        {LENGTHS, 6, 5, 2, {3, 1}, 24, false, 0.4},
        {LENGTHS, 8, 12, 3, {3, 5, 7}, 17, false, 0.2},
        {LENGTHS, 8, 12, 3, {3, 5, 7}, 40, true, 0.0},
        {LENGTHS, 9, 130, 1, {5}, 18, false, 0.1},
        {LONG_LENGTHS, 5, 24, 1, {1}, 200, false, 0.0}, /* equal maxima */
        {LONG_LENGTHS, 300, 8, 2, {3, 5}, 140, false, 0.2},
        {many, 520, 4, 1, {3}, 8, false, 0.2}, /* and more columns, in fp32 */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        beside_cpu(conv_max, &shapes[i]);
}

/* ---- loss ----------------------------------------------------------------------------------- */

static const int32_t CLASSES[] = {2, 700, 31};

static void record_predictions(test_run *r, const dt_prediction *device, int64_t count)
{
    dt_prediction *host = calloc((size_t)count, sizeof *host);
    r->backend->ops->download(r->backend, host, device, count * (int64_t)sizeof *host);
    test_record *out = add_record(r, "predictions", 5 * count);
    out->statistic = true;
    for (int64_t i = 0; i < count; ++i) {
        out->value[5 * i] = 1e-3 * host[i].label; /* exact, but of the size of the others */
        out->value[5 * i + 1] = 1e-3 * host[i].better;
        out->value[5 * i + 2] = (double)host[i].confidence;
        out->value[5 * i + 3] = (double)host[i].entropy;
        out->value[5 * i + 4] = (double)host[i].loss;
    }
    free(host);
}

static void loss(test_run *r)
{
    const dt_loss_type *type = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    dt_loss loss = {
        .classes = {.tax_ranks = 3, .first = {0, 2, 702, 733}}, .type = *type, .focal_gamma = 2.0};
    const double temperature[] = {1.0, 0.5, 3.0};
    const dt_update_state start = {.loss_scale = 8.0};
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    dt_update_state end;
    parameters(r, 8, 1.0);
    start_batch(r, LENGTHS, 10, 3, CLASSES, 0);
    const int32_t b = r->batch->size.sequences;
    void *logits = filled(r, b, 733, 0, 4.0, false, r->backend->statistic_size);
    void *predictions = poisoned(r, b * 3 * (int64_t)sizeof(dt_prediction));
    if (*type == DT_LOSS_FOCAL)
        loss.class_weight = filled(r, 1, 733, 0, 1.0, false, r->backend->statistic_size);
    op->state_write(r->backend, &start);
    op->classify(r->backend, predictions, logits, r->batch, &loss.classes, temperature);
    record_predictions(r, predictions, b * 3);
    op->loss(r->backend, logits, r->batch, &loss);
    record_statistics(r, "dlogits", logits, b, 733);
    op->update(r->backend, 8, &idle);
    op->state_read(r->backend, &end);
    record_number(r, "loss", end.loss);
    for (int t = 0; t < 3; ++t)
        record_number(r, "loss of a rank", end.loss_sum[t]);
}

static void loss_and_classes_equal_the_cpu(void **state)
{
    (void)state;
    const dt_loss_type types[] = {DT_LOSS_CROSS_ENTROPY, DT_LOSS_FOCAL};
    for (size_t i = 0; i < 2; ++i)
        beside_cpu(loss, &types[i]);
}

/* ---- update --------------------------------------------------------------------------------- */

static void record_state(test_run *r)
{
    dt_update_state s;
    r->backend->ops->state_read(r->backend, &s);
    record_number(r, "steps", (double)s.steps);
    record_number(r, "skipped", (double)s.skipped * 100 + s.skipped_in_row);
    record_number(r, "loss scale", s.loss_scale + s.scale_good_steps);
    record_number(r, "gradient norm", s.grad_norm);
    record_number(r, "rate", s.last_rate);
}

/* Four updates: one after which the loss scale grows, one clipped, one that overflows, another. */
static void update(test_run *r)
{
    const int64_t count = *(const int64_t *)r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const dt_update_state start = {
        .loss_scale = 1024.0, .scale_good_steps = DT_LOSS_SCALE_INTERVAL - 1, .steps = 3};
    dt_update_rule rule = {.learning_rate = 0.01,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .eps = 1e-8,
                           .weight_decay = 0.01,
                           .max_grad_norm = 1e9,
                           .warmup_steps = 5,
                           .total_steps = 20,
                           .dynamic_scale = true};
    float *gradients = calloc((size_t)count, sizeof *gradients);
    parameters(r, count + 3, 1.0);
    op->state_write(r->backend, &start);
    for (int step = 0; step < 4; ++step) {
        for (int64_t i = 0; i < count; ++i)
            gradients[i] = 100.0f * random_number((uint32_t)(50 + step), i);
        if (step == 2)
            gradients[count / 2] = INFINITY;
        if (step == 1)
            rule.max_grad_norm = 0.5;
        op->vector_write(r->backend, DT_GRADIENTS, 0, count, gradients);
        op->update(r->backend, count, &rule);
        record_state(r);
    }
    record_vector(r, "parameters", DT_PARAMETERS, count + 3)->statistic = true;
    record_vector(r, "exp_avg", DT_EXP_AVG, count + 3)->statistic = true;
    record_vector(r, "exp_avg_sq", DT_EXP_AVG_SQ, count + 3)->statistic = true;
    free(gradients);
}

static void update_equals_the_cpu(void **state)
{
    (void)state;
    const int64_t counts[] = {1, 7, 1024, 70001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        beside_cpu(update, &counts[i]);
}

/* The low-precision copy follows an update: a product after it uses the new weights. */
static void product_after_update(test_run *r)
{
    const dt_backend_ops *op = r->backend->ops;
    const dt_update_state start = {.loss_scale = 1.0};
    const dt_update_rule rule = {
        .learning_rate = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .total_steps = 20};
    parameters(r, 5 * 7 + 5, 1.0);
    op->state_write(r->backend, &start);
    op->update(r->backend, 5 * 7 + 5, &rule);
    void *x = input(r, 3, 7);
    void *y = output(r, 3, 5);
    op->linear_forward(r->backend, y, x, 0, 35, 3, 7, 5);
    record(r, "y", y, 3, 5);
}

static void low_precision_copy_follows_the_update(void **state)
{
    (void)state;
    beside_cpu(product_after_update, NULL);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void errors_are_sticky_and_say_what(void **state)
{
    (void)state;
    dt_backend *backend;
    const dt_backend_options nowhere = {.device = 99};
    ASSERT_FAILS(DT_ERR_DEVICE, "no GPU 99", dt_backend_open("cuda_on_cpu", &nowhere, &backend));
    const dt_backend_options options = {0};
    ASSERT_OK(dt_backend_open("cuda_on_cpu", &options, &backend));
    assert_int_equal(backend->activation_size, 2); /* bf16 is the default */
    const int32_t ids[] = {4, -1};
    const int32_t cu_seqlens[] = {0, 2};
    const dt_batch bad = {.sequences = 1, .token_ids = ids, .cu_seqlens = cu_seqlens};
    ASSERT_OK(backend->ops->batch_reserve(backend, 1, 2, 0));
    backend->ops->batch_upload(backend, &bad);
    ASSERT_FAILS(DT_ERR_INTERNAL, "negative", backend->ops->check(backend));
    backend->ops->gradients_zero(backend); /* does nothing */
    ASSERT_FAILS(DT_ERR_INTERNAL, "negative", backend->ops->sync(backend));
    backend->ops->destroy(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedding_equals_the_cpu),
        cmocka_unit_test(linear_equals_the_cpu),
        cmocka_unit_test(attention_equals_the_cpu),
        cmocka_unit_test(add_norm_equals_the_cpu),
        cmocka_unit_test(sequence_operations_equal_the_cpu),
        cmocka_unit_test(conv_max_equals_the_cpu),
        cmocka_unit_test(loss_and_classes_equal_the_cpu),
        cmocka_unit_test(update_equals_the_cpu),
        cmocka_unit_test(low_precision_copy_follows_the_update),
        cmocka_unit_test(errors_are_sticky_and_say_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
