/* Streams, events and graphs of the emulator: the order of what is enqueued, and the errors of CUDA.
 */
#include <stdlib.h>
#include <string.h>

#include <thread>

#include <cuda_runtime.h>

#include "tests/cuda_on_cpu/emulator_test.h"

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
    const two_streams s = make_streams();
    cudaGraphExec_t exec;
    ASSERT_CUDA(capture_with_event(&exec, s.origin, x.data, s.fork, cudaEventRecordExternal));
    for (int launch = 0; launch < 3; ++launch) {
        static const int middle[] = {2, 21, 211};
        int seen = 0;
        ASSERT_CUDA(cudaGraphLaunch(exec, s.origin));
        ASSERT_CUDA(cudaStreamWaitEvent(s.other, s.fork));
        ASSERT_CUDA(cudaMemcpyAsync(&seen, x.data, sizeof seen, cudaMemcpyDeviceToHost, s.other));
        assert_int_equal(seen, middle[launch]);
    }
    ASSERT_CUDA(cudaStreamSynchronize(s.origin));
    assert_int_equal(x.download()[0], 2110);
    assert_int_equal(cudaEventRecordWithFlags(s.fork, s.origin, cudaEventRecordExternal),
                     cudaErrorInvalidValue); /* there is no capture */
    cudaGetLastError();
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    free_streams(&s);
    unsetenv("CUDA_ON_CPU_STREAMS");
}

static void an_event_of_a_capture_is_invalid_outside(void **)
{
    device_array<int> x(std::vector<int>{1});
    const two_streams s = make_streams();
    cudaGraphExec_t exec;
    ASSERT_CUDA(capture_with_event(&exec, s.origin, x.data, s.fork, cudaEventRecordDefault));
    ASSERT_CUDA(cudaGraphLaunch(exec, s.origin));
    assert_int_equal(cudaStreamWaitEvent(s.other, s.fork), cudaErrorCapturedEvent);
    assert_int_equal(cudaEventSynchronize(s.fork), cudaErrorCapturedEvent);
    cudaGetLastError();
    ASSERT_CUDA(cudaEventRecord(s.fork, s.origin)); /* now it is an ordinary event again */
    ASSERT_CUDA(cudaStreamWaitEvent(s.other, s.fork));
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    free_streams(&s);
}

/* ---- captures of several streams ------------------------------------------------------------ */

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
    ASSERT_CUDA(cudaMalloc((void **)&memory, sizeof *memory));
    ASSERT_CUDA(cudaMemset(memory, 0, sizeof *memory));
    ASSERT_CUDA(cudaDeviceGetPCIBusId(bus, sizeof bus, 1));
    assert_string_equal(bus, "0000:02:00.0");
    ASSERT_CUDA(cudaDeviceGetByPCIBusId(&device, bus));
    assert_int_equal(device, 1);
    ASSERT_CUDA(cudaEventRecord(event, stream));
    add_one<<<1, 1, 0, stream>>>(memory);
    ASSERT_CUDA(cudaGetLastError());
    ASSERT_CUDA(cudaMemcpyAsync(&host, memory, sizeof host, cudaMemcpyDeviceToHost, stream));
    ASSERT_CUDA(cudaStreamSynchronize(stream));
    cudaError_t launched, recorded, copied;
    std::thread([&] {
        add_one<<<1, 1, 0, stream>>>(memory);
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
