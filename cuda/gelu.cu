/* gelu(u) = u·Φ(u), the exact form (Hendrycks & Gimpel 2016), as separate kernels because
 * cuBLASLt's epilogue implements only the tanh approximation. */
#include "cuda/device.cuh"
#include "cuda/ptx.cuh"

#define THREADS 256

/* Returns Φ(u), and e = exp(-u²/2) for the density.
 *
 * Φ(-a) = exp(-a²/2) · t · P(t), t = 1 / (1 + 0.4 a/√2), a >= 0: the form of Hastings (1955;
 * Abramowitz & Stegun 7.1.26), with more terms. P of degree 8 interpolates erfcx(x) / (2 t) in the
 * Chebyshev nodes of 0 < t <= 1; its relative error is below 2.7e-7 for all a, the tails included.
 * With erfcf() a kernel has twice as many instructions (nvcc 13), and they, not memory, are its
 * limit. */
__device__ static inline float normal_cdf(float u, float *e)
{
    constexpr float P[] = {0.112837951f,   0.112832314f, 0.10397233f,  0.083873141f, 0.072240674f,
                           -0.00598079695f, 0.088213974f, -0.0936627585f, 0.0256732439f};
    const float t = __fdividef(1.0f, 1.0f + 0.28284271f * fabsf(u));
    float p = P[8];
#pragma unroll
    for (int i = 7; i >= 0; --i)
        p = p * t + P[i];
    *e = __expf(-0.5f * u * u);
    const float tail = p * t * *e;
    return u < 0.0f ? tail : 1.0f - tail;
}

template <typename T, bool ALIGNED> __global__ void gelu_kernel(T *y, const T *u, int64_t count)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * W;
    if (first >= count)
        return;
    float vec[W];
    dt_load<ALIGNED, W>(vec, u, first, count);
#pragma unroll
    for (int i = 0; i < W; ++i) {
        float e;
        vec[i] *= normal_cdf(vec[i], &e);
    }
    dt_store<ALIGNED, W>(y, vec, first, count);
}

/* du = dy · (Φ(u) + u·φ(u)), and the sums of its rows. The lane's next row is brought to the L2
 * cache meanwhile: nvcc moves loads to registers back to where their values are used. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_WARP *DT_SUM_LANES)
    gelu_backward_kernel(T *du_dy, float *partial, const T *u, int64_t rows, int64_t columns,
                         int64_t rows_each)
{
    constexpr int W = dt_vec<T>::width;
    dt_sum_rows<ALIGNED, 1, W>(
        partial, rows, columns, rows_each,
        [&](float (&gradient)[W], int64_t row, int64_t column) {
            float input[W];
            if (row + DT_SUM_LANES < rows) {
                dt_prefetch(du_dy + (row + DT_SUM_LANES) * columns + column);
                dt_prefetch(u + (row + DT_SUM_LANES) * columns + column);
            }
            dt_load<ALIGNED, W>(gradient, du_dy + row * columns, column, columns);
            dt_load<ALIGNED, W>(input, u + row * columns, column, columns);
#pragma unroll
            for (int i = 0; i < W; ++i) {
                float e;
                const float cdf = normal_cdf(input[i], &e);
                gradient[i] *= cdf + input[i] * (0.39894228f * e);
            }
            dt_store<ALIGNED, W>(du_dy + row * columns, gradient, column, columns);
        });
}

template <typename T> static unsigned blocks_for(int64_t count)
{
    return (unsigned)dt_ceil_div(count, (int64_t)THREADS * dt_vec<T>::width);
}

template <typename T> static bool whole_pieces(const void *a, const void *b, int64_t count)
{
    return dt_is_aligned(a) && dt_is_aligned(b) && count % dt_vec<T>::width == 0;
}

template <typename T>
void dt_cuda_gelu_forward(dt_cuda *cuda, void *y, const void *u, int64_t count)
{
    if (count == 0 || cuda->error)
        return;
    if (whole_pieces<T>(y, u, count))
        gelu_kernel<T, true>
            <<<blocks_for<T>(count), THREADS, 0, cuda->stream>>>((T *)y, (const T *)u, count);
    else
        gelu_kernel<T, false>
            <<<blocks_for<T>(count), THREADS, 0, cuda->stream>>>((T *)y, (const T *)u, count);
    dt_cuda_launched(cuda, "gelu");
}

template <typename T>
void dt_cuda_gelu_backward(dt_backend *backend, void *du_dy, const void *u, dt_param bias,
                           int64_t rows, int32_t columns)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const dt_row_sums sums = dt_cuda_row_sums(cuda, rows, columns, dt_vec<T>::width);
    if (sums.blocks == 0)
        return;
    if (whole_pieces<T>(du_dy, u, columns))
        gelu_backward_kernel<T, true><<<sums.grid, sums.threads, 0, cuda->stream>>>(
            (T *)du_dy, cuda->sums, (const T *)u, rows, columns, sums.rows_each);
    else
        gelu_backward_kernel<T, false><<<sums.grid, sums.threads, 0, cuda->stream>>>(
            (T *)du_dy, cuda->sums, (const T *)u, rows, columns, sums.rows_each);
    dt_cuda_launched(cuda, "gelu backward");
    dt_cuda_add_partials(cuda, dt_totals{{dt_cuda_gradient(cuda, bias)}}, 1, sums.blocks, columns);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_gelu_forward<T>(dt_cuda *, void *, const void *, int64_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
DT_CUDA_OPERATION(gelu_backward);
