/* The functions of cuda/ptx.cuh: where they put the elements of a matrix, as written in the PTX ISA,
 * and when copies arrive. On a GPU the same program tests the header itself. */
#include <stdlib.h>
#include <string.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "cuda/ptx.cuh"
#include "tests/cuda_on_cpu/emulator_test.h"

/* Returns small random integers, which bf16 and fp16 represent exactly. */
static std::vector<float> integers(size_t count, unsigned seed)
{
    std::vector<float> out(count);
    srand(seed);
    for (float &x : out)
        x = (float)(rand() % 17 - 8);
    return out;
}

template <typename T> static std::vector<T> rounded(const std::vector<float> &values)
{
    std::vector<T> out(values.size());
    for (size_t i = 0; i < values.size(); ++i)
        out[i] = T(values[i]);
    return out;
}

/* ---- ldmatrix ------------------------------------------------------------------------------- */

/* The rows of the four matrices are rows 0 … 31 of `tile`, 24 elements apart, in a different order
 * for each matrix. */
__device__ static int row_of(int matrix, int row)
{
    return (matrix * 8 + row * 5) % 32;
}

template <bool TRANSPOSED> __global__ void load_four(uint32_t *out, const uint16_t *numbers)
{
    __shared__ __align__(16) uint16_t tile[32 * 24];
    const int lane = (int)threadIdx.x;
    for (int i = lane; i < 32 * 24; i += 32)
        tile[i] = numbers[i];
    __syncthreads();
    uint32_t registers[4];
    const dt_shared_address at = dt_shared_address_of(tile + row_of(lane / 8, lane % 8) * 24 + 8);
    if (TRANSPOSED)
        dt_load_transposed(registers, at);
    else
        dt_load_matrices(registers, at);
    for (int i = 0; i < 4; ++i)
        out[lane * 4 + i] = registers[i];
}

static void matrices_are_loaded_as_documented(void **)
{
    std::vector<uint16_t> numbers(32 * 24);
    for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = (uint16_t)(i * 7 + 1);
    device_array<uint16_t> in(numbers);
    device_array<uint32_t> out(128), transposed(128);
    load_four<false><<<1, 32>>>(out.data, in.data);
    load_four<true><<<1, 32>>>(transposed.data, in.data);
    ASSERT_CUDA(cudaGetLastError());
    const std::vector<uint32_t> got = out.download();
    const std::vector<uint32_t> got_t = transposed.download();
    for (int l = 0; l < 32; ++l)
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 2; ++j) {
                const int g = l / 4;
                const int c = 2 * (l % 4) + j;
                const size_t at = (size_t)(row_of(i, g) * 24 + 8 + c);
                const size_t at_t = (size_t)(row_of(i, c) * 24 + 8 + g);
                assert_int_equal(got[(size_t)(l * 4 + i)] >> 16 * j & 0xffff, numbers[at]);
                assert_int_equal(got_t[(size_t)(l * 4 + i)] >> 16 * j & 0xffff, numbers[at_t]);
            }
}

/* ---- mma ------------------------------------------------------------------------------------ */

template <typename T> __device__ static uint32_t pair_of(T first, T second)
{
    uint16_t bits[2];
    memcpy(&bits[0], &first, 2);
    memcpy(&bits[1], &second, 2);
    return (uint32_t)bits[1] << 16 | bits[0];
}

/* c (16, 8) += a (16, 16) · b (16, 8); each lane fills its registers from memory. */
template <typename T> __global__ void multiply(float *c, const T *a, const T *b)
{
    const int g = (int)threadIdx.x / 4;
    const int t = (int)threadIdx.x % 4;
    uint32_t x[4], y[2];
    float sum[4];
    for (int i = 0; i < 4; ++i) {
        const T *from = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
        x[i] = pair_of(from[0], from[1]);
    }
    for (int i = 0; i < 2; ++i) {
        const T *from = b + (2 * t + 8 * i) * 8 + g;
        y[i] = pair_of(from[0], from[8]);
    }
    for (int i = 0; i < 4; ++i)
        sum[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    dt_multiply_add<T>(sum, x, y[0], y[1]);
    for (int i = 0; i < 4; ++i)
        c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

template <typename T> static void check_multiply()
{
    const std::vector<float> a = integers(256, 1), b = integers(128, 2), c = integers(128, 3);
    device_array<T> da(rounded<T>(a)), db(rounded<T>(b));
    device_array<float> dc(c);
    multiply<T><<<1, 32>>>(dc.data, da.data, db.data);
    ASSERT_CUDA(cudaGetLastError());
    const std::vector<float> got = dc.download();
    for (size_t i = 0; i < 16; ++i)
        for (size_t j = 0; j < 8; ++j) {
            float sum = c[i * 8 + j];
            for (size_t k = 0; k < 16; ++k)
                sum += a[i * 16 + k] * b[k * 8 + j];
            assert_true(got[i * 8 + j] == sum);
        }
}

static void products_are_those_of_the_documented_layouts(void **)
{
    check_multiply<__nv_bfloat16>();
    check_multiply<__half>();
}

/* out (16, 16) = x (16, 16) · yᵀ (16, 16), and x · z (16, 16), all loaded from shared memory. */
template <typename T> __global__ void multiply_loaded(float *xy, float *xz, const T *numbers)
{
    __shared__ __align__(16) T tile[3 * 256];
    const int lane = (int)threadIdx.x;
    for (int i = lane; i < 3 * 256; i += 32)
        tile[i] = numbers[i];
    __syncthreads();
    uint32_t x[4], y[4], z[4];
    const int by_rows = lane % 16 * 16 + lane / 16 * 8;
    const int by_columns = (lane / 16 * 8 + lane % 8) * 16 + lane / 8 % 2 * 8;
    dt_load_matrices(x, dt_shared_address_of(tile + by_rows));
    dt_load_matrices(y, dt_shared_address_of(tile + 256 + by_columns));
    dt_load_transposed(z, dt_shared_address_of(tile + 512 + by_rows));
    for (int j = 0; j < 2; ++j) {
        float sum[4] = {}, sum_z[4] = {};
        dt_multiply_add<T>(sum, x, y[2 * j], y[2 * j + 1]);
        dt_multiply_add<T>(sum_z, x, z[2 * j], z[2 * j + 1]);
        for (int i = 0; i < 4; ++i) {
            const int at = (lane / 4 + i / 2 * 8) * 16 + j * 8 + 2 * (lane % 4) + i % 2;
            xy[at] = sum[i];
            xz[at] = sum_z[i];
        }
    }
}

template <typename T> static void check_loaded()
{
    const std::vector<float> numbers = integers(768, 4);
    device_array<T> in(rounded<T>(numbers));
    device_array<float> xy(256), xz(256);
    multiply_loaded<T><<<1, 32>>>(xy.data, xz.data, in.data);
    ASSERT_CUDA(cudaGetLastError());
    const std::vector<float> got = xy.download(), got_z = xz.download();
    for (size_t i = 0; i < 16; ++i)
        for (size_t j = 0; j < 16; ++j) {
            float sum = 0.0f, sum_z = 0.0f;
            for (size_t k = 0; k < 16; ++k) {
                sum += numbers[i * 16 + k] * numbers[256 + j * 16 + k];
                sum_z += numbers[i * 16 + k] * numbers[512 + k * 16 + j];
            }
            assert_true(got[i * 16 + j] == sum);
            assert_true(got_z[i * 16 + j] == sum_z);
        }
}

static void loaded_matrices_multiply_as_plain_loops(void **)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        check_loaded<__nv_bfloat16>();
        check_loaded<__half>();
    }
    unsetenv("CUDA_ON_CPU_ORDER");
}

/* ---- copies --------------------------------------------------------------------------------- */

/* Each lane starts two groups and reads the other lanes' words after each wait. `early` reads the
 * second group before it is waited for. */
__global__ void copy_groups(uint32_t *out, const uint32_t *in, bool early)
{
    __shared__ __align__(16) uint32_t tile[3][128];
    const int lane = (int)threadIdx.x;
    dt_copy_start(dt_shared_address_of(tile[0] + lane * 4), in + lane * 4, true);
    dt_copy_start(dt_shared_address_of(tile[1] + lane * 4), in, false);
    dt_copy_group();
    dt_copy_start(dt_shared_address_of(tile[2] + lane * 4), in + 128 + lane * 4, true);
    dt_copy_group();
    dt_copy_wait<1>();
    __syncthreads();
    out[lane] = tile[0][(lane * 4 + 5) % 128];
    out[32 + lane] = tile[1][(lane * 4 + 5) % 128];
    if (!early)
        dt_copy_wait<0>();
    __syncthreads();
    out[64 + lane] = tile[2][(lane * 4 + 5) % 128];
    __syncthreads();
    dt_copy_wait<0>();
}

static void copies_arrive_when_they_are_waited_for(void **)
{
    std::vector<uint32_t> numbers(256);
    for (uint32_t i = 0; i < 256; ++i)
        numbers[i] = i * 3 + 1;
    device_array<uint32_t> in(numbers), out(96), out_early(96);
    copy_groups<<<1, 32>>>(out.data, in.data, false);
    copy_groups<<<1, 32>>>(out_early.data, in.data, true);
    ASSERT_CUDA(cudaGetLastError());
    const std::vector<uint32_t> got = out.download(), early = out_early.download();
    for (size_t l = 0; l < 32; ++l) {
        const size_t word = (l * 4 + 5) % 128;
        assert_int_equal(got[l], numbers[word]);
        assert_int_equal(got[32 + l], 0);
        assert_int_equal(got[64 + l], numbers[128 + word]);
        assert_int_equal(early[64 + l], 0xffffffff); /* on a GPU: anything */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_are_loaded_as_documented),
        cmocka_unit_test(products_are_those_of_the_documented_layouts),
        cmocka_unit_test(loaded_matrices_multiply_as_plain_loops),
        cmocka_unit_test(copies_arrive_when_they_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
