/* A stand-in for CUDA on machines without a GPU, for tests only.
 *
 * rewrite.awk turns launches and shared memory of a .cu file into calls of this header; the headers
 * beside it stand in for those of the CUDA toolkit. So the very same kernels are compiled for the
 * host and run under CUDA's execution model: a grid of blocks, whose threads are fibers that run to
 * each barrier or warp collective. Blocks run one after the other.
 *
 * What it finds, with a message on stderr that names kernel, block and source line, and abort():
 *   - a barrier that not all threads of the block reach (those that have left count as missing), or
 *     that threads reach at different lines;
 *   - a warp collective whose mask names lanes that do not exist, have left, wait elsewhere or ask
 *     for another operation; a shuffle that reads a lane outside the mask;
 *   - a matrix load or store (wmma) of a misaligned address or leading dimension;
 *   - device memory that is written out of bounds or after it was freed (AddressSanitizer; without
 *     it only what leaves the pages), accesses to 16 bytes that are misaligned (UBSan);
 *   - host code that touches device memory: its pages are closed unless a kernel runs;
 *   - what was never written: device memory, and shared memory at the start of each block, are
 *     filled with 0xFF bytes, which are NaN in float, double, bf16 and fp16 and -1 in integers;
 *   - races between threads or blocks, by running in two orders whose results must be equal.
 *
 * Environment, read at every launch:
 *   CUDA_ON_CPU_ORDER    ascending (default), descending, or random[:SEED]: which block comes next,
 *                        and which of the threads that can run
 *   CUDA_ON_CPU_STREAMS  now (default): work is done when it is asked for. late: a stream's work is
 *                        done when somebody waits for it, and only as much as is waited for; so a
 *                        missing synchronisation, a missing event or a host buffer that is written
 *                        too early shows
 *   CUDA_ON_CPU_MEMORY   bytes that the device has (default 8 GiB)
 *   CUDA_ON_CPU_BUS      PCI bus of the first device (default 01, hexadecimal), the others follow:
 *                        processes with different ones have a GPU each
 *   CUDA_ON_CPU_DEVICES  number of devices (default 1). They share the memory above; kernels,
 * events and copies of one that are asked for from a thread that works with another one fail, as do
 * copies to and from its memory CUDA_ON_CPU_DRIVER, CUDA_ON_CPU_CAPABILITY version of the driver
 * (12040; 0: there is none), major compute capability: for a machine that lacks something
 *
 * Not modelled: warps that run in step, the memory model (every store is seen at once), timing,
 * occupancy. A kernel that waits for another block in a loop never ends.
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

/* Checks the shape and asks for a grid of threads that call `body`. */
void launch_grid(const char *kernel, const shape &how, std::function<void()> body);

template <typename Call, typename... Arguments>
void launch(const char *kernel, Call call, const shape &how, const Arguments &...arguments)
{
    std::tuple<std::decay_t<const Arguments &>...> values(arguments...);
    launch_grid(kernel, how, [call, values] { std::apply(call, values); });
}

/* ---- shared memory --------------------------------------------------------------------------- */

constexpr size_t alignment(size_t bytes)
{
    return bytes;
}

extern uint64_t block_serial; /* number of the running block, counted over all launches */

/* `bytes` of the block's shared memory, filled with 0xFF. */
void *allocate_shared(size_t bytes, size_t align);

/* A variable of the block: the first thread that comes by makes it. */
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

/* Waits for the lanes of `mask`. `source` is the lane that a shuffle reads. */
uint64_t warp_collective(warp_operation operation, uint32_t mask, uint64_t value, int source,
                         site where);

/* Lane number of the running thread, and how many threads its block has. */
int lane();

/* The whole warp's addresses of one value each: `product` is called once with all of them. */
void warp_together(const void *value, void (*product)(const void *const *lanes), site where);

[[noreturn]] void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

} // namespace cuda_on_cpu

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

#endif
