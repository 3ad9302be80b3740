/* Attention by cuDNN's graph API, through its frontend (github.com/NVIDIA/cudnn-frontend, headers
 * only): the library, found at run time, and plans for it.
 *
 * A module of its own, "cudnn", which the CUDA module loads only if attention method "cudnn" is
 * selected: the frontend is C++ and needs its runtime, and headers of both at build time. In a build
 * without them the module is missing.
 *
 * A plan computes one direction for one shape. Sequences B, positions S, heads A, elements d,
 * H = A · d. Matrices are
 *   packed: a row for each token, sequences one after the other without gaps, query_stride or
 *     key_stride elements from row to row in q, k, v and their gradients, H in y and dy ("ragged
 *     offsets"); nothing is read or written between sequences; or
 *   padded: (B, S, H); elements past a sequence's length must be finite in the inputs and are
 *     undefined in the outputs. On GPUs of compute capability 8 and 12 deterministic gradients
 *     need it.
 * Lengths are in device memory.
 *
 * Forward, where m is the mask drawn by the library's own Philox generator and P are the scores:
 *   P = q kᵀ / √d,  −∞ past the lengths
 *   statistics = max P + log Σ exp(P − max P),  y = (exp(P − max P) / Σ) ∘ m / (1 − p) · v
 * Backward: the gradients of that (Dao et al., FlashAttention, 2022, algorithm 4) with the same m,
 * in a deterministic order of sums.
 *
 * Unless stated otherwise, functions return DT_ERR_DEVICE with a one-line message if the library
 * rejects a call.
 */
#ifndef DT_CUDA_CUDNN_PLAN_H
#define DT_CUDA_CUDNN_PLAN_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#include "cuda/cudnn_shape.h"

extern "C" {
#include "core/status.h"
}

typedef struct dt_cudnn_plan dt_cudnn_plan;

typedef struct {
    int32_t compute_capability; /* 80, 90, … */
    int32_t multiprocessors;
    const char *json; /* NULL: the current device. Else cuDNN's "device properties" of a GPU that
                         need not be present: plans can be created and inspected, but not run */
} dt_cudnn_device;

/* Opens the library; plans run on `stream`. */
dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const dt_cudnn_device *device);
void dt_cudnn_close(dt_cudnn *cudnn); /* free its plans first; NULL is fine */

/* Creates a plan. Slow (the library may compile kernels): never call it during the recording of a
 * step. */
dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out);
void dt_cudnn_plan_free(dt_cudnn_plan *plan);

/* Returns the bytes of workspace that the plan needs. */
int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan);

/* Launches the plan on the stream, with the addresses of the tensors (those not in the plan are
 * ignored) and the workspace, 256-byte aligned. */
dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, const dt_cudnn_plan *plan,
                            void *const address[DT_CUDNN_TENSORS], void *workspace);

/* The functions above, as a module has them under the name "dt_cudnn_module". */
typedef struct {
    dt_status (*open)(dt_cudnn **out, cudaStream_t stream, const dt_cudnn_device *device);
    void (*close)(dt_cudnn *cudnn);
    dt_status (*plan_make)(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out);
    void (*plan_free)(dt_cudnn_plan *plan);
    int64_t (*plan_workspace)(const dt_cudnn_plan *plan);
    dt_status (*plan_run)(dt_cudnn *cudnn, const dt_cudnn_plan *plan,
                          void *const address[DT_CUDNN_TENSORS], void *workspace);
} dt_cudnn_functions;

extern "C" const dt_cudnn_functions dt_cudnn_module;

#endif
