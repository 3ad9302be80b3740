/* A CUDA emulator for machines without a GPU, for tests only.
 *
 * rewrite.awk turns launches and shared memory in a .cu file into calls of this header; the other
 * headers here replace those of the CUDA toolkit. The same kernels are thus compiled for the host
 * and run under CUDA's execution model: a grid of blocks, whose threads are fibers that run up to
 * each barrier or warp collective. Blocks run one after another.
 *
 * Errors that it detects, with a message on stderr that names kernel, block and source line, and
 * abort():
 *   - a barrier that not all threads of the block reach (threads that have exited count as
 *     missing), or that threads reach at different lines;
 *   - a warp collective whose mask names lanes that do not exist, have exited, wait elsewhere or
 *     request another operation; a shuffle that reads a lane outside the mask;
 *   - a block with more shared memory, static and dynamic together, than its kernel may use: 48 KiB,
 *     or what cudaFuncSetAttribute has allowed for this kernel and the device has (a launch with
 *     too much dynamic memory returns an error);
 *   - a matrix load or an asynchronous copy with a misaligned address, and a copy that is used before
 *     it was waited for;
 *   - device memory that is written out of bounds or after it was freed (with AddressSanitizer;
 *     without it only accesses outside the allocated pages), misaligned 16-byte accesses (UBSan);
 *   - host code that accesses device memory: its pages are inaccessible unless a kernel runs;
 *   - use of uninitialised memory: device memory, and shared memory at the start of each block, are
 *     filled with 0xFF bytes, which are NaN in float, double, bf16 and fp16 and -1 in integers;
 *   - races between threads or blocks, by running in two orders whose results must be equal;
 *   - in a checked module, a race in shared memory whether or not it changes a result (checked.cpp).
 *
 * Environment, read at every launch:
 *   CUDA_ON_CPU_ORDER       ascending (default), descending, or random[:SEED]: the order of blocks,
 *                           and of runnable threads; and of independent nodes of a graph
 *   CUDA_ON_CPU_STREAMS     now (default): work is executed when it is enqueued. late: the work of
 *                           a stream is executed when something waits for it, and only as much as
 *                           is waited for; this reveals a missing synchronisation or event, and a
 *                           host buffer that is reused too early
 *   CUDA_ON_CPU_MEMORY      bytes of device memory (default 8 GiB)
 *   CUDA_ON_CPU_BUS         PCI bus of the first device (default 01, hexadecimal); the others
 *                           follow. Processes with different values have different GPUs
 *   CUDA_ON_CPU_DEVICES     number of devices (default 1), which share the memory above. Kernels,
 *                           events and copies of a device fail if the calling thread has selected
 *                           another one, as do copies to and from the memory of another device
 *   CUDA_ON_CPU_DRIVER      version of the driver (default 12040; 0: no driver)
 *   CUDA_ON_CPU_CAPABILITY  major compute capability
 *   CUDA_ON_CPU_TAKEN       1: another process uses the devices, which are in an exclusive mode
 *   CUDA_ON_CPU_SHARED_KB   KiB of shared memory that a block can be allowed to use: 99 (as in
 *                           compute capability 8.6, 8.9 and 12.0), 163 (8.0) or 227 (9.0 and 10.0;
 *                           default)
 *   CUDA_ON_CPU_COUNTS      in a checked module, the file (1: stderr) that the bank conflicts and
 *                           sectors of each kernel are written to when the module is unloaded
 *   CUDA_ON_CPU_SKIP        a planted fault: kernels whose names begin with this are not run
 *   CUDA_ON_CPU_HANG        another one: they never end
 *
 * Not emulated: lockstep execution of warps, the memory model (every store is visible at once),
 * timing, occupancy. A kernel that waits in a loop for another block never ends.
 */
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <tuple>

#include "vector_types.h"

typedef struct CUstream_st *cudaStream_t;

namespace cuda_on_cpu
{

/* ---- launches ------------------------------------------------------------------------------- */

struct shape {
    dim3 grid, block;
    size_t shared_bytes;
    cudaStream_t stream;
    shape(dim3 grid_, dim3 block_, size_t shared_bytes_ = 0, cudaStream_t stream_ = nullptr)
        : grid(grid_), block(block_), shared_bytes(shared_bytes_), stream(stream_)
    {
    }
};

/* Identifies a kernel: launches and attributes refer to it by its address. */
template <typename... Parameters> const void *entry(void (*kernel)(Parameters...))
{
    return reinterpret_cast<const void *>(kernel);
}

/* Checks the shape and enqueues a grid of threads that call `body`. */
void launch_grid(const char *kernel, const void *entry, const shape &how,
                 std::function<void()> body);

template <typename Call, typename... Arguments>
void launch(const char *kernel, const void *entry, Call call, const shape &how,
            const Arguments &...arguments)
{
    std::tuple<std::decay_t<const Arguments &>...> values(arguments...);
    launch_grid(kernel, entry, how, [call, values] { std::apply(call, values); });
}

/* ---- shared memory --------------------------------------------------------------------------- */

constexpr size_t alignment(size_t bytes)
{
    return bytes;
}

extern uint64_t block_serial; /* number of the running block, counted over all launches */

/* Returns `bytes` of the block's shared memory, filled with 0xFF. */
void *allocate_shared(size_t bytes, size_t align);

/* A shared variable: the first thread of a block that reaches it creates it. */
template <typename T> struct shared_variable {
    uint64_t serial;
    void *address;
    T &get(size_t align)
    {
        if (serial != block_serial) {
            address = allocate_shared(sizeof(T), align > alignof(T) ? align : alignof(T));
            serial = block_serial;
        }
        return *reinterpret_cast<T *>(address);
    }
};

void *dynamic_shared_memory(size_t align);

template <typename T> T *dynamic_shared(size_t align)
{
    return reinterpret_cast<T *>(dynamic_shared_memory(align > alignof(T) ? align : alignof(T)));
}

/* ---- barriers and warp collectives ------------------------------------------------------------
 */

struct site {
    const char *file;
    int line;
};

typedef enum {
    SYNC_WARP,
    SHUFFLE,
    BALLOT,
    MATCH_ANY,
    REDUCE_ADD,
    REDUCE_MIN_SIGNED,
    REDUCE_MAX_SIGNED,
    REDUCE_MIN,
    REDUCE_MAX,
    REDUCE_AND,
    REDUCE_OR,
    REDUCE_XOR,
    MATRIX_PRODUCT
} warp_operation;

/* Waits for all threads of the block. */
enum { BARRIER_COUNT, BARRIER_AND, BARRIER_OR };
int block_barrier(int predicate, int kind, site where);

/* Waits for the lanes of `mask`. `source`: the lane that a shuffle reads. */
uint64_t warp_collective(warp_operation operation, uint32_t mask, uint64_t value, int source,
                         site where);

/* Return the lane of the running thread, and the number of threads in its block. */
int lane();

/* Called by all lanes of a warp with the address of one value each; `product` is called once with
 * all addresses. */
void warp_together(const void *value, void (*product)(const void *const *lanes), site where);

/* ---- accesses, for checked modules ------------------------------------------------------------
 *
 * The loads and stores that the compiler sees in a kernel are observed without these calls. What
 * other code does for a thread is reported to the observer: shared_write() when an asynchronous copy
 * starts and shared_arrival() when it arrives, because its bytes may be written at any time
 * between. Addresses outside shared memory are accesses of global memory. */
void shared_read(const void *address, size_t bytes, site where);
void shared_write(const void *address, size_t bytes, site where);
void shared_atomic(const void *address, size_t bytes, site where);
void shared_arrival(const void *address, size_t bytes, site where);

[[noreturn]] void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

} // namespace cuda_on_cpu

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

#endif
