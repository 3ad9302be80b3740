/* What the kernels of cuda/ cost on a GPU: a model, not a measurement.
 *
 * A machine file (machines/NAME.json) has the constants of a GPU and the source of each. A row of
 * the table of kernels (gpu_kernels.c) has a formula for the resources that one launch uses. The
 * floor of a launch is the time that its most used resource takes at the GPU's peak; the expected
 * time is that of the rates that are reached in practice, and at least that of the longest chain of
 * steps that wait for each other.
 */
#ifndef DT_BENCHMARKS_GPU_COST_H
#define DT_BENCHMARKS_GPU_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "model/config.h"

/* The constants of a machine file; their names have the units. A _fraction is the share of the peak
 * before it that is reached. */
#define DT_GPU_CONSTANTS(X)                                                                        \
    X(matrix_tflops) /* dense, bf16 inputs, sums in fp32 */                                        \
    X(matrix_fraction)                                                                             \
    X(mma_sync_share) /* rate of mma.sync in that of the fastest instruction */                    \
    X(bandwidth_gbs)                                                                               \
    X(bandwidth_fraction)                                                                          \
    X(l2_gbs)                                                                                      \
    X(l2_fraction)                                                                                 \
    X(l2_mb)                                                                                       \
    X(memory_gb)                                                                                   \
    X(host_link_gbs)                                                                               \
    X(host_link_fraction)                                                                          \
    X(launch_us) /* between two kernels of a graph */                                              \
    X(sms)                                                                                         \
    X(clock_mhz)                                                                                   \
    X(fp32_per_sm_clock)                                                                           \
    X(integer_per_sm_clock)                                                                        \
    X(special_per_sm_clock) /* exponential, reciprocal, … */                                     \
    X(issue_per_sm_clock)   /* instructions of all kinds, counted by thread */                     \
    X(issue_fraction)                                                                              \
    X(shared_bytes_per_sm_clock)                                                                   \
    X(l2_latency_clocks)                                                                           \
    X(memory_latency_clocks)                                                                       \
    X(threads_per_sm)                                                                              \
    X(blocks_per_sm)                                                                               \
    X(registers_per_sm)                                                                            \
    X(shared_kb_per_sm)                                                                            \
    X(shared_kb_per_block)                                                                         \
    X(node_gpus)    /* of a server */                                                              \
    X(node_bus_gbs) /* of a large all-reduce in it, as nccl-tests counts */                        \
    X(node_hop_us)  /* of a small message between two of its GPUs */

typedef struct {
    char name[64];
#define DT_GPU_FIELD(constant) double constant;
    DT_GPU_CONSTANTS(DT_GPU_FIELD)
    bool high_shares; /* take the higher of two estimates of a share (gpu_kernels.c) */
} dt_gpu;

/* Sets the constants and clears the rest. Reads a machine file: {"name", "constants": {CONSTANT:
 * {"value", "source"}}}. Fails if a constant or a source is missing, or a constant is not positive.
 */
dt_status dt_gpu_read(dt_gpu *gpu, const char *path);

/* The constants of a network between nodes (networks/NAME.json). */
#define DT_NETWORK_CONSTANTS(X)                                                                    \
    X(node_gbs) /* from a node to the others, all its ports together */                            \
    X(node_fraction)                                                                               \
    X(hop_us) /* of a small message between two nodes */

typedef struct {
    char name[64];
    DT_NETWORK_CONSTANTS(DT_GPU_FIELD)
} dt_network;
#undef DT_GPU_FIELD

/* Reads a network file, as dt_gpu_read(). */
dt_status dt_network_read(dt_network *network, const char *path);

/* The sizes of a micro-batch on the device (cuda/batch.cu). */
typedef struct {
    dt_model_config config;
    double sequences, tokens;
    double rows;        /* tokens, rounded up */
    double squares;     /* Σ n² over the sequences */
    double tiles;       /* Σ of n rounded up to 16 times n rounded up to 32: of a warp */
    double block_tiles; /* the same with 64 and 32: of a block */
    double longest;
    double classes;  /* of all taxonomic ranks */
    double channels; /* of the CNN branch: filters of all kernels */
    double taps;     /* of all filters: columns of the convolution's table */
    double groups;   /* distinct token ids, rounded up */
    double largest;  /* tokens of the most frequent id */
    double trained;  /* parameters, with gaps */
    bool training;   /* dropout is on */
} dt_gpu_shape;

/* What one launch works on: a product has (rows, columns) results with `inner` terms each; another
 * kernel's formula says what the sizes are. */
typedef struct {
    double rows, columns, inner;
    double
        blocks; /* that have left sums for this kernel; 0: as many as such a kernel has for `rows` */
    int bytes;  /* of a result's element */
    bool add;   /* the result is added to what is there */
} dt_gpu_call;

/* Resources that one launch uses. */
typedef struct {
    double bytes;                         /* to and from the GPU's memory */
    double l2;                            /* bytes to and from its L2 cache */
    double shared;                        /* bytes to and from shared memory */
    double link;                          /* bytes over the link to the host */
    double matrix;                        /* floating-point operations on tensor cores */
    double fp32, integer, special, other; /* instructions, counted by thread */
    double share;        /* of the reachable rates, for occupancy, barriers, …; 0: all of them */
    double matrix_share; /* the same, of tensor cores alone */
    double chain;        /* clocks of the longest chain of dependent steps; at least a few loads */
} dt_gpu_cost;

/* One kernel of cuda/, or one of NVIDIA's (file NULL). */
typedef struct {
    const char *name, *file;
    dt_gpu_cost (*cost)(const dt_gpu *, const dt_gpu_shape *, const dt_gpu_call *);
    const char *absent; /* without `cost`: why neither a step nor a prediction launches it */
} dt_gpu_kernel;

/* The table of kernels; *count receives its length. */
const dt_gpu_kernel *dt_gpu_kernels(int *count);

/* Seconds of a launch without launch_us. bound: receives the name of the resource that limits the
 * expected time; may be NULL. */
double dt_gpu_floor(const dt_gpu *gpu, const dt_gpu_cost *cost);
double dt_gpu_expected(const dt_gpu *gpu, const dt_gpu_cost *cost, const char **bound);

/* Returns how many blocks run at a time on an SM. */
double dt_gpu_resident(const dt_gpu *gpu, double threads, double registers, double shared_bytes);

#endif
