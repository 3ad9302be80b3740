/* The emulator executes CUDA: each kernel here is plain CUDA, with the same result as on a GPU.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <thread>

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

/* ---- streams, events, graphs ---------------------------------------------------------------- */

__global__ void add_one(int *x)
{
    *x += 1;
}

__global__ void times_ten(int *x)
{
    *x *= 10;
}

__global__ void sum_of_two(int *x, const int *y)
{
    *x += *y;
}

static void a_graph_repeats_what_was_captured(void **)
{
    for (const char *when : {"now", "late"}) {
        setenv("CUDA_ON_CPU_STREAMS", when, 1);
        device_array<int> x(std::vector<int>{1});
        cudaStream_t stream;
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
        ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
        add_one<<<1, 1, 0, stream>>>(x.data);
        times_ten<<<1, 1, 0, stream>>>(x.data);
        void *memory;
        assert_int_equal(cudaMalloc(&memory, 1), cudaErrorStreamCaptureUnsupported);
        assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
        cudaGetLastError();
        ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
        add_one<<<1, 1, 0, stream>>>(x.data);
        times_ten<<<1, 1, 0, stream>>>(x.data);
        ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
        ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
        ASSERT_CUDA(cudaGraphDestroy(graph));
        assert_int_equal(x.download()[0], 1); /* captured, not executed */
        ASSERT_CUDA(cudaGraphLaunch(exec, stream));
        ASSERT_CUDA(cudaGraphLaunch(exec, stream));
        ASSERT_CUDA(cudaStreamSynchronize(stream));
        assert_int_equal(x.download()[0], 210);
        ASSERT_CUDA(cudaGraphExecDestroy(exec));
        ASSERT_CUDA(cudaStreamDestroy(stream));
    }
    unsetenv("CUDA_ON_CPU_STREAMS");
}

/* A capture on `stream` that `forbidden` has invalidated. */
static void assert_capture_is_lost(cudaStream_t stream, cudaError_t got, cudaError_t expected)
{
    cudaGraph_t graph;
    assert_int_equal(got, expected);
    assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    assert_null(graph);
    cudaGetLastError();
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
}

static void a_capture_refuses_to_wait_to_allocate_and_to_copy_pageable_memory(void **)
{
    const cudaError_t no = cudaErrorStreamCaptureUnsupported;
    device_array<int> x(std::vector<int>{1});
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaEvent_t outside;
    void *pinned;
    void *memory;
    int here = 5;
    ASSERT_CUDA(cudaMallocHost(&pinned, sizeof here));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreateWithFlags(&outside, cudaEventDisableTiming));
    ASSERT_CUDA(cudaEventRecord(outside, stream));
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    assert_capture_is_lost(stream, cudaMalloc(&memory, 1), no);
    assert_capture_is_lost(stream, cudaFree(x.data), no);
    assert_capture_is_lost(stream, cudaMallocHost(&memory, 1), no);
    assert_capture_is_lost(stream, cudaFreeHost(pinned), no);
    assert_capture_is_lost(stream, cudaStreamSynchronize(stream), no);
    assert_capture_is_lost(stream, cudaDeviceSynchronize(), no);
    assert_capture_is_lost(
        stream, cudaMemcpyAsync(x.data, &here, sizeof here, cudaMemcpyHostToDevice, stream), no);
    assert_capture_is_lost(
        stream, cudaMemcpyAsync(&here, x.data, sizeof here, cudaMemcpyDeviceToHost, stream), no);
    assert_capture_is_lost(stream, cudaMemcpy(x.data, &here, sizeof here, cudaMemcpyHostToDevice),
                           cudaErrorStreamCaptureImplicit);
    assert_capture_is_lost(stream, cudaStreamWaitEvent(stream, outside),
                           cudaErrorStreamCaptureIsolation);
    ASSERT_CUDA(cudaMemcpyAsync(x.data, pinned, sizeof here, cudaMemcpyHostToDevice, stream));
    ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
    ASSERT_CUDA(cudaGraphDestroy(graph));
    ASSERT_CUDA(cudaEventDestroy(outside));
    ASSERT_CUDA(cudaStreamDestroy(stream));
    ASSERT_CUDA(cudaFreeHost(pinned));
}

/* Captures add_one, the event and times_ten as a graph. */
static cudaError_t capture_with_event(cudaGraphExec_t *exec, cudaStream_t stream, int *x,
                                      cudaEvent_t event, unsigned flags)
{
    cudaGraph_t graph;
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    add_one<<<1, 1, 0, stream>>>(x);
    const cudaError_t recorded = cudaEventRecordWithFlags(event, stream, flags);
    times_ten<<<1, 1, 0, stream>>>(x);
    ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
    ASSERT_CUDA(cudaGraphInstantiate(exec, graph, 0));
    ASSERT_CUDA(cudaGraphDestroy(graph));
    return recorded;
}

/* Another stream waits for the middle of a graph, in each launch. */
static void an_external_event_is_recorded_in_each_launch(void **)
{
    setenv("CUDA_ON_CPU_STREAMS", "late", 1);
    device_array<int> x(std::vector<int>{1});
    cudaStream_t one, two;
    cudaEvent_t event;
    cudaGraphExec_t exec;
    ASSERT_CUDA(cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    ASSERT_CUDA(capture_with_event(&exec, one, x.data, event, cudaEventRecordExternal));
    for (int launch = 0; launch < 3; ++launch) {
        static const int middle[] = {2, 21, 211};
        int seen = 0;
        ASSERT_CUDA(cudaGraphLaunch(exec, one));
        ASSERT_CUDA(cudaStreamWaitEvent(two, event));
        ASSERT_CUDA(cudaMemcpyAsync(&seen, x.data, sizeof seen, cudaMemcpyDeviceToHost, two));
        assert_int_equal(seen, middle[launch]);
    }
    ASSERT_CUDA(cudaStreamSynchronize(one));
    assert_int_equal(x.download()[0], 2110);
    assert_int_equal(cudaEventRecordWithFlags(event, one, cudaEventRecordExternal),
                     cudaErrorInvalidValue); /* there is no capture */
    cudaGetLastError();
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    ASSERT_CUDA(cudaEventDestroy(event));
    ASSERT_CUDA(cudaStreamDestroy(two));
    ASSERT_CUDA(cudaStreamDestroy(one));
    unsetenv("CUDA_ON_CPU_STREAMS");
}

static void an_event_of_a_capture_is_invalid_outside(void **)
{
    device_array<int> x(std::vector<int>{1});
    cudaStream_t one, two;
    cudaEvent_t event;
    cudaGraphExec_t exec;
    ASSERT_CUDA(cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    ASSERT_CUDA(capture_with_event(&exec, one, x.data, event, cudaEventRecordDefault));
    ASSERT_CUDA(cudaGraphLaunch(exec, one));
    assert_int_equal(cudaStreamWaitEvent(two, event), cudaErrorCapturedEvent);
    assert_int_equal(cudaEventSynchronize(event), cudaErrorCapturedEvent);
    cudaGetLastError();
    ASSERT_CUDA(cudaEventRecord(event, one)); /* now it is an ordinary event again */
    ASSERT_CUDA(cudaStreamWaitEvent(two, event));
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    ASSERT_CUDA(cudaEventDestroy(event));
    ASSERT_CUDA(cudaStreamDestroy(two));
    ASSERT_CUDA(cudaStreamDestroy(one));
}

/* ---- captures of several streams ------------------------------------------------------------ */

typedef struct {
    cudaStream_t origin, other;
    cudaEvent_t fork, join;
} two_streams;

static two_streams make_streams()
{
    two_streams s;
    ASSERT_CUDA(cudaStreamCreateWithFlags(&s.origin, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&s.other, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreateWithFlags(&s.fork, cudaEventDisableTiming));
    ASSERT_CUDA(cudaEventCreateWithFlags(&s.join, cudaEventDisableTiming));
    return s;
}

static void free_streams(const two_streams *s)
{
    ASSERT_CUDA(cudaEventDestroy(s->join));
    ASSERT_CUDA(cudaEventDestroy(s->fork));
    ASSERT_CUDA(cudaStreamDestroy(s->other));
    ASSERT_CUDA(cudaStreamDestroy(s->origin));
}

static void begin(const two_streams *s, cudaStreamCaptureMode mode)
{
    ASSERT_CUDA(cudaStreamBeginCapture(s->origin, mode));
}

/* Captures work on *x and *y by two streams, and their sum; `joined`: after a wait for the second. */
static cudaError_t capture_two(const two_streams *s, int *x, int *y, bool joined, cudaGraph_t *out)
{
    begin(s, cudaStreamCaptureModeThreadLocal);
    add_one<<<1, 1, 0, s->origin>>>(x);
    ASSERT_CUDA(cudaEventRecord(s->fork, s->origin));
    ASSERT_CUDA(cudaStreamWaitEvent(s->other, s->fork));
    add_one<<<1, 1, 0, s->other>>>(y);
    times_ten<<<1, 1, 0, s->origin>>>(x);
    times_ten<<<1, 1, 0, s->other>>>(y);
    ASSERT_CUDA(cudaEventRecord(s->join, s->other));
    if (joined)
        ASSERT_CUDA(cudaStreamWaitEvent(s->origin, s->join));
    sum_of_two<<<1, 1, 0, s->origin>>>(x, y);
    return cudaStreamEndCapture(s->origin, out);
}

static void a_stream_is_forked_into_a_capture_and_joined(void **)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        const two_streams s = make_streams();
        device_array<int> x(std::vector<int>{1}), y(std::vector<int>{4});
        cudaGraph_t graph;
        cudaGraphExec_t exec;
        ASSERT_CUDA(capture_two(&s, x.data, y.data, true, &graph));
        cudaStreamCaptureStatus status;
        ASSERT_CUDA(cudaStreamIsCapturing(s.other, &status));
        assert_int_equal(status, cudaStreamCaptureStatusNone);
        ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
        ASSERT_CUDA(cudaGraphDestroy(graph));
        ASSERT_CUDA(cudaGraphLaunch(exec, s.origin));
        assert_int_equal(x.download()[0], 20 + 50);
        ASSERT_CUDA(cudaGraphLaunch(exec, s.origin));
        assert_int_equal(x.download()[0], 710 + 510);
        ASSERT_CUDA(cudaGraphExecDestroy(exec));
        free_streams(&s);
    }
}

static void a_capture_ends_with_an_error_unless_its_streams_are_joined(void **)
{
    const two_streams s = make_streams();
    device_array<int> x(std::vector<int>{1}), y(std::vector<int>{4});
    cudaGraph_t graph;
    assert_int_equal(capture_two(&s, x.data, y.data, false, &graph),
                     cudaErrorStreamCaptureUnjoined);
    assert_null(graph);
    /* joined, and then used again */
    begin(&s, cudaStreamCaptureModeThreadLocal);
    ASSERT_CUDA(cudaEventRecord(s.fork, s.origin));
    ASSERT_CUDA(cudaStreamWaitEvent(s.other, s.fork));
    ASSERT_CUDA(cudaEventRecord(s.join, s.other));
    ASSERT_CUDA(cudaStreamWaitEvent(s.origin, s.join));
    add_one<<<1, 1, 0, s.other>>>(y.data);
    assert_int_equal(cudaStreamEndCapture(s.other, &graph), cudaErrorStreamCaptureUnmatched);
    assert_int_equal(cudaStreamEndCapture(s.origin, &graph), cudaErrorStreamCaptureUnjoined);
    cudaGetLastError();
    free_streams(&s);
}

static void captures_are_not_merged(void **)
{
    const two_streams s = make_streams();
    device_array<int> x(std::vector<int>{1});
    cudaGraph_t graph;
    begin(&s, cudaStreamCaptureModeThreadLocal);
    ASSERT_CUDA(cudaStreamBeginCapture(s.other, cudaStreamCaptureModeThreadLocal));
    ASSERT_CUDA(cudaEventRecord(s.fork, s.origin));
    assert_int_equal(cudaStreamWaitEvent(s.other, s.fork), cudaErrorStreamCaptureMerge);
    cudaGetLastError();
    add_one<<<1, 1, 0, s.other>>>(x.data);
    assert_int_equal(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
    for (cudaStream_t stream : {s.origin, s.other})
        assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    free_streams(&s);
}

/* Returns what an allocation by another thread, of the given mode, gives during a capture. */
static cudaError_t allocate_elsewhere(cudaStreamCaptureMode capture, cudaStreamCaptureMode thread)
{
    const two_streams s = make_streams();
    cudaError_t allocated = cudaSuccess;
    cudaGraph_t graph;
    begin(&s, capture);
    std::thread([&] {
        void *memory;
        cudaThreadExchangeStreamCaptureMode(&thread);
        allocated = cudaMalloc(&memory, 1);
        cudaFree(memory);
    }).join();
    assert_int_equal(cudaStreamEndCapture(s.origin, &graph),
                     allocated ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
    cudaGraphDestroy(graph);
    cudaGetLastError();
    free_streams(&s);
    return allocated;
}

static void what_is_unsafe_in_a_capture_is_judged_per_thread(void **)
{
    const cudaStreamCaptureMode global = cudaStreamCaptureModeGlobal;
    const cudaStreamCaptureMode local = cudaStreamCaptureModeThreadLocal;
    const cudaStreamCaptureMode relaxed = cudaStreamCaptureModeRelaxed;
    const cudaError_t no = cudaErrorStreamCaptureUnsupported;
    assert_int_equal(allocate_elsewhere(global, global), no);
    assert_int_equal(allocate_elsewhere(global, local), cudaSuccess);
    assert_int_equal(allocate_elsewhere(global, relaxed), cudaSuccess);
    assert_int_equal(allocate_elsewhere(local, global), cudaSuccess);
    assert_int_equal(allocate_elsewhere(relaxed, global), cudaSuccess);
    const two_streams s = make_streams();
    cudaGraph_t graph;
    void *memory;
    ASSERT_CUDA(cudaEventRecord(s.join, s.other));
    begin(&s, relaxed);
    ASSERT_CUDA(cudaMalloc(&memory, 1));
    ASSERT_CUDA(cudaEventSynchronize(s.join));
    ASSERT_CUDA(cudaStreamEndCapture(s.origin, &graph));
    ASSERT_CUDA(cudaGraphDestroy(graph));
    begin(&s, local);
    assert_int_equal(cudaEventQuery(s.join), no);
    assert_int_equal(cudaStreamEndCapture(s.origin, &graph), cudaErrorStreamCaptureInvalidated);
    begin(&s, local);
    std::thread([&] { assert_int_equal(cudaStreamEndCapture(s.origin, &graph),
                                       cudaErrorStreamCaptureWrongThread); }).join();
    assert_int_equal(cudaStreamEndCapture(s.origin, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    ASSERT_CUDA(cudaFree(memory));
    free_streams(&s);
}

/* *pinned is set to 5, then to 6 while its copy may be in progress. */
static int copy_of_a_changed_buffer(bool wait)
{
    int *pinned;
    cudaStream_t stream;
    device_array<int> x(std::vector<int>{0});
    ASSERT_CUDA(cudaMallocHost((void **)&pinned, sizeof *pinned));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    *pinned = 5;
    ASSERT_CUDA(cudaMemcpyAsync(x.data, pinned, sizeof *pinned, cudaMemcpyHostToDevice, stream));
    if (wait)
        ASSERT_CUDA(cudaStreamSynchronize(stream));
    *pinned = 6;
    ASSERT_CUDA(cudaStreamSynchronize(stream));
    const int got = x.download()[0];
    ASSERT_CUDA(cudaFreeHost(pinned));
    ASSERT_CUDA(cudaStreamDestroy(stream));
    return got;
}

/* One stream writes, the other reads. */
static int pass_between_streams(bool with_event)
{
    cudaStream_t one, two;
    cudaEvent_t event;
    device_array<int> x(std::vector<int>{1});
    ASSERT_CUDA(cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    add_one<<<1, 1, 0, one>>>(x.data);
    ASSERT_CUDA(cudaEventRecord(event, one));
    if (with_event)
        ASSERT_CUDA(cudaStreamWaitEvent(two, event, 0));
    times_ten<<<1, 1, 0, two>>>(x.data);
    ASSERT_CUDA(cudaStreamSynchronize(two));
    ASSERT_CUDA(cudaStreamSynchronize(one));
    const int got = x.download()[0];
    ASSERT_CUDA(cudaEventDestroy(event));
    ASSERT_CUDA(cudaStreamDestroy(one));
    ASSERT_CUDA(cudaStreamDestroy(two));
    return got;
}

static void late_streams_reveal_missing_waits(void **)
{
    assert_int_equal(copy_of_a_changed_buffer(false), 5); /* by luck */
    assert_int_equal(pass_between_streams(false), 20);
    setenv("CUDA_ON_CPU_STREAMS", "late", 1);
    assert_int_equal(copy_of_a_changed_buffer(true), 5);
    assert_int_equal(copy_of_a_changed_buffer(false), 6);
    assert_int_equal(pass_between_streams(true), 20);
    assert_int_equal(pass_between_streams(false), 11);
    unsetenv("CUDA_ON_CPU_STREAMS");
}

/* Each thread starts with device 0 and cannot use the resources of another device. */
static void a_device_has_its_own_streams_events_and_memory(void **)
{
    cudaStream_t stream;
    cudaEvent_t event;
    int *memory;
    int host = 0;
    int device = 0;
    char bus[32];
    setenv("CUDA_ON_CPU_DEVICES", "2", 1);
    assert_int_equal(cudaSetDevice(2), cudaErrorInvalidDevice);
    cudaGetLastError();
    ASSERT_CUDA(cudaSetDevice(1));
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaEventCreate(&event));
    ASSERT_CUDA(cudaMalloc((void **)&memory, 32 * sizeof *memory));
    ASSERT_CUDA(cudaDeviceGetPCIBusId(bus, sizeof bus, 1));
    assert_string_equal(bus, "0000:02:00.0");
    ASSERT_CUDA(cudaDeviceGetByPCIBusId(&device, bus));
    assert_int_equal(device, 1);
    ASSERT_CUDA(cudaEventRecord(event, stream));
    number_all<<<1, 32, 0, stream>>>(memory, 1);
    ASSERT_CUDA(cudaGetLastError());
    ASSERT_CUDA(cudaMemcpyAsync(&host, memory, sizeof host, cudaMemcpyDeviceToHost, stream));
    ASSERT_CUDA(cudaStreamSynchronize(stream));
    cudaError_t launched, recorded, copied;
    std::thread([&] {
        number_all<<<1, 32, 0, stream>>>(memory, 1);
        launched = cudaGetLastError();
        recorded = cudaEventRecord(event, nullptr);
        copied = cudaMemcpy(&host, memory, sizeof host, cudaMemcpyDeviceToHost);
    }).join();
    assert_int_equal(launched, cudaErrorInvalidResourceHandle);
    assert_int_equal(recorded, cudaErrorInvalidResourceHandle);
    assert_int_equal(copied, cudaErrorInvalidValue);
    ASSERT_CUDA(cudaFree(memory));
    ASSERT_CUDA(cudaEventDestroy(event));
    ASSERT_CUDA(cudaStreamDestroy(stream));
    ASSERT_CUDA(cudaSetDevice(0));
    unsetenv("CUDA_ON_CPU_DEVICES");
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
        cmocka_unit_test(a_graph_repeats_what_was_captured),
        cmocka_unit_test(a_capture_refuses_to_wait_to_allocate_and_to_copy_pageable_memory),
        cmocka_unit_test(an_external_event_is_recorded_in_each_launch),
        cmocka_unit_test(an_event_of_a_capture_is_invalid_outside),
        cmocka_unit_test(a_stream_is_forked_into_a_capture_and_joined),
        cmocka_unit_test(a_capture_ends_with_an_error_unless_its_streams_are_joined),
        cmocka_unit_test(captures_are_not_merged),
        cmocka_unit_test(what_is_unsafe_in_a_capture_is_judged_per_thread),
        cmocka_unit_test(a_device_has_its_own_streams_events_and_memory),
        cmocka_unit_test(late_streams_reveal_missing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
