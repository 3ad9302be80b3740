/* Checked programs find races in shared memory, also those that do not change a result, and count
 * bank conflicts and sectors. */
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "cuda/ptx.cuh"
#include "tests/cuda_on_cpu/emulator_test.h"
#include "tests/cuda_on_cpu/engine.h"

#define FULL 0xffffffffu

/* ---- races ---------------------------------------------------------------------------------- */

/* Runs a kernel of 64 threads whose argument says that its barrier is left out. */
static void run(void (*kernel)(int *out, bool faulty), bool faulty)
{
    device_array<int> out(64);
    kernel<<<1, 64>>>(out.data, faulty);
    ASSERT_CUDA(cudaGetLastError());
}

#define ASSERT_RACE(kernel, words)                                                                 \
    do {                                                                                           \
        for (const char *order : orders) {                                                         \
            setenv("CUDA_ON_CPU_ORDER", order, 1);                                                 \
            run(kernel, false);                                                                    \
        }                                                                                          \
        assert_found([] { run(kernel, true); }, words);                                            \
    } while (0)

__global__ void read_of_another_warp(int *out, bool faulty)
{
    __shared__ int buffer[64];
    buffer[threadIdx.x] = 1;
    if (!faulty)
        __syncthreads();
    out[threadIdx.x] = buffer[threadIdx.x ^ 32];
}

__global__ void write_after_read(int *out, bool faulty)
{
    __shared__ int buffer[64];
    buffer[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = buffer[threadIdx.x ^ 32];
    if (!faulty)
        __syncthreads();
    buffer[threadIdx.x] = 1; /* the same value: no order of the threads changes the result */
}

__global__ void shuffle_instead_of_a_barrier(int *out, bool faulty)
{
    __shared__ int buffer[64];
    buffer[threadIdx.x] = 1;
    out[threadIdx.x] = __shfl_xor_sync(FULL, 1, 1);
    if (!faulty)
        __syncwarp();
    out[threadIdx.x] += buffer[threadIdx.x ^ 1];
}

/* The halves of a warp meet, and the last lane of one reads from the other. */
__global__ void barrier_of_half_a_warp(int *out, bool faulty)
{
    __shared__ int buffer[64];
    const int lane = (int)threadIdx.x % 32;
    buffer[threadIdx.x] = 1;
    __syncwarp(lane < 16 ? 0xffffu : 0xffff0000u);
    out[threadIdx.x] = buffer[threadIdx.x ^ 15];
    if (faulty && lane == 31)
        out[threadIdx.x] = buffer[threadIdx.x - 16];
}

__global__ void atomic_and_plain(int *out, bool faulty)
{
    __shared__ int sum;
    if (threadIdx.x == 0)
        sum = 0;
    __syncthreads();
    atomicAdd(&sum, 1);
    if (!faulty)
        __syncthreads();
    out[threadIdx.x] = sum;
}

__global__ void copy_that_may_arrive(int *out, bool faulty)
{
    __shared__ __align__(16) int buffer[256];
    const int i = 4 * (int)threadIdx.x;
    buffer[i] = 1;
    __syncthreads();
    dt_copy_start(dt_shared_address_of(buffer + i), out, false);
    dt_copy_group();
    if (!faulty)
        dt_copy_wait<0>();
    __syncthreads();
    if (faulty)
        dt_copy_wait<0>();
    out[threadIdx.x] = buffer[i ^ 4];
}

static void reads_before_a_barrier(void **)
{
    ASSERT_RACE(read_of_another_warp, "read at tests/cuda_on_cpu/test_checked.cu:37");
}

static void writes_before_a_barrier_that_change_nothing(void **)
{
    ASSERT_RACE(write_after_read, "race in shared memory");
}

static void a_shuffle_orders_no_memory(void **)
{
    ASSERT_RACE(shuffle_instead_of_a_barrier, "race in shared memory");
}

static void half_a_warp_orders_its_own_lanes(void **)
{
    ASSERT_RACE(barrier_of_half_a_warp, "race in shared memory");
}

static void atomics_race_with_plain_accesses(void **)
{
    ASSERT_RACE(atomic_and_plain, "race in shared memory");
}

static void an_asynchronous_copy_arrives_late(void **)
{
    ASSERT_RACE(copy_that_may_arrive, "race in shared memory");
}

/* ---- counts --------------------------------------------------------------------------------- */

/* Each thread reads and writes one element of type T at a distance of `step` elements. */
template <typename T> __global__ void strided(T *out, const T *in, int step)
{
    extern __shared__ __align__(16) unsigned char bytes[];
    T *buffer = reinterpret_cast<T *>(bytes);
    const int i = (int)threadIdx.x * step;
    buffer[i] = in[i];
    __syncthreads();
    out[i] = buffer[i];
}

struct line {
    long long launches, shared, global;
    double cycles, sectors, needed;
};

/* Returns the counts of a launch with 64 threads. */
template <typename T> static line counts_of(int step)
{
    const char *file = "checked_counts.tsv";
    const size_t n = 64 * (size_t)step;
    device_array<T> in(n), out(n);
    setenv("CUDA_ON_CPU_COUNTS", file, 1);
    strided<T><<<1, 64, n * sizeof(T)>>>(out.data, in.data, step);
    ASSERT_CUDA(cudaGetLastError());
    cuda_on_cpu_write_counts();
    unsetenv("CUDA_ON_CPU_COUNTS");
    FILE *from = fopen(file, "r");
    line got = {};
    char text[512];
    while (fgets(text, sizeof text, from))
        sscanf(text, "%lld\t%lld\t%lf\t%*s\t%lld\t%lf\t%lf", &got.launches, &got.shared,
               &got.cycles, &got.global, &got.sectors, &got.needed);
    fclose(from);
    remove(file);
    return got;
}

static void assert_counts(line got, double cycles, double sectors, double needed)
{
    assert_int_equal(got.launches, 1);
    assert_int_equal(got.shared, 4); /* a write and a read by two warps */
    assert_int_equal(got.global, 4);
    if (got.cycles != cycles || got.sectors != sectors || got.needed != needed)
        fail_msg("%g cycles, %g of %g sectors", got.cycles, got.sectors, got.needed);
}

static void conflicts_and_sectors_are_counted(void **)
{
    setenv("CUDA_ON_CPU_ORDER", "random:3", 1);
    assert_counts(counts_of<float>(1), 1, 4, 4);
    assert_counts(counts_of<float>(2), 2, 8, 4);
    assert_counts(counts_of<float>(32), 32, 32, 4);
    assert_counts(counts_of<float>(33), 1, 32, 4);
    assert_counts(counts_of<__nv_bfloat16>(1), 1, 2, 2);
    assert_counts(counts_of<__nv_bfloat16>(66), 1, 32, 2);
    assert_counts(counts_of<float4>(1), 1, 16, 16);
    assert_counts(counts_of<float4>(2), 2, 32, 16);
    assert_counts(counts_of<double>(1), 1, 8, 8);
    assert_counts(counts_of<double>(4), 4, 32, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_before_a_barrier),
        cmocka_unit_test(writes_before_a_barrier_that_change_nothing),
        cmocka_unit_test(a_shuffle_orders_no_memory),
        cmocka_unit_test(half_a_warp_orders_its_own_lanes),
        cmocka_unit_test(atomics_race_with_plain_accesses),
        cmocka_unit_test(an_asynchronous_copy_arrives_late),
        cmocka_unit_test(conflicts_and_sectors_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
