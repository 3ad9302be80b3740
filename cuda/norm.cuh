/* LayerNorm of one row (Ba, Kiros & Hinton 2016) by the threads of a block, for kernels that
 * include one. A Source provides the row: load(vec, column) reads W of its elements. */
#ifndef DT_CUDA_NORM_CUH
#define DT_CUDA_NORM_CUH

#include "cuda/device.cuh"

#define DT_NORM_THREADS 128 /* threads of a block, which handles one row */

typedef struct {
    float mean;
    float scale; /* 1 / √(variance + eps) */
} dt_row_statistics;

/* Computes mean and standard deviation in two passes: subtracting the mean first avoids
 * cancellation. */
template <int W, typename Source>
__device__ inline dt_row_statistics dt_norm_statistics(const Source &source, int64_t hidden,
                                                       float eps)
{
    float sum[1] = {0.0f};
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        source.load(s, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            sum[0] += s[i]; /* 0 beyond the end of the row */
    }
    dt_block_sum<DT_NORM_THREADS>(sum);
    const float mean = sum[0] / (float)hidden;
    float squares[1] = {0.0f};
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        source.load(s, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            if (column + i < hidden)
                squares[0] += (s[i] - mean) * (s[i] - mean);
    }
    dt_block_sum<DT_NORM_THREADS>(squares);
    return dt_row_statistics{mean, 1.0f / sqrtf(squares[0] / (float)hidden + eps)};
}

/* Computes the two means in the gradient of a LayerNorm: of g = dy·gamma, and of g·x̂. */
template <int W, bool ALIGNED, typename Source, typename Gradient>
__device__ inline void dt_norm_means(float (&mean)[2], const Source &source,
                                     const Gradient &gradient, const dt_row_statistics &statistics,
                                     const float *gamma, int64_t hidden)
{
    mean[0] = mean[1] = 0.0f;
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float g[W];
        float scale[W];
        source.load(s, column);
        gradient.load(g, column);
        dt_load<ALIGNED, W>(scale, gamma, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            const float product = g[i] * scale[i]; /* 0 beyond the row */
            mean[0] += product;
            mean[1] += product * ((s[i] - statistics.mean) * statistics.scale);
        }
    }
    dt_block_sum<DT_NORM_THREADS>(mean);
    mean[0] /= (float)hidden;
    mean[1] /= (float)hidden;
}

/* Computes ds of W elements from dy in `g`. */
template <int W, bool ALIGNED>
__device__ inline void dt_norm_gradient(float (&g)[W], const float (&s)[W], const float (&mean)[2],
                                        const dt_row_statistics &statistics, const float *gamma,
                                        int64_t column, int64_t hidden)
{
    float scale[W];
    dt_load<ALIGNED, W>(scale, gamma, column, hidden);
#pragma unroll
    for (int i = 0; i < W; ++i)
        g[i] = statistics.scale *
               (g[i] * scale[i] - mean[0] - (s[i] - statistics.mean) * statistics.scale * mean[1]);
}

#endif
