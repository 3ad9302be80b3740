/* The shape and the tensors of a cuDNN plan (cudnn_plan.h). */
#ifndef DT_CUDA_CUDNN_SHAPE_H
#define DT_CUDA_CUDNN_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dt_cudnn dt_cudnn;

typedef struct {
    int32_t sequences; /* B */
    int32_t positions; /* S: a multiple of DT_CUDNN_POSITIONS */
    int32_t heads;     /* A */
    int32_t head_size; /* d: a multiple of 8 */
    bool half;         /* fp16; else bf16 */
    bool backward;
    double dropout; /* p; 0: no mask is drawn */
} dt_cudnn_shape;

#define DT_CUDNN_POSITIONS 64 /* positions are rounded up to this: fewer shapes, whole tiles */

/* The tensors of a plan in device memory, 16-byte aligned. */
typedef enum {
    DT_CUDNN_Q, /* (B, S, A, d) in fp16 or bf16, as are all matrices */
    DT_CUDNN_K,
    DT_CUDNN_V,
    DT_CUDNN_Y,          /* written forward, read backward */
    DT_CUDNN_STATISTICS, /* (B, A, S) float: written forward, read backward */
    DT_CUDNN_QUERIES,    /* (B) int32: lengths, as queries … */
    DT_CUDNN_KEYS,       /* (B) int32: … and as keys; may be the same memory */
    DT_CUDNN_SEED,       /* (1) int64, with dropout: the mask depends on seed and offset, … */
    DT_CUDNN_OFFSET,     /* (1) int64 … and, for a given shape, on nothing else */
    DT_CUDNN_DY,         /* this and the following: backward only */
    DT_CUDNN_DQ,
    DT_CUDNN_DK,
    DT_CUDNN_DV,
    DT_CUDNN_PRODUCT, /* (B, A, S) float: scratch */
    DT_CUDNN_TENSORS
} dt_cudnn_tensor;

#endif
