/* Conversion of gradients to bf16 for communication, and back, on the backend's or a communicator's
 * stream. */
#include "cuda/device.cuh"

#define THREADS 256
#define VEC 8 /* elements per thread: 16 bytes of bf16 */

template <bool ALIGNED, typename TO, typename FROM>
__device__ static inline void convert_piece(TO *to, const FROM *from, int64_t i, int64_t count)
{
    float value[VEC];
    dt_load<ALIGNED, VEC>(value, from, i, count);
    dt_store<ALIGNED, VEC>(to, value, i, count);
}

template <bool ALIGNED, typename TO, typename FROM>
__global__ void convert_kernel(TO *to, const FROM *from, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (ALIGNED && i + VEC <= count)
        convert_piece<ALIGNED>(to, from, i, count);
    else if (i < count)
        convert_piece<false>(to, from, i, count);
}

template <typename TO, typename FROM>
static void convert(dt_cuda *cuda, TO *to, const FROM *from, int64_t count, void *native_stream)
{
    if (count == 0 || !dt_cuda_ready(cuda))
        return;
    const cudaStream_t stream = native_stream ? (cudaStream_t)native_stream : cuda->stream;
    const unsigned blocks = (unsigned)dt_ceil_div(count, THREADS * VEC);
    if (dt_is_aligned(to) && dt_is_aligned(from))
        convert_kernel<true><<<blocks, THREADS, 0, stream>>>(to, from, count);
    else
        convert_kernel<false><<<blocks, THREADS, 0, stream>>>(to, from, count);
    dt_cuda_launched(cuda, "rounding gradients");
}

void dt_cuda_gradients_to_bf16(dt_backend *backend, void *out, int64_t offset, int64_t count,
                               void *native_stream)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    convert(cuda, (__nv_bfloat16 *)out, dt_cuda_gradient(cuda, offset), count, native_stream);
}

void dt_cuda_gradients_from_bf16(dt_backend *backend, const void *in, int64_t offset, int64_t count,
                                 void *native_stream)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    convert(cuda, dt_cuda_gradient(cuda, offset), (const __nv_bfloat16 *)in, count, native_stream);
}
