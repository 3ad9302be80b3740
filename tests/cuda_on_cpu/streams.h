/* Streams of the stand-in for tests in C, which see the backend's module only: the module exports
 * this table as "cuda_on_cpu_streams" (dt_module_symbol("cuda_on_cpu", ...)). A communicator that
 * sums gradients on a stream of its own is played with it. */
#ifndef CUDA_ON_CPU_STREAMS_H
#define CUDA_ON_CPU_STREAMS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* int: 0 or a cudaError_t. */
typedef struct {
    void *(*create)(void);
    void (*destroy)(void *stream);
    /* Later work of the stream waits for a cudaEvent_t. */
    int (*wait)(void *stream, void *event);
    /* After the stream's work so far; returns when the bytes are there. */
    int (*copy_to_host)(void *stream, void *host, const void *device, size_t bytes);
} cuda_on_cpu_streams_table;

extern const cuda_on_cpu_streams_table cuda_on_cpu_streams __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif

#endif
