/* The emulator detects broken kernels. Each kernel here has a bug of a kind that compiles and often
 * works, and the test fails if the bug is not detected. Bugs that abort the program are run in a
 * child process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "cuda/ptx.cuh"
#include "tests/cuda_on_cpu/emulator_test.h"

#define FULL 0xffffffffu

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- barriers and warps --------------------------------------------------------------------- */

__global__ void barrier_without_one(int *out)
{
    if (threadIdx.x == 5)
        return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

static void a_barrier_that_a_thread_never_reaches(void **)
{
    assert_found(
        [] {
            device_array<int> out(64);
            barrier_without_one<<<1, 64>>>(out.data);
        },
        "is reached by 63 of 64 threads");
    assert_found(
        [] {
            device_array<int> out(64);
            barrier_without_one<<<1, 64>>>(out.data);
        },
        "kernel barrier_without_one, block (0,0,0): the barrier at "
        "tests/cuda_on_cpu/test_findings.cu:");
}

__global__ void two_barriers(int *out)
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

static void threads_at_different_barriers(void **)
{
    assert_found(
        [] {
            device_array<int> out(64);
            two_barriers<<<1, 64>>>(out.data);
        },
        "waits at the barrier at tests/cuda_on_cpu/test_findings.cu");
}

__global__ void sum_of_31(float *out)
{
    float x = 1.0f;
    if (threadIdx.x < 31)
        x += __shfl_xor_sync(FULL, x, 1);
    out[threadIdx.x] = x;
}

static void a_shuffle_that_a_lane_never_reaches(void **)
{
    assert_found(
        [] {
            device_array<float> out(32);
            sum_of_31<<<1, 32>>>(out.data);
        },
        "has left the kernel");
}

__global__ void barrier_against_shuffle(float *out)
{
    float x = 1.0f;
    if (threadIdx.x % 2)
        __syncthreads();
    else
        x = __shfl_sync(FULL, x, 0);
    out[threadIdx.x] = x;
}

static void lanes_that_wait_for_different_things(void **)
{
    assert_found(
        [] {
            device_array<float> out(32);
            barrier_against_shuffle<<<1, 32>>>(out.data);
        },
        "waits at a barrier of the block");
}

__global__ void two_shuffles(int *out)
{
    int x = (int)threadIdx.x;
    if (x < 16)
        x = __shfl_sync(FULL, x, 3);
    else
        x = __shfl_down_sync(FULL, x, 3);
    out[threadIdx.x] = x;
}

static void lanes_in_different_shuffles(void **)
{
    assert_found(
        [] {
            device_array<int> out(32);
            two_shuffles<<<1, 32>>>(out.data);
        },
        "lanes of one warp meet in different collectives");
}

__global__ void outside_mask(int *out)
{
    if (threadIdx.x < 16)
        out[threadIdx.x] = __shfl_sync(0xffffu, (int)threadIdx.x, 20);
}

static void a_shuffle_that_reads_outside_its_mask(void **)
{
    assert_found(
        [] {
            device_array<int> out(32);
            outside_mask<<<1, 32>>>(out.data);
        },
        "reads lane 20, which its mask 0x0000ffff does not name");
}

__global__ void whole_warp(unsigned *out)
{
    out[threadIdx.x] = __ballot_sync(FULL, 1);
}

static void a_mask_of_lanes_that_do_not_exist(void **)
{
    assert_found(
        [] {
            device_array<unsigned> out(48);
            whole_warp<<<1, 48>>>(out.data);
        },
        "names lanes that a block of 48 threads does not have");
}

/* ---- memory --------------------------------------------------------------------------------- */

__global__ void fill(float *out, int n)
{
    const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i <= n) /* one too many */
        out[i] = 1.0f;
}

__global__ void shared_one_too_far(float *out)
{
    __shared__ float buffer[31];
    __shared__ float next[32];
    next[threadIdx.x] = 2.0f;
    buffer[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = buffer[0] + next[0];
}

__global__ void dynamic_one_too_far(float *out)
{
    extern __shared__ float buffer[];
    buffer[threadIdx.x] = 1.0f;
    out[threadIdx.x] = buffer[threadIdx.x];
}

static void accesses_out_of_bounds(void **)
{
#ifdef SANITIZED
    assert_found(
        [] {
            device_array<float> out(1001);
            fill<<<8, 128>>>(out.data, 1001);
        },
        "AddressSanitizer: use-after-poison");
    assert_found(
        [] {
            device_array<float> out(32);
            shared_one_too_far<<<1, 32>>>(out.data);
        },
        NULL); /* by UBSan, which knows the array's size, or by AddressSanitizer */
    assert_found(
        [] {
            device_array<float> out(32);
            dynamic_one_too_far<<<1, 32, 31 * sizeof(float)>>>(out.data);
        },
        "AddressSanitizer: use-after-poison");
    assert_found(
        [] {
            device_array<float> out(128);
            float *data = out.data;
            cudaFree(data);
            fill<<<1, 64>>>(data, 63);
        },
        "AddressSanitizer: use-after-poison");
#else
    assert_found(
        [] {
            device_array<float> out(1001);
            fill<<<8, 128>>>(out.data, 1001);
            out.download();
        },
        "a kernel wrote past the end of an allocation of 4004 bytes");
#endif
}

__global__ void read_four(float4 *out, const float *in, int first)
{
    *out = *reinterpret_cast<const float4 *>(in + first);
}

static void misaligned_words(void **)
{
#ifdef SANITIZED
    assert_found(
        [] {
            device_array<float> in(8);
            device_array<float4> out(1);
            read_four<<<1, 1>>>(out.data, in.data, 1);
        },
        "misaligned address");
#else
    skip();
#endif
}

static void host_code_that_reads_device_memory(void **)
{
    assert_found(
        [] {
            device_array<int> x(std::vector<int>{3});
            fprintf(stderr, "%d\n", *(volatile int *)x.data);
        },
        NULL);
}

__global__ void fill_whole_blocks(float *out, int n)
{
    const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n)
        out[i] = 1.0f;
}

static void an_unwritten_tail_is_nan(void **)
{
    setenv("CUDA_ON_CPU_ORDER", "ascending", 1);
    device_array<float> out(1000);
    fill_whole_blocks<<<1000 / 128, 128>>>(out.data, 1000); /* rounded down */
    const std::vector<float> got = out.download();
    for (size_t i = 0; i < 1000; ++i)
        assert_true(i < 896 ? got[i] == 1.0f : got[i] != got[i]);
}

__global__ void half_written(float *out)
{
    __shared__ float buffer[32];
    if (threadIdx.x < 16 && blockIdx.x == 0)
        buffer[threadIdx.x] = 1.0f;
    __syncthreads();
    out[blockIdx.x * 32 + threadIdx.x] = buffer[threadIdx.x];
}

static void unwritten_shared_memory_is_nan_in_every_block(void **)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        device_array<float> out(64);
        half_written<<<2, 32>>>(out.data);
        const std::vector<float> got = out.download();
        for (size_t i = 0; i < 64; ++i)
            assert_true(i < 16 ? got[i] == 1.0f : got[i] != got[i]);
    }
}

/* ---- races: the orders give different results ----------------------------------------------- */

template <typename T>
static std::vector<T> in_order(const char *order, void (*run)(T *out), size_t n)
{
    setenv("CUDA_ON_CPU_ORDER", order, 1);
    device_array<T> out(n);
    ASSERT_CUDA(cudaMemset(out.data, 0, n * sizeof(T)));
    run(out.data);
    ASSERT_CUDA(cudaGetLastError());
    return out.download();
}

/* Returns whether ascending and descending order give equal results, as they do without a race. */
template <typename T> static bool orders_agree(void (*run)(T *out), size_t n)
{
    const std::vector<T> up = in_order<T>("ascending", run, n);
    const std::vector<T> down = in_order<T>("descending", run, n);
    return memcmp(up.data(), down.data(), n * sizeof(T)) == 0;
}

/* Each thread reads the number of its neighbour at distance `step`. */
template <bool BARRIER> __global__ void neighbour(int *out, int step)
{
    __shared__ int buffer[128];
    const int i = (int)threadIdx.x;
    buffer[i] = 10 * i;
    if (BARRIER)
        __syncthreads();
    out[i] = buffer[(i + step) % 128];
}

static void a_missing_barrier(void **)
{
    assert_true(orders_agree<int>([](int *out) { neighbour<true><<<1, 128>>>(out, 1); }, 128));
    assert_false(orders_agree<int>([](int *out) { neighbour<false><<<1, 128>>>(out, 1); }, 128));
    assert_false(orders_agree<int>([](int *out) { neighbour<false><<<1, 128>>>(out, 127); }, 128));
    assert_false(orders_agree<int>([](int *out) { neighbour<false><<<1, 128>>>(out, 64); }, 128));
}

/* The buffer is reused before all threads have read it. */
template <bool BARRIER> __global__ void buffer_reused(float *out)
{
    __shared__ float sum[4];
    const int warp = (int)threadIdx.x / 32;
    for (int round = 0; round < 3; ++round) {
        float x = (float)(threadIdx.x + 100 * round);
        for (int offset = 16; offset > 0; offset /= 2)
            x += __shfl_xor_sync(FULL, x, offset);
        if (threadIdx.x % 32 == 0)
            sum[warp] = x;
        __syncthreads();
        out[round * 128 + threadIdx.x] = sum[0] + sum[1] + sum[2] + sum[3];
        if (BARRIER)
            __syncthreads();
    }
}

static void a_missing_second_barrier(void **)
{
    assert_true(
        orders_agree<float>([](float *out) { buffer_reused<true><<<1, 128>>>(out); }, 384));
    assert_false(
        orders_agree<float>([](float *out) { buffer_reused<false><<<1, 128>>>(out); }, 384));
}

/* Lanes prepare tiles that the whole warp reads. */
template <bool SYNC> __global__ void tiles_through_shared(float *out)
{
    __shared__ __align__(16) __nv_bfloat16 tile[256];
    const int lane = (int)threadIdx.x;
    for (int i = lane; i < 256; i += 32)
        tile[i] = __float2bfloat16((float)(i % 19));
    if (SYNC)
        __syncwarp();
    uint32_t a[4];
    float c[4] = {};
    dt_load_matrices(a, dt_shared_address_of(tile + lane % 16 * 16 + lane / 16 * 8));
    dt_multiply_add<__nv_bfloat16>(c, a, a[0], a[2]);
    for (int i = 0; i < 4; ++i)
        out[lane * 4 + i] = c[i];
}

static void a_missing_warp_barrier_around_tiles(void **)
{
    const auto bad = in_order<float>(
        "ascending", [](float *out) { tiles_through_shared<false><<<1, 32>>>(out); }, 128);
    bool unwritten = false;
    for (float x : bad)
        unwritten |= x != x;
    assert_true(
        unwritten ||
        !orders_agree<float>([](float *out) { tiles_through_shared<false><<<1, 32>>>(out); }, 128));
    assert_true(
        orders_agree<float>([](float *out) { tiles_through_shared<true><<<1, 32>>>(out); }, 128));
}

__global__ void misaligned_tile(uint32_t *out)
{
    __shared__ __align__(16) __nv_bfloat16 tile[512];
    uint32_t a[4];
    dt_load_matrices(a, dt_shared_address_of(tile + 4 + threadIdx.x * 8));
    out[threadIdx.x] = a[0];
}

static void a_misaligned_tile(void **)
{
    assert_found(
        [] {
            device_array<uint32_t> out(32);
            misaligned_tile<<<1, 32>>>(out.data);
        },
        "not a multiple of 16 bytes");
}

__global__ void misaligned_copy(uint32_t *out, const uint32_t *in)
{
    __shared__ __align__(16) uint32_t tile[256];
    dt_copy_start(dt_shared_address_of(tile + threadIdx.x * 4), in + 1 + threadIdx.x * 4, true);
    dt_copy_group();
    dt_copy_wait<0>();
    out[threadIdx.x] = tile[threadIdx.x * 4];
}

static void a_misaligned_copy(void **)
{
    assert_found(
        [] {
            device_array<uint32_t> in(256), out(32);
            misaligned_copy<<<1, 32>>>(out.data, in.data);
        },
        "not a multiple of 16 bytes");
}

__global__ void last_block_wins(int *out)
{
    out[threadIdx.x] = (int)blockIdx.x;
}

__global__ void float_atomics(float *out)
{
    atomicAdd(out, 1.0f / (float)(1 + blockIdx.x * blockDim.x + threadIdx.x));
}

static void races_between_blocks(void **)
{
    assert_false(orders_agree<int>([](int *out) { last_block_wins<<<5, 32>>>(out); }, 32));
    assert_false(orders_agree<float>([](float *out) { float_atomics<<<40, 64>>>(out); }, 1));
}

/* ---- limits of shared memory ---------------------------------------------------------------- */

template <int STATIC> __global__ void much_shared(float *out)
{
    extern __shared__ float dynamic[];
    __shared__ float fixed[STATIC];
    dynamic[threadIdx.x] = 1.0f;
    fixed[threadIdx.x] = 2.0f;
    out[threadIdx.x] = dynamic[threadIdx.x] + fixed[threadIdx.x];
}

static const int KIB = 1024;

template <typename Kernel> static cudaError_t allow(Kernel kernel, int bytes)
{
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    cudaGetLastError();
    return error;
}

/* Returns the error of a launch. */
template <int STATIC> static cudaError_t launch_with(int dynamic_bytes)
{
    device_array<float> out(32);
    much_shared<STATIC><<<1, 32, (size_t)dynamic_bytes>>>(out.data);
    return cudaGetLastError();
}

static void shared_memory_is_allowed_for_each_kernel(void **)
{
    ASSERT_CUDA(launch_with<32>(47 * KIB));
    assert_int_equal(launch_with<32>(49 * KIB), cudaErrorInvalidValue);
    ASSERT_CUDA(allow(much_shared<32>, 64 * KIB));
    ASSERT_CUDA(launch_with<32>(64 * KIB));
    assert_int_equal(launch_with<32>(65 * KIB), cudaErrorInvalidValue);
    assert_int_equal(launch_with<64>(64 * KIB), cudaErrorInvalidValue); /* another kernel */
    assert_found([] { launch_with<128>(48 * KIB); },
                 "a block needs 49664 bytes of shared memory, static and dynamic, and may use 49152");
}

static void shared_memory_has_the_limit_of_the_device(void **)
{
    const struct {
        const char *setting;
        int kib;
    } devices[] = {{"99", 99}, {"163", 163}, {"227", 227}};
    for (const auto &device : devices) {
        int most = 0;
        setenv("CUDA_ON_CPU_SHARED_KB", device.setting, 1);
        ASSERT_CUDA(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
        assert_int_equal(most, device.kib * KIB);
        assert_int_equal(allow(much_shared<256>, most + 1), cudaErrorInvalidValue);
        ASSERT_CUDA(allow(much_shared<256>, most));
        ASSERT_CUDA(launch_with<256>(most - 1 * KIB));
        assert_found(
            [] {
                const int kib = atoi(getenv("CUDA_ON_CPU_SHARED_KB"));
                launch_with<256>(kib * KIB);
            },
            "bytes of shared memory, static and dynamic, and may use");
    }
    unsetenv("CUDA_ON_CPU_SHARED_KB");
}

/* ---- cuBLASLt: alignments of a plan that is used again -------------------------------------- */

static const size_t SIDE = 8;

#define ASSERT_LT(call) assert_int_equal((call), CUBLAS_STATUS_SUCCESS)

/* A product of 8x8 matrices with a bias, and an algorithm for 16-byte alignment. */
struct product_plan {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t layout;
    cublasLtMatmulHeuristicResult_t chosen;
    device_array<float> memory;

    explicit product_plan(size_t bias_offset) : memory(1024)
    {
        const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
        const uint32_t alignment = 16;
        cublasLtMatmulPreference_t preference;
        int found;
        ASSERT_CUDA(cudaMemset(memory.data, 0, 1024 * sizeof(float)));
        ASSERT_LT(cublasLtCreate(&handle));
        ASSERT_LT(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
        ASSERT_LT(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                                 sizeof epilogue));
        ASSERT_LT(cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, SIDE, SIDE, (int64_t)SIDE));
        ASSERT_LT(cublasLtMatmulPreferenceCreate(&preference));
        for (auto of : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
            ASSERT_LT(cublasLtMatmulPreferenceSetAttribute(preference, of, &alignment,
                                                           sizeof alignment));
        set_bias(bias_offset);
        ASSERT_LT(cublasLtMatmulAlgoGetHeuristic(handle, desc, layout, layout, layout, layout,
                                                 preference, 1, &chosen, &found));
        ASSERT_LT(cublasLtMatmulPreferenceDestroy(preference));
    }
    ~product_plan()
    {
        cublasLtMatrixLayoutDestroy(layout);
        cublasLtMatmulDescDestroy(desc);
        cublasLtDestroy(handle);
    }
    void set_bias(size_t offset)
    {
        const void *bias = memory.data + 512 + offset;
        ASSERT_LT(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                                 sizeof bias));
    }
    /* Offsets are in floats, from an aligned address. */
    void run(size_t a, size_t d, size_t workspace)
    {
        const float one = 1.0f, zero = 0.0f;
        ASSERT_LT(cublasLtMatmul(handle, desc, &one, memory.data + a, layout, memory.data + 64,
                                 layout, &zero, memory.data + 128 + d, layout,
                                 memory.data + 128 + d, layout, &chosen.algo,
                                 memory.data + 768 + workspace, 64, nullptr));
    }
};

static void misaligned_operands_of_a_product(void **)
{
    product_plan plan(0);
    plan.set_bias(4);
    plan.run(4, 8, 64);
    assert_found([] { product_plan(0).run(2, 0, 0); }, "A is at an address that is a multiple of 8");
    assert_found([] { product_plan(0).run(0, 1, 0); }, "C is at an address that is a multiple of 4");
    assert_found([] { product_plan(0).run(0, 0, 32); }, "the workspace is not aligned to 256 bytes");
    assert_found(
        [] {
            product_plan reused(0);
            reused.set_bias(131);
            reused.run(0, 0, 0);
        },
        "the bias is at an address that is a multiple of 4 bytes, and the algorithm was chosen for "
        "16");
    assert_found([] { product_plan(2); }, "with a bias at a multiple of 8 bytes");
}

/* ---- graphs: a dependency that the capture lacks -------------------------------------------- */

__global__ void set_number(int *x, int value)
{
    *x = value;
}

__global__ void add_number(int *x, const int *y)
{
    *x += *y;
}

/* The second stream writes *y, which the first adds to *x; returns *x of a launch. */
static int launch_of_two_streams(const char *order, bool waits)
{
    device_array<int> x(std::vector<int>{1}), y(std::vector<int>{10});
    cudaStream_t stream[2];
    cudaEvent_t event[2];
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    setenv("CUDA_ON_CPU_ORDER", order, 1);
    for (int i = 0; i < 2; ++i) {
        ASSERT_CUDA(cudaStreamCreateWithFlags(&stream[i], cudaStreamNonBlocking));
        ASSERT_CUDA(cudaEventCreateWithFlags(&event[i], cudaEventDisableTiming));
    }
    ASSERT_CUDA(cudaStreamBeginCapture(stream[0], cudaStreamCaptureModeThreadLocal));
    ASSERT_CUDA(cudaEventRecord(event[0], stream[0]));
    ASSERT_CUDA(cudaStreamWaitEvent(stream[1], event[0]));
    set_number<<<1, 1, 0, stream[1]>>>(y.data, 20);
    ASSERT_CUDA(cudaEventRecord(event[1], stream[1]));
    if (waits)
        ASSERT_CUDA(cudaStreamWaitEvent(stream[0], event[1]));
    add_number<<<1, 1, 0, stream[0]>>>(x.data, y.data);
    ASSERT_CUDA(cudaStreamWaitEvent(stream[0], event[1]));
    ASSERT_CUDA(cudaStreamEndCapture(stream[0], &graph));
    ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
    ASSERT_CUDA(cudaGraphLaunch(exec, stream[0]));
    ASSERT_CUDA(cudaStreamSynchronize(stream[0]));
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    ASSERT_CUDA(cudaGraphDestroy(graph));
    for (int i = 0; i < 2; ++i) {
        ASSERT_CUDA(cudaEventDestroy(event[i]));
        ASSERT_CUDA(cudaStreamDestroy(stream[i]));
    }
    return x.download()[0];
}

static void a_missing_wait_in_a_graph(void **)
{
    for (const char *order : orders)
        assert_int_equal(launch_of_two_streams(order, true), 21);
    assert_int_equal(launch_of_two_streams("ascending", false), 21); /* by luck */
    assert_int_equal(launch_of_two_streams("descending", false), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_barrier_that_a_thread_never_reaches),
        cmocka_unit_test(threads_at_different_barriers),
        cmocka_unit_test(a_shuffle_that_a_lane_never_reaches),
        cmocka_unit_test(lanes_that_wait_for_different_things),
        cmocka_unit_test(lanes_in_different_shuffles),
        cmocka_unit_test(a_shuffle_that_reads_outside_its_mask),
        cmocka_unit_test(a_mask_of_lanes_that_do_not_exist),
        cmocka_unit_test(accesses_out_of_bounds),
        cmocka_unit_test(misaligned_words),
        cmocka_unit_test(host_code_that_reads_device_memory),
        cmocka_unit_test(an_unwritten_tail_is_nan),
        cmocka_unit_test(unwritten_shared_memory_is_nan_in_every_block),
        cmocka_unit_test(a_missing_barrier),
        cmocka_unit_test(a_missing_second_barrier),
        cmocka_unit_test(a_missing_warp_barrier_around_tiles),
        cmocka_unit_test(a_misaligned_tile),
        cmocka_unit_test(a_misaligned_copy),
        cmocka_unit_test(races_between_blocks),
        cmocka_unit_test(shared_memory_is_allowed_for_each_kernel),
        cmocka_unit_test(shared_memory_has_the_limit_of_the_device),
        cmocka_unit_test(misaligned_operands_of_a_product),
        cmocka_unit_test(a_missing_wait_in_a_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
