/* The maximum over the positions of each sequence, on padded matrices (P = B · L rows). */
#include "cuda/device.cuh"

#define THREADS 128
#define LANES 8 /* positions that a block handles at a time */

/* Returns whether value v at position t replaces `best` at `where`. Among equal values the first is
 * kept; NaN is kept so that it is noticed. */
__device__ static inline bool is_better(float v, int32_t t, float best, int32_t where)
{
    if (v != v || best != best)
        return v != v && (best == best || t < where);
    return v > best || (v == best && t < where);
}

/* Block (sequence, columns): lane l handles positions l, l + LANES, … */
template <typename T>
__global__ void position_max_kernel(T *y, int32_t *position, const T *x, dt_batch_view batch,
                                    dt_position_max max)
{
    __shared__ float value[LANES][DT_WARP];
    __shared__ int32_t place[LANES][DT_WARP];
    const int64_t b = blockIdx.x;
    const int64_t column = (int64_t)blockIdx.y * DT_WARP + threadIdx.x;
    const int32_t positions =
        max.mask_padding ? batch.cu_seqlens[b + 1] - batch.cu_seqlens[b] : max.max_length;
    const T *in = x + b * max.max_length * max.channels + column;
    float best = -INFINITY;
    int32_t where = max.max_length;
    for (int32_t t = (int32_t)threadIdx.y; column < max.channels && t < positions; t += LANES) {
        const float v = dt_value(in[(int64_t)t * max.channels]);
        if (is_better(v, t, best, where)) {
            best = v;
            where = t;
        }
    }
    value[threadIdx.y][threadIdx.x] = best;
    place[threadIdx.y][threadIdx.x] = where;
    __syncthreads();
    if (threadIdx.y != 0 || column >= max.channels)
        return;
    for (int lane = 1; lane < LANES; ++lane)
        if (is_better(value[lane][threadIdx.x], place[lane][threadIdx.x], best, where)) {
            best = value[lane][threadIdx.x];
            where = place[lane][threadIdx.x];
        }
    y[b * max.channels + column] = dt_round<T>(best);
    position[b * max.channels + column] = where;
}

/* Block (position, sequence): a row of dx. */
template <typename T>
__global__ void position_max_backward_kernel(T *dx, const T *dy, const int32_t *position,
                                             int64_t channels)
{
    const int64_t b = blockIdx.y;
    T *out = dx + (b * gridDim.x + blockIdx.x) * channels;
    for (int64_t c = threadIdx.x; c < channels; c += THREADS)
        out[c] = position[b * channels + c] == (int32_t)blockIdx.x ? dy[b * channels + c]
                                                                   : dt_round<T>(0.0f);
}

template <typename T>
void dt_cuda_position_max_forward(dt_backend *backend, void *y, int32_t *position, const void *x,
                                  const dt_device_batch *batch, const dt_position_max *max)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const dim3 grid((unsigned)batch->size.sequences,
                    (unsigned)dt_ceil_div(max->channels, DT_WARP));
    const dim3 block(DT_WARP, LANES);
    position_max_kernel<T><<<grid, block, 0, cuda->stream>>>(
        (T *)y, position, (const T *)x, dt_cuda_batch_of(batch)->view, *max);
    dt_cuda_launched(cuda, "maximum over positions");
}

template <typename T>
void dt_cuda_position_max_backward(dt_backend *backend, void *dx, const void *dy,
                                   const int32_t *position, const dt_device_batch *batch,
                                   const dt_position_max *max)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const dim3 grid((unsigned)max->max_length, (unsigned)batch->size.sequences);
    position_max_backward_kernel<T><<<grid, THREADS, 0, cuda->stream>>>(
        (T *)dx, (const T *)dy, position, max->channels);
    dt_cuda_launched(cuda, "maximum over positions backward");
}

DT_CUDA_OPERATION(position_max_forward);
DT_CUDA_OPERATION(position_max_backward);
