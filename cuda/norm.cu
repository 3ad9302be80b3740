/* s = dropout(x) + residual, y = LayerNorm(s). */
#include "cuda/norm.cuh"
#include "cuda/ptx.cuh"

/* The fields of a dt_add_norm that the kernels use. */
typedef struct {
    const float *gamma, *beta;
    int32_t hidden;
    float eps;
    dt_row_kind rows;
    dt_drop drop;
} norm_task;

/* Brings a thread's part of a block's next row to the L2 cache, if there is one of the batch. */
template <typename T>
__device__ static inline void prefetch_row(const T *a, const T *b, int32_t row, int32_t real,
                                           int32_t column, int32_t hidden)
{
    const int32_t next = row + (int32_t)gridDim.x;
    if (next < real && column < hidden) {
        dt_prefetch(a + (int64_t)next * hidden + column);
        dt_prefetch(b + (int64_t)next * hidden + column);
    }
}

/* Block i handles the rows i, i + blocks, …; while it computes one, it prefetches the next. x_s
 * becomes s, rounded for storage; the statistics are those of the rounded row. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_NORM_THREADS)
    add_norm_kernel(T *y, T *x_s, float *statistics, const T *residual, dt_batch_view batch,
                    norm_task task, int32_t rows)
{
    constexpr int W = dt_norm_width<T, ALIGNED>;
    const int32_t hidden = task.hidden;
    const int32_t column = (int32_t)threadIdx.x * W;
    const int32_t real = (int32_t)dt_real_rows(batch, task.rows);
    for (int32_t row = (int32_t)blockIdx.x; row < rows; row += (int32_t)gridDim.x) {
        const int64_t start = (int64_t)row * hidden;
        if (row >= real) {
            dt_zero_row<ALIGNED>(x_s + start, hidden);
            dt_zero_row<ALIGNED>(y + start, hidden);
            continue;
        }
        float s[W];
        float other[W];
        float factor[W];
        dt_norm_load<ALIGNED, W>(s, x_s + start, column, hidden);
        dt_norm_load<ALIGNED, W>(other, residual + start, column, hidden);
        prefetch_row(x_s, residual, row, real, column, hidden);
        dt_factors<W>(factor, dt_row_mask(batch, task.drop, task.rows, row), column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            s[i] = dt_value(dt_round<T>(s[i] * factor[i] + other[i]));
        dt_norm_store<ALIGNED, W>(x_s + start, s, column, hidden);
        const dt_row_statistics found = dt_norm_statistics<W>(s, column, hidden, task.eps);
        dt_norm_scale<ALIGNED, W>(s, found, task.gamma, task.beta, column, hidden);
        dt_norm_store<ALIGNED, W>(y + start, s, column, hidden);
        if (threadIdx.x == 0) {
            statistics[2 * row] = found.mean;
            statistics[2 * row + 1] = found.scale;
        }
    }
}

/* Block i handles the rows i, i + blocks, … and stores its sums for the gradients of gamma, beta
 * and bias in `partial`; it prefetches too. dresidual may be dy: each thread reads an element
 * before it writes it. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_NORM_THREADS)
    add_norm_backward_kernel(T *dx, T *dresidual, float *partial, const T *dy, const T *s_rows,
                             const float *statistics, dt_batch_view batch, norm_task task,
                             int32_t rows)
{
    constexpr int W = dt_norm_width<T, ALIGNED>;
    const int32_t hidden = task.hidden;
    const int32_t column = (int32_t)threadIdx.x * W;
    const int32_t real = (int32_t)dt_real_rows(batch, task.rows);
    float total[3][W] = {};
    for (int32_t row = (int32_t)blockIdx.x; row < rows; row += (int32_t)gridDim.x) {
        const int64_t start = (int64_t)row * hidden;
        if (row >= real) {
            dt_zero_row<ALIGNED>(dx + start, hidden);
            dt_zero_row<ALIGNED>(dresidual + start, hidden);
            continue;
        }
        const dt_row_statistics found = {statistics[2 * row], statistics[2 * row + 1]};
        float s[W];
        float g[W];
        dt_norm_load<ALIGNED, W>(s, s_rows + start, column, hidden);
        dt_norm_load<ALIGNED, W>(g, dy + start, column, hidden);
        prefetch_row(s_rows, dy, row, real, column, hidden);
        dt_norm_gradient<ALIGNED, W>(g, s, total, found, task.gamma, column, hidden);
        dt_norm_store<ALIGNED, W>(dresidual + start, g, column, hidden);
        float factor[W];
        dt_factors<W>(factor, dt_row_mask(batch, task.drop, task.rows, row), column);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            g[i] *= factor[i];
            total[2][i] += g[i];
        }
        dt_norm_store<ALIGNED, W>(dx + start, g, column, hidden);
    }
    dt_norm_store_totals<ALIGNED, W>(partial, total, column, hidden);
}

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
    const int64_t rows = rows_of(batch, norm);
    const int64_t resident = (int64_t)DT_NORM_BLOCKS * cuda->multiprocessors;
    const unsigned blocks = (unsigned)(rows < resident ? rows : resident);
    const bool aligned = aligned_task<T>(&task) && dt_is_aligned(y) && dt_is_aligned(x_s) &&
                         dt_is_aligned(residual);
    const unsigned threads = dt_norm_threads<T>(cuda, task.hidden, aligned);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (threads == 0)
        return;
    if (aligned)
        add_norm_kernel<T, true><<<blocks, threads, 0, cuda->stream>>>(
            (T *)y, (T *)x_s, (float *)statistics, (const T *)residual, view, task, (int32_t)rows);
    else
        add_norm_kernel<T, false><<<blocks, threads, 0, cuda->stream>>>(
            (T *)y, (T *)x_s, (float *)statistics, (const T *)residual, view, task, (int32_t)rows);
    dt_cuda_launched(cuda, "add and LayerNorm");
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
    const int64_t rows = rows_of(batch, norm);
    const bool aligned = aligned_task<T>(&task) && dt_is_aligned(dx) && dt_is_aligned(dresidual) &&
                         dt_is_aligned(dy) && dt_is_aligned(s);
    const unsigned threads = dt_norm_threads<T>(cuda, task.hidden, aligned);
    const unsigned blocks = dt_norm_blocks(cuda, rows, 3, task.hidden);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (threads == 0 || blocks == 0)
        return;
    if (aligned)
        add_norm_backward_kernel<T, true><<<blocks, threads, 0, cuda->stream>>>(
            (T *)dx, (T *)dresidual, cuda->sums, (const T *)dy, (const T *)s,
            (const float *)statistics, view, task, (int32_t)rows);
    else
        add_norm_backward_kernel<T, false><<<blocks, threads, 0, cuda->stream>>>(
            (T *)dx, (T *)dresidual, cuda->sums, (const T *)dy, (const T *)s,
            (const float *)statistics, view, task, (int32_t)rows);
    dt_cuda_launched(cuda, "add and LayerNorm backward");
    const dt_totals totals = {{dt_cuda_gradient(cuda, norm->gamma),
                               dt_cuda_gradient(cuda, norm->beta),
                               dt_cuda_gradient(cuda, norm->bias)}};
    dt_cuda_add_partials(cuda, totals, 3, blocks, task.hidden);
}

DT_CUDA_OPERATION(add_norm_forward);
DT_CUDA_OPERATION(add_norm_backward);
