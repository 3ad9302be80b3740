/* Attention by cuDNN's graph API: the library, found at run time, and plans for it.
 *
 * This module loads without cuDNN: the library is opened only if attention method "cudnn" is
 * selected. Its types come from its header at build time; in a build without the header
 * (cudnn_absent.cu) the method returns an error.
 *
 * A plan computes one direction for one shape, on padded matrices: sequences B, positions S, heads
 * A, elements d, in the order (B, S, A, d), so that a row of H = A · d elements is a token. Lengths
 * are in device memory; elements past a sequence's length must be finite in the inputs and are
 * undefined in the outputs. (Packed matrices with "ragged offsets" are not used: on compute
 * capability 8, cuDNN's frontend rejects them for deterministic backward passes, and before 9.18.1
 * for all passes.)
 *
 * Forward, where m is the mask drawn by the library's own Philox node and P are the scores:
 *   P = q kᵀ / √d,  −∞ past the lengths
 *   statistics = max P + log Σ exp(P − max P),  y = (exp(P − max P) / Σ) ∘ m / (1 − p) · v
 * Backward (Dao et al., FlashAttention, 2022, algorithm 4):
 *   product = (1 − p) · Σ dy ∘ y,  E = exp(P − statistics),  dv = (E ∘ m / (1 − p))ᵀ dy
 *   G = (dy vᵀ ∘ m − product) ∘ E / (1 − p) / √d,  dk = Gᵀ q,  dq = G k
 * This is the graph that cuDNN's frontend (github.com/NVIDIA/cudnn-frontend, 1.x: nodes of scaled
 * dot product attention) passes to the library, node by node, because its engines match this
 * pattern. G goes through the workspace, (B, A, S, S) elements, instead of being accumulated in
 * float in dq; this makes the sums deterministic (in the frontend: use_deterministic_algorithm).
 *
 * Unless stated otherwise, functions return DT_ERR_DEVICE with a one-line message if the library
 * rejects a call.
 */
#ifndef DT_CUDA_CUDNN_PLAN_H
#define DT_CUDA_CUDNN_PLAN_H

#include <stdint.h>

#include <cuda_runtime.h>

#include "cuda/cudnn_shape.h"

extern "C" {
#include "core/status.h"
}

typedef struct dt_cudnn_plan dt_cudnn_plan;

/* Opens the library for the current device; plans run on `stream`. With `device_json` (cuDNN's
 * "device properties") no device is used: plans for the described device can be created and
 * inspected, but not run. */
dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const char *device_json);
void dt_cudnn_close(dt_cudnn *cudnn); /* free its plans first; NULL is fine */

/* Creates a plan. Slow (the library may compile kernels): never call it during the recording of a
 * step. */
dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out);
void dt_cudnn_plan_free(dt_cudnn *cudnn, dt_cudnn_plan *plan);

/* Returns the bytes of workspace that the plan needs. */
int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan);

/* Sets the addresses of the tensors (those not in the plan are ignored) and the workspace, 256-byte
 * aligned. */
dt_status dt_cudnn_plan_bind(dt_cudnn *cudnn, dt_cudnn_plan *plan,
                             void *const address[DT_CUDNN_TENSORS], void *workspace);

/* Launches the plan on the stream. */
dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, dt_cudnn_plan *plan);

#endif
