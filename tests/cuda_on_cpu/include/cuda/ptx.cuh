/* The functions of cuda/ptx.cuh, with the layouts that the PTX ISA documents.
 *
 * An asynchronous copy arrives only when it is waited for: until then its destination holds 0xFF
 * bytes, so that both a missing wait and a destination that is still being read show.
 */
#ifndef DT_CUDA_PTX_CUH
#define DT_CUDA_PTX_CUH

#include <math.h>
#include <string.h>

#include "cuda_bf16.h"
#include "cuda_fp16.h"

typedef uintptr_t dt_shared_address;

namespace cuda_on_cpu
{

void copy_start(void *to, const void *from, bool real, site where);
void copy_group();
void copy_wait(int newest);

/* A lane's row is read when the lane arrives, so that a missing __syncwarp() shows. */
struct matrices_request {
    uint16_t row[8];
    uint32_t *out;
};

template <bool TRANSPOSED> void load_matrices(const void *const *lanes)
{
    for (int l = 0; l < 32; ++l)
        for (int i = 0; i < 4; ++i) {
            uint16_t pair[2];
            for (int j = 0; j < 2; ++j) {
                const int row = TRANSPOSED ? 2 * (l % 4) + j : l / 4;
                const int column = TRANSPOSED ? l / 4 : 2 * (l % 4) + j;
                pair[j] = ((const matrices_request *)lanes[8 * i + row])->row[column];
            }
            memcpy(&((const matrices_request *)lanes[l])->out[i], pair, sizeof pair);
        }
}

static inline void start_load(uint32_t *out, dt_shared_address row,
                              void (*load)(const void *const *lanes), site where)
{
    matrices_request request;
    if (row % 16 != 0)
        report("a row of the matrices at %s:%d starts at an address that is not a multiple of 16 "
               "bytes",
               where.file, where.line);
    memcpy(request.row, (const void *)row, 16);
    request.out = out;
    warp_together(&request, load, where);
}

struct multiply_request {
    float *c;
    const uint32_t *a;
    uint32_t b[2];
};

/* Element (row, column) of A, B or C is number `item` of lane `lane`; items of A and B count
 * 16-bit elements. */
struct fragment_place {
    int lane, item;
};
static inline fragment_place place_in_a(int row, int column)
{
    return {row % 8 * 4 + column % 8 / 2, column / 8 * 4 + row / 8 * 2 + column % 2};
}
static inline fragment_place place_in_b(int row, int column)
{
    return {column * 4 + row % 8 / 2, row / 8 * 2 + row % 2};
}
static inline fragment_place place_in_c(int row, int column)
{
    return {row % 8 * 4 + column / 2, row / 8 * 2 + column % 2};
}

template <typename T> T element(const uint32_t *registers, int item)
{
    T value;
    memcpy(static_cast<void *>(&value), (const char *)registers + item * 2, sizeof value);
    return value;
}

template <typename T> void multiply_add(const void *const *lanes)
{
    const multiply_request *const *request = (const multiply_request *const *)lanes;
    float a[16][16], b[16][8];
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 16; ++k) {
            const fragment_place p = place_in_a(i, k);
            a[i][k] = (float)element<T>(request[p.lane]->a, p.item);
        }
    for (int k = 0; k < 16; ++k)
        for (int j = 0; j < 8; ++j) {
            const fragment_place p = place_in_b(k, j);
            b[k][j] = (float)element<T>(request[p.lane]->b, p.item);
        }
    for (int i = 0; i < 16; ++i) {
        float sum[8] = {};
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 8; ++j)
                sum[j] += a[i][k] * b[k][j];
        for (int j = 0; j < 8; ++j) {
            const fragment_place p = place_in_c(i, j);
            request[p.lane]->c[p.item] += sum[j];
        }
    }
}

} // namespace cuda_on_cpu

static inline dt_shared_address dt_shared_address_of(const void *pointer)
{
    return (dt_shared_address)pointer;
}

static inline void dt_load_matrices(uint32_t (&out)[4], dt_shared_address row, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::start_load(out, row, cuda_on_cpu::load_matrices<false>, {file, line});
}

static inline void dt_load_transposed(uint32_t (&out)[4], dt_shared_address row, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::start_load(out, row, cuda_on_cpu::load_matrices<true>, {file, line});
}

template <typename T>
static inline void dt_multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                   CUDA_ON_CPU_HERE)
{
    const cuda_on_cpu::multiply_request request{c, a, {b0, b1}};
    cuda_on_cpu::warp_together(&request, cuda_on_cpu::multiply_add<T>, {file, line});
}

static inline void dt_copy_start(dt_shared_address to, const void *from, bool real,
                                 CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::copy_start((void *)to, from, real, {file, line});
}

static inline void dt_copy_group()
{
    cuda_on_cpu::copy_group();
}

template <int N> static inline void dt_copy_wait()
{
    cuda_on_cpu::copy_wait(N);
}

/* Reads the address, which must be valid; the checked module counts no access. */
__attribute__((no_sanitize("thread"))) static inline void dt_prefetch(const void *address)
{
    (void)*(const volatile char *)address;
}

static inline float dt_exp2(float x)
{
    return exp2f(x);
}

static inline int32_t dt_unknown(int32_t x)
{
    return x;
}

template <typename T> static inline uint32_t dt_pack(float first, float second)
{
    const T pair[2] = {T(first), T(second)};
    uint32_t bits;
    memcpy(&bits, static_cast<const void *>(pair), sizeof bits);
    return bits;
}

template <typename T> static inline float2 dt_unpack(uint32_t pair)
{
    return float2{(float)cuda_on_cpu::element<T>(&pair, 0), (float)cuda_on_cpu::element<T>(&pair, 1)};
}

#endif
