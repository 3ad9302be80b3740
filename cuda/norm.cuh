/* LayerNorm (Ba, Kiros & Hinton 2016) for kernels that include one. A block handles one row at a
 * time; each thread holds W neighbouring elements of it in registers, so that a row is read once.
 * Elements past the end of the row are 0.
 *
 * Backward, the blocks share the rows evenly and keep the sums for the gradients of gamma and beta
 * while they go; a second stage adds the sums of the blocks (column_sums.cu). */
#ifndef DT_CUDA_NORM_CUH
#define DT_CUDA_NORM_CUH

#include "cuda/device.cuh"

#define DT_NORM_THREADS (DT_MAX_WARPS * DT_WARP) /* of a block, at most */
#define DT_NORM_BLOCKS 8                         /* of a backward kernel, for each multiprocessor */
#define DT_NORM_ROWS 4                           /* that such a block handles, at least */

/* The number W of elements per thread; four where they are read one by one, which takes registers. */
template <typename T, bool ALIGNED> constexpr int dt_norm_width = ALIGNED ? dt_vec<T>::width : 4;

/* ---- device --------------------------------------------------------------------------------- */

template <bool ALIGNED, int W, typename T>
__device__ inline void dt_norm_load(float (&out)[W], const T *row, int32_t column, int32_t hidden)
{
    if (column < hidden) {
        dt_load<ALIGNED, W>(out, row, column, hidden);
        return;
    }
#pragma unroll
    for (int i = 0; i < W; ++i)
        out[i] = 0.0f;
}

template <bool ALIGNED, int W, typename T>
__device__ inline void dt_norm_store(T *row, const float (&in)[W], int32_t column, int32_t hidden)
{
    if (column < hidden)
        dt_store<ALIGNED, W>(row, in, column, hidden);
}

typedef struct {
    float mean;
    float scale; /* 1 / √(variance + eps) */
} dt_row_statistics;

/* Subtracts the mean before it squares, which avoids cancellation. */
template <int W>
__device__ inline dt_row_statistics dt_norm_statistics(const float (&s)[W], int32_t column,
                                                       int32_t hidden, float eps)
{
    float sum[1] = {0.0f};
#pragma unroll
    for (int i = 0; i < W; ++i)
        sum[0] += s[i];
    dt_block_sum(sum);
    const float share = 1.0f / (float)hidden;
    const float mean = sum[0] * share;
    float squares[1] = {0.0f};
#pragma unroll
    for (int i = 0; i < W; ++i)
        if (column + i < hidden)
            squares[0] += (s[i] - mean) * (s[i] - mean);
    dt_block_sum(squares);
    return dt_row_statistics{mean, rsqrtf(squares[0] * share + eps)};
}

/* s = x̂·gamma + beta */
template <bool ALIGNED, int W>
__device__ inline void dt_norm_scale(float (&s)[W], const dt_row_statistics &statistics,
                                     const float *gamma, const float *beta, int32_t column,
                                     int32_t hidden)
{
    float factor[W];
    float offset[W];
    dt_norm_load<ALIGNED, W>(factor, gamma, column, hidden);
    dt_norm_load<ALIGNED, W>(offset, beta, column, hidden);
#pragma unroll
    for (int i = 0; i < W; ++i)
        s[i] = (s[i] - statistics.mean) * statistics.scale * factor[i] + offset[i];
}

/* g: dy, becomes ds; s: the row, becomes x̂. Adds the terms of the gradients of gamma, dy·x̂, and of
 * beta, dy, to total[0] and total[1]. */
template <bool ALIGNED, int W, int S>
__device__ inline void dt_norm_gradient(float (&g)[W], float (&s)[W], float (&total)[S][W],
                                        const dt_row_statistics &statistics, const float *gamma,
                                        int32_t column, int32_t hidden)
{
    float scale[W];
    float mean[2] = {0.0f, 0.0f}; /* of dy·gamma and of dy·gamma·x̂ */
    dt_norm_load<ALIGNED, W>(scale, gamma, column, hidden);
#pragma unroll
    for (int i = 0; i < W; ++i) {
        s[i] = (s[i] - statistics.mean) * statistics.scale;
        total[0][i] += g[i] * s[i];
        total[1][i] += g[i];
        g[i] *= scale[i]; /* 0 beyond the row */
        mean[0] += g[i];
        mean[1] += g[i] * s[i];
    }
    dt_block_sum(mean);
    const float share = 1.0f / (float)hidden; /* the same in all rows */
    mean[0] *= share;
    mean[1] *= share;
#pragma unroll
    for (int i = 0; i < W; ++i)
        g[i] = statistics.scale * (g[i] - mean[0] - s[i] * mean[1]);
}

/* Stores the sums of a block for dt_cuda_add_partials(). */
template <bool ALIGNED, int W, int S>
__device__ inline void dt_norm_store_totals(float *partial, const float (&total)[S][W],
                                            int32_t column, int32_t hidden)
{
#pragma unroll
    for (int s = 0; s < S; ++s)
        dt_norm_store<ALIGNED, W>(partial + ((int64_t)s * gridDim.x + blockIdx.x) * hidden,
                                  total[s], column, hidden);
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Returns the number of threads of a block; 0, with a sticky error, if rows are too long. */
template <typename T> static unsigned dt_norm_threads(dt_cuda *cuda, int32_t hidden, bool aligned)
{
    const int width = aligned ? dt_norm_width<T, true> : dt_norm_width<T, false>;
    const int64_t threads = dt_ceil_div(hidden, DT_WARP * width) * DT_WARP;
    if (threads <= DT_NORM_THREADS)
        return (unsigned)threads;
    dt_cuda_fail(cuda, DT_ERR_INTERNAL, "LayerNorm of %d elements: the CUDA backend supports %d",
                 hidden, DT_NORM_THREADS * width);
    return 0;
}

/* Returns the number of blocks of a backward kernel that keeps `sums` sums: as many as can run at
 * the same time, so that none has to wait. */
static inline unsigned dt_norm_blocks(dt_cuda *cuda, int64_t rows, int sums, int32_t hidden)
{
    const int64_t wanted = dt_ceil_div(rows, DT_NORM_ROWS);
    const int64_t most = (int64_t)DT_NORM_BLOCKS * cuda->multiprocessors;
    return (unsigned)dt_cuda_partial_blocks(cuda, wanted < most ? wanted : most, sums, hidden);
}

#endif
