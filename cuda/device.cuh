/* Shared by the kernels: conversions between number types, 16-byte accesses, sums over a block, and
 * dropout draws. */
#ifndef DT_CUDA_DEVICE_CUH
#define DT_CUDA_DEVICE_CUH

#include <string.h>

#include "cuda/backend_cuda.h"

#define DT_WARP 32
#define DT_FULL_WARP 0xffffffffu
#define DT_MAX_WARPS 32 /* of a block */

/* ---- numbers -------------------------------------------------------------------------------- */

__device__ inline float dt_value(float x)
{
    return x;
}
__device__ inline float dt_value(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}
__device__ inline float dt_value(__half x)
{
    return __half2float(x);
}

template <typename T> __device__ inline T dt_round(float x);
template <> __device__ inline float dt_round<float>(float x)
{
    return x;
}
template <> __device__ inline __nv_bfloat16 dt_round<__nv_bfloat16>(float x)
{
    return __float2bfloat16(x);
}
template <> __device__ inline __half dt_round<__half>(float x)
{
    return __float2half(x);
}

/* ---- vectors of neighbouring elements -------------------------------------------------------- */

/* Number of neighbouring elements that a thread handles at a time: 16 bytes of activations. A
 * multiple of four, since dropout draws come in fours. */
template <typename T> struct dt_vec {
    static constexpr int width = 16 / (int)sizeof(T);
};

/* Copies W elements; ALIGNED: with accesses as wide as the type allows. */
template <typename WORD, int W, typename T>
__device__ inline void dt_copy_words(T *to, const T *from)
{
    constexpr int words = W * (int)sizeof(T) / (int)sizeof(WORD);
#pragma unroll
    for (int i = 0; i < words; ++i)
        reinterpret_cast<WORD *>(to)[i] = reinterpret_cast<const WORD *>(from)[i];
}

template <int W, typename T> __device__ inline void dt_copy_vec(T *to, const T *from)
{
    if constexpr (W * sizeof(T) % sizeof(uint4) == 0)
        dt_copy_words<uint4, W>(to, from);
    else if constexpr (W * sizeof(T) % sizeof(uint2) == 0)
        dt_copy_words<uint2, W>(to, from);
    else
        dt_copy_words<uint32_t, W>(to, from);
}

/* out[i] = row[column + i]; beyond `columns` 0. */
template <bool ALIGNED, int W, typename T>
__device__ inline void dt_load(float (&out)[W], const T *row, int64_t column, int64_t columns)
{
    if constexpr (ALIGNED) {
        alignas(16) T vec[W];
        dt_copy_vec<W>(vec, row + column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            out[i] = dt_value(vec[i]);
    } else {
#pragma unroll
        for (int i = 0; i < W; ++i)
            out[i] = column + i < columns ? dt_value(row[column + i]) : 0.0f;
    }
}

/* row[column + i] = in[i]; nothing is written beyond `columns`. */
template <bool ALIGNED, int W, typename T>
__device__ inline void dt_store(T *row, const float (&in)[W], int64_t column, int64_t columns)
{
    if constexpr (ALIGNED) {
        alignas(16) T vec[W];
#pragma unroll
        for (int i = 0; i < W; ++i)
            vec[i] = dt_round<T>(in[i]);
        dt_copy_vec<W>(row + column, vec);
    } else {
#pragma unroll
        for (int i = 0; i < W; ++i)
            if (column + i < columns)
                row[column + i] = dt_round<T>(in[i]);
    }
}

/* sum[i] += row[column + i]; beyond `columns` nothing is added. */
template <bool ALIGNED, int W, typename T>
__device__ inline void dt_add_vec(float (&sum)[W], const T *row, int64_t column, int64_t columns)
{
    float vec[W];
    dt_load<ALIGNED, W>(vec, row, column, columns);
#pragma unroll
    for (int i = 0; i < W; ++i)
        sum[i] += vec[i];
}

/* row[column + i] += sum[i], for a row of a gradient. */
template <bool ALIGNED, int W>
__device__ inline void dt_add_to_row(float *row, float (&sum)[W], int64_t column, int64_t columns)
{
    dt_add_vec<ALIGNED, W>(sum, row, column, columns);
    dt_store<ALIGNED, W>(row, sum, column, columns);
}

/* Returns 1/√tokens, the factor of a bag of embeddings. */
__device__ inline float dt_bag_share(int32_t tokens)
{
    return 1.0f / sqrtf((float)tokens);
}

/* Clears a row; called by all threads of a block. */
template <bool ALIGNED, typename T> __device__ inline void dt_zero_row(T *row, int64_t columns)
{
    constexpr int W = dt_vec<T>::width;
    const float zero[W] = {};
    for (int64_t column = (int64_t)threadIdx.x * W; column < columns;
         column += (int64_t)blockDim.x * W)
        dt_store<ALIGNED, W>(row, zero, column, columns);
}

/* ---- sums ----------------------------------------------------------------------------------- */

__device__ inline float dt_warp_sum(float x)
{
    for (int offset = DT_WARP / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(DT_FULL_WARP, x, offset);
    return x;
}

__device__ inline float dt_warp_max(float x)
{
    for (int offset = DT_WARP / 2; offset > 0; offset /= 2)
        x = fmaxf(x, __shfl_xor_sync(DT_FULL_WARP, x, offset));
    return x;
}

/* Sums N numbers per thread over a block of whole warps, in a fixed order; all threads receive the
 * sums. */
template <int N> __device__ inline void dt_block_sum(float (&x)[N])
{
    __shared__ float part[DT_MAX_WARPS][N];
    const int warp = (int)threadIdx.x / DT_WARP;
    const int warps = (int)blockDim.x / DT_WARP;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float sum = dt_warp_sum(x[n]);
        if (threadIdx.x % DT_WARP == 0)
            part[warp][n] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int n = 0; n < N; ++n)
        x[n] = part[0][n];
    for (int w = 1; w < warps; ++w)
#pragma unroll
        for (int n = 0; n < N; ++n)
            x[n] += part[w][n];
    __syncthreads();
}

/* In a block of (DT_WARP, at most LANES) threads: lane 0 (threadIdx.y) receives the sums over the
 * lanes, in order. For one use in a kernel. */
template <int LANES, int W> __device__ inline void dt_lane_sum(float (&total)[W])
{
    __shared__ float part[LANES][W][DT_WARP];
#pragma unroll
    for (int i = 0; i < W; ++i)
        part[threadIdx.y][i][threadIdx.x] = total[i];
    __syncthreads();
    if (threadIdx.y > 0)
        return;
    for (int lane = 1; lane < (int)blockDim.y; ++lane)
#pragma unroll
        for (int i = 0; i < W; ++i)
            total[i] += part[lane][i][threadIdx.x];
}

#define DT_SUM_LANES 8 /* rows that a block of dt_sum_rows() handles at a time */

/* The first stage of sums over the rows of a matrix, with the blocks of dt_cuda_row_sums(): block
 * (c, b) sums `rows_each` rows from row b · rows_each on and stores the sum in row b of `partial`
 * (gridDim.y, columns). load(values, row, column) provides W neighbouring elements, 0 beyond
 * `columns`; it is called once for each of them. */
template <bool ALIGNED, int UNROLL, int W, typename LOAD>
__device__ inline void dt_sum_rows(float *partial, int64_t rows, int64_t columns, int64_t rows_each,
                                   LOAD load)
{
    const int64_t column = ((int64_t)blockIdx.x * DT_WARP + threadIdx.x) * W;
    const int64_t begin = (int64_t)blockIdx.y * rows_each;
    const int64_t end = begin + rows_each < rows ? begin + rows_each : rows;
    float total[W] = {};
    if (column < columns)
#pragma unroll UNROLL
        for (int64_t row = begin + threadIdx.y; row < end; row += DT_SUM_LANES) {
            float values[W];
            load(values, row, column);
#pragma unroll
            for (int i = 0; i < W; ++i)
                total[i] += values[i];
        }
    dt_lane_sum<DT_SUM_LANES>(total);
    if (threadIdx.y == 0 && column < columns)
        dt_store<ALIGNED, W>(partial + blockIdx.y * columns, total, column, columns);
}

/* ---- dropout -------------------------------------------------------------------------------- */

/* Dropout of one row: the Philox counter of its draws (core/philox.h) and the factor of the kept
 * values. */
typedef struct {
    uint32_t seed, stream;
    uint32_t position; /* c[1]: token in its sequence */
    uint32_t sequence; /* c[2]: sequence in the global batch */
    uint32_t step;     /* c[3] */
    uint32_t threshold;
    float kept;
} dt_mask;

__device__ inline dt_mask dt_mask_of(const dt_batch_facts *facts, const dt_drop &drop,
                                     int64_t sequence, int64_t position)
{
    return dt_mask{facts->seed,        drop.stream,
                   (uint32_t)position, (uint32_t)(facts->first_sequence + sequence),
                   facts->step,        drop.threshold,
                   drop.kept};
}

/* Returns the mask of a row of a matrix with one row per token or sequence. */
__device__ inline dt_mask dt_row_mask(const dt_batch_view &batch, const dt_drop &drop,
                                      dt_row_kind rows, int64_t row)
{
    if (rows == DT_ROWS_SEQUENCES)
        return dt_mask_of(batch.facts, drop, row, 0);
    const int32_t sequence = batch.sequence_of_row[row];
    return dt_mask_of(batch.facts, drop, sequence, row - batch.cu_seqlens[sequence]);
}

/* Returns the number of rows of such a matrix that belong to the batch. */
__device__ inline int64_t dt_real_rows(const dt_batch_view &batch, dt_row_kind rows)
{
    return rows == DT_ROWS_SEQUENCES ? batch.facts->sequences : batch.facts->tokens;
}

__device__ inline void dt_draw_four(uint32_t (&draw)[4], const dt_mask &mask, int64_t counter)
{
    dt_philox(mask.seed, mask.stream, (uint32_t)counter, mask.position, mask.sequence, mask.step,
              draw);
}

/* factor[i] of the channels first … first + W - 1: 0 where dropped, 1/(1-p) where kept. `first` is
 * a multiple of 4. */
template <int W>
__device__ inline void dt_factors(float (&factor)[W], const dt_mask &mask, int64_t first)
{
#pragma unroll
    for (int i = 0; i < W; ++i)
        factor[i] = mask.kept;
    if (mask.threshold == 0)
        return;
#pragma unroll
    for (int i = 0; i < W; i += 4) {
        uint32_t draw[4];
        dt_draw_four(draw, mask, first / 4 + i / 4);
#pragma unroll
        for (int j = 0; j < 4; ++j)
            factor[i + j] = draw[j] >= mask.threshold ? mask.kept : 0.0f;
    }
}

/* The same for four channels; `first` may be any channel. */
__device__ inline void dt_factors_anywhere(float (&factor)[4], const dt_mask &mask, int64_t first)
{
    const int skip = (int)(first % 4);
    dt_factors<4>(factor, mask, first - skip);
    if (skip == 0)
        return;
    float next[4];
    dt_factors<4>(next, mask, first - skip + 4);
    float both[8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        both[i] = factor[i];
        both[4 + i] = next[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
        factor[i] = skip == 1 ? both[i + 1] : skip == 2 ? both[i + 2] : both[i + 3];
}

#endif
