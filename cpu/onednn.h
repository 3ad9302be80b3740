/* A wrapper of the oneDNN functions for products in bf16 (bf16_product.c), for versions 2 and 3,
 * whose C interfaces differ. Everything runs on the calling thread.
 */
#ifndef DT_CPU_ONEDNN_H
#define DT_CPU_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attributes; /* scratch comes from the caller */
} dt_onednn;

/* Returns DT_ERR_DEVICE if oneDNN would emulate bf16 instead of using the processor's
 * instructions. */
dt_status dt_onednn_open(dt_onednn *library);
void dt_onednn_close(dt_onednn *library);

/* A memory descriptor; in version 3 the type is a pointer. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t dt_onednn_layout;
#else
typedef dnnl_memory_desc_t *dt_onednn_layout;
#endif

/* A weight (out, in) in the layout of the kernels. */
typedef struct {
    int64_t in, out;
    dt_onednn_layout layout;
    void *packed;
    dnnl_memory_t memory; /* refers to `packed` */
} dt_onednn_weight;

/* Allocates a weight in the best layout for blocks of `rows` rows. Must be freed even after an
 * error. */
dt_status dt_onednn_weight_create(const dt_onednn *library, int64_t rows, int64_t in, int64_t out,
                                  dt_onednn_weight *weight);
dt_status dt_onednn_weight_pack(const dt_onednn *library, const dt_onednn_weight *weight,
                                const float *source);
void dt_onednn_weight_free(dt_onednn_weight *weight);

/* y = x · weightᵀ + bias for `rows` rows. Several threads may run the same kernel concurrently. */
typedef struct {
    dnnl_primitive_t primitive; /* NULL: none */
    dt_onednn_layout x, y, bias;
    dt_onednn_layout scratch;
    int64_t scratch_bytes;
} dt_onednn_kernel;

dt_status dt_onednn_kernel_create(const dt_onednn *library, const dt_onednn_weight *weight,
                                  int64_t rows, dt_onednn_kernel *kernel);
void dt_onednn_kernel_free(dt_onednn_kernel *kernel);

/* Runs a kernel: x (rows, in) in bf16, bias (out) and y (rows, out) in float, `scratch` of
 * scratch_bytes, 64-byte aligned. Returns oneDNN's status; 0 is success. */
int dt_onednn_run(const dt_onednn *library, const dt_onednn_weight *weight,
                  const dt_onednn_kernel *kernel, const uint16_t *x, const float *bias, float *y,
                  void *scratch);

#endif
