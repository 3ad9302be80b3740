/* Operations on one vector per sequence: gathering the vector at position 0, and the fusion of the
 * two branches. One block per sequence. */
#include "cuda/device.cuh"

#define THREADS 128

/* y[b] = x[first row of b]; with `add`, x[first row of b] += y[b] */
template <typename T, bool ALIGNED, bool ADD>
__global__ void first_rows_kernel(T *y, T *x, dt_batch_view batch, int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    T *one = y + blockIdx.x * hidden;
    T *row = x + batch.cu_seqlens[blockIdx.x] * hidden;
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden; column += THREADS * W) {
        float vec[W];
        dt_load<ALIGNED, W>(vec, row, column, hidden);
        if (ADD) {
            float more[W];
            dt_load<ALIGNED, W>(more, one, column, hidden);
#pragma unroll
            for (int i = 0; i < W; ++i)
                vec[i] += more[i];
        }
        dt_store<ALIGNED, W>(ADD ? row : one, vec, column, hidden);
    }
}

template <typename T, bool ADD>
static void first_rows(dt_backend *backend, T *y, T *x, const dt_device_batch *batch,
                       int32_t hidden)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const unsigned blocks = (unsigned)batch->size.sequences;
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (hidden % dt_vec<T>::width == 0 && dt_is_aligned(x) && dt_is_aligned(y))
        first_rows_kernel<T, true, ADD><<<blocks, THREADS, 0, cuda->stream>>>(y, x, view, hidden);
    else
        first_rows_kernel<T, false, ADD><<<blocks, THREADS, 0, cuda->stream>>>(y, x, view, hidden);
    dt_cuda_launched(cuda, "first rows");
}

template <typename T>
void dt_cuda_gather_first_forward(dt_backend *backend, void *y, const void *x,
                                  const dt_device_batch *batch, int32_t hidden)
{
    first_rows<T, false>(backend, (T *)y, (T *)const_cast<void *>(x), batch, hidden);
}

template <typename T>
void dt_cuda_gather_first_backward(dt_backend *backend, void *dx, const void *dy,
                                   const dt_device_batch *batch, int32_t hidden)
{
    first_rows<T, true>(backend, (T *)const_cast<void *>(dy), (T *)dx, batch, hidden);
}

/* ---- fusion --------------------------------------------------------------------------------- */

typedef struct {
    const float *w_cnn, *w_bert; /* (1) each */
    int64_t hidden;
    dt_drop drop;
} fuse_task;

template <typename T, bool ALIGNED>
__global__ void fuse_kernel(T *y, const T *cnn, const T *bert, dt_batch_view batch, fuse_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t start = blockIdx.x * task.hidden;
    const dt_mask mask = dt_mask_of(batch.facts, task.drop, blockIdx.x, 0);
    for (int64_t column = (int64_t)threadIdx.x * W; column < task.hidden; column += THREADS * W) {
        float a[W];
        float b[W];
        float factor[W];
        dt_load<ALIGNED, W>(a, cnn + start, column, task.hidden);
        dt_load<ALIGNED, W>(b, bert + start, column, task.hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            a[i] = (*task.w_cnn * a[i] + *task.w_bert * b[i] + b[i]) * factor[i];
        dt_store<ALIGNED, W>(y + start, a, column, task.hidden);
    }
}

/* sums (B, 2): the contributions of each sequence to the gradients of w_cnn and w_bert */
template <typename T, bool ALIGNED>
__global__ void fuse_backward_kernel(T *dcnn, T *dbert, double *sums, const T *dy, const T *cnn,
                                     const T *bert, dt_batch_view batch, fuse_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t start = blockIdx.x * task.hidden;
    const dt_mask mask = dt_mask_of(batch.facts, task.drop, blockIdx.x, 0);
    float sum[2] = {0.0f, 0.0f};
    for (int64_t column = (int64_t)threadIdx.x * W; column < task.hidden; column += THREADS * W) {
        float g[W];
        float a[W];
        float b[W];
        float factor[W];
        dt_load<ALIGNED, W>(g, dy + start, column, task.hidden);
        dt_load<ALIGNED, W>(a, cnn + start, column, task.hidden);
        dt_load<ALIGNED, W>(b, bert + start, column, task.hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            g[i] *= factor[i];
            sum[0] += g[i] * a[i];
            sum[1] += g[i] * b[i];
            a[i] = *task.w_cnn * g[i];
            b[i] = (*task.w_bert + 1.0f) * g[i];
        }
        dt_store<ALIGNED, W>(dcnn + start, a, column, task.hidden);
        dt_store<ALIGNED, W>(dbert + start, b, column, task.hidden);
    }
    dt_block_sum(sum);
    if (threadIdx.x < 2)
        sums[2 * blockIdx.x + threadIdx.x] = (double)sum[threadIdx.x == 0 ? 0 : 1];
}

/* Thread 0 sums for w_cnn, thread 1 for w_bert, in the order of the sequences. */
static __global__ void fuse_share_kernel(float *dw_cnn, float *dw_bert, const double *sums,
                                         dt_batch_view batch, bool replace)
{
    double total = 0.0;
#pragma unroll 16 /* loads under way at a time */
    for (int32_t b = 0; b < batch.facts->sequences; ++b)
        total += sums[2 * b + (int)threadIdx.x];
    float *out = threadIdx.x == 0 ? dw_cnn : dw_bert;
    *out = replace ? (float)total : *out + (float)total;
}

static fuse_task task_of(const dt_cuda *cuda, dt_param w_cnn, dt_param w_bert, int32_t hidden,
                         const dt_dropout *dropout)
{
    return fuse_task{dt_cuda_param(cuda, w_cnn), dt_cuda_param(cuda, w_bert), hidden,
                     dt_drop_of(dropout)};
}

template <typename T>
void dt_cuda_fuse_forward(dt_backend *backend, void *y, const void *cnn, const void *bert,
                          dt_param w_cnn, dt_param w_bert, const dt_device_batch *batch,
                          int32_t hidden, const dt_dropout *dropout)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const fuse_task task = task_of(cuda, w_cnn, w_bert, hidden, dropout);
    const unsigned blocks = (unsigned)batch->size.sequences;
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (hidden % dt_vec<T>::width == 0 && dt_is_aligned(y) && dt_is_aligned(cnn) &&
        dt_is_aligned(bert))
        fuse_kernel<T, true><<<blocks, THREADS, 0, cuda->stream>>>((T *)y, (const T *)cnn,
                                                                   (const T *)bert, view, task);
    else
        fuse_kernel<T, false><<<blocks, THREADS, 0, cuda->stream>>>((T *)y, (const T *)cnn,
                                                                    (const T *)bert, view, task);
    dt_cuda_launched(cuda, "fusion");
}

template <typename T>
void dt_cuda_fuse_backward(dt_backend *backend, void *dcnn, void *dbert, const void *dy,
                           const void *cnn, const void *bert, dt_param w_cnn, dt_param w_bert,
                           const dt_device_batch *batch, int32_t hidden, const dt_dropout *dropout)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const fuse_task task = task_of(cuda, w_cnn, w_bert, hidden, dropout);
    const unsigned blocks = (unsigned)batch->size.sequences;
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    if (hidden % dt_vec<T>::width == 0 && dt_is_aligned(dcnn) && dt_is_aligned(dbert) &&
        dt_is_aligned(dy) && dt_is_aligned(cnn) && dt_is_aligned(bert))
        fuse_backward_kernel<T, true><<<blocks, THREADS, 0, cuda->stream>>>(
            (T *)dcnn, (T *)dbert, cuda->sequence_sums, (const T *)dy, (const T *)cnn,
            (const T *)bert, view, task);
    else
        fuse_backward_kernel<T, false><<<blocks, THREADS, 0, cuda->stream>>>(
            (T *)dcnn, (T *)dbert, cuda->sequence_sums, (const T *)dy, (const T *)cnn,
            (const T *)bert, view, task);
    dt_cuda_launched(cuda, "fusion backward");
    fuse_share_kernel<<<1, 2, 0, cuda->stream>>>(
        dt_cuda_gradient(cuda, w_cnn), dt_cuda_gradient(cuda, w_bert), cuda->sequence_sums, view,
        cuda->replace);
    dt_cuda_launched(cuda, "fusion backward");
}

DT_CUDA_OPERATION(gather_first_forward);
DT_CUDA_OPERATION(gather_first_backward);
DT_CUDA_OPERATION(fuse_forward);
DT_CUDA_OPERATION(fuse_backward);
