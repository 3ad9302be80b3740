/* What the files of the stand-in share. */
#ifndef CUDA_ON_CPU_ENGINE_H
#define CUDA_ON_CPU_ENGINE_H

#include <functional>

#include "cuda_on_cpu.h"

namespace cuda_on_cpu
{

/* Runs a whole grid; device memory must be open. */
void run_grid(const char *kernel, const shape &how, const std::function<void()> &body);

bool in_kernel();

/* Opens device memory to this code; close_device() ends it. They nest. */
void open_device();
void close_device();

/* `work` takes its place in a stream: it is done now, later, or whenever a graph is launched.
 * Device memory is open to it. */
void enqueue(cudaStream_t stream, std::function<void()> work);

} // namespace cuda_on_cpu

#endif
