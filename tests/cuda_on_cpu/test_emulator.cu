/* The emulator executes CUDA: each kernel here is plain CUDA, with the same result as on a GPU.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "tests/cuda_on_cpu/emulator_test.h"

#define FULL 0xffffffffu

/* ---- grids, barriers, shared memory --------------------------------------------------------- */

__global__ void number_all(int *out, int scale)
{
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * threads + thread] = scale * (int)(block * threads + thread);
}

static void every_thread_of_every_block_runs_once(void **)
{
    const dim3 grid(3, 2, 2);
    const dim3 block(5, 3, 4);
    const int n = 12 * 60;
    device_array<int> out(n);
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        number_all<<<grid, block>>>(out.data, 7);
        ASSERT_CUDA(cudaGetLastError());
        const std::vector<int> got = out.download();
        for (int i = 0; i < n; ++i)
            assert_int_equal(got[(size_t)i], 7 * i);
    }
}

template <int THREADS> __global__ void reverse_block(int *out, const int *in)
{
    __shared__ int buffer[THREADS];
    buffer[threadIdx.x] = in[blockIdx.x * THREADS + threadIdx.x];
    __syncthreads();
    out[blockIdx.x * THREADS + threadIdx.x] = buffer[THREADS - 1 - threadIdx.x];
}

static void a_barrier_makes_shared_writes_visible(void **)
{
    std::vector<int> numbers(4 * 200);
    for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = (int)(i * i);
    device_array<int> in(numbers);
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        device_array<int> out(800);
        reverse_block<200><<<4, 200>>>(out.data, in.data);
        ASSERT_CUDA(cudaGetLastError());
        const std::vector<int> got = out.download();
        for (size_t i = 0; i < 800; ++i)
            assert_int_equal(got[i], numbers[i / 200 * 200 + 199 - i % 200]);
    }
}

/* An inclusive prefix sum over the block: two barriers per round. */
__global__ void running_sum(float *out, int n)
{
    extern __shared__ __align__(16) float value[];
    const int i = (int)threadIdx.x;
    value[i] = (float)i;
    __syncthreads();
    for (int offset = 1; offset < n; offset *= 2) {
        const float add = i >= offset ? value[i - offset] : 0.0f;
        __syncthreads();
        value[i] += add;
        __syncthreads();
    }
    out[i] = value[i];
}

static void dynamic_shared_memory_has_the_size_of_the_launch(void **)
{
    const int n = 1000;
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        device_array<float> out(n);
        running_sum<<<1, n, n * sizeof(float)>>>(out.data, n);
        ASSERT_CUDA(cudaGetLastError());
        const std::vector<float> got = out.download();
        for (int i = 0; i < n; ++i)
            assert_true(got[(size_t)i] == 0.5f * (float)i * (float)(i + 1));
    }
}

__global__ void barrier_votes(int *out)
{
    const int i = (int)threadIdx.x;
    const int count = __syncthreads_count(i % 3 == 0);
    const int all = __syncthreads_and(i < 100);
    const int any = __syncthreads_or(i == 99);
    out[i] = count * 100 + all * 10 + any;
}

static void barriers_count_and_vote(void **)
{
    device_array<int> out(100);
    barrier_votes<<<1, 100>>>(out.data);
    for (int v : out.download())
        assert_int_equal(v, 34 * 100 + 11);
}

/* ---- warps ---------------------------------------------------------------------------------- */

__global__ void shuffles(float *out)
{
    const int lane = (int)threadIdx.x % 32;
    const float x = (float)threadIdx.x;
    float sum = x;
    for (int offset = 16; offset > 0; offset /= 2)
        sum += __shfl_xor_sync(FULL, sum, offset);
    float *row = out + threadIdx.x * 6;
    row[0] = sum;
    row[1] = __shfl_sync(FULL, x, 5);
    row[2] = __shfl_sync(FULL, x, lane / 8 + 1, 8); /* in groups of eight */
    row[3] = __shfl_down_sync(FULL, x, 3);
    row[4] = __shfl_up_sync(FULL, x, 3, 16);
    double wide = 0.5 * lane;
    row[5] = (float)__shfl_xor_sync(FULL, wide, 1);
}

static void shuffles_move_values_between_lanes(void **)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        device_array<float> out(64 * 6);
        shuffles<<<1, 64>>>(out.data);
        const std::vector<float> got = out.download();
        for (int t = 0; t < 64; ++t) {
            const int lane = t % 32;
            const int first = t - lane;
            const float *row = &got[(size_t)t * 6];
            assert_true(row[0] == (float)(32 * first + 496));
            assert_true(row[1] == (float)(first + 5));
            assert_true(row[2] == (float)(first + lane / 8 * 8 + lane / 8 + 1));
            assert_true(row[3] == (float)(lane + 3 < 32 ? t + 3 : t));
            assert_true(row[4] == (float)(lane % 16 >= 3 ? t - 3 : t));
            assert_true(row[5] == 0.5f * (float)(lane ^ 1));
        }
    }
}

__global__ void votes(unsigned *out)
{
    const unsigned lane = threadIdx.x;
    unsigned *row = out + lane * 9;
    row[0] = __ballot_sync(FULL, lane % 3 == 0);
    row[1] = (unsigned)__any_sync(FULL, lane == 31);
    row[2] = (unsigned)__all_sync(FULL, lane < 31);
    row[3] = __reduce_add_sync(FULL, lane);
    row[4] = (unsigned)__reduce_min_sync(FULL, (int)lane - 7);
    row[5] = __reduce_max_sync(FULL, lane * 2);
    row[6] = __reduce_or_sync(FULL, 1u << lane % 5);
    row[7] = __match_any_sync(FULL, lane % 4);
    /* the two halves of the warp diverge */
    if (lane < 16)
        row[8] = __reduce_add_sync(0x0000ffffu, lane);
    else
        row[8] = __reduce_add_sync(0xffff0000u, lane);
    __syncwarp();
}

static void votes_and_reductions_see_the_lanes_of_their_mask(void **)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        device_array<unsigned> out(32 * 9);
        votes<<<1, 32>>>(out.data);
        const std::vector<unsigned> got = out.download();
        for (unsigned lane = 0; lane < 32; ++lane) {
            const unsigned *row = &got[lane * 9];
            assert_int_equal(row[0], 0x49249249u);
            assert_int_equal(row[1], 1);
            assert_int_equal(row[2], 0);
            assert_int_equal(row[3], 496);
            assert_int_equal((int)row[4], -7);
            assert_int_equal(row[5], 62);
            assert_int_equal(row[6], 31);
            assert_int_equal(row[7], 0x11111111u << lane % 4);
            assert_int_equal(row[8], lane < 16 ? 120 : 376);
        }
    }
}

/* ---- atomics and intrinsics ----------------------------------------------------------------- */

__global__ void count(int *counter, unsigned *largest, float *sum, unsigned long long *slots)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(counter, 1);
    atomicMax(largest, i);
    atomicAdd(sum, 0.5f);
    atomicCAS(&slots[i % 7], 0ULL, (unsigned long long)i + 1);
}

static void atomics_accumulate_over_blocks(void **)
{
    device_array<int> counter(std::vector<int>{0});
    device_array<unsigned> largest(std::vector<unsigned>{0});
    device_array<float> sum(std::vector<float>{0.0f});
    device_array<unsigned long long> slots(std::vector<unsigned long long>(7, 0));
    setenv("CUDA_ON_CPU_ORDER", "ascending", 1);
    count<<<10, 70>>>(counter.data, largest.data, sum.data, slots.data);
    assert_int_equal(counter.download()[0], 700);
    assert_int_equal(largest.download()[0], 699);
    assert_true(sum.download()[0] == 350.0f);
    for (unsigned long long i = 0; i < 7; ++i)
        assert_int_equal(slots.download()[i], i + 1);
}

__global__ void intrinsics(unsigned *out, float *numbers)
{
    out[0] = __umulhi(0xdeadbeefu, 0xcafebabeu);
    out[1] = (unsigned)__popc(0xf0f0u);
    out[2] = (unsigned)__ffs(0x100);
    out[3] = (unsigned)__clz(1);
    out[4] = __brev(1u);
    out[5] = __float_as_uint(1.0f);
    out[6] = min(3u, 5u) + max(2, 9);
    numbers[0] = rsqrtf(4.0f);
    numbers[1] = __expf(1.0f);
    numbers[2] = __ldg(&numbers[0]);
    const float4 v = make_float4(1.0f, 2.0f, 3.0f, 4.0f);
    *reinterpret_cast<float4 *>(numbers + 4) = v;
}

static void intrinsics_compute_what_cuda_specifies(void **)
{
    device_array<unsigned> out(7);
    device_array<float> numbers(8);
    intrinsics<<<1, 1>>>(out.data, numbers.data);
    const std::vector<unsigned> got = out.download();
    assert_int_equal(got[0], (unsigned)(0xdeadbeefull * 0xcafebabeull >> 32));
    assert_int_equal(got[1], 8);
    assert_int_equal(got[2], 9);
    assert_int_equal(got[3], 31);
    assert_int_equal(got[4], 0x80000000u);
    assert_int_equal(got[5], 0x3f800000u);
    assert_int_equal(got[6], 12);
    const std::vector<float> f = numbers.download();
    assert_true(f[0] == 0.5f && f[2] == 0.5f);
    assert_true(fabsf(f[1] - 2.7182817f) < 1e-6f);
    assert_true(f[4] == 1.0f && f[7] == 4.0f);
}

__global__ void round_both(float *bf16, float *fp16, const float *in, int n)
{
    const int i = (int)threadIdx.x;
    if (i < n) {
        bf16[i] = __bfloat162float(__float2bfloat16(in[i]));
        fp16[i] = __half2float(__float2half(in[i]));
    }
}

static void low_precision_rounds_to_the_nearest_even(void **)
{
    const std::vector<float> in = {1.0f,           1.00390625f,   1.01171875f,     65519.9f,
                                   65520.0f,       1e-7f,         2.98023224e-8f,  2.9802326e-8f,
                                   -3.14159265f,   INFINITY,      6.103515625e-5f, 6.1e-5f,
                                   1.00048828125f, 1.00146484375f};
    const std::vector<float> bf16 = {1.0f,
                                     1.0f,
                                     1.015625f,
                                     65536.0f,
                                     65536.0f,
                                     1.00117177e-07f,
                                     2.98023224e-8f,
                                     2.98023224e-8f,
                                     -3.140625f,
                                     INFINITY,
                                     6.103515625e-5f,
                                     6.103515625e-5f,
                                     1.0f,
                                     1.0f};
    const std::vector<float> fp16 = {
        1.0f, 1.00390625f,    1.01171875f, 65504.0f, INFINITY,        1.19209290e-7f,
        0.0f, 5.96046448e-8f, -3.140625f,  INFINITY, 6.103515625e-5f, 6.09755516e-5f,
        1.0f, 1.001953125f};
    const int n = (int)in.size();
    device_array<float> from(in), a(in.size()), b(in.size());
    round_both<<<1, 32>>>(a.data, b.data, from.data, n);
    const std::vector<float> got_a = a.download();
    const std::vector<float> got_b = b.download();
    for (size_t i = 0; i < in.size(); ++i) {
        if (fabsf(got_a[i] - bf16[i]) > 1e-12f || got_b[i] != fp16[i])
            fail_msg("%.9g: bf16 %.9g, not %.9g; fp16 %.9g, not %.9g", in[i], got_a[i], bf16[i],
                     got_b[i], fp16[i]);
    }
}

/* ---- errors that are returned --------------------------------------------------------------- */

static void impossible_launches_are_refused(void **)
{
    device_array<int> out(1);
    number_all<<<1, 1025>>>(out.data, 1);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidConfiguration);
    number_all<<<0, 32>>>(out.data, 1);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidConfiguration);
    number_all<<<1, 32, 49 << 10>>>(out.data, 1);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
}

static void memory_is_limited(void **)
{
    void *memory = NULL;
    size_t available, total;
    setenv("CUDA_ON_CPU_MEMORY", "1000000", 1);
    ASSERT_CUDA(cudaMemGetInfo(&available, &total));
    assert_int_equal(total, 1000000);
    assert_int_equal(cudaMalloc(&memory, 2000000), cudaErrorMemoryAllocation);
    assert_null(memory);
    assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
    unsetenv("CUDA_ON_CPU_MEMORY");
    ASSERT_CUDA(cudaMalloc(&memory, 2000000));
    char byte = 0;
    assert_int_equal(cudaMemcpy((char *)memory + 2000000, &byte, 1, cudaMemcpyHostToDevice),
                     cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(&byte, memory, 1, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    cudaGetLastError();
    ASSERT_CUDA(cudaFree(memory));
    assert_int_equal(cudaFree(memory), cudaErrorInvalidValue);
    cudaGetLastError();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_of_every_block_runs_once),
        cmocka_unit_test(a_barrier_makes_shared_writes_visible),
        cmocka_unit_test(dynamic_shared_memory_has_the_size_of_the_launch),
        cmocka_unit_test(barriers_count_and_vote),
        cmocka_unit_test(shuffles_move_values_between_lanes),
        cmocka_unit_test(votes_and_reductions_see_the_lanes_of_their_mask),
        cmocka_unit_test(atomics_accumulate_over_blocks),
        cmocka_unit_test(intrinsics_compute_what_cuda_specifies),
        cmocka_unit_test(low_precision_rounds_to_the_nearest_even),
        cmocka_unit_test(impossible_launches_are_refused),
        cmocka_unit_test(memory_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
