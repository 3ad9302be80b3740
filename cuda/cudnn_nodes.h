/* Shared by cudnn_plan.cu and cudnn_nodes.cu: cuDNN's functions, and a graph of operations. */
#ifndef DT_CUDA_CUDNN_NODES_H
#define DT_CUDA_CUDNN_NODES_H

#include <cudnn_graph.h>

#include "cuda/cudnn_shape.h"

extern "C" {
#include "core/status.h"
}

/* The cuDNN functions in use, without the prefix "cudnn". */
#define DT_CUDNN_FUNCTIONS(EACH)                                                                   \
    EACH(GetVersion)                                                                               \
    EACH(GetErrorString)                                                                           \
    EACH(GetLastErrorString)                                                                       \
    EACH(Create)                                                                                   \
    EACH(Destroy)                                                                                  \
    EACH(SetStream)                                                                                \
    EACH(BackendCreateDescriptor)                                                                  \
    EACH(BackendDestroyDescriptor)                                                                 \
    EACH(BackendSetAttribute)                                                                      \
    EACH(BackendGetAttribute)                                                                      \
    EACH(BackendFinalize)                                                                          \
    EACH(BackendExecute)

typedef struct {
#define DT_CUDNN_MEMBER(name) decltype(&cudnn##name) name;
    DT_CUDNN_FUNCTIONS(DT_CUDNN_MEMBER)
#undef DT_CUDNN_MEMBER
} dt_cudnn_functions;

struct dt_cudnn {
    void *library;
    dt_cudnn_functions call;
    cudnnHandle_t handle;            /* NULL if only the description of a device is given */
    cudnnBackendDescriptor_t device; /* that description, else NULL */
};

/* Constants of a graph, passed by value when it runs. */
typedef enum {
    DT_CUDNN_SCALE = DT_CUDNN_TENSORS, /* 1 / √d */
    DT_CUDNN_MASKED,                   /* −∞ */
    DT_CUDNN_KEPT_FACTOR,              /* 1 / (1 − p); with dropout */
    DT_CUDNN_KEPT_SHARE,               /* 1 − p; 1 without dropout; backward only */
    DT_CUDNN_NAMED                     /* number of tensors that have an address */
} dt_cudnn_constant;

#define DT_CUDNN_DESCRIPTORS 128
#define DT_CUDNN_OPERATIONS 40

/* A graph under construction. The first error is kept in `status`; later calls do nothing. */
typedef struct {
    const dt_cudnn *cudnn;
    const dt_cudnn_shape *shape;
    cudnnBackendDescriptor_t made[DT_CUDNN_DESCRIPTORS]; /* all descriptors that the plan must
                                                            free */
    int made_count;
    cudnnBackendDescriptor_t operation[DT_CUDNN_OPERATIONS];
    int operations;
    cudnnBackendDescriptor_t named[DT_CUDNN_NAMED]; /* tensors with an address; NULL: unused */
    int64_t next_id;                                /* for tensors without an address */
    dt_status status;
} dt_cudnn_graph;

/* Creates a descriptor, owned by the graph; NULL after an error. */
cudnnBackendDescriptor_t dt_cudnn_make(dt_cudnn_graph *graph, cudnnBackendDescriptorType_t type);
void dt_cudnn_set(dt_cudnn_graph *graph, cudnnBackendDescriptor_t descriptor,
                  cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void *values);
void dt_cudnn_finish(dt_cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, const char *what);

/* Returns the error that the library rejected `what`, with its own message. */
dt_status dt_cudnn_refused(const dt_cudnn *cudnn, cudnnStatus_t code, const char *what);

/* Add the operations described in cudnn_plan.h for the graph's shape. */
void dt_cudnn_forward(dt_cudnn_graph *graph);
void dt_cudnn_backward(dt_cudnn_graph *graph);

#endif
