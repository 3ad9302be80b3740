/* nvcuda::wmma: products of 16x16 tiles by a warp, bf16 or fp16 inputs, float sums.
 *
 * The assignment of elements to lanes differs from that of any GPU, since a kernel must not rely on
 * it: element i of lane l is number 32 i + l of the tile in row-major order. As on Ampere, the
 * inputs' fragments hold each element twice.
 *
 * Loads and stores work lane by lane, without waiting for the other lanes, so that the two orders
 * of execution reveal a missing __syncwarp(). The product waits for all lanes.
 */
#ifndef CUDA_ON_CPU_MMA_H
#define CUDA_ON_CPU_MMA_H

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace nvcuda
{
namespace wmma
{

struct matrix_a {
};
struct matrix_b {
};
struct accumulator {
};
struct row_major {
};
struct col_major {
};
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void> struct fragment {
    static_assert(M == 16 && N == 16 && K == 16, "the emulator supports tiles of 16x16x16");
    static_assert(std::is_same<Use, accumulator>::value
                      ? std::is_same<T, float>::value && std::is_void<Layout>::value
                      : (std::is_same<T, __nv_bfloat16>::value || std::is_same<T, __half>::value) &&
                            !std::is_void<Layout>::value,
                  "the emulator supports bf16 and fp16 inputs and float accumulators");
    typedef T element_type;
    enum { num_elements = std::is_same<Use, accumulator>::value ? 8 : 16 };
    T x[num_elements];
    const void *loaded_from_; /* for inputs: must be the same in all lanes */
};

} // namespace wmma
} // namespace nvcuda

namespace cuda_on_cpu
{

/* Checks the rules of load_matrix_sync: 32-byte alignment, and a row stride that is a multiple of
 * 16 bytes. */
template <typename T> void check_tile(const T *address, unsigned ld, site where)
{
    if ((uintptr_t)address % 32 != 0)
        report("the tile at %s:%d starts at an address that is not a multiple of 32 bytes",
               where.file, where.line);
    if (ld % (16 / sizeof(T)) != 0 || ld < 16)
        report("the tile at %s:%d has a leading dimension of %u, not a multiple of %d from 16 on",
               where.file, where.line, ld, (int)(16 / sizeof(T)));
}

/* Offset of element i of this lane in memory. */
static inline size_t tile_offset(int i, int lane, unsigned ld, bool rows)
{
    const int n = 32 * (i % 8) + lane;
    return rows ? (size_t)(n / 16) * ld + n % 16 : (size_t)(n % 16) * ld + n / 16;
}

struct product_request {
    const void *a, *b;
    const float *c;
    float *d;
};

template <typename T, typename A, typename B> void tile_product(const void *const *lanes)
{
    static float a[16][16], b[16][16], sum[16][16];
    for (int l = 0; l < 32; ++l) {
        const product_request *r = (const product_request *)lanes[l];
        const product_request *first = (const product_request *)lanes[0];
        if (((const A *)r->a)->loaded_from_ != ((const A *)first->a)->loaded_from_ ||
            ((const B *)r->b)->loaded_from_ != ((const B *)first->b)->loaded_from_)
            report("the lanes of a warp have loaded a tile from different addresses");
        for (int i = 0; i < 8; ++i) {
            const int n = 32 * i + l;
            a[n / 16][n % 16] = (float)((const A *)r->a)->x[i];
            b[n / 16][n % 16] = (float)((const B *)r->b)->x[i];
            sum[n / 16][n % 16] = r->c[i];
        }
    }
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 16; ++j)
                sum[i][j] += a[i][k] * b[k][j];
    for (int l = 0; l < 32; ++l)
        for (int i = 0; i < 8; ++i) {
            const int n = 32 * i + l;
            ((const product_request *)lanes[l])->d[i] = sum[n / 16][n % 16];
        }
}

} // namespace cuda_on_cpu

namespace nvcuda
{
namespace wmma
{

template <typename Use, int M, int N, int K, typename T, typename Layout>
static inline void fill_fragment(fragment<Use, M, N, K, T, Layout> &f,
                                 std::enable_if_t<true, const T &> value)
{
    for (int i = 0; i < f.num_elements; ++i)
        f.x[i] = value;
    f.loaded_from_ = nullptr;
}

template <typename Use, int M, int N, int K, typename T, typename Layout>
static inline void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &f, const T *address,
                                    unsigned ld, CUDA_ON_CPU_HERE)
{
    static_assert(!std::is_void<Layout>::value, "an accumulator is loaded with its layout");
    cuda_on_cpu::check_tile(address, ld, {file, line});
    const int lane = cuda_on_cpu::lane();
    for (int i = 0; i < f.num_elements; ++i)
        f.x[i] =
            address[cuda_on_cpu::tile_offset(i, lane, ld, std::is_same<Layout, row_major>::value)];
    f.loaded_from_ = address;
}

template <int M, int N, int K>
static inline void load_matrix_sync(fragment<accumulator, M, N, K, float> &f, const float *address,
                                    unsigned ld, layout_t layout, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::check_tile(address, ld, {file, line});
    const int lane = cuda_on_cpu::lane();
    for (int i = 0; i < f.num_elements; ++i)
        f.x[i] = address[cuda_on_cpu::tile_offset(i, lane, ld, layout == mem_row_major)];
}

template <int M, int N, int K>
static inline void store_matrix_sync(float *address, const fragment<accumulator, M, N, K, float> &f,
                                     unsigned ld, layout_t layout, CUDA_ON_CPU_HERE)
{
    cuda_on_cpu::check_tile(address, ld, {file, line});
    const int lane = cuda_on_cpu::lane();
    for (int i = 0; i < f.num_elements; ++i)
        address[cuda_on_cpu::tile_offset(i, lane, ld, layout == mem_row_major)] = f.x[i];
}

template <int M, int N, int K, typename T, typename LayoutA, typename LayoutB>
static inline void mma_sync(fragment<accumulator, M, N, K, float> &d,
                            const fragment<matrix_a, M, N, K, T, LayoutA> &a,
                            const fragment<matrix_b, M, N, K, T, LayoutB> &b,
                            const fragment<accumulator, M, N, K, float> &c, CUDA_ON_CPU_HERE)
{
    const cuda_on_cpu::product_request request{&a, &b, c.x, d.x};
    cuda_on_cpu::warp_together(&request,
                               cuda_on_cpu::tile_product<T, fragment<matrix_a, M, N, K, T, LayoutA>,
                                                         fragment<matrix_b, M, N, K, T, LayoutB>>,
                               {file, line});
}

} // namespace wmma
} // namespace nvcuda

#endif
