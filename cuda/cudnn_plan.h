/* Attention by cuDNN's graph API: the library, found at run time, and plans for it.
 *
 * Nothing of cuDNN is needed to load this module: the library is opened where attention method
 * "cudnn" is asked for, and only then. Its types come from its header when this module is built; a
 * build without the header (cudnn_absent.cu) refuses the method.
 *
 * A plan computes one direction for one shape, on padded matrices: sequences B, positions S, heads
 * A, elements d, in the order (B, S, A, d), so that a row of H = A · d elements is a token. Lengths
 * stand in device memory; what lies past a sequence's length must be finite in the inputs and is
 * not to be read in the outputs. (Packed matrices by "ragged offsets" are left aside: cuDNN's
 * frontend refuses them for backward passes that give the same bits each time on compute capability
 * 8, and before 9.18.1 for all passes there.)
 *
 * Forward, with m the mask that the library's own Philox node draws, P the scores:
 *   P = q kᵀ / √d,  −∞ past the lengths
 *   statistics = max P + log Σ exp(P − max P),  y = (exp(P − max P) / Σ) ∘ m / (1 − p) · v
 * Backward (Dao et al., FlashAttention, 2022, algorithm 4):
 *   product = (1 − p) · Σ dy ∘ y,  E = exp(P − statistics),  dv = (E ∘ m / (1 − p))ᵀ dy
 *   G = (dy vᵀ ∘ m − product) ∘ E / (1 − p) / √d,  dk = Gᵀ q,  dq = G k
 * This is the graph that cuDNN's frontend (github.com/NVIDIA/cudnn-frontend, 1.x: nodes of scaled
 * dot product attention) hands to the library, node by node: its engines look for this pattern. G
 * goes through the workspace, (B, A, S, S) elements, and not through a sum of floats in dq, which
 * is what makes the sums independent of chance (there: use_deterministic_algorithm).
 *
 * The functions return DT_ERR_DEVICE with one line where the library refuses, except as said.
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

/* Opens the library for the current device; plans will run on `stream`. With `device_json` nothing
 * is asked of a device: plans are for the one so described (cuDNN's "device properties") and can be
 * made and measured, not run. */
dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const char *device_json);
void dt_cudnn_close(dt_cudnn *cudnn); /* after its plans; NULL is fine */

/* Slow (the library may compile): never within a recorded step. */
dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out);
void dt_cudnn_plan_free(dt_cudnn *cudnn, dt_cudnn_plan *plan);

/* Bytes of workspace that the plan needs. */
int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan);

/* Tells the plan where its tensors (those that it does not have are ignored) and its workspace,
 * 256-byte aligned, stand. */
dt_status dt_cudnn_plan_bind(dt_cudnn *cudnn, dt_cudnn_plan *plan,
                             void *const address[DT_CUDNN_TENSORS], void *workspace);

/* Starts the plan's work on the stream. */
dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, dt_cudnn_plan *plan);

#endif
