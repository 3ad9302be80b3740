/* Several layers of convolution on padded matrices: the embedding, a layer, the maximum over
 * positions. */
#include "cpu_test.h"

enum { LENGTH = 8, SEQUENCES = 3, ROWS = SEQUENCES * LENGTH };
static const int32_t lengths[SEQUENCES] = {5, 1, LENGTH};
static test_batch storage;

/* ---- the embedding: no inputs, y (P, dim) ------------------------------------------------------
 */

static void lookup_forward(const test_run *run)
{
    run->backend->ops->lookup_forward(run->backend, run->out[0], run->batch, run->what->op);
}

static void lookup_backward(const test_run *run)
{
    const dt_lookup *lookup = run->what->op;
    if (lookup->table != DT_NO_PARAM)
        run->backend->ops->lookup_backward(run->backend, run->dout[0], run->batch, lookup);
}

static void lookup_reference(const test_case *what, double *const in[], const double *params,
                             double *out[])
{
    (void)in;
    const dt_lookup *lookup = what->op;
    for (int64_t row = 0; row < ROWS; ++row) {
        const int64_t t = row % LENGTH;
        const int32_t *first = what->batch->cu_seqlens + row / LENGTH;
        const bool inside = t < first[1] - first[0];
        const int32_t id = inside ? what->batch->token_ids[first[0] + t] : -1;
        for (int64_t c = 0; c < lookup->dim; ++c)
            out[0][row * lookup->dim + c] = !inside ? 0.0
                                            : lookup->table == DT_NO_PARAM
                                                ? (double)(id == c)
                                                : params[id * lookup->dim + c];
    }
}

static void check_lookup(const dt_lookup *lookup)
{
    check_case(&(test_case){
        .outs = 1,
        .out_count = {(int64_t)ROWS * lookup->dim},
        .params = lookup->table == DT_NO_PARAM ? 1 : (int64_t)lookup->vocabulary * lookup->dim,
        .batch = make_batch(&storage, lengths, SEQUENCES, 5),
        .op = lookup,
        .forward = lookup_forward,
        .backward = lookup_backward,
        .reference = lookup_reference});
}

static void tokens_become_vectors_and_padding_zeros(void **state)
{
    (void)state;
    check_lookup(&(dt_lookup){
        .table = 0, .frozen_row = -1, .vocabulary = 5, .dim = 6, .max_length = LENGTH});
    check_lookup(&(dt_lookup){
        .table = DT_NO_PARAM, .frozen_row = -1, .vocabulary = 5, .dim = 4, .max_length = LENGTH});
}

/* ---- a layer: x (P, channels); y (P, F·kernels), and r where there is a residual
 * -----------------
 */

static void layer_forward(const test_run *run)
{
    const dt_conv_layer *layer = run->what->op;
    void *r = layer->residual == DT_RESIDUAL_NONE ? run->out[0] : run->out[1];
    run->backend->ops->conv_layer_forward(run->backend, run->out[0], r, run->in[0], run->raw,
                                          run->batch, layer);
}

static void layer_backward(const test_run *run)
{
    const dt_conv_layer *layer = run->what->op;
    const bool residual = layer->residual != DT_RESIDUAL_NONE;
    run->backend->ops->conv_layer_backward(
        run->backend, run->din[0], residual ? run->dout[1] : run->dout[0], run->dout[0],
        residual ? run->out[1] : run->out[0], run->in[0], run->raw, run->batch, layer);
}

static double seen_by(const dt_conv_layer *layer, const double *x, const double *params,
                      int64_t row, int32_t k, int64_t f)
{
    double sum = params[layer->bias[k] + f];
    const int64_t width = layer->width[k];
    for (int64_t j = 0; j < width; ++j) {
        const int64_t t = row % LENGTH + j - width / 2;
        for (int64_t c = 0; t >= 0 && t < LENGTH && c < layer->channels; ++c)
            sum += x[(row / LENGTH * LENGTH + t) * layer->channels + c] *
                   params[layer->weight[k] + (f * layer->channels + c) * width + j];
    }
    return sum;
}

static double residual_of(const dt_conv_layer *layer, const double *x, const double *params,
                          int64_t row, int32_t k, int64_t f)
{
    const double *in = x + row * layer->channels;
    if (layer->residual == DT_RESIDUAL_NONE)
        return 0.0;
    if (layer->residual == DT_RESIDUAL_IDENTITY)
        return in[f];
    double sum = params[layer->projection_bias[k] + f];
    for (int64_t c = 0; c < layer->channels; ++c)
        sum += in[c] * params[layer->projection[k] + f * layer->channels + c];
    return sum;
}

static void layer_reference(const test_case *what, double *const in[], const double *params,
                            double *out[])
{
    const dt_conv_layer *layer = what->op;
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    for (int64_t i = 0; i < ROWS * columns; ++i) {
        const int64_t row = i / columns;
        const int64_t channel = i % columns;
        const int32_t k = (int32_t)(channel / layer->filters);
        const int64_t f = channel % layer->filters;
        const double z = seen_by(layer, in[0], params, row, k, f);
        const double r =
            (z < 0.0 ? 0.0 : z) * kept(what->batch, layer->dropout.p, layer->dropout.stream,
                                       channel, row % LENGTH, row / LENGTH);
        out[0][i] = r + residual_of(layer, in[0], params, row, k, f);
        if (layer->residual != DT_RESIDUAL_NONE)
            out[1][i] = r;
    }
}

static void check_layer(dt_conv_layer layer)
{
    int64_t params = 0;
    const int64_t matrix = (int64_t)layer.filters * layer.channels;
    const int64_t columns = (int64_t)layer.filters * layer.kernels;
    layer.max_length = LENGTH;
    for (int32_t k = 0; k < layer.kernels; ++k) {
        layer.weight[k] = params;
        layer.bias[k] = layer.weight[k] + matrix * layer.width[k];
        layer.projection[k] = layer.bias[k] + layer.filters;
        layer.projection_bias[k] = layer.projection[k] + matrix;
        params = layer.projection_bias[k] + layer.filters;
    }
    check_case(&(test_case){.ins = 1,
                            .outs = layer.residual == DT_RESIDUAL_NONE ? 1 : 2,
                            .in_count = {ROWS * (int64_t)layer.channels},
                            .out_count = {ROWS * columns, ROWS * columns},
                            .side_output = {false, true},
                            .params = params,
                            .raw_bytes = 1 << 20,
                            .batch = make_batch(&storage, lengths, SEQUENCES, 5),
                            .op = &layer,
                            .forward = layer_forward,
                            .backward = layer_backward,
                            .reference = layer_reference});
}

static void a_layer_convolves_every_position(void **state)
{
    (void)state;
    const dt_dropout dropout = {0.3, dt_stream(DT_DRAW_CONV, 2, 0)};
    check_layer((dt_conv_layer){.channels = 3, .filters = 2, .kernels = 2, .width = {3, 1}});
    check_layer((dt_conv_layer){.channels = 5,
                                .filters = 3,
                                .kernels = 3,
                                .width = {3, 5, 17}, /* wider than the sequence */
                                .residual = DT_RESIDUAL_PROJECTION,
                                .dropout = dropout});
    check_layer((dt_conv_layer){.channels = 4,
                                .filters = 4,
                                .kernels = 2,
                                .width = {3, 5},
                                .residual = DT_RESIDUAL_IDENTITY,
                                .dropout = dropout});
}

/* ---- maximum: x (P, channels), y (B, channels); raw holds the positions
 * --------------------------
 */

static void max_forward(const test_run *run)
{
    run->backend->ops->position_max_forward(run->backend, run->out[0], run->raw, run->in[0],
                                            run->batch, run->what->op);
}

static void max_backward(const test_run *run)
{
    run->backend->ops->position_max_backward(run->backend, run->din[0], run->dout[0], run->raw,
                                             run->batch, run->what->op);
}

static void max_reference(const test_case *what, double *const in[], const double *params,
                          double *out[])
{
    (void)params;
    const dt_position_max *max = what->op;
    for (int64_t b = 0; b < SEQUENCES; ++b)
        for (int64_t c = 0; c < max->channels; ++c) {
            double best = -INFINITY;
            for (int64_t t = 0; t < (max->mask_padding ? lengths[b] : LENGTH); ++t)
                best = fmax(best, in[0][(b * LENGTH + t) * max->channels + c]);
            out[0][b * max->channels + c] = best;
        }
}

static void the_maximum_masks_padding_when_asked(void **state)
{
    (void)state;
    for (int mask = 0; mask < 2; ++mask) {
        const dt_position_max max = {.channels = 7, .max_length = LENGTH, .mask_padding = mask};
        check_case(&(test_case){.ins = 1,
                                .outs = 1,
                                .in_count = {ROWS * 7},
                                .out_count = {SEQUENCES * 7},
                                .raw_bytes = SEQUENCES * 7 * (int64_t)sizeof(int32_t),
                                .batch = make_batch(&storage, lengths, SEQUENCES, 5),
                                .op = &max,
                                .forward = max_forward,
                                .backward = max_backward,
                                .reference = max_reference});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_become_vectors_and_padding_zeros),
        cmocka_unit_test(a_layer_convolves_every_position),
        cmocka_unit_test(the_maximum_masks_padding_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
