/* gelu(u) = u·Φ(u), the exact form (Hendrycks & Gimpel 2016), as separate kernels because
 * cuBLASLt's epilogue implements only the tanh approximation. */
#include "cuda/device.cuh"

#define THREADS 256

__device__ static inline float normal_cdf(float u)
{
    return 0.5f * erfcf(-0.70710678f * u);
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
    for (int i = 0; i < W; ++i)
        vec[i] *= normal_cdf(vec[i]);
    dt_store<ALIGNED, W>(y, vec, first, count);
}

/* du = dy · (Φ(u) + u·φ(u)) */
template <typename T, bool ALIGNED>
__global__ void gelu_backward_kernel(T *du_dy, const T *u, int64_t count)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * W;
    if (first >= count)
        return;
    float gradient[W];
    float input[W];
    dt_load<ALIGNED, W>(gradient, du_dy, first, count);
    dt_load<ALIGNED, W>(input, u, first, count);
#pragma unroll
    for (int i = 0; i < W; ++i) {
        const float density = 0.39894228f * expf(-0.5f * input[i] * input[i]);
        gradient[i] *= normal_cdf(input[i]) + input[i] * density;
    }
    dt_store<ALIGNED, W>(du_dy, gradient, first, count);
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
void dt_cuda_gelu_backward(dt_backend *backend, void *du_dy, const void *u, int64_t count)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (count == 0 || !dt_cuda_ready(cuda))
        return;
    if (whole_pieces<T>(du_dy, u, count))
        gelu_backward_kernel<T, true>
            <<<blocks_for<T>(count), THREADS, 0, cuda->stream>>>((T *)du_dy, (const T *)u, count);
    else
        gelu_backward_kernel<T, false>
            <<<blocks_for<T>(count), THREADS, 0, cuda->stream>>>((T *)du_dy, (const T *)u, count);
    dt_cuda_launched(cuda, "gelu backward");
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_gelu_forward<T>(dt_cuda *, void *, const void *, int64_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
DT_CUDA_OPERATION(gelu_backward);
