/* The tests that compare the operations of two backends (beside_cpu.h): one function per operation,
 * which test programs run on their own shapes.
 */
#ifndef DT_TESTS_OPERATIONS_H
#define DT_TESTS_OPERATIONS_H

#include "beside_cpu.h"
#include "core/update_rule.h"
#include "layers.h"
#include "model/lineage_layer.h"

/* Parameters of most tests. */
typedef struct {
    const int32_t *lengths;
    int32_t hidden;
    int64_t spare; /* tokens reserved in addition to the batch's */
    dt_row_kind rows;
    double dropout;
    int32_t vocabulary, classes;
} row_shape;

static inline dt_dropout dropout_of(double p)
{
    return (dt_dropout){.p = p, .stream = dt_stream(DT_DRAW_EMBEDDING, 3, 0)};
}

/* ---- embedding ------------------------------------------------------------------------------ */

static inline void embedding(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const int64_t gap = (h + 63) / 64 * 64;
    const dt_embedding e = {.gamma = 0,
                            .beta = gap,
                            .type = 2 * gap,
                            .position = 4 * gap,
                            .word = 4 * gap + 512 * h,
                            .frozen_row = 2,
                            .vocabulary = s->vocabulary,
                            .max_length = 512,
                            .hidden = s->hidden,
                            .eps = 1e-12,
                            .dropout = dropout_of(s->dropout)};
    const int64_t params = e.word + s->vocabulary * h;
    parameters(r, params, 1.0);
    start_batch(r, s->lengths, s->vocabulary, 0, NULL, s->spare);
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

/* ---- bag of embeddings ---------------------------------------------------------------------- */

/* The id `vocabulary` has no row. */
static inline void bag(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const dt_bag b = {.table = 0, .rows = s->vocabulary, .dim = s->hidden};
    const int64_t params = (int64_t)b.rows * b.dim;
    parameters(r, params, 0.5);
    start_batch(r, s->lengths, s->vocabulary + 1, 0, NULL, s->spare);
    const int64_t sequences = r->batch->size.sequences;
    void *y = output(r, sequences, b.dim);
    void *dy = gradient(r, sequences, b.dim);
    op->bag_forward(r->backend, y, r->batch, &b);
    op->bag_backward(r->backend, dy, r->batch, &b);
    record(r, "y", y, sequences, b.dim);
    record_vector(r, "gradients", DT_GRADIENTS, params);
}

/* ---- linear --------------------------------------------------------------------------------- */

typedef struct {
    int64_t rows;
    int32_t in, out;
    bool add;
} linear_shape;

/* After a matrix of an odd number of elements the bias is not aligned. */
static inline void linear(test_run *r)
{
    const linear_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t matrix = (int64_t)s->in * s->out;
    const dt_param bias = matrix % 2 ? matrix : (matrix + 63) / 64 * 64;
    parameters(r, bias + s->out, 0.5);
    void *x = input(r, s->rows, s->in);
    void *y = output(r, s->rows, s->out);
    void *u = output(r, s->rows, s->out);
    void *g = output(r, s->rows, s->out);
    void *alone = output(r, s->rows, s->out);
    void *dy = gradient(r, s->rows, s->out);
    void *dg = gradient(r, s->rows, s->out);
    /* for gelu backward, the same on both backends */
    void *given = filled(r, s->rows, s->out, 0, 6.0, false, r->backend->activation_size);
    void *dx = s->add ? input(r, s->rows, s->in) : output(r, s->rows, s->in);
    op->linear_forward(r->backend, y, x, 0, bias, s->rows, s->in, s->out);
    op->linear_gelu_forward(r->backend, g, u, x, 0, bias, s->rows, s->in, s->out);
    op->linear_gelu_forward(r->backend, alone, NULL, x, 0, bias, s->rows, s->in, s->out);
    op->gelu_backward(r->backend, dg, given, bias, s->rows, s->out);
    op->linear_backward(r->backend, dx, s->add, dy, x, 0, bias, s->rows, s->in, s->out);
    op->linear_backward(r->backend, NULL, false, dg, x, 0, DT_NO_PARAM, s->rows, s->in, s->out);
    record(r, "y", y, s->rows, s->out);
    record(r, "u", u, s->rows, s->out);
    record(r, "gelu", g, s->rows, s->out);
    record(r, "gelu alone", alone, s->rows, s->out);
    record(r, "gelu gradient", dg, s->rows, s->out);
    record(r, "dx", dx, s->rows, s->in);
    record_vector(r, "gradients", DT_GRADIENTS, bias + s->out);
}

/* ---- attention ------------------------------------------------------------------------------ */

typedef struct {
    const int32_t *lengths;
    int32_t heads, d;
    dt_row_kind queries;
    double dropout;
    int64_t spare;
} attention_shape;

/* Returns the largest size of an element in the extra rows of a token matrix. */
static inline double largest_extra(const test_run *r, const char *matrix, int64_t rows,
                                   int64_t columns)
{
    const int32_t size = r->backend->activation_size;
    const int64_t count = excess_of(r, rows) * columns;
    double *values = calloc((size_t)count + 1, sizeof *values);
    double largest = 0.0;
    read_numbers(r, values, matrix + rows * columns * size, count, size);
    for (int64_t i = 0; i < count; ++i)
        largest = isnan(values[i]) ? NAN : fmax(largest, fabs(values[i]));
    free(values);
    return largest;
}

static inline void attention(test_run *r)
{
    const attention_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = (int64_t)s->heads * s->d;
    const bool one = s->queries == DT_ROWS_SEQUENCES;
    const int64_t width = one ? 2 * h : 3 * h; /* k, v or q, k, v side by side */
    const int64_t size = r->backend->activation_size;
    const dt_param weight = (3 * h + 63) / 64 * 64; /* after the biases */
    parameters(r, one ? weight + 2 * h * h : 6 * h, one ? 1.0 : 0.0);
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
    /* leaves its own sums where those of the biases will be */
    const int64_t fit = (1 << 20) / (3 * h);
    const int64_t some = n < fit ? n : fit;
    void *u = input(r, some, 3 * h);
    op->gelu_backward(r->backend, input(r, some, 3 * h), u, 3 * h, some, (int32_t)(3 * h));
    op->attention_forward(r->backend, y, log_sum, q, k, v, r->batch, &a);
    if (one) {
        void *dq = output(r, queries, h);
        void *dx = output(r, n, h);
        void *scratch =
            poisoned(r, op->single_attention_scratch(r->backend, &a, r->batch->size.sequences,
                                                     r->batch->size.rows));
        op->single_attention_backward(r->backend, dq, dx, dy, y, log_sum, q, k, v, input(r, n, h),
                                      weight, 0, r->batch, &a, scratch);
        record(r, "dq", dq, queries, h)->slack = 2.0;
        record(r, "dx", dx, n, h)->slack = 2.0;
        record_number(r, "largest dx of extra rows", largest_extra(r, dx, n, h));
        record_vector(r, "gradients", DT_GRADIENTS, weight + 2 * h * h)->slack = 2.0;
    } else {
        char *dq = output(r, n, width);
        op->attention_backward(r->backend, dq, dq + h * size, dq + 2 * h * size, dy, y, log_sum, q,
                               k, v, 0, r->batch, &a, statistics(r, queries, s->heads));
        record(r, "gradients of q, k, v", dq, n, width)->slack = 2.0;
        record_vector(r, "gradients of biases", DT_GRADIENTS, 3 * h)->slack = 2.0;
    }
    record(r, "y", y, queries, h);
    record_size(r, "log_sum", log_sum, queries, s->heads, r->backend->statistic_size);
}

/* ---- LayerNorm ------------------------------------------------------------------------------ */

static inline void add_norm(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const dt_add_norm norm = {.gamma = 0,
                              .beta = (h + 63) / 64 * 64,
                              .bias = (h + 63) / 64 * 128,
                              .hidden = s->hidden,
                              .eps = 1e-12,
                              .rows = s->rows,
                              .dropout = dropout_of(s->dropout)};
    parameters(r, norm.bias + h, 1.0);
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
    record_vector(r, "gradients", DT_GRADIENTS, norm.bias + h)->slack = 2.0;
}

/* ---- operations on one row per sequence ------------------------------------------------------ */

static inline void per_sequence(test_run *r)
{
    const row_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    const int64_t h = s->hidden;
    const int32_t classes = s->classes;
    const dt_param bias = (classes * h + 67) / 64 * 64;
    const dt_dropout dropout = dropout_of(s->dropout);
    const dt_activation activation = {.relu = s->hidden % 2 == 0,
                                      .parts = s->hidden % 3 == 0 ? 3 : 1,
                                      .columns = s->hidden % 3 == 0 ? s->hidden / 3 : s->hidden,
                                      .dropout = dropout};
    parameters(r, bias + classes + 2, 1.0);
    start_batch(r, s->lengths, 10, 0, NULL, s->spare);
    const int64_t n = r->batch->size.tokens;
    const int32_t b = r->batch->size.sequences;
    const dt_heads heads = {0, bias, s->hidden, classes, h, classes};
    const dt_param w_cnn = bias + classes;
    void *x = input(r, n, h);
    void *first = output(r, b, h);
    void *cnn = input(r, b, h);
    void *bert = input(r, b, h);
    void *fused = output(r, b, h);
    void *dy = gradient(r, b, h);
    void *dcnn = output(r, b, h);
    void *dbert = output(r, b, h);
    void *mean = output(r, b, h);
    void *dx = output(r, n, h);
    void *active = output(r, b, h);
    void *dactive = output(r, b, h);
    void *logits = statistics(r, b, classes);
    void *dlogits = filled(r, b, classes, 0, 1.0, false, r->backend->statistic_size);
    void *dfused = output(r, b, h);
    op->gather_first_forward(r->backend, first, x, r->batch, s->hidden);
    op->gather_first_backward(r->backend, x, dy, r->batch, s->hidden);
    op->mean_forward(r->backend, mean, x, r->batch, s->hidden);
    op->mean_backward(r->backend, dx, dy, r->batch, s->hidden);
    op->activate_forward(r->backend, active, cnn, r->batch, &activation);
    op->activate_backward(r->backend, dactive, dy, active, r->batch, &activation);
    op->fuse_forward(r->backend, fused, cnn, bert, w_cnn, w_cnn + 1, r->batch, s->hidden, &dropout);
    op->fuse_backward(r->backend, dcnn, dbert, dy, cnn, bert, w_cnn, w_cnn + 1, r->batch, s->hidden,
                      &dropout);
    op->heads_forward(r->backend, logits, cnn, b, &heads);
    op->heads_backward(r->backend, dfused, dlogits, bert, b, &heads);
    record(r, "first rows", first, b, h);
    record(r, "gradient with first rows", x, n, h);
    record(r, "mean", mean, b, h);
    record(r, "gradient of the mean", dx, n, h);
    record(r, "active", active, b, h);
    record(r, "gradient of active", dactive, b, h);
    record(r, "fused", fused, b, h);
    record(r, "dcnn", dcnn, b, h);
    record(r, "dbert", dbert, b, h);
    /* tensor cores truncate their sums after every 16 products instead of rounding: on average by
     * half of the last of 24 bits, for sums that are two thirds of the total */
    record_statistics(r, "logits", logits, b, classes)->slack =
        r->precision == DT_PRECISION_FP32 ? 1.0 : 1.0 + (double)h / 512;
    record(r, "dfused", dfused, b, h);
    record_vector(r, "gradients", DT_GRADIENTS, bias + classes + 2);
}

/* ---- convolution ---------------------------------------------------------------------------- */

typedef struct {
    const int32_t *lengths;
    int32_t embed, filters, kernels;
    int32_t width[3];
    int32_t max_length;
    bool mask_padding;
    double dropout;
    int32_t vocabulary;
} conv_shape;

/* Returns the CPU's record of this name, for inputs that must be the same on both backends. */
static inline const test_record *find_record(const test_run *r, const char *name)
{
    for (int i = 0; i < r->records; ++i)
        if (strcmp(r->record[i].name, name) == 0)
            return &r->record[i];
    fail_msg("there is no record %s", name);
    return NULL;
}

static inline dt_conv_max conv_of(const conv_shape *s, int64_t *params)
{
    dt_conv_max conv = {.frozen_row = 1,
                        .vocabulary = s->vocabulary,
                        .embed_dim = s->embed,
                        .filters = s->filters,
                        .kernels = s->kernels,
                        .max_length = s->max_length,
                        .mask_padding = s->mask_padding,
                        .dropout = {.p = s->dropout, .stream = dt_stream(DT_DRAW_CONV, 0, 0)},
                        .padding_stream = dt_stream(DT_DRAW_CONV_PADDING, 0, 0)};
    *params = s->vocabulary * (int64_t)s->embed;
    for (int32_t i = 0; i < s->kernels; ++i) {
        conv.width[i] = s->width[i];
        conv.weight[i] = *params;
        conv.bias[i] = *params + (int64_t)s->filters * s->embed * s->width[i];
        *params = conv.bias[i] + s->filters;
    }
    return conv;
}

/* The position of a maximum may differ if two values are close: often in low precision, one in a
 * thousand in fp32. Backward therefore uses the CPU's outputs on both backends. */
static inline void conv_max(test_run *r)
{
    const conv_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    int64_t params;
    const dt_conv_max conv = conv_of(s, &params);
    parameters(r, params, 1.0);
    start_batch(r, s->lengths, conv.vocabulary, 0, NULL, 0);
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
    const double *cpus = r->cpu ? find_record(r->cpu, "positions")->value : NULL;
    int64_t differing = 0;
    for (int64_t i = 0; cpus && i < b * channels; ++i)
        differing += where[i] != (int32_t)cpus[i];
    const bool given_places =
        cpus && (r->precision != DT_PRECISION_FP32 || differing <= b * channels / 1000);
    for (int64_t i = 0; i < b * channels; ++i) {
        if (given_places)
            where[i] = (int32_t)cpus[i];
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

/* ---- several layers of convolution ----------------------------------------------------------- */

typedef struct {
    const int32_t *lengths;
    int32_t channels, filters, kernels;
    int32_t width[3];
    int32_t max_length;
    bool mask_padding;
    dt_residual residual;
    double dropout;
    int32_t vocabulary;
} layer_shape;

static inline dt_conv_layer layer_of(const layer_shape *s, int64_t *params)
{
    dt_conv_layer layer = {.channels = s->channels,
                           .filters = s->filters,
                           .kernels = s->kernels,
                           .residual = s->residual,
                           .max_length = s->max_length,
                           .dropout = {s->dropout, dt_stream(DT_DRAW_CONV, 1, 0)}};
    const int64_t matrix = (int64_t)s->filters * s->channels;
    for (int32_t k = 0; k < s->kernels; ++k) {
        layer.width[k] = s->width[k];
        layer.weight[k] = *params;
        layer.bias[k] = layer.weight[k] + matrix * s->width[k];
        layer.projection[k] = layer.bias[k] + s->filters;
        layer.projection_bias[k] = layer.projection[k] + matrix;
        *params = layer.projection_bias[k] + s->filters;
    }
    return layer;
}

/* A convolution layer and the operations before and after it, each on its own inputs. */
static inline void conv_layers(test_run *r)
{
    const layer_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    int64_t params = (int64_t)s->vocabulary * s->channels;
    const dt_conv_layer layer = layer_of(s, &params);
    const dt_lookup lookup = {.table = 0,
                              .frozen_row = 1,
                              .vocabulary = s->vocabulary,
                              .dim = s->channels,
                              .max_length = s->max_length};
    const int64_t columns = (int64_t)s->filters * s->kernels;
    const dt_position_max max = {(int32_t)columns, s->max_length, s->mask_padding};
    parameters(r, params, 0.5);
    start_batch(r, s->lengths, s->vocabulary, 0, NULL, 0);
    const int32_t b = r->batch->size.sequences;
    const int64_t rows = (int64_t)b * s->max_length;
    const bool residual = s->residual != DT_RESIDUAL_NONE;
    void *found = output(r, rows, s->channels);
    void *dfound = gradient(r, rows, s->channels);
    void *x = input(r, rows, s->channels);
    void *rectified = output(r, rows, columns);
    void *y = residual ? output(r, rows, columns) : rectified;
    void *kept = input(r, rows, columns); /* for backward, the same on both backends */
    void *dy = gradient(r, rows, columns);
    void *dz = residual ? output(r, rows, columns) : dy;
    void *dx = output(r, rows, s->channels);
    void *maximum = output(r, b, columns);
    void *dmaximum = gradient(r, b, columns);
    void *dmaps = output(r, rows, columns);
    int32_t *position = poisoned(r, b * columns * 4);
    void *scratch = poisoned(r, op->conv_layer_scratch(r->backend, &layer, b, true));
    op->lookup_forward(r->backend, found, r->batch, &lookup);
    op->lookup_backward(r->backend, dfound, r->batch, &lookup);
    op->conv_layer_forward(r->backend, y, rectified, x, scratch, r->batch, &layer);
    op->conv_layer_backward(r->backend, dx, dz, dy, kept, x, scratch, r->batch, &layer);
    op->position_max_forward(r->backend, maximum, position, kept, r->batch, &max);
    op->position_max_backward(r->backend, dmaps, dmaximum, position, r->batch, &max);
    record(r, "lookup", found, rows, s->channels);
    record(r, "rectified", rectified, rows, columns)->slack = 2.0;
    record(r, "y", y, rows, columns)->slack = 2.0;
    record(r, "dz", dz, rows, columns);
    record(r, "dx", dx, rows, s->channels)->slack = 4.0; /* rounded after each kernel */
    record(r, "maximum", maximum, b, columns);
    record(r, "gradient of the maximum", dmaps, rows, columns);
    record_vector(r, "gradients", DT_GRADIENTS, params)->slack = 2.0;
}

/* ---- loss ----------------------------------------------------------------------------------- */

static inline void record_predictions(test_run *r, const dt_prediction *device, int64_t count)
{
    dt_prediction *host = calloc((size_t)count, sizeof *host);
    r->backend->ops->download(r->backend, host, device, count * (int64_t)sizeof *host);
    test_record *out = add_record(r, "predictions", 5 * count);
    out->statistic = true;
    for (int64_t i = 0; i < count; ++i) {
        out->value[5 * i] = 1e-3 * host[i].label; /* exact, but scaled to the size of the others */
        out->value[5 * i + 1] = 1e-3 * host[i].better;
        out->value[5 * i + 2] = (double)host[i].confidence;
        out->value[5 * i + 3] = (double)host[i].entropy;
        out->value[5 * i + 4] = (double)host[i].loss;
    }
    free(host);
}

typedef struct {
    const int32_t *lengths;
    dt_loss_type type;
    int32_t tax_ranks;
    int32_t classes[DT_MAX_TAX_RANKS]; /* per rank */
} loss_shape;

static inline dt_class_layout layout_of(const loss_shape *s)
{
    dt_class_layout layout = {.tax_ranks = s->tax_ranks};
    for (int32_t t = 0; t < s->tax_ranks; ++t)
        layout.first[t + 1] = layout.first[t] + s->classes[t];
    return layout;
}

static inline void loss(test_run *r)
{
    const loss_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    dt_loss loss = {.classes = layout_of(s), .type = s->type, .gamma = 2.0};
    const int32_t tax_ranks = s->tax_ranks;
    const int32_t classes = loss.classes.first[tax_ranks];
    double temperature[DT_MAX_TAX_RANKS];
    for (int32_t t = 0; t < tax_ranks; ++t)
        temperature[t] = t % 3 == 0 ? 1.0 : t % 3 == 1 ? 0.5 : 3.0;
    const dt_update_state start = {.loss_scale = 8.0};
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    dt_update_state end;
    parameters(r, 8, 1.0);
    start_batch(r, s->lengths, 10, tax_ranks, s->classes, 0);
    const int32_t b = r->batch->size.sequences;
    void *logits = filled(r, b, classes, 0, 4.0, false, r->backend->statistic_size);
    void *predictions = poisoned(r, b * tax_ranks * (int64_t)sizeof(dt_prediction));
    if (s->type == DT_LOSS_FOCAL)
        loss.class_weight = filled(r, 1, classes, 0, 1.0, false, r->backend->statistic_size);
    op->state_write(r->backend, &start);
    op->classify(r->backend, predictions, logits, r->batch, &loss.classes, temperature);
    record_predictions(r, predictions, b * tax_ranks);
    op->loss(r->backend, logits, r->batch, &loss);
    record_statistics(r, "dlogits", logits, b, classes);
    op->update(r->backend, 8, &idle);
    op->state_read(r->backend, &end);
    record_number(r, "loss", end.loss);
    for (int t = 0; t < tax_ranks; ++t)
        record_number(r, "loss of a rank", end.loss_sum[t]);
}

/* ---- lineages ------------------------------------------------------------------------------- */

typedef struct {
    int32_t sequences, lineages, tax_ranks;
    int32_t classes[DT_MAX_TAX_RANKS]; /* per rank; one of the last has no lineage */
} lineage_shape;

static inline void make_lineage_layer(dt_lineage_layer *layer, const lineage_shape *s,
                                      const dt_class_layout *layout)
{
    const int64_t count = (int64_t)s->lineages * s->tax_ranks;
    int32_t *labels = calloc((size_t)count, sizeof *labels);
    dt_lineage_tree tree;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t t = (int32_t)(i % s->tax_ranks);
        labels[i] = (int32_t)dt_draw_below((uint32_t)(s->classes[t] - (t == s->tax_ranks - 1)), 5,
                                           1, (uint32_t)i, 0, 0);
    }
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, s->lineages, s->tax_ranks));
    ASSERT_OK(dt_lineage_layer_create(layer, &tree, layout));
    dt_lineage_tree_free(&tree);
    free(labels);
}

static inline void lineages(test_run *r)
{
    const lineage_shape *s = r->shape;
    const dt_backend_ops *op = r->backend->ops;
    dt_class_layout layout = {.tax_ranks = s->tax_ranks};
    dt_lineage_layer layer;
    for (int32_t t = 0; t < s->tax_ranks; ++t)
        layout.first[t + 1] = layout.first[t] + s->classes[t];
    const int32_t classes = layout.first[s->tax_ranks];
    make_lineage_layer(&layer, s, &layout);
    dt_lineage_layer_place(&layer, memory_of(r, layer.index_count * (int64_t)sizeof *layer.index));
    dt_lineage_layer_upload(&layer, r->backend);
    const int64_t nodes = layer.lineages.first[s->tax_ranks];
    const int32_t size = r->backend->statistic_size;
    void *logits = filled(r, s->sequences, classes, 0, 4.0, false, size);
    void *marginals = poisoned(r, s->sequences * (int64_t)classes * size);
    void *x = poisoned(r, s->sequences * nodes * size);
    void *scratch = poisoned(r, s->sequences * nodes * size);
    op->lineage_forward(r->backend, marginals, x, logits, s->sequences, &layer.lineages);
    record_statistics(r, "nodes", x, s->sequences, nodes);
    test_record *sums = record_statistics(r, "marginals", marginals, s->sequences, classes);
    for (int64_t i = 0; i < sums->count; ++i) /* of a class without lineages -1e30 */
        sums->value[i] = sums->value[i] < -1e29 ? -1.0 : sums->value[i];
    void *dm = filled(r, s->sequences, classes, 0, 1.0, false, size);
    op->lineage_backward(r->backend, logits, scratch, dm, x, s->sequences, &layer.lineages);
    record_statistics(r, "dlogits", logits, s->sequences, classes);
    dt_lineage_layer_free(&layer);
}

/* ---- update --------------------------------------------------------------------------------- */

static inline void record_state(test_run *r)
{
    dt_update_state s;
    r->backend->ops->state_read(r->backend, &s);
    record_number(r, "steps", (double)s.steps);
    record_number(r, "skipped", (double)s.skipped * 100 + s.skipped_in_row);
    record_number(r, "loss scale", s.loss_scale + s.scale_good_steps);
    record_number(r, "gradient norm", s.grad_norm);
    record_number(r, "rate", s.last_rate);
}

/* Four updates: one after which the loss scale grows, one that is clipped, one that overflows, and
 * another one; AdamW, or LAMB with these tensors. */
static inline void updates(test_run *r, int64_t count, const dt_update_tensor *tensors,
                           int32_t tensor_count)
{
    const dt_backend_ops *op = r->backend->ops;
    const dt_update_state start = {
        .loss_scale = 1024.0, .scale_good_steps = DT_LOSS_SCALE_INTERVAL - 1, .steps = 3};
    dt_update_rule rule = {.learning_rate = 0.01,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .eps = 1e-8,
                           .weight_decay = 0.3,
                           .max_grad_norm = 1e9,
                           .warmup_steps = 5,
                           .total_steps = 20,
                           .schedule_start = 1,
                           .dynamic_scale = true,
                           .tensors = tensors,
                           .tensor_count = tensor_count};
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

static inline void update(test_run *r)
{
    updates(r, *(const int64_t *)r->shape, NULL, 0);
}

/* A matrix of several blocks, a bias, a matrix at an address that suits no vector, and elements of
 * no tensor. */
static inline void lamb_update(test_run *r)
{
    static const dt_update_tensor tensors[] = {
        {0, 40001, true}, {40064, 31, false}, {40095, 3000, true}};
    updates(r, 43200, tensors, 3);
}

/* The low-precision copy follows an update: a product after it uses the new weights. */
static inline void product_after_update(test_run *r)
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

#endif
