/* The sizes of the micro-batches that the model of a GPU's step (gpu_walk.h) computes. */
#ifndef DT_BENCHMARKS_GPU_SHAPE_H
#define DT_BENCHMARKS_GPU_SHAPE_H

#include "gpu_cost.h"

typedef struct {
    int sequences, low, high; /* tokens of a sequence: low … high */
    bool made_ids; /* token ids as gpu_step makes them, nearly all different; otherwise as in real
                      16S sequences */
} dt_gpu_batch;

/* Sets the sizes of a batch with the lengths that gpu_step makes for it. */
dt_status dt_gpu_shape_make(dt_gpu_shape *shape, const dt_model_config *config,
                            const dt_gpu_batch *batch);

#endif
