/* Emulates the host side of the CUDA runtime: device memory, streams, events, graphs. */
#include "cuda_runtime.h"
#include "asan.h"
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace cuda_on_cpu
{
namespace
{

constexpr size_t PAGE = 4096;
constexpr size_t CHUNK = (size_t)2 << 20;   /* unit of access control: a huge page */
constexpr size_t ARENA = (size_t)256 << 30; /* address space, not memory; no address is reused */
constexpr size_t DEFAULT_MEMORY = (size_t)8 << 30;
constexpr size_t SHARED_DEFAULT = 48 << 10;

struct work_item {
    std::function<void()> work; /* empty for events */
    cudaEvent_t record, wait;
    uint64_t number; /* which recording of the event */
};

typedef std::vector<size_t> node_list; /* indices of a graph's nodes */

struct graph_node {
    work_item item;
    node_list after; /* what it waits for: earlier nodes */
};

} // namespace
} // namespace cuda_on_cpu

using cuda_on_cpu::graph_node;
using cuda_on_cpu::node_list;
using cuda_on_cpu::work_item;

struct CUgraph_st {
    std::vector<graph_node> nodes;
    cudaStreamCaptureMode mode;
    std::thread::id thread; /* that began the capture */
    bool invalid;
    cudaStream_t origin;
    uint64_t number; /* unique, from 1 */
};
struct CUgraphExec_st {
    std::vector<graph_node> nodes;
};
struct CUstream_st {
    int device;
    std::deque<work_item> queue; /* enqueued, not executed */
    bool blocking;
    CUgraph_st *capture;
    node_list last; /* in a capture: the nodes that the next one follows */
};
struct CUevent_st {
    int device;
    uint64_t recorded, done;
    cudaStream_t stream; /* of the last recording */
    uint64_t capture;    /* number of the capture that it was last recorded in; 0: none */
    node_list captured;  /* the nodes of that capture that it follows */
    bool timed;
    double time, pretended; /* seconds when it was done: of the clock; see pretend_to_take() */
};

namespace cuda_on_cpu
{
namespace
{

struct allocation {
    size_t bytes;
    int device;
};

/* per thread, as in CUDA: each thread starts with device 0 and the strictest mode */
thread_local int current_device;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

struct runtime {
    cudaError_t last;
    char *arena;
    size_t arena_used;
    size_t allocated;
    std::map<uintptr_t, allocation> device, pinned;
    int open;
    std::map<const void *, size_t> shared_allowed; /* dynamic, by kernel */
    CUstream_st default_stream;
    std::vector<cudaStream_t> streams;
    std::vector<CUgraph_st *> captures; /* active captures */
    uint64_t captures_begun;
    double pretended; /* seconds, see pretend_to_take() */
};

runtime &R()
{
    static runtime *r = new runtime(); /* never destroyed */
    return *r;
}

cudaError_t fail(cudaError_t error)
{
    if (error != cudaSuccess)
        R().last = error;
    return error;
}

int device_of(cudaStream_t stream)
{
    return stream && stream != &R().default_stream ? stream->device : current_device;
}

bool late()
{
    const char *text = getenv("CUDA_ON_CPU_STREAMS");
    if (!text || !*text || strcmp(text, "now") == 0)
        return false;
    if (strcmp(text, "late") != 0)
        report("CUDA_ON_CPU_STREAMS is '%s', expected now or late", text);
    return true;
}

/* Returns a number from the environment. */
size_t number_of(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (size_t)strtoull(text, nullptr, 10) : otherwise;
}

/* CUDA_ON_CPU_DEVICES: devices have different PCI addresses, and share this process's memory. */
int devices()
{
    return (int)number_of("CUDA_ON_CPU_DEVICES", 1);
}

/* Bytes of shared memory that a block can be allowed to use. */
size_t shared_opt_in()
{
    const size_t kib = number_of("CUDA_ON_CPU_SHARED_KB", 227);
    if (kib != 99 && kib != 163 && kib != 227)
        report("CUDA_ON_CPU_SHARED_KB is %zu, expected 99, 163 or 227", kib);
    return kib << 10;
}

size_t device_memory()
{
    return number_of("CUDA_ON_CPU_MEMORY", DEFAULT_MEMORY);
}

size_t pages(size_t bytes, size_t page = PAGE)
{
    return (bytes + page - 1) / page * page;
}

/* Returns the block of `where` that contains the bytes from `address` on; NULL: none. */
const allocation *block_of(const std::map<uintptr_t, allocation> &where, const void *address,
                           size_t bytes)
{
    const uintptr_t a = (uintptr_t)address;
    auto next = where.upper_bound(a);
    if (next == where.begin())
        return nullptr;
    const auto &block = *--next;
    const bool fits =
        a - block.first <= block.second.bytes && bytes <= block.second.bytes - (a - block.first);
    return fits ? &block.second : nullptr;
}

bool in_arena(const void *address)
{
    const char *a = (const char *)address;
    return R().arena && a >= R().arena && a < R().arena + ARENA;
}

/* ---- streams ----------------------------------------------------------------------------------
 */

cudaStream_t stream_of(cudaStream_t stream)
{
    return stream ? stream : &R().default_stream;
}

double seconds()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void run_first(cudaStream_t stream);

void wait_for(cudaEvent_t event, uint64_t number)
{
    while (event->done < number) {
        if (!event->stream || event->stream->queue.empty())
            report("a stream waits for an event that never comes");
        run_first(event->stream);
    }
}

void run_item(const work_item &item)
{
    if (item.wait) {
        wait_for(item.wait, item.number);
    } else if (item.record) {
        if (item.record->done < item.number)
            item.record->done = item.number;
        item.record->time = seconds();
        item.record->pretended = R().pretended;
    } else {
        open_device();
        item.work();
        close_device();
    }
}

void run_first(cudaStream_t stream)
{
    const work_item item = std::move(stream->queue.front());
    stream->queue.pop_front();
    run_item(item);
}

void drain(cudaStream_t stream)
{
    while (!stream->queue.empty())
        run_first(stream);
}

void drain_all()
{
    drain(&R().default_stream);
    for (cudaStream_t s : R().streams)
        drain(s);
}

/* The default stream waits for the other streams, and they for it, unless they are non-blocking. */
void order_default(cudaStream_t stream)
{
    if (stream == &R().default_stream) {
        for (cudaStream_t s : R().streams)
            if (s->blocking)
                drain(s);
    } else if (stream->blocking) {
        drain(&R().default_stream);
    }
}

void put(cudaStream_t stream, work_item item)
{
    if (late()) {
        order_default(stream);
        stream->queue.push_back(std::move(item));
    } else {
        drain(stream); /* left over from before the environment changed */
        run_item(item);
    }
}

/* ---- captures --------------------------------------------------------------------------------
 */

cudaError_t invalidate(CUgraph_st *graph, cudaError_t error)
{
    if (graph)
        graph->invalid = true;
    return fail(error);
}

/* Returns whether captures forbid this thread to wait for the device or to change its allocations,
 * and invalidates them: those of this thread, and global ones of others unless this thread has
 * excluded them. */
bool forbidden()
{
    bool any = false;
    for (CUgraph_st *graph : R().captures) {
        const bool global = graph->mode == cudaStreamCaptureModeGlobal &&
                            capture_mode == cudaStreamCaptureModeGlobal;
        if (capture_mode == cudaStreamCaptureModeRelaxed ||
            graph->mode == cudaStreamCaptureModeRelaxed ||
            (graph->thread != std::this_thread::get_id() && !global))
            continue;
        graph->invalid = any = true;
    }
    return any;
}

/* Returns a capture on a blocking stream, on which work of the default stream would depend. */
CUgraph_st *capture_of_blocking_stream()
{
    for (cudaStream_t s : R().streams)
        if (s->capture && s->blocking)
            return s->capture;
    return nullptr;
}

/* Appends a node to the capture of a stream. */
cudaError_t capture_item(cudaStream_t stream, work_item item)
{
    CUgraph_st *graph = stream->capture;
    if (graph->invalid)
        return fail(cudaErrorStreamCaptureInvalidated);
    graph->nodes.push_back(graph_node{std::move(item), stream->last});
    stream->last = {graph->nodes.size() - 1};
    return cudaSuccess;
}

/* The next node of a capturing stream also follows these. */
void follow(cudaStream_t stream, const node_list &nodes)
{
    for (size_t n : nodes)
        if (std::find(stream->last.begin(), stream->last.end(), n) == stream->last.end())
            stream->last.push_back(n);
}

/* Returns whether what the origin enqueues next follows all work of the capture. */
bool joined(const CUgraph_st *graph)
{
    std::vector<bool> precedes(graph->nodes.size());
    node_list rest = graph->origin->last;
    size_t count = 0;
    while (!rest.empty()) {
        const size_t n = rest.back();
        rest.pop_back();
        if (precedes[n])
            continue;
        precedes[n] = true;
        ++count;
        rest.insert(rest.end(), graph->nodes[n].after.begin(), graph->nodes[n].after.end());
    }
    return count == graph->nodes.size();
}

/* Returns the capture that an event was last recorded in; NULL if it has ended. */
CUgraph_st *capture_of(cudaEvent_t event)
{
    for (CUgraph_st *graph : R().captures)
        if (graph->number == event->capture)
            return graph;
    return nullptr;
}

void put_record(cudaStream_t stream, cudaEvent_t event)
{
    event->stream = stream;
    event->capture = 0;
    put(stream, work_item{nullptr, event, nullptr, ++event->recorded});
}

/* From the first allocation that lives: what was freed before it stays inaccessible. */
void protect_live_memory(int access)
{
    if (R().device.empty())
        return;
    const size_t first = (size_t)((char *)R().device.begin()->first - R().arena) / CHUNK * CHUNK;
    mprotect(R().arena + first, pages(R().arena_used, CHUNK) - first, access);
}

} // namespace

bool in_device_memory(const void *address)
{
    return in_arena(address);
}

void open_device()
{
    if (R().open++ == 0)
        protect_live_memory(PROT_READ | PROT_WRITE);
}

void close_device()
{
    if (--R().open == 0)
        protect_live_memory(PROT_NONE);
}

void pretend_to_take(double seconds)
{
    R().pretended += seconds;
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work)
{
    stream = stream_of(stream);
    work_item item{std::move(work), nullptr, nullptr, 0};
    if (stream->capture)
        return capture_item(stream, std::move(item));
    if (stream == &R().default_stream)
        if (CUgraph_st *graph = capture_of_blocking_stream())
            return invalidate(graph, cudaErrorStreamCaptureImplicit);
    put(stream, std::move(item));
    return cudaSuccess;
}

cudaError_t allow_shared(const void *entry, int bytes)
{
    if (bytes < 0 || (size_t)bytes > shared_opt_in())
        return fail(cudaErrorInvalidValue);
    R().shared_allowed[entry] = (size_t)bytes;
    return cudaSuccess;
}

void launch_grid(const char *kernel, const void *entry, const shape &how,
                 std::function<void()> body)
{
    const dim3 g = how.grid;
    const dim3 b = how.block;
    const auto found = R().shared_allowed.find(entry);
    const size_t allowed = found == R().shared_allowed.end()
                               ? SHARED_DEFAULT
                               : std::max(found->second, SHARED_DEFAULT);
    const size_t limit = allowed > SHARED_DEFAULT ? shared_opt_in() : SHARED_DEFAULT;
    if (in_kernel())
        report("a kernel launches %s, which the emulator does not support", kernel);
    if (g.x == 0 || g.y == 0 || g.z == 0 || b.x == 0 || b.y == 0 || b.z == 0 || g.x > 0x7fffffff ||
        g.y > 65535 || g.z > 65535 || b.x > 1024 || b.y > 1024 || b.z > 64 ||
        b.x * b.y * b.z > 1024) {
        fail(cudaErrorInvalidConfiguration);
        return;
    }
    if (how.shared_bytes > std::min(allowed, limit)) {
        fail(cudaErrorInvalidValue);
        return;
    }
    if (device_of(how.stream) != current_device) {
        fail(cudaErrorInvalidResourceHandle);
        return;
    }
    enqueue(how.stream, [=, body = std::move(body)] { run_grid(kernel, how, limit, body); });
}

} // namespace cuda_on_cpu

using namespace cuda_on_cpu;

/* ---- errors ------------------------------------------------------------------------------------
 */

#define EACH_ERROR(X)                                                                              \
    X(cudaSuccess, "no error")                                                                     \
    X(cudaErrorInvalidValue, "invalid argument")                                                   \
    X(cudaErrorMemoryAllocation, "out of memory")                                                  \
    X(cudaErrorInitializationError, "initialization error")                                        \
    X(cudaErrorInvalidConfiguration, "invalid configuration argument")                             \
    X(cudaErrorInvalidDevicePointer, "invalid device pointer")                                     \
    X(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                        \
    X(cudaErrorInsufficientDriver, "the driver is older than the runtime")                         \
    X(cudaErrorDevicesUnavailable, "another process has the device")                               \
    X(cudaErrorInvalidDeviceFunction, "invalid device function")                                   \
    X(cudaErrorNoDevice, "no CUDA-capable device")                                                 \
    X(cudaErrorInvalidDevice, "invalid device ordinal")                                            \
    X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                   \
    X(cudaErrorNotReady, "not ready")                                                              \
    X(cudaErrorIllegalAddress, "illegal memory access")                                            \
    X(cudaErrorLaunchFailure, "launch failure")                                                    \
    X(cudaErrorNotSupported, "not supported")                                                      \
    X(cudaErrorStreamCaptureUnsupported, "not permitted while a stream is capturing")              \
    X(cudaErrorStreamCaptureInvalidated, "the capture failed before")                              \
    X(cudaErrorStreamCaptureMerge, "two captures would be merged")                                 \
    X(cudaErrorStreamCaptureUnmatched, "the capture was not started on this stream")               \
    X(cudaErrorStreamCaptureUnjoined, "a stream that was forked into the capture was not joined")  \
    X(cudaErrorStreamCaptureIsolation, "a capture would depend on work outside")                   \
    X(cudaErrorStreamCaptureImplicit, "capturing would depend on the default stream")              \
    X(cudaErrorCapturedEvent, "the event was last recorded in a capture")                          \
    X(cudaErrorStreamCaptureWrongThread, "another thread started the capture")                     \
    X(cudaErrorUnknown, "unknown error")

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
#define AS_TEXT(code, text)                                                                        \
    case code:                                                                                     \
        return text;
        EACH_ERROR(AS_TEXT)
    }
    return "unrecognized error code";
}

const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
#define AS_NAME(code, text)                                                                        \
    case code:                                                                                     \
        return #code;
        EACH_ERROR(AS_NAME)
    }
    return "unrecognized error code";
}

cudaError_t cudaGetLastError()
{
    const cudaError_t error = R().last;
    R().last = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError()
{
    return R().last;
}

/* ---- the device --------------------------------------------------------------------------------
 */

cudaError_t cudaGetDeviceCount(int *count)
{
    const size_t driver = number_of("CUDA_ON_CPU_DRIVER", CUDART_VERSION);
    *count = devices();
    if (driver / 1000 < CUDART_VERSION / 1000) /* all minor versions of a major version are
                                                  compatible */
        return fail(cudaErrorInsufficientDriver);
    return fail(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= devices())
        return fail(cudaErrorInvalidDevice);
    if (number_of("CUDA_ON_CPU_TAKEN", 0))
        return fail(cudaErrorDevicesUnavailable);
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = current_device;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    if (device < 0 || device >= devices())
        return fail(cudaErrorInvalidDevice);
    memset(p, 0, sizeof *p);
    const char *name = getenv("CUDA_ON_CPU_NAME");
    snprintf(p->name, sizeof p->name, "%s", name ? name : "CUDA on the CPU, for tests");
    p->totalGlobalMem = device_memory();
    p->sharedMemPerBlock = SHARED_DEFAULT;
    p->sharedMemPerBlockOptin = shared_opt_in();
    p->sharedMemPerMultiprocessor = shared_opt_in() + 1024;
    p->regsPerBlock = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->major = (int)number_of("CUDA_ON_CPU_CAPABILITY", 8);
    p->multiProcessorCount = 4; /* few, so that grid-stride loops take several iterations */
    p->l2CacheSize = 40 << 20;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    cudaDeviceProp p;
    const cudaError_t error = cudaGetDeviceProperties(&p, device);
    if (error != cudaSuccess)
        return error;
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
        *value = p.maxThreadsPerBlock;
        break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = (int)p.sharedMemPerBlock;
        break;
    case cudaDevAttrMultiProcessorCount:
        *value = p.multiProcessorCount;
        break;
    case cudaDevAttrComputeCapabilityMajor:
        *value = p.major;
        break;
    case cudaDevAttrComputeCapabilityMinor:
        *value = p.minor;
        break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = (int)p.sharedMemPerMultiprocessor;
        break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = (int)p.sharedMemPerBlockOptin;
        break;
    }
    return cudaSuccess;
}

/* CUDA_ON_CPU_BUS lets processes on one machine have one GPU each. Further devices follow. */
cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device)
{
    if (device < 0 || device >= devices())
        return fail(cudaErrorInvalidDevice);
    const char *bus = getenv("CUDA_ON_CPU_BUS");
    const unsigned long first = bus ? strtoul(bus, nullptr, 16) : 1;
    snprintf(id, (size_t)length, "0000:%02lx:00.0", first + (unsigned long)device);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *id)
{
    char own[32];
    for (*device = 0; *device < devices(); ++*device) {
        cudaDeviceGetPCIBusId(own, sizeof own, *device);
        if (strcmp(id, own) == 0)
            return cudaSuccess;
    }
    return fail(cudaErrorInvalidDevice);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = (int)number_of("CUDA_ON_CPU_DRIVER", CUDART_VERSION);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize()
{
    for (CUgraph_st *graph : R().captures) /* whatever its mode: the device contains its streams */
        graph->invalid = true;
    if (!R().captures.empty())
        return fail(cudaErrorStreamCaptureUnsupported);
    drain_all();
    return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    runtime &r = R();
    *out = nullptr;
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (bytes == 0)
        return cudaSuccess;
    if (r.allocated > device_memory() || bytes > device_memory() - r.allocated)
        return fail(cudaErrorMemoryAllocation);
    if (!r.arena) {
        void *all = mmap(nullptr, ARENA + CHUNK, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED)
            report("no addresses for device memory");
        r.arena = (char *)pages((uintptr_t)all, CHUNK);
        madvise(r.arena, ARENA, MADV_HUGEPAGE); /* makes changing the access rights cheap */
    }
    const size_t space = pages(bytes) + PAGE; /* with AddressSanitizer, the rest is out of bounds */
    if (space > ARENA - r.arena_used)
        report("more device memory was used than there are addresses for");
    char *memory = r.arena + r.arena_used;
    r.arena_used += space;
    r.allocated += bytes;
    r.device[(uintptr_t)memory] = allocation{bytes, current_device};
    open_device();
    memset(memory, 0xff, space);
    ASAN_POISON_MEMORY_REGION(memory + bytes, space - bytes);
    close_device();
    *out = memory;
    return cudaSuccess;
}

/* Reports if what follows an allocation is no longer what cudaMalloc() wrote there. AddressSanitizer
 * reports the access itself. */
static void check_tail(const char *memory, size_t bytes)
{
#ifndef WITH_ASAN
    open_device();
    for (const char *p = memory + bytes; p < memory + pages(bytes) + PAGE; ++p)
        if ((unsigned char)*p != 0xff)
            report("a kernel wrote past the end of an allocation of %zu bytes", bytes);
    close_device();
#else
    (void)memory;
    (void)bytes;
#endif
}

cudaError_t cudaFree(void *memory)
{
    runtime &r = R();
    if (!memory)
        return cudaSuccess;
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    const auto found = r.device.find((uintptr_t)memory);
    if (found == r.device.end())
        return fail(cudaErrorInvalidValue);
    drain_all();
    const size_t bytes = found->second.bytes;
    check_tail((const char *)memory, bytes);
    madvise(memory, pages(bytes), MADV_DONTNEED);
    ASAN_POISON_MEMORY_REGION(memory, bytes);
    r.allocated -= bytes;
    r.device.erase(found);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned)
{
    *out = nullptr;
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (bytes == 0)
        return cudaSuccess;
    if (posix_memalign(out, 256, bytes) != 0)
        return fail(cudaErrorMemoryAllocation);
    memset(*out, 0xff, bytes);
    R().pinned[(uintptr_t)*out] = allocation{bytes, 0};
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return cudaHostAlloc(out, bytes, 0);
}

cudaError_t cudaFreeHost(void *memory)
{
    if (!memory)
        return cudaSuccess;
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (R().pinned.erase((uintptr_t)memory) == 0)
        return fail(cudaErrorInvalidValue);
    drain_all();
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    *total = device_memory();
    *available = *total > R().allocated ? *total - R().allocated : 0;
    return cudaSuccess;
}

namespace
{

/* Returns whether the bytes are memory of the stream's device; access to other devices is not
 * supported. */
bool fits_device(const void *address, size_t bytes, cudaStream_t stream)
{
    const allocation *block = block_of(R().device, address, bytes);
    return block && block->device == device_of(stream);
}

/* Returns whether a copy of this kind may access these bytes on one side. */
bool side_fits(const void *address, size_t bytes, bool device, cudaStream_t stream)
{
    return device ? fits_device(address, bytes, stream) : !in_arena(address);
}

bool copy_fits(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
               cudaStream_t stream)
{
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice ||
                           (kind == cudaMemcpyDefault && in_arena(to));
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice ||
                             (kind == cudaMemcpyDefault && in_arena(from));
    return side_fits(to, bytes, to_device, stream) && side_fits(from, bytes, from_device, stream);
}

bool pageable(const void *address)
{
    return !in_arena(address) && !block_of(R().pinned, address, 1);
}

} // namespace

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    if (bytes == 0)
        return cudaSuccess;
    if (!copy_fits(to, from, bytes, kind, stream))
        return fail(cudaErrorInvalidValue);
    stream = stream_of(stream);
    if (stream->capture && (pageable(from) || pageable(to)))
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    cudaError_t error;
    if (pageable(from) && late()) {
        auto copy =
            std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
        error = enqueue(stream, [=] { memcpy(to, copy->data(), bytes); });
    } else {
        error = enqueue(stream, [=] { memmove(to, from, bytes); });
    }
    if (pageable(to))
        drain(stream);
    return error;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    if (forbidden())
        return fail(cudaErrorStreamCaptureImplicit);
    const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    drain(&R().default_stream);
    return error;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t stream)
{
    if (width > to_pitch || width > from_pitch)
        return fail(cudaErrorInvalidValue);
    for (size_t row = 0; row < height; ++row) {
        const cudaError_t error =
            cudaMemcpyAsync((char *)to + row * to_pitch, (const char *)from + row * from_pitch,
                            width, kind, stream);
        if (error != cudaSuccess)
            return error;
    }
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes == 0)
        return cudaSuccess;
    if (!fits_device(to, bytes, stream))
        return fail(cudaErrorInvalidValue);
    return enqueue(stream, [=] { memset(to, value, bytes); });
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    return cudaMemsetAsync(to, value, bytes, nullptr);
}

/* ---- streams and events ------------------------------------------------------------------------
 */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    *out = new CUstream_st();
    (*out)->device = current_device;
    (*out)->blocking = !(flags & cudaStreamNonBlocking);
    R().streams.push_back(*out);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *out)
{
    return cudaStreamCreateWithFlags(out, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned flags, int)
{
    return cudaStreamCreateWithFlags(out, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    std::vector<cudaStream_t> &all = R().streams;
    for (size_t i = 0; i < all.size(); ++i)
        if (all[i] == stream) {
            drain(stream);
            all.erase(all.begin() + (ptrdiff_t)i);
            delete stream;
            return cudaSuccess;
        }
    return fail(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    stream = stream_of(stream);
    if (stream->capture)
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    order_default(stream);
    drain(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    return cudaStreamSynchronize(stream); /* polling eventually completes the work */
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    if (!event)
        return fail(cudaErrorInvalidResourceHandle);
    stream = stream_of(stream);
    CUgraph_st *const from = capture_of(event);
    if (event->capture && !from)
        return fail(cudaErrorCapturedEvent);
    if (from && !stream->capture) { /* the stream is forked into the capture */
        if (stream == &R().default_stream)
            return invalidate(from, cudaErrorStreamCaptureImplicit);
        stream->capture = from;
        stream->last.clear();
    }
    if (stream->capture) {
        if (stream->capture->invalid)
            return fail(cudaErrorStreamCaptureInvalidated);
        if (flags & cudaEventWaitExternal)
            return capture_item(stream, work_item{nullptr, nullptr, event, 0});
        if (from == stream->capture) {
            follow(stream, event->captured);
        } else if (from || event->recorded > 0) {
            if (from)
                from->invalid = true;
            return invalidate(stream->capture,
                              from ? cudaErrorStreamCaptureMerge : cudaErrorStreamCaptureIsolation);
        }
        return cudaSuccess;
    }
    if (event->recorded > 0)
        put(stream, work_item{nullptr, nullptr, event, event->recorded});
    return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data)
{
    return enqueue(stream, [=] { function(data); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    *out = new CUevent_st();
    (*out)->device = current_device;
    (*out)->timed = !(flags & cudaEventDisableTiming);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    return cudaEventCreateWithFlags(out, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (!event)
        return fail(cudaErrorInvalidResourceHandle);
    drain_all();
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    if (!event)
        return fail(cudaErrorInvalidResourceHandle);
    if (event->device != device_of(stream))
        return fail(cudaErrorInvalidResourceHandle);
    stream = stream_of(stream);
    if (!stream->capture && (flags & cudaEventRecordExternal))
        return fail(cudaErrorInvalidValue);
    if (!stream->capture) {
        put_record(stream, event);
        return cudaSuccess;
    }
    if (flags & cudaEventRecordExternal)
        return capture_item(stream, work_item{nullptr, event, nullptr, 0});
    if (stream->capture->invalid)
        return fail(cudaErrorStreamCaptureInvalidated);
    event->capture = stream->capture->number;
    event->captured = stream->last;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (!event)
        return fail(cudaErrorInvalidResourceHandle);
    if (event->capture)
        return invalidate(capture_of(event), cudaErrorCapturedEvent);
    if (forbidden())
        return fail(cudaErrorStreamCaptureUnsupported);
    wait_for(event, event->recorded);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to)
{
    if (!from || !to || !from->timed || !to->timed || from->recorded == 0 || to->recorded == 0)
        return fail(cudaErrorInvalidResourceHandle);
    if (from->done < from->recorded || to->done < to->recorded)
        return cudaErrorNotReady;
    const double pretended = to->pretended - from->pretended;
    *milliseconds = (float)(1e3 * (pretended != 0.0 ? pretended : to->time - from->time));
    return cudaSuccess;
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    if (!stream)
        return fail(cudaErrorStreamCaptureUnsupported);
    if (stream->capture)
        return fail(cudaErrorInvalidValue);
    stream->capture = new CUgraph_st();
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    stream->last.clear();
    stream->capture->origin = stream;
    stream->capture->number = ++R().captures_begun;
    R().captures.push_back(stream->capture);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
    *out = nullptr;
    if (!stream || !stream->capture || stream->capture->origin != stream)
        return fail(cudaErrorStreamCaptureUnmatched);
    CUgraph_st *graph = stream->capture;
    if (graph->mode != cudaStreamCaptureModeRelaxed && graph->thread != std::this_thread::get_id())
        return invalidate(graph, cudaErrorStreamCaptureWrongThread);
    for (cudaStream_t s : R().streams)
        if (s->capture == graph)
            s->capture = nullptr;
    std::vector<CUgraph_st *> &all = R().captures;
    all.erase(std::find(all.begin(), all.end(), graph));
    if (graph->invalid || !joined(graph)) {
        const cudaError_t error =
            graph->invalid ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined;
        delete graph;
        return fail(error);
    }
    *out = graph;
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *out)
{
    const CUgraph_st *graph = stream_of(stream)->capture;
    *out = !graph           ? cudaStreamCaptureStatusNone
           : graph->invalid ? cudaStreamCaptureStatusInvalidated
                            : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode)
{
    std::swap(*mode, capture_mode);
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    *out = nullptr;
    if (!graph)
        return fail(cudaErrorInvalidValue);
    *out = new CUgraphExec_st{graph->nodes};
    return cudaSuccess;
}

namespace
{

/* Returns the nodes in an order that satisfies their dependencies. */
node_list order_of(const std::vector<graph_node> &nodes)
{
    std::vector<node_list> next(nodes.size());
    node_list missing(nodes.size()), ready, order; /* `ready` is sorted */
    for (size_t n = 0; n < nodes.size(); ++n) {
        missing[n] = nodes[n].after.size();
        for (size_t before : nodes[n].after)
            next[before].push_back(n);
        if (missing[n] == 0)
            ready.push_back(n);
    }
    begin_choices();
    while (!ready.empty()) {
        const auto chosen = ready.begin() + (ptrdiff_t)choose(ready.size());
        const size_t n = *chosen;
        ready.erase(chosen);
        order.push_back(n);
        for (size_t after : next[n])
            if (--missing[after] == 0)
                ready.insert(std::upper_bound(ready.begin(), ready.end(), after), after);
    }
    return order;
}

} // namespace

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    if (!graph)
        return fail(cudaErrorInvalidValue);
    stream = stream_of(stream);
    if (stream->capture) /* CUDA captures a node that is a graph; the emulator does not */
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    for (size_t n : order_of(graph->nodes)) {
        const work_item &item = graph->nodes[n].item;
        if (item.record)
            put_record(stream, item.record);
        else if (item.wait)
            put(stream, work_item{nullptr, nullptr, item.wait, item.wait->recorded});
        else
            enqueue(stream, item.work);
    }
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t)
{
    return fail(graph ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    delete graph; /* launched graphs continue to run */
    return cudaSuccess;
}
