/* The kernels of a training step, or of a prediction's micro-batch, of the hybrid model, in order.
 * Each function of gpu_walk.c is an operation of the backend or a function of src/model, and is
 * changed with it. */
#ifndef DT_BENCHMARKS_GPU_WALK_H
#define DT_BENCHMARKS_GPU_WALK_H

#include "gpu_cost.h"

#define DT_GPU_LINES 160

typedef enum {
    DT_GPU_PRODUCTS,
    DT_GPU_ATTENTION,
    DT_GPU_SINGLE_QUERY,
    DT_GPU_CNN,
    DT_GPU_GELU,
    DT_GPU_NORM,
    DT_GPU_BIAS,
    DT_GPU_UPDATE,
    DT_GPU_ENDS,
    DT_GPU_GROUPS
} dt_gpu_group;

const char *dt_gpu_group_name(dt_gpu_group group);

/* All launches of a kernel in one group and operation. */
typedef struct {
    dt_gpu_group group;
    char operation[40]; /* as gpu_step names it */
    const dt_gpu_kernel *kernel;
    double launches;
    double bytes, matrix;   /* sums */
    double floor, expected; /* seconds, without launch_us */
    const char *bound;      /* what limits the longest launch */
    double longest;
} dt_gpu_line;

typedef struct {
    const dt_gpu *gpu;
    const dt_gpu_shape *shape;
    int count;
    dt_gpu_line line[DT_GPU_LINES];
    dt_gpu_group group; /* of the operations being listed */
    bool known;         /* every kernel had a row with a formula and every line a place */
} dt_gpu_walk;

/* Fills walk->line with the kernels of one update with a single micro-batch, or of the forward pass
 * and the choice of labels. */
dt_status dt_gpu_walk_step(dt_gpu_walk *walk, const dt_gpu *gpu, const dt_gpu_shape *shape);
dt_status dt_gpu_walk_prediction(dt_gpu_walk *walk, const dt_gpu *gpu, const dt_gpu_shape *shape);

/* Returns the sums of all lines. In `expected`, launches take launch_us each; the CNN branch, which
 * runs beside the encoder, counts with its floor: it takes so much of the GPU from the encoder, and
 * what its kernels wait for is hidden. */
dt_gpu_line dt_gpu_walk_sum(const dt_gpu_walk *walk);

#endif
