/* Functions for kernels: qualifiers, barriers, warp collectives, atomics, intrinsics. Atomics are
 * plain code, since threads switch only at barriers and collectives. */
#ifndef CUDA_ON_CPU_DEVICE_FUNCTIONS_H
#define CUDA_ON_CPU_DEVICE_FUNCTIONS_H

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <type_traits>

#include "cuda_on_cpu.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __managed__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#ifndef __restrict__
#define __restrict__ __restrict
#endif

static constexpr int warpSize = 32;

#define CUDA_ON_CPU_HERE                                                                           \
    const char *file = __builtin_FILE(), int line = __builtin_LINE() /* of the caller */

/* ---- barriers ------------------------------------------------------------------------------- */

static inline void __syncthreads(CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::block_barrier(0, cuda_on_cpu::BARRIER_COUNT, {file, line});
}
static inline int __syncthreads_count(int predicate, CUDA_ON_CPU_HERE)
{
    return cuda_on_cpu::block_barrier(predicate, cuda_on_cpu::BARRIER_COUNT, {file, line});
}
static inline int __syncthreads_and(int predicate, CUDA_ON_CPU_HERE)
{
    return cuda_on_cpu::block_barrier(predicate, cuda_on_cpu::BARRIER_AND, {file, line});
}
static inline int __syncthreads_or(int predicate, CUDA_ON_CPU_HERE)
{
    return cuda_on_cpu::block_barrier(predicate, cuda_on_cpu::BARRIER_OR, {file, line});
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::warp_collective(cuda_on_cpu::SYNC_WARP, mask, 0, 0, {file, line});
}
static inline void __threadfence()
{
}
static inline void __threadfence_block()
{
}
static inline void __threadfence_system()
{
}
static inline void __trap()
{
    cuda_on_cpu::report("__trap()");
}
static inline void __nanosleep(unsigned)
{
}

/* ---- shuffles ------------------------------------------------------------------------------- */

namespace cuda_on_cpu
{
template <typename T> T shuffle(unsigned mask, T value, int source, site where)
{
    static_assert(sizeof(T) <= sizeof(uint64_t), "shuffles take up to 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, static_cast<const void *>(&value), sizeof value);
    bits = warp_collective(SHUFFLE, mask, bits, source, where);
    memcpy(static_cast<void *>(&value), &bits, sizeof value);
    return value;
}
static inline int segment(int width, site where)
{
    if (width < 1 || width > 32 || (width & (width - 1)) != 0)
        report("the shuffle at %s:%d has width %d, not a power of two up to 32", where.file,
               where.line, width);
    return lane() & ~(width - 1);
}
} // namespace cuda_on_cpu

template <typename T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUDA_ON_CPU_HERE)
{
    const int first = cuda_on_cpu::segment(width, {file, line});
    return cuda_on_cpu::shuffle(mask, value, first + (source & (width - 1)), {file, line});
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                               CUDA_ON_CPU_HERE)
{
    const int first = cuda_on_cpu::segment(width, {file, line});
    const int from = cuda_on_cpu::lane() - (int)delta;
    return cuda_on_cpu::shuffle(mask, value, from < first ? cuda_on_cpu::lane() : from,
                                {file, line});
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                 CUDA_ON_CPU_HERE)
{
    const int first = cuda_on_cpu::segment(width, {file, line});
    const int from = cuda_on_cpu::lane() + (int)delta;
    return cuda_on_cpu::shuffle(mask, value, from >= first + width ? cuda_on_cpu::lane() : from,
                                {file, line});
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CUDA_ON_CPU_HERE)
{
    const int first = cuda_on_cpu::segment(width, {file, line});
    const int from = cuda_on_cpu::lane() ^ bits;
    return cuda_on_cpu::shuffle(mask, value, from >= first + width ? cuda_on_cpu::lane() : from,
                                {file, line});
}

/* ---- votes and reductions of a warp --------------------------------------------------------- */

static inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_ON_CPU_HERE)
{
    return (unsigned)cuda_on_cpu::warp_collective(cuda_on_cpu::BALLOT, mask, predicate != 0, 0,
                                                  {file, line});
}
static inline int __any_sync(unsigned mask, int predicate, CUDA_ON_CPU_HERE)
{
    return __ballot_sync(mask, predicate, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, CUDA_ON_CPU_HERE)
{
    return __ballot_sync(mask, predicate, file, line) == mask;
}
template <typename T>
static inline unsigned __match_any_sync(unsigned mask, T value, CUDA_ON_CPU_HERE)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return (unsigned)cuda_on_cpu::warp_collective(cuda_on_cpu::MATCH_ANY, mask, bits, 0,
                                                  {file, line});
}
template <typename T>
static inline unsigned __match_all_sync(unsigned mask, T value, int *all, CUDA_ON_CPU_HERE)
{
    *all = __match_any_sync(mask, value, file, line) == mask;
    return *all ? mask : 0;
}

#define CUDA_ON_CPU_REDUCE(name, type, operation)                                                  \
    static inline type name(unsigned mask, type value, CUDA_ON_CPU_HERE)                           \
    {                                                                                              \
        return (type)cuda_on_cpu::warp_collective(cuda_on_cpu::operation, mask, (uint32_t)value,   \
                                                  0, {file, line});                                \
    }
CUDA_ON_CPU_REDUCE(__reduce_add_sync, unsigned, REDUCE_ADD)
CUDA_ON_CPU_REDUCE(__reduce_add_sync, int, REDUCE_ADD)
CUDA_ON_CPU_REDUCE(__reduce_min_sync, unsigned, REDUCE_MIN)
CUDA_ON_CPU_REDUCE(__reduce_min_sync, int, REDUCE_MIN_SIGNED)
CUDA_ON_CPU_REDUCE(__reduce_max_sync, unsigned, REDUCE_MAX)
CUDA_ON_CPU_REDUCE(__reduce_max_sync, int, REDUCE_MAX_SIGNED)
CUDA_ON_CPU_REDUCE(__reduce_and_sync, unsigned, REDUCE_AND)
CUDA_ON_CPU_REDUCE(__reduce_or_sync, unsigned, REDUCE_OR)
CUDA_ON_CPU_REDUCE(__reduce_xor_sync, unsigned, REDUCE_XOR)
#undef CUDA_ON_CPU_REDUCE

/* In a checked module, the compiler does not tell the accesses of such a function. */
#define CUDA_ON_CPU_UNOBSERVED __attribute__((no_sanitize("thread")))

/* ---- atomics: all return the old value ------------------------------------------------------ */

#define CUDA_ON_CPU_ATOMIC(name, expression)                                                       \
    template <typename T>                                                                          \
    CUDA_ON_CPU_UNOBSERVED static inline T name(T *address, std::enable_if_t<true, T> value,       \
                                                CUDA_ON_CPU_HERE)                                  \
    {                                                                                              \
        cuda_on_cpu::shared_atomic(address, sizeof(T), {file, line});                              \
        const T old = *address;                                                                    \
        *address = (T)(expression);                                                                \
        return old;                                                                                \
    }                                                                                              \
    template <typename T>                                                                          \
    static inline T name##_block(T *address, std::enable_if_t<true, T> value, CUDA_ON_CPU_HERE)    \
    {                                                                                              \
        return name(address, value, file, line);                                                   \
    }
CUDA_ON_CPU_ATOMIC(atomicAdd, old + value)
CUDA_ON_CPU_ATOMIC(atomicSub, old - value)
CUDA_ON_CPU_ATOMIC(atomicExch, value)
CUDA_ON_CPU_ATOMIC(atomicMin, value < old ? value : old)
CUDA_ON_CPU_ATOMIC(atomicMax, value > old ? value : old)
CUDA_ON_CPU_ATOMIC(atomicAnd, old &value)
CUDA_ON_CPU_ATOMIC(atomicOr, old | value)
CUDA_ON_CPU_ATOMIC(atomicXor, old ^ value)
CUDA_ON_CPU_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
CUDA_ON_CPU_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef CUDA_ON_CPU_ATOMIC

template <typename T>
CUDA_ON_CPU_UNOBSERVED static inline T atomicCAS(T *address, std::enable_if_t<true, T> compare,
                                                 std::enable_if_t<true, T> value, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::shared_atomic(address, sizeof(T), {file, line});
    const T old = *address;
    if (old == compare)
        *address = value;
    return old;
}

/* ---- memory --------------------------------------------------------------------------------- */

#define CUDA_ON_CPU_LOAD(name)                                                                     \
    template <typename T> static inline T name(const T *address)                                   \
    {                                                                                              \
        return *address;                                                                           \
    }
CUDA_ON_CPU_LOAD(__ldg)
CUDA_ON_CPU_LOAD(__ldca)
CUDA_ON_CPU_LOAD(__ldcg)
CUDA_ON_CPU_LOAD(__ldcs)
CUDA_ON_CPU_LOAD(__ldlu)
CUDA_ON_CPU_LOAD(__ldcv)
#undef CUDA_ON_CPU_LOAD
#define CUDA_ON_CPU_STORE(name)                                                                    \
    template <typename T> static inline void name(T *address, std::enable_if_t<true, T> value)     \
    {                                                                                              \
        *address = value;                                                                          \
    }
CUDA_ON_CPU_STORE(__stwb)
CUDA_ON_CPU_STORE(__stcg)
CUDA_ON_CPU_STORE(__stcs)
CUDA_ON_CPU_STORE(__stwt)
#undef CUDA_ON_CPU_STORE

static inline size_t __cvta_generic_to_shared(const void *address)
{
    return (size_t)address;
}

/* ---- integers ------------------------------------------------------------------------------- */

static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}
static inline int __mulhi(int a, int b)
{
    return (int)((int64_t)a * b >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __popcll(unsigned long long x)
{
    return __builtin_popcountll(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __clzll(long long x)
{
    return x ? __builtin_clzll((unsigned long long)x) : 64;
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline int __ffsll(long long x)
{
    return __builtin_ffsll(x);
}
static inline unsigned __brev(unsigned x)
{
    unsigned y = 0;
    for (int i = 0; i < 32; ++i)
        y |= (x >> i & 1) << (31 - i);
    return y;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)((((uint64_t)high << 32 | low) << (shift & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31));
}

/* min and max as in nvcc: for two numbers of any arithmetic types, without std:: */
template <typename A, typename B,
          typename = std::enable_if_t<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value>>
constexpr std::common_type_t<A, B> min(A a, B b)
{
    using C = std::common_type_t<A, B>;
    return (C)b < (C)a ? (C)b : (C)a;
}
template <typename A, typename B,
          typename = std::enable_if_t<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value>>
constexpr std::common_type_t<A, B> max(A a, B b)
{
    using C = std::common_type_t<A, B>;
    return (C)a < (C)b ? (C)b : (C)a;
}

/* ---- floating point ------------------------------------------------------------------------- */

namespace cuda_on_cpu
{
template <typename To, typename From> To bits_as(From from)
{
    static_assert(sizeof(To) == sizeof(From), "same size");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
} // namespace cuda_on_cpu

static inline int __float_as_int(float x)
{
    return cuda_on_cpu::bits_as<int>(x);
}
static inline unsigned __float_as_uint(float x)
{
    return cuda_on_cpu::bits_as<unsigned>(x);
}
static inline float __int_as_float(int x)
{
    return cuda_on_cpu::bits_as<float>(x);
}
static inline float __uint_as_float(unsigned x)
{
    return cuda_on_cpu::bits_as<float>(x);
}
static inline long long __double_as_longlong(double x)
{
    return cuda_on_cpu::bits_as<long long>(x);
}
static inline double __longlong_as_double(long long x)
{
    return cuda_on_cpu::bits_as<double>(x);
}

/* macros, since the C library declares functions of these names */
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanhf(x) tanhf(x)
#define __powf(x, y) powf(x, y)

#define CUDA_ON_CPU_UNARY(name, type, expression)                                                  \
    static inline type name(type x)                                                                \
    {                                                                                              \
        return expression;                                                                         \
    }
CUDA_ON_CPU_UNARY(rsqrtf, float, 1.0f / sqrtf(x))
CUDA_ON_CPU_UNARY(rsqrt, double, 1.0 / sqrt(x))
CUDA_ON_CPU_UNARY(__frsqrt_rn, float, (float)(1.0 / sqrt((double)x)))
CUDA_ON_CPU_UNARY(__fsqrt_rn, float, sqrtf(x))
CUDA_ON_CPU_UNARY(__frcp_rn, float, 1.0f / x)
CUDA_ON_CPU_UNARY(__drcp_rn, double, 1.0 / x)
CUDA_ON_CPU_UNARY(__dsqrt_rn, double, sqrt(x))
CUDA_ON_CPU_UNARY(__saturatef, float, x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f)
CUDA_ON_CPU_UNARY(normcdff, float, 0.5f * erfcf(-0.70710678118654752f * x))
CUDA_ON_CPU_UNARY(normcdf, double, 0.5 * erfc(-0.70710678118654752440 * x))
#undef CUDA_ON_CPU_UNARY

#define CUDA_ON_CPU_BINARY(name, type, expression)                                                 \
    static inline type name(type x, type y)                                                        \
    {                                                                                              \
        return expression;                                                                         \
    }
CUDA_ON_CPU_BINARY(__fdividef, float, x / y)
CUDA_ON_CPU_BINARY(__fdiv_rn, float, x / y)
CUDA_ON_CPU_BINARY(__fadd_rn, float, x + y)
CUDA_ON_CPU_BINARY(__fsub_rn, float, x - y)
CUDA_ON_CPU_BINARY(__fmul_rn, float, x *y)
CUDA_ON_CPU_BINARY(__dadd_rn, double, x + y)
CUDA_ON_CPU_BINARY(__dsub_rn, double, x - y)
CUDA_ON_CPU_BINARY(__dmul_rn, double, x *y)
CUDA_ON_CPU_BINARY(__ddiv_rn, double, x / y)
#undef CUDA_ON_CPU_BINARY
static inline float __fmaf_rn(float x, float y, float z)
{
    return fmaf(x, y, z);
}
static inline double __fma_rn(double x, double y, double z)
{
    return fma(x, y, z);
}

#define CUDA_ON_CPU_CONVERT(name, to, from, expression)                                            \
    static inline to name(from x)                                                                  \
    {                                                                                              \
        return (to)(expression);                                                                   \
    }
CUDA_ON_CPU_CONVERT(__float2int_rn, int, float, rintf(x))
CUDA_ON_CPU_CONVERT(__float2int_rz, int, float, truncf(x))
CUDA_ON_CPU_CONVERT(__float2int_rd, int, float, floorf(x))
CUDA_ON_CPU_CONVERT(__float2int_ru, int, float, ceilf(x))
CUDA_ON_CPU_CONVERT(__float2uint_rn, unsigned, float, rintf(x))
CUDA_ON_CPU_CONVERT(__float2uint_rz, unsigned, float, truncf(x))
CUDA_ON_CPU_CONVERT(__float2ll_rn, long long, float, rintf(x))
CUDA_ON_CPU_CONVERT(__double2ll_rn, long long, double, rint(x))
CUDA_ON_CPU_CONVERT(__double2float_rn, float, double, x)
CUDA_ON_CPU_CONVERT(__int2float_rn, float, int, x)
CUDA_ON_CPU_CONVERT(__uint2float_rn, float, unsigned, x)
CUDA_ON_CPU_CONVERT(__ll2float_rn, float, long long, x)
CUDA_ON_CPU_CONVERT(__ull2float_rn, float, unsigned long long, x)
CUDA_ON_CPU_CONVERT(__int2double_rn, double, int, x)
CUDA_ON_CPU_CONVERT(__ll2double_rn, double, long long, x)
#undef CUDA_ON_CPU_CONVERT

#if !defined(__clang__)
#define __builtin_assume(condition) ((void)0)
#endif

#endif
