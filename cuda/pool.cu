/* Matrices with one row per sequence: the mean over its tokens, and ReLU with dropout. */
#include "cuda/device.cuh"

#define LANES 8 /* rows that a block of the mean kernel reads at a time */
#define THREADS 128

/* Columns per block of the mean kernel. */
template <typename T> constexpr int64_t mean_columns()
{
    return DT_WARP * dt_vec<T>::width;
}

/* ---- mean ----------------------------------------------------------------------------------- */

/* Lane l sums the tokens l, l + LANES, …; then the lanes are summed in order. */
template <typename T, bool ALIGNED>
__global__ void mean_kernel(T *y, const T *x, dt_batch_view batch, int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t column = ((int64_t)blockIdx.y * DT_WARP + threadIdx.x) * W;
    const int64_t begin = batch.cu_seqlens[blockIdx.x];
    const int64_t end = batch.cu_seqlens[blockIdx.x + 1];
    float total[W] = {};
    if (column < hidden)
        for (int64_t row = begin + threadIdx.y; row < end; row += LANES)
            dt_add_vec<ALIGNED, W>(total, x + row * hidden, column, hidden);
    dt_lane_sum<LANES>(total);
    if (threadIdx.y > 0 || column >= hidden)
        return;
    const float share = 1.0f / (float)(end - begin);
#pragma unroll
    for (int i = 0; i < W; ++i)
        total[i] *= share;
    dt_store<ALIGNED, W>(y + blockIdx.x * hidden, total, column, hidden);
}

/* One block per row; extra rows get zeros. */
template <typename T, bool ALIGNED>
__global__ void mean_backward_kernel(T *dx, const T *dy, dt_batch_view batch, int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    T *out = dx + row * hidden;
    if (row >= batch.facts->tokens) {
        dt_zero_row<ALIGNED>(out, hidden);
        return;
    }
    const int64_t sequence = batch.sequence_of_row[row];
    const float share =
        1.0f / (float)(batch.cu_seqlens[sequence + 1] - batch.cu_seqlens[sequence]);
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden; column += THREADS * W) {
        float vec[W];
        dt_load<ALIGNED, W>(vec, dy + sequence * hidden, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            vec[i] *= share;
        dt_store<ALIGNED, W>(out, vec, column, hidden);
    }
}

template <typename T>
void dt_cuda_mean_forward(dt_backend *backend, void *y, const void *x,
                          const dt_device_batch *batch, int32_t hidden)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const dim3 grid((unsigned)batch->size.sequences,
                    (unsigned)dt_ceil_div(hidden, mean_columns<T>()));
    const dim3 block(DT_WARP, LANES);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (hidden % dt_vec<T>::width == 0 && dt_is_aligned(x) && dt_is_aligned(y))
        mean_kernel<T, true><<<grid, block, 0, cuda->stream>>>((T *)y, (const T *)x, view, hidden);
    else
        mean_kernel<T, false><<<grid, block, 0, cuda->stream>>>((T *)y, (const T *)x, view, hidden);
    dt_cuda_launched(cuda, "mean");
}

template <typename T>
void dt_cuda_mean_backward(dt_backend *backend, void *dx, const void *dy,
                           const dt_device_batch *batch, int32_t hidden)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const unsigned blocks = (unsigned)batch->size.rows;
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (hidden % dt_vec<T>::width == 0 && dt_is_aligned(dx) && dt_is_aligned(dy))
        mean_backward_kernel<T, true>
            <<<blocks, THREADS, 0, cuda->stream>>>((T *)dx, (const T *)dy, view, hidden);
    else
        mean_backward_kernel<T, false>
            <<<blocks, THREADS, 0, cuda->stream>>>((T *)dx, (const T *)dy, view, hidden);
    dt_cuda_launched(cuda, "mean backward");
}

/* ---- ReLU and dropout ----------------------------------------------------------------------- */

/* Block (b, part). Forward does not use `y`; backward does. */
template <typename T, bool ALIGNED, bool BACKWARD>
__global__ void activate_kernel(T *out, const T *in, const T *y, dt_batch_view batch,
                                int64_t columns, bool relu, dt_drop drop)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t start = ((int64_t)blockIdx.x * gridDim.y + blockIdx.y) * columns;
    drop.stream += blockIdx.y;
    const dt_mask mask = dt_mask_of(batch.facts, drop, blockIdx.x, 0);
    for (int64_t column = (int64_t)threadIdx.x * W; column < columns; column += THREADS * W) {
        float x[W];
        float result[W];
        float factor[W];
        dt_load<ALIGNED, W>(x, in + start, column, columns);
        dt_factors<W>(factor, mask, column);
        if (BACKWARD && relu)
            dt_load<ALIGNED, W>(result, y + start, column, columns);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            if (relu && BACKWARD)
                x[i] = result[i] > 0.0f ? x[i] : 0.0f;
            else if (relu)
                x[i] = x[i] < 0.0f ? 0.0f : x[i]; /* keeps NaN */
            x[i] *= factor[i];
        }
        dt_store<ALIGNED, W>(out + start, x, column, columns);
    }
}

template <typename T, bool BACKWARD>
static void activate(dt_backend *backend, T *out, const T *in, const T *y,
                     const dt_device_batch *batch, const dt_activation *activation)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t columns = activation->columns;
    const dim3 grid((unsigned)batch->size.sequences, (unsigned)activation->parts);
    const dt_drop drop = dt_drop_of(&activation->dropout);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (columns % dt_vec<T>::width == 0 && dt_is_aligned(out) && dt_is_aligned(in) &&
        (!y || dt_is_aligned(y)))
        activate_kernel<T, true, BACKWARD><<<grid, THREADS, 0, cuda->stream>>>(
            out, in, y, view, columns, activation->relu, drop);
    else
        activate_kernel<T, false, BACKWARD><<<grid, THREADS, 0, cuda->stream>>>(
            out, in, y, view, columns, activation->relu, drop);
    dt_cuda_launched(cuda, "ReLU and dropout");
}

template <typename T>
void dt_cuda_activate_forward(dt_backend *backend, void *y, const void *x,
                              const dt_device_batch *batch, const dt_activation *activation)
{
    activate<T, false>(backend, (T *)y, (const T *)x, NULL, batch, activation);
}

template <typename T>
void dt_cuda_activate_backward(dt_backend *backend, void *dx, const void *dy, const void *y,
                               const dt_device_batch *batch, const dt_activation *activation)
{
    activate<T, true>(backend, (T *)dx, (const T *)dy, (const T *)y, batch, activation);
}

DT_CUDA_OPERATION(mean_forward);
DT_CUDA_OPERATION(mean_backward);
DT_CUDA_OPERATION(activate_forward);
DT_CUDA_OPERATION(activate_backward);
