/* A layer of convolutions on padded matrices (P = B · L rows). lookup.c computes the input of the
 * first layer, position_max.c reduces the output of the last one.
 *
 * A convolution of width w is one matrix product per chunk of sequences: the `width` rows that a
 * position sees are copied side by side to a row of `window` (positions, w · channels), and the
 * weights are repacked to (F, w · channels). Backward adds to the gradient of each position the
 * gradients of the windows that contain it.
 */
#include <string.h>

#include "core/convolution.h"
#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"

/* Approximate number of elements in the windows of a chunk of sequences. */
#define WINDOW_ELEMENTS ((int64_t)4 << 20)
/* Channels that a thread handles at a time. */
#define CHANNELS 256

/* The scratch memory of a layer. */
typedef struct {
    dt_conv_window_sizes size;
    dt_real *weight;   /* (F, width · channels) of one kernel */
    dt_real *gradient; /* the same, of the weights */
    dt_real *window;   /* (chunk · L, width · channels) */
} layer_plan;

static dt_conv_window_sizes sizes_of(const dt_conv_layer *layer, int64_t sequences)
{
    return dt_conv_window_sizes_of(&(dt_conv_windows){
        .width = layer->width,
        .kernels = layer->kernels,
        .filters = layer->filters,
        .channels = layer->channels,
        .max_length = layer->max_length,
        .sequences = sequences,
        .elements = WINDOW_ELEMENTS,
    });
}

static layer_plan plan_of(const dt_conv_layer *layer, int64_t sequences, void *scratch)
{
    layer_plan plan = {.size = sizes_of(layer, sequences)};
    plan.weight = scratch;
    plan.gradient = plan.weight + plan.size.weights;
    plan.window = plan.gradient + plan.size.weights;
    return plan;
}

int64_t dt_cpu_conv_layer_scratch(dt_backend *backend, const dt_conv_layer *layer,
                                  int32_t max_sequences, bool training)
{
    (void)backend;
    (void)training;
    const dt_conv_window_sizes size = sizes_of(layer, max_sequences);
    return (2 * size.weights + size.window) * (int64_t)sizeof(dt_real);
}

/* ---- convolution --------------------------------------------------------------------------- */

/* (F, channels, width) becomes (F, width, channels). */
static void pack_weights(const dt_cpu *cpu, dt_real *to, const dt_conv_layer *layer, int32_t kernel)
{
    const int64_t channels = layer->channels;
    const int64_t width = layer->width[kernel];
    const dt_real *from = dt_cpu_param(cpu, layer->weight[kernel]);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t f = 0; f < layer->filters; ++f)
        for (int64_t j = 0; j < width; ++j)
            for (int64_t c = 0; c < channels; ++c)
                to[(f * width + j) * channels + c] = from[(f * channels + c) * width + j];
}

/* Adds the packed gradient to the parameter's. */
static void unpack_gradient(const dt_cpu *cpu, const dt_real *from, const dt_conv_layer *layer,
                            int32_t kernel)
{
    const int64_t channels = layer->channels;
    const int64_t width = layer->width[kernel];
    dt_real *to = dt_cpu_gradient(cpu, layer->weight[kernel]);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t f = 0; f < layer->filters; ++f)
        for (int64_t j = 0; j < width; ++j)
            for (int64_t c = 0; c < channels; ++c)
                to[(f * channels + c) * width + j] += from[(f * width + j) * channels + c];
}

/* Copies the rows that each of `rows` positions sees side by side. x: that of the chunk's first
 * sequence. */
static void make_windows(const dt_cpu *cpu, dt_real *window, const dt_real *x, int64_t rows,
                         const dt_conv_layer *layer, int64_t width)
{
    const int64_t channels = layer->channels;
    const int64_t length = layer->max_length;
    const size_t bytes = (size_t)channels * sizeof *x;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t t = row % length;
        for (int64_t j = 0; j < width; ++j) {
            const int64_t seen = t + j - width / 2;
            dt_real *out = window + (row * width + j) * channels;
            if (seen >= 0 && seen < length)
                memcpy(out, x + (row - t + seen) * channels, bytes);
            else
                memset(out, 0, bytes);
        }
    }
}

/* Adds to dx of each position its share of the windows' gradients. */
static void add_windows(const dt_cpu *cpu, dt_real *dx, const dt_real *window, int64_t rows,
                        const dt_conv_layer *layer, int64_t width)
{
    const int64_t channels = layer->channels;
    const int64_t length = layer->max_length;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t t = row % length;
        dt_real *out = dx + row * channels;
        for (int64_t j = 0; j < width; ++j) {
            const int64_t saw = t - j + width / 2;
            if (saw < 0 || saw >= length)
                continue;
            const dt_real *in = window + ((row - t + saw) * width + j) * channels;
            DT_SIMD
            for (int64_t c = 0; c < channels; ++c)
                out[c] += in[c];
        }
    }
}

/* The rows of a chunk of sequences in x. */
typedef struct {
    int64_t first, rows;
} row_range;

static row_range chunk_rows(const layer_plan *plan, const dt_conv_layer *layer, int64_t first,
                            int64_t sequences)
{
    const int64_t left = sequences - first;
    const int64_t count = left < plan->size.chunk ? left : plan->size.chunk;
    return (row_range){first * layer->max_length, count * layer->max_length};
}

static void convolve(const dt_cpu *cpu, dt_real *r, const dt_real *x, const layer_plan *plan,
                     const dt_conv_layer *layer, int32_t kernel, int64_t sequences)
{
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    const int64_t seen = (int64_t)layer->width[kernel] * layer->channels;
    pack_weights(cpu, plan->weight, layer, kernel);
    for (int64_t first = 0; first < sequences; first += plan->size.chunk) {
        const row_range range = chunk_rows(plan, layer, first, sequences);
        make_windows(cpu, plan->window, x + range.first * layer->channels, range.rows, layer,
                     layer->width[kernel]);
        dt_gemm(&cpu->gemm, &(dt_product){
                                .m = range.rows,
                                .n = layer->filters,
                                .k = seen,
                                .a = plan->window,
                                .lda = seen,
                                .b = plan->weight,
                                .ldb = seen,
                                .transpose_b = true,
                                .c = r + range.first * columns + (int64_t)kernel * layer->filters,
                                .ldc = columns,
                                .bias = dt_cpu_param(cpu, layer->bias[kernel]),
                            });
    }
}

static void project(const dt_cpu *cpu, dt_real *y, const dt_real *x, const dt_conv_layer *layer,
                    int32_t kernel, int64_t rows)
{
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = rows,
                            .n = layer->filters,
                            .k = layer->channels,
                            .a = x,
                            .lda = layer->channels,
                            .b = dt_cpu_param(cpu, layer->projection[kernel]),
                            .ldb = layer->channels,
                            .transpose_b = true,
                            .c = y + (int64_t)kernel * layer->filters,
                            .ldc = columns,
                            .bias = dt_cpu_param(cpu, layer->projection_bias[kernel]),
                        });
}

/* r holds the convolutions and becomes dropout(ReLU(r)); y = r + residual. */
static void finish_row(const dt_cpu_batch *batch, dt_real *y, dt_real *r, const dt_real *x,
                       int64_t row, const dt_conv_layer *layer)
{
    dt_real factor[CHANNELS];
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    const dt_mask mask =
        dt_cpu_mask(batch, &layer->dropout, row / layer->max_length, row % layer->max_length);
    for (int64_t first = 0; first < columns; first += CHANNELS) {
        const int64_t count = columns - first < CHANNELS ? columns - first : CHANNELS;
        dt_dropout_row(factor, &mask, first, count);
        dt_real *value = r + row * columns + first;
        DT_SIMD
        for (int64_t c = 0; c < count; ++c)
            value[c] = (value[c] < 0 ? 0 : value[c]) * factor[c];
    }
    const dt_real *value = r + row * columns;
    dt_real *out = y + row * columns;
    const dt_real *in = x + row * layer->channels;
    if (layer->residual == DT_RESIDUAL_PROJECTION)
        for (int64_t c = 0; c < columns; ++c)
            out[c] += value[c];
    else if (layer->residual == DT_RESIDUAL_IDENTITY)
        for (int64_t c = 0; c < columns; ++c)
            out[c] = value[c] + in[c % layer->filters];
}

void dt_cpu_conv_layer_forward(dt_backend *backend, void *y, void *r, const void *x, void *scratch,
                               const dt_device_batch *batch, const dt_conv_layer *layer)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int64_t sequences = batch->size.sequences;
    const int64_t rows = sequences * layer->max_length;
    const layer_plan plan = plan_of(layer, sequences, scratch);
    for (int32_t kernel = 0; kernel < layer->kernels; ++kernel) {
        convolve(cpu, r, x, &plan, layer, kernel, sequences);
        if (layer->residual == DT_RESIDUAL_PROJECTION)
            project(cpu, y, x, layer, kernel, rows);
    }
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row)
        finish_row(dt_cpu_batch_of(batch), y, r, x, row, layer);
}

/* ---- backward ------------------------------------------------------------------------------ */

/* Accumulates the gradient of a kernel's weights, and adds the gradient of its input to dx. */
static void convolve_backward(const dt_cpu *cpu, dt_real *dx, const dt_real *dz, const dt_real *x,
                              const layer_plan *plan, const dt_conv_layer *layer, int32_t kernel,
                              int64_t sequences)
{
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    const int64_t channels = layer->channels;
    const int64_t seen = layer->width[kernel] * channels;
    dz += (int64_t)kernel * layer->filters;
    pack_weights(cpu, plan->weight, layer, kernel);
    for (int64_t first = 0; first < sequences; first += plan->size.chunk) {
        const row_range range = chunk_rows(plan, layer, first, sequences);
        const dt_product weights = {
            .m = layer->filters,
            .n = seen,
            .k = range.rows,
            .a = dz + range.first * columns,
            .lda = columns,
            .transpose_a = true,
            .b = plan->window,
            .ldb = seen,
            .c = plan->gradient,
            .ldc = seen,
            .add = first > 0,
        };
        const dt_product windows = {
            .m = range.rows,
            .n = seen,
            .k = layer->filters,
            .a = dz + range.first * columns,
            .lda = columns,
            .b = plan->weight,
            .ldb = seen,
            .c = plan->window,
            .ldc = seen,
        };
        make_windows(cpu, plan->window, x + range.first * channels, range.rows, layer,
                     layer->width[kernel]);
        dt_gemm(&cpu->gemm, &weights);
        if (!dx)
            continue;
        dt_gemm(&cpu->gemm, &windows);
        add_windows(cpu, dx + range.first * channels, plan->window, range.rows, layer,
                    layer->width[kernel]);
    }
    unpack_gradient(cpu, plan->gradient, layer, kernel);
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, layer->bias[kernel]), dz,
                       sequences * layer->max_length, layer->filters, columns);
}

static void project_backward(const dt_cpu *cpu, dt_real *dx, const dt_real *dy, const dt_real *x,
                             const dt_conv_layer *layer, int32_t kernel, int64_t rows)
{
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    const int64_t channels = layer->channels;
    dy += (int64_t)kernel * layer->filters;
    if (dx)
        dt_gemm(&cpu->gemm, &(dt_product){
                                .m = rows,
                                .n = channels,
                                .k = layer->filters,
                                .a = dy,
                                .lda = columns,
                                .b = dt_cpu_param(cpu, layer->projection[kernel]),
                                .ldb = channels,
                                .c = dx,
                                .ldc = channels,
                                .add = true,
                            });
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = layer->filters,
                            .n = channels,
                            .k = rows,
                            .a = dy,
                            .lda = columns,
                            .transpose_a = true,
                            .b = x,
                            .ldb = channels,
                            .c = dt_cpu_gradient(cpu, layer->projection[kernel]),
                            .ldc = channels,
                            .add = true,
                        });
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, layer->projection_bias[kernel]), dy, rows,
                       layer->filters, columns);
}

/* dz = the gradient before ReLU and dropout (kept values were divided by 1 - p); dx is initialised
 * with zeros or with the gradient of the identity. */
static void start_row(dt_real *dx, dt_real *dz, const dt_real *dy, const dt_real *r, int64_t row,
                      const dt_conv_layer *layer)
{
    const int64_t columns = (int64_t)layer->filters * layer->kernels;
    const dt_real kept = (dt_real)(1.0 / (1.0 - layer->dropout.p));
    if (dx) {
        dt_real *out = dx + row * layer->channels;
        memset(out, 0, (size_t)layer->channels * sizeof *out);
        for (int64_t c = 0; layer->residual == DT_RESIDUAL_IDENTITY && c < columns; ++c)
            out[c % layer->filters] += dy[row * columns + c];
    }
    DT_SIMD
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
        dz[i] = r[i] > 0 ? dy[i] * kept : 0;
}

void dt_cpu_conv_layer_backward(dt_backend *backend, void *dx, void *dz, const void *dy,
                                const void *r, const void *x, void *scratch,
                                const dt_device_batch *batch, const dt_conv_layer *layer)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int64_t sequences = batch->size.sequences;
    const int64_t rows = sequences * layer->max_length;
    const layer_plan plan = plan_of(layer, sequences, scratch);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row)
        start_row(dx, dz, dy, r, row, layer);
    for (int32_t kernel = 0; kernel < layer->kernels; ++kernel) {
        convolve_backward(cpu, dx, dz, x, &plan, layer, kernel, sequences);
        if (layer->residual == DT_RESIDUAL_PROJECTION)
            project_backward(cpu, dx, dy, x, layer, kernel, rows);
    }
}
