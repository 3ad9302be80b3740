/* Instructions that CUDA C++ has no functions for, from compute capability 8.0 on (PTX ISA, "Warp
 * Level Matrix Instructions" and "Asynchronous copy"). The emulator replaces this header by one with
 * the same functions (tests/cuda_on_cpu/include/cuda/ptx.cuh).
 *
 * All lanes of a warp call the matrix functions together. Lane l is (g, t) = (l / 4, l % 4). A
 * register holds two neighbouring 16-bit elements, the first in the lower half:
 *
 *   A (16, 16)  a[0]: row g, columns 2t and 2t+1    a[1]: row g+8, the same columns
 *               a[2]: row g, columns 2t+8, 2t+9     a[3]: row g+8
 *   B (16, 8)   b0: rows 2t, 2t+1 of column g       b1: rows 2t+8, 2t+9 of column g
 *   C (16, 8)   c[0], c[1]: row g, columns 2t, 2t+1; c[2], c[3]: row g+8
 */
#ifndef DT_CUDA_PTX_CUH
#define DT_CUDA_PTX_CUH

#include <stdint.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

/* An address in bytes within shared memory. */
typedef uint32_t dt_shared_address;

__device__ inline dt_shared_address dt_shared_address_of(const void *pointer)
{
    return (dt_shared_address)__cvta_generic_to_shared(pointer);
}

/* Loads four 8 by 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix
 * l / 8: 16 bytes, aligned. out[i] of lane (g, t) is row g, columns 2t and 2t+1 of matrix i. */
__device__ inline void dt_load_matrices(uint32_t (&out)[4], dt_shared_address row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(row)
                 : "memory");
}

/* The same with each matrix transposed: rows 2t and 2t+1 of column g. */
__device__ inline void dt_load_transposed(uint32_t (&out)[4], dt_shared_address row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(row)
                 : "memory");
}

/* c += A · B, T: __nv_bfloat16 or __half. */
template <typename T>
__device__ inline void dt_multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                       uint32_t b1);
template <>
__device__ inline void dt_multiply_add<__nv_bfloat16>(float (&c)[4], const uint32_t (&a)[4],
                                                      uint32_t b0, uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ inline void dt_multiply_add<__half>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Starts copying 16 bytes to shared memory, both aligned to 16 bytes; zeros if not `real`, when
 * `from` is not read. */
__device__ inline void dt_copy_start(dt_shared_address to, const void *from, bool real)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(to), "l"(__cvta_generic_to_global(from)), "r"(real ? 16 : 0)
                 : "memory");
}

/* Ends a group of copies: all that this thread has started since the last group. */
__device__ inline void dt_copy_group(void)
{
    asm volatile("cp.async.commit_group;" : : : "memory");
}

/* Waits until at most the N newest groups of this thread are still being copied. Other threads see
 * the copies after a barrier that follows. */
template <int N> __device__ inline void dt_copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

/* Starts bringing the cache line of an address to the L2 cache. */
__device__ inline void dt_prefetch(const void *address)
{
    asm volatile("prefetch.global.L2 [%0];" : : "l"(__cvta_generic_to_global(address)));
}

/* 2^x to 2 ulp, denormal numbers are 0. */
__device__ inline float dt_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Returns x in a way that the compiler cannot see through: in a loop, what depends on it is computed
 * each time, not kept in registers. */
__device__ inline int32_t dt_unknown(int32_t x)
{
    asm volatile("" : "+r"(x));
    return x;
}

/* Two numbers rounded to T, the first in the lower half. */
template <typename T> __device__ inline uint32_t dt_pack(float first, float second);
template <> __device__ inline uint32_t dt_pack<__nv_bfloat16>(float first, float second)
{
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}
template <> __device__ inline uint32_t dt_pack<__half>(float first, float second)
{
    uint32_t pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}

/* The two numbers of a register. */
template <typename T> __device__ inline float2 dt_unpack(uint32_t pair);
template <> __device__ inline float2 dt_unpack<__nv_bfloat16>(uint32_t pair)
{
    return float2{__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)};
}
template <> __device__ inline float2 dt_unpack<__half>(uint32_t pair)
{
    float2 numbers;
    asm("{.reg .f16 first, second;\n"
        "mov.b32 {first, second}, %2;\n"
        "cvt.f32.f16 %0, first;\n"
        "cvt.f32.f16 %1, second;}"
        : "=f"(numbers.x), "=f"(numbers.y)
        : "r"(pair));
    return numbers;
}

#endif
