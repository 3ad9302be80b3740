/* A layer of convolutions on padded matrices (P = B · L rows). lookup.cu computes the input of the
 * first layer, position_max.cu reduces the output of the last one.
 *
 * A convolution of width w is one matrix product per chunk of sequences: the `width` rows that a
 * position sees are copied side by side to a row of `windows` (positions, w · channels), and the
 * weights are repacked to (F, w · channels). Backward adds to the gradient of each position the
 * gradients of the windows that contain it.
 */
#include "cuda/device.cuh"

extern "C" {
#include "core/convolution.h"
}

#define THREADS 128

/* Approximate number of elements in the windows of a chunk of sequences. */
#define WINDOW_ELEMENTS ((int64_t)32 << 20)

/* ---- plan ----------------------------------------------------------------------------------- */

/* The scratch memory of a layer. */
typedef struct {
    dt_conv_window_sizes size;
    void *packed;    /* (F, width · channels) weights of one kernel, of activations' type */
    float *gradient; /* the same, of the weights */
    void *windows;   /* (chunk · L, width · channels) of activations' type */
} layer_plan;

static dt_conv_window_sizes sizes_of(const dt_conv_layer *layer, int64_t sequences)
{
    const dt_conv_windows windows = {layer->width,    layer->kernels,    layer->filters,
                                     layer->channels, layer->max_length, sequences,
                                     WINDOW_ELEMENTS};
    return dt_conv_window_sizes_of(&windows);
}

static int64_t padded_bytes(int64_t bytes)
{
    return dt_ceil_div(bytes, 256) * 256;
}

template <typename T>
static layer_plan plan_of(const dt_conv_layer *layer, int64_t sequences, void *scratch)
{
    layer_plan plan = {};
    plan.size = sizes_of(layer, sequences);
    char *at = (char *)scratch;
    plan.packed = at;
    at += padded_bytes(plan.size.weights * (int64_t)sizeof(T));
    plan.gradient = (float *)(void *)at;
    at += padded_bytes(plan.size.weights * (int64_t)sizeof(float));
    plan.windows = at;
    return plan;
}

template <typename T>
int64_t dt_cuda_conv_layer_scratch(dt_backend *backend, const dt_conv_layer *layer,
                                   int32_t max_sequences, bool training)
{
    (void)backend;
    (void)training;
    const dt_conv_window_sizes size = sizes_of(layer, max_sequences);
    return padded_bytes(size.weights * (int64_t)sizeof(T)) +
           padded_bytes(size.weights * (int64_t)sizeof(float)) +
           padded_bytes(size.window * (int64_t)sizeof(T));
}

/* ---- windows and weights -------------------------------------------------------------------- */

/* Block f: (F, channels, width) becomes (F, width, channels). */
template <typename T>
__global__ void pack_layer_kernel(T *to, const T *from, int64_t channels, int64_t width)
{
    const int64_t start = blockIdx.x * channels * width;
    for (int64_t i = threadIdx.x; i < channels * width; i += THREADS)
        to[start + i] = from[start + i % channels * width + i / channels];
}

/* Block f: adds the packed gradient to the parameter's, or replaces it. */
static __global__ void unpack_gradient_kernel(float *to, const float *from, int64_t channels,
                                              int64_t width, bool replace)
{
    const int64_t start = blockIdx.x * channels * width;
    for (int64_t i = threadIdx.x; i < channels * width; i += THREADS) {
        const float sum = from[start + i % width * channels + i / width];
        to[start + i] = replace ? sum : to[start + i] + sum;
    }
}

/* Block (position, tap): the row of x that the tap sees. */
template <typename T>
__global__ void windows_kernel(T *windows, const T *x, int64_t channels, int64_t length)
{
    const int64_t row = blockIdx.x;
    const int64_t width = gridDim.y;
    const int64_t tap = blockIdx.y;
    const int64_t t = row % length;
    const int64_t seen = t + tap - width / 2;
    const bool inside = seen >= 0 && seen < length;
    const T *from = x + (row - t + seen) * channels;
    T *to = windows + (row * width + tap) * channels;
    for (int64_t c = threadIdx.x; c < channels; c += THREADS)
        to[c] = inside ? from[c] : dt_round<T>(0.0f);
}

/* One block per position: dx += its share of the windows' gradients. */
template <typename T>
__global__ void add_windows_kernel(T *dx, const T *windows, int64_t channels, int64_t length,
                                   int64_t width)
{
    const int64_t row = blockIdx.x;
    const int64_t t = row % length;
    for (int64_t c = threadIdx.x; c < channels; c += THREADS) {
        float sum = dt_value(dx[row * channels + c]);
        for (int64_t tap = 0; tap < width; ++tap) {
            const int64_t saw = t - tap + width / 2;
            if (saw >= 0 && saw < length)
                sum += dt_value(windows[((row - t + saw) * width + tap) * channels + c]);
        }
        dx[row * channels + c] = dt_round<T>(sum);
    }
}

/* The arguments of the convolutions of a layer. */
typedef struct {
    dt_cuda *cuda;
    const dt_conv_layer *layer;
    layer_plan plan;
    int64_t columns; /* F · kernels */
    int64_t sequences;
} layer_task;

template <typename T> static void pack(const layer_task &task, int32_t kernel)
{
    const dt_conv_layer *layer = task.layer;
    pack_layer_kernel<T><<<(unsigned)layer->filters, THREADS, 0, task.cuda->stream>>>(
        (T *)task.plan.packed, dt_cuda_weight<T>(task.cuda, layer->weight[kernel]),
        layer->channels, layer->width[kernel]);
    dt_cuda_launched(task.cuda, "packing convolution weights");
}

template <typename T>
static void make_windows(const layer_task &task, const T *x, int64_t rows, int32_t kernel)
{
    const dim3 grid((unsigned)rows, (unsigned)task.layer->width[kernel]);
    windows_kernel<T><<<grid, THREADS, 0, task.cuda->stream>>>(
        (T *)task.plan.windows, x, task.layer->channels, task.layer->max_length);
    dt_cuda_launched(task.cuda, "windows");
}

/* Returns the rows of the chunk that starts at sequence `first`. */
static int64_t chunk_rows(const layer_task &task, int64_t first)
{
    const int64_t left = task.sequences - first;
    return (left < task.plan.size.chunk ? left : task.plan.size.chunk) * task.layer->max_length;
}

/* ---- forward -------------------------------------------------------------------------------- */

template <typename T>
static void convolve(const layer_task &task, T *r, const T *x, int32_t kernel)
{
    const dt_conv_layer *layer = task.layer;
    const int64_t seen = (int64_t)layer->width[kernel] * layer->channels;
    pack<T>(task, kernel);
    for (int64_t first = 0; first < task.sequences; first += task.plan.size.chunk) {
        const int64_t row = first * layer->max_length;
        dt_product p = {};
        p.m = chunk_rows(task, first);
        p.n = layer->filters;
        p.k = seen;
        p.a = task.plan.windows;
        p.lda = seen;
        p.b = task.plan.packed;
        p.ldb = seen;
        p.transpose_b = true;
        p.c = r + row * task.columns + (int64_t)kernel * layer->filters;
        p.ldc = task.columns;
        p.bias = dt_cuda_weight<T>(task.cuda, layer->bias[kernel]);
        p.inputs = p.output = dt_number_of<T>();
        make_windows<T>(task, x + row * layer->channels, p.m, kernel);
        dt_cuda_product(task.cuda, &p);
    }
}

template <typename T>
static void project(const layer_task &task, T *y, const T *x, int32_t kernel)
{
    const dt_conv_layer *layer = task.layer;
    dt_product p = {};
    p.m = task.sequences * layer->max_length;
    p.n = layer->filters;
    p.k = layer->channels;
    p.a = x;
    p.lda = layer->channels;
    p.b = dt_cuda_weight<T>(task.cuda, layer->projection[kernel]);
    p.ldb = layer->channels;
    p.transpose_b = true;
    p.c = y + (int64_t)kernel * layer->filters;
    p.ldc = task.columns;
    p.bias = dt_cuda_weight<T>(task.cuda, layer->projection_bias[kernel]);
    p.inputs = p.output = dt_number_of<T>();
    dt_cuda_product(task.cuda, &p);
}

typedef struct {
    int64_t columns, channels, filters, length;
    dt_residual residual;
    dt_drop drop;
} row_task;

static row_task row_task_of(const dt_conv_layer *layer)
{
    return row_task{(int64_t)layer->filters * layer->kernels, layer->channels, layer->filters,
                    layer->max_length, layer->residual, dt_drop_of(&layer->dropout)};
}

/* One block per position. r holds the convolutions and becomes dropout(ReLU(r)); y = r +
 * residual. */
template <typename T, bool ALIGNED>
__global__ void finish_layer_kernel(T *y, T *r, const T *x, dt_batch_view batch, row_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    const int64_t start = row * task.columns;
    const dt_mask mask = dt_mask_of(batch.facts, task.drop, row / task.length, row % task.length);
    for (int64_t column = (int64_t)threadIdx.x * W; column < task.columns; column += THREADS * W) {
        float value[W];
        float factor[W];
        dt_load<ALIGNED, W>(value, r + start, column, task.columns);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            value[i] = (value[i] < 0.0f ? 0.0f : value[i]) * factor[i]; /* keeps NaN */
        dt_store<ALIGNED, W>(r + start, value, column, task.columns);
        if (task.residual == DT_RESIDUAL_NONE)
            continue;
        if (task.residual == DT_RESIDUAL_PROJECTION)
            dt_load<ALIGNED, W>(factor, y + start, column, task.columns);
        else
#pragma unroll
            for (int i = 0; i < W; ++i)
                factor[i] = dt_value(x[row * task.channels + (column + i) % task.filters]);
#pragma unroll
        for (int i = 0; i < W; ++i)
            value[i] += factor[i];
        dt_store<ALIGNED, W>(y + start, value, column, task.columns);
    }
}

template <typename T>
void dt_cuda_conv_layer_forward(dt_backend *backend, void *y, void *r, const void *x,
                                void *scratch, const dt_device_batch *batch,
                                const dt_conv_layer *layer)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t sequences = batch->size.sequences;
    const row_task rows = row_task_of(layer);
    const layer_task task = {cuda, layer, plan_of<T>(layer, sequences, scratch), rows.columns,
                             sequences};
    for (int32_t kernel = 0; kernel < layer->kernels; ++kernel) {
        convolve<T>(task, (T *)r, (const T *)x, kernel);
        if (layer->residual == DT_RESIDUAL_PROJECTION)
            project<T>(task, (T *)y, (const T *)x, kernel);
    }
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    const unsigned blocks = (unsigned)(sequences * layer->max_length);
    if (rows.columns % dt_vec<T>::width == 0 && dt_is_aligned(y) && dt_is_aligned(r))
        finish_layer_kernel<T, true>
            <<<blocks, THREADS, 0, cuda->stream>>>((T *)y, (T *)r, (const T *)x, view, rows);
    else
        finish_layer_kernel<T, false>
            <<<blocks, THREADS, 0, cuda->stream>>>((T *)y, (T *)r, (const T *)x, view, rows);
    dt_cuda_launched(cuda, "ReLU and dropout of a convolution");
}

/* ---- backward ------------------------------------------------------------------------------- */

template <typename T>
static void bias_gradient(const layer_task &task, dt_param bias, const T *dy)
{
    const int64_t rows = task.sequences * task.layer->max_length;
    const int64_t filters = task.layer->filters;
    dt_cuda_column_sums<T>(task.cuda, dt_cuda_gradient(task.cuda, bias), dy, rows, filters,
                           task.columns);
}

/* Accumulates the gradient of a kernel's weights, and adds the gradient of its input to dx. */
template <typename T>
static void convolve_backward(const layer_task &task, T *dx, const T *dz, const T *x,
                              int32_t kernel)
{
    const dt_conv_layer *layer = task.layer;
    const int64_t seen = (int64_t)layer->width[kernel] * layer->channels;
    dz += (int64_t)kernel * layer->filters;
    pack<T>(task, kernel);
    for (int64_t first = 0; first < task.sequences; first += task.plan.size.chunk) {
        const int64_t row = first * layer->max_length;
        const int64_t rows = chunk_rows(task, first);
        dt_product p = {};
        p.m = layer->filters;
        p.n = seen;
        p.k = rows;
        p.a = dz + row * task.columns;
        p.lda = task.columns;
        p.transpose_a = true;
        p.b = task.plan.windows;
        p.ldb = seen;
        p.c = task.plan.gradient;
        p.ldc = seen;
        p.add = first > 0;
        p.inputs = dt_number_of<T>();
        p.output = DT_NUMBER_FLOAT;
        make_windows<T>(task, x + row * layer->channels, rows, kernel);
        dt_cuda_product(task.cuda, &p);
        if (!dx)
            continue;
        p.m = rows;
        p.k = layer->filters;
        p.transpose_a = false;
        p.b = task.plan.packed;
        p.c = task.plan.windows;
        p.add = false;
        p.output = dt_number_of<T>();
        dt_cuda_product(task.cuda, &p);
        add_windows_kernel<T><<<(unsigned)rows, THREADS, 0, task.cuda->stream>>>(
            dx + row * layer->channels, (const T *)task.plan.windows, layer->channels,
            layer->max_length, layer->width[kernel]);
        dt_cuda_launched(task.cuda, "adding windows");
    }
    unpack_gradient_kernel<<<(unsigned)layer->filters, THREADS, 0, task.cuda->stream>>>(
        dt_cuda_gradient(task.cuda, layer->weight[kernel]), task.plan.gradient, layer->channels,
        layer->width[kernel], task.cuda->replace);
    dt_cuda_launched(task.cuda, "unpacking gradients");
    bias_gradient<T>(task, layer->bias[kernel], dz);
}

template <typename T>
static void project_backward(const layer_task &task, T *dx, const T *dy, const T *x,
                             int32_t kernel)
{
    const dt_conv_layer *layer = task.layer;
    const int64_t rows = task.sequences * layer->max_length;
    dy += (int64_t)kernel * layer->filters;
    dt_product p = {};
    p.n = layer->channels;
    p.a = dy;
    p.lda = task.columns;
    p.ldb = p.ldc = layer->channels;
    p.inputs = p.output = dt_number_of<T>();
    p.add = true;
    if (dx) {
        p.m = rows;
        p.k = layer->filters;
        p.b = dt_cuda_weight<T>(task.cuda, layer->projection[kernel]);
        p.c = dx;
        dt_cuda_product(task.cuda, &p);
    }
    p.m = layer->filters;
    p.k = rows;
    p.transpose_a = true;
    p.b = x;
    p.c = dt_cuda_gradient(task.cuda, layer->projection[kernel]);
    p.output = DT_NUMBER_FLOAT;
    p.add = !task.cuda->replace;
    dt_cuda_product(task.cuda, &p);
    bias_gradient<T>(task, layer->projection_bias[kernel], dy);
}

/* One block per position. dz = the gradient before ReLU and dropout; dx is initialised with zeros
 * or with the gradient of the identity. dz may be dy. */
template <typename T>
__global__ void start_layer_kernel(T *dx, T *dz, const T *dy, const T *r, row_task task)
{
    const int64_t start = (int64_t)blockIdx.x * task.columns;
    for (int64_t c = threadIdx.x; dx && c < task.channels; c += THREADS) {
        float sum = 0.0f;
        for (int64_t i = c; task.residual == DT_RESIDUAL_IDENTITY && i < task.columns;
             i += task.filters)
            sum += dt_value(dy[start + i]);
        dx[blockIdx.x * task.channels + c] = dt_round<T>(sum);
    }
    for (int64_t i = start + threadIdx.x; i < start + task.columns; i += THREADS)
        dz[i] = dt_round<T>(dt_value(r[i]) > 0.0f ? dt_value(dy[i]) * task.drop.kept : 0.0f);
}

template <typename T>
void dt_cuda_conv_layer_backward(dt_backend *backend, void *dx, void *dz, const void *dy,
                                 const void *r, const void *x, void *scratch,
                                 const dt_device_batch *batch, const dt_conv_layer *layer)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t sequences = batch->size.sequences;
    const row_task rows = row_task_of(layer);
    const layer_task task = {cuda, layer, plan_of<T>(layer, sequences, scratch), rows.columns,
                             sequences};
    start_layer_kernel<T>
        <<<(unsigned)(sequences * layer->max_length), THREADS, 0, cuda->stream>>>(
            (T *)dx, (T *)dz, (const T *)dy, (const T *)r, rows);
    dt_cuda_launched(cuda, "ReLU and dropout backward");
    for (int32_t kernel = 0; kernel < layer->kernels; ++kernel) {
        convolve_backward<T>(task, (T *)dx, (const T *)dz, (const T *)x, kernel);
        if (layer->residual == DT_RESIDUAL_PROJECTION)
            project_backward<T>(task, (T *)dx, (const T *)dy, (const T *)x, kernel);
    }
}

DT_CUDA_OPERATION(conv_layer_forward);
DT_CUDA_OPERATION(conv_layer_backward);
DT_CUDA_OPERATION(conv_layer_scratch);
