/* The shape and the tensors of a cuDNN plan (cudnn_plan.h). */
#ifndef DT_CUDA_CUDNN_SHAPE_H
#define DT_CUDA_CUDNN_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dt_cudnn dt_cudnn;

typedef struct {
    int32_t sequences; /* B */
    int32_t positions; /* S: a multiple of DT_CUDNN_POSITIONS, at least the longest sequence */
    int32_t heads;     /* A */
    int32_t head_size; /* d: a multiple of 8 */
    bool half;         /* fp16; else bf16 */
    bool backward;
    bool packed;                      /* matrices are packed, see cudnn_plan.h; else padded */
    int64_t query_stride, key_stride; /* packed: elements between two rows of q and dq, and of
                                           k, v, dk and dv */
    double dropout;                   /* p; 0: no mask is drawn */
} dt_cudnn_shape;

#define DT_CUDNN_POSITIONS 64 /* positions are rounded up to this: fewer shapes, whole tiles */

/* The tensors of a plan in device memory, 16-byte aligned. */
typedef enum {
    DT_CUDNN_Q, /* matrices of H columns in fp16 or bf16 */
    DT_CUDNN_K,
    DT_CUDNN_V,
    DT_CUDNN_Y,          /* written forward, read backward */
    DT_CUDNN_STATISTICS, /* float: (rows, A) if packed, else (B, A, S); written forward, read
                            backward */
    DT_CUDNN_LENGTHS,    /* (B) int32 */
    DT_CUDNN_SEED,       /* (1) int64, with dropout: the mask depends on seed and offset, … */
    DT_CUDNN_OFFSET,     /* (1) int64 … and, for a given shape, on nothing else */
    DT_CUDNN_AT_QUERY, /* (B + 1) int32, packed: element at which each sequence begins, in q, … */
    DT_CUDNN_AT_KEY,   /* … in k and v, … */
    DT_CUDNN_AT_OUTPUT,     /* … in y and dy, … */
    DT_CUDNN_AT_STATISTICS, /* … and in the statistics */
    DT_CUDNN_DY,            /* this and the following: backward only */
    DT_CUDNN_DQ,
    DT_CUDNN_DK,
    DT_CUDNN_DV,
    DT_CUDNN_TENSORS
} dt_cudnn_tensor;

#endif
