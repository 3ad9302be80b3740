/* Shared by the files of the emulator. */
#ifndef CUDA_ON_CPU_ENGINE_H
#define CUDA_ON_CPU_ENGINE_H

#include <functional>
#include <string>

#include "cuda_runtime.h"

namespace cuda_on_cpu
{

/* Runs a whole grid; device memory must be accessible. A block can use `shared_limit` bytes of
 * shared memory, static and dynamic. */
void run_grid(const char *kernel, const shape &how, size_t shared_limit,
              const std::function<void()> &body);

bool in_kernel();

/* Makes device memory accessible to the calling code, until close_device(); calls nest. */
void open_device();
void close_device();

/* Enqueues `work` in a stream: it is executed now, later, or whenever a captured graph is launched.
 * It may access device memory. Fails in an invalid capture. */
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/* A series of choices among what may come next, by CUDA_ON_CPU_ORDER. choose() returns an index
 * below `count`. */
void begin_choices();
size_t choose(size_t count);

/* For enqueued work: lets events recorded later see this much more time, without waiting. Between two
 * events such time counts alone, so that a busy machine changes no comparison. */
void pretend_to_take(double seconds);

/* Callbacks for events of the running grid. checked.cpp, where it is linked, sets `observing`. */
enum class access_kind { read, write, atomic, arrival };
struct observer {
    void (*grid_starts)(const char *kernel);
    void (*block_starts)();
    void (*barrier_passed)();
    /* Lanes of a warp have met; `whole`: all that exist. */
    void (*warp_met)(int warp, uint32_t lanes, bool whole, bool orders_memory);
    void (*grid_ends)();
    void (*accessed)(const void *address, size_t bytes, access_kind kind, site where);
};
extern const observer *observing;
extern bool observable; /* a thread of a kernel is running, outside a function of its whole warp */

int current_thread();
std::string name_of(int thread);
bool in_shared(const void *address, size_t *offset); /* from its start, for banks */
bool in_device_memory(const void *address);

} // namespace cuda_on_cpu

/* Writes what a checked module or program has counted to the file CUDA_ON_CPU_COUNTS, and forgets
 * it. */
extern "C" __attribute__((visibility("default"))) void cuda_on_cpu_write_counts();

#endif
