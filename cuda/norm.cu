/* s = dropout(x) + residual, y = LayerNorm(s). One block per row. */
#include "cuda/column_sums.cuh"
#include "cuda/norm.cuh"

/* The fields of a dt_add_norm that the kernels use. */
typedef struct {
    const float *gamma, *beta;
    int64_t hidden;
    float eps;
    dt_row_kind rows;
    dt_drop drop;
} norm_task;

template <typename T, bool ALIGNED> struct norm_row_source {
    const T *row;
    int64_t hidden;
    template <int W> __device__ void load(float (&out)[W], int64_t column) const
    {
        dt_load<ALIGNED, W>(out, row, column, hidden);
    }
};

/* Replaces x with s, rounded for storage; the statistics are those of the rounded row. */
template <typename T, bool ALIGNED>
__device__ static inline void add_row(T *x_s, const T *residual, const dt_mask &mask,
                                      int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float other[W];
        float factor[W];
        dt_load<ALIGNED, W>(s, x_s, column, hidden);
        dt_load<ALIGNED, W>(other, residual, column, hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            s[i] = s[i] * factor[i] + other[i];
        dt_store<ALIGNED, W>(x_s, s, column, hidden);
    }
}

template <typename T, bool ALIGNED>
__global__ void add_norm_kernel(T *y, T *x_s, float *statistics, const T *residual,
                                dt_batch_view batch, norm_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    const int64_t hidden = task.hidden;
    T *s_row = x_s + row * hidden;
    T *y_row = y + row * hidden;
    if (row >= dt_real_rows(batch, task.rows)) {
        dt_zero_row<ALIGNED>(s_row, hidden);
        dt_zero_row<ALIGNED>(y_row, hidden);
        if (threadIdx.x < 2)
            statistics[2 * row + threadIdx.x] = 0.0f;
        return;
    }
    add_row<T, ALIGNED>(s_row, residual + row * hidden,
                        dt_row_mask(batch, task.drop, task.rows, row), hidden);
    const norm_row_source<T, ALIGNED> source = {s_row, hidden};
    const dt_row_statistics found = dt_norm_statistics<W>(source, hidden, task.eps);
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float gamma[W];
        float beta[W];
        source.load(s, column);
        dt_load<ALIGNED, W>(gamma, task.gamma, column, hidden);
        dt_load<ALIGNED, W>(beta, task.beta, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            s[i] = (s[i] - found.mean) * found.scale * gamma[i] + beta[i];
        dt_store<ALIGNED, W>(y_row, s, column, hidden);
    }
    if (threadIdx.x == 0) {
        statistics[2 * row] = found.mean;
        statistics[2 * row + 1] = found.scale;
    }
}

/* dresidual may be dy: each thread reads an element before it writes it. */
template <typename T, bool ALIGNED>
__global__ void add_norm_backward_kernel(T *dx, T *dresidual, const T *dy, const T *s_rows,
                                         const float *statistics, dt_batch_view batch,
                                         norm_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    const int64_t hidden = task.hidden;
    if (row >= dt_real_rows(batch, task.rows)) {
        dt_zero_row<ALIGNED>(dx + row * hidden, hidden);
        dt_zero_row<ALIGNED>(dresidual + row * hidden, hidden);
        return;
    }
    const norm_row_source<T, ALIGNED> source = {s_rows + row * hidden, hidden};
    const norm_row_source<T, ALIGNED> gradient = {dy + row * hidden, hidden};
    const dt_row_statistics found = {statistics[2 * row], statistics[2 * row + 1]};
    const dt_mask mask = dt_row_mask(batch, task.drop, task.rows, row);
    float mean[2];
    dt_norm_means<W, ALIGNED>(mean, source, gradient, found, task.gamma, hidden);
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float g[W];
        float factor[W];
        source.load(s, column);
        gradient.load(g, column);
        dt_norm_gradient<W, ALIGNED>(g, s, mean, found, task.gamma, column, hidden);
        dt_store<ALIGNED, W>(dresidual + row * hidden, g, column, hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            g[i] *= factor[i];
        dt_store<ALIGNED, W>(dx + row * hidden, g, column, hidden);
    }
}

/* The gradients of gamma and beta. */
template <typename T, bool ALIGNED> struct norm_scale_terms {
    static constexpr int sums = 2;
    const T *dy;
    const T *s;
    const float *statistics;
    int64_t hidden;
    template <int W> __device__ void add(float (&total)[2][W], int64_t row, int64_t column) const
    {
        const float mean = statistics[2 * row];
        const float scale = statistics[2 * row + 1];
        float g[W];
        float x[W];
        dt_load<ALIGNED, W>(g, dy + row * hidden, column, hidden);
        dt_load<ALIGNED, W>(x, s + row * hidden, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            total[0][i] += g[i] * ((x[i] - mean) * scale);
            total[1][i] += g[i];
        }
    }
};

static norm_task task_of(const dt_cuda *cuda, const dt_add_norm *norm)
{
    norm_task task;
    task.gamma = dt_cuda_param(cuda, norm->gamma);
    task.beta = dt_cuda_param(cuda, norm->beta);
    task.hidden = norm->hidden;
    task.eps = (float)norm->eps;
    task.rows = norm->rows;
    task.drop = dt_drop_of(&norm->dropout);
    return task;
}

/* Returns the rows of the matrix. */
static int64_t rows_of(const dt_device_batch *batch, const dt_add_norm *norm)
{
    return norm->rows == DT_ROWS_SEQUENCES ? batch->size.sequences : batch->size.rows;
}

template <typename T> static bool aligned_task(const norm_task *task)
{
    return task->hidden % dt_vec<T>::width == 0 && dt_is_aligned(task->gamma) &&
           dt_is_aligned(task->beta);
}

template <typename T>
void dt_cuda_add_norm_forward(dt_backend *backend, void *y, void *x_s, void *statistics,
                              const void *residual, const dt_device_batch *batch,
                              const dt_add_norm *norm)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const norm_task task = task_of(cuda, norm);
    const unsigned rows = (unsigned)rows_of(batch, norm);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (aligned_task<T>(&task) && dt_is_aligned(y) && dt_is_aligned(x_s) && dt_is_aligned(residual))
        add_norm_kernel<T, true><<<rows, DT_NORM_THREADS, 0, cuda->stream>>>(
            (T *)y, (T *)x_s, (float *)statistics, (const T *)residual, view, task);
    else
        add_norm_kernel<T, false><<<rows, DT_NORM_THREADS, 0, cuda->stream>>>(
            (T *)y, (T *)x_s, (float *)statistics, (const T *)residual, view, task);
    dt_cuda_launched(cuda, "add and LayerNorm");
}

template <typename T, bool ALIGNED>
static void add_norm_backward(dt_cuda *cuda, T *dx, T *dresidual, const T *dy, const T *s,
                              const float *statistics, const dt_device_batch *batch,
                              const dt_add_norm *norm)
{
    const norm_task task = task_of(cuda, norm);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    const int64_t rows = rows_of(batch, norm);
    /* must come first, since dresidual may overwrite dy */
    dt_cuda_column_sums<T>(cuda, dt_cuda_gradient(cuda, norm->gamma),
                           dt_cuda_gradient(cuda, norm->beta),
                           norm_scale_terms<T, ALIGNED>{dy, s, statistics, task.hidden}, rows,
                           task.hidden, norm->rows == DT_ROWS_TOKENS ? &view.facts->tokens : NULL);
    add_norm_backward_kernel<T, ALIGNED><<<(unsigned)rows, DT_NORM_THREADS, 0, cuda->stream>>>(
        dx, dresidual, dy, s, statistics, view, task);
    dt_cuda_launched(cuda, "add and LayerNorm backward");
}

template <typename T>
void dt_cuda_add_norm_backward(dt_backend *backend, void *dx, void *dresidual, const void *dy,
                               const void *s, const void *statistics, const dt_device_batch *batch,
                               const dt_add_norm *norm)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const norm_task task = task_of(cuda, norm);
    if (aligned_task<T>(&task) && dt_is_aligned(dx) && dt_is_aligned(dresidual) &&
        dt_is_aligned(dy) && dt_is_aligned(s))
        add_norm_backward<T, true>(cuda, (T *)dx, (T *)dresidual, (const T *)dy, (const T *)s,
                                   (const float *)statistics, batch, norm);
    else
        add_norm_backward<T, false>(cuda, (T *)dx, (T *)dresidual, (const T *)dy, (const T *)s,
                                    (const float *)statistics, batch, norm);
}

DT_CUDA_OPERATION(add_norm_forward);
DT_CUDA_OPERATION(add_norm_backward);
