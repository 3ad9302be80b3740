/* Shared by the files of the emulator. */
#ifndef CUDA_ON_CPU_ENGINE_H
#define CUDA_ON_CPU_ENGINE_H

#include <functional>

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

/* For enqueued work: lets events recorded later see this much more time, without waiting. */
void pretend_to_take(double seconds);

} // namespace cuda_on_cpu

#endif
