/* Estimates how much of a step the ranks of a run spend on their sequences, for the plan.
 *
 * A step of s sequences on a rank takes about fixed + s · sequence seconds. On a GPU, `fixed` is
 * launching kernels, each of which takes a few microseconds even with little to do, and AdamW,
 * which reads and writes every parameter; the constants are those of the kernel model
 * (benchmarks/gpu_model) for an H100, where tests/unit/benchmarks compares them. On a CPU, it is
 * AdamW and the sum of the gradients over ranks on one host, as measured (docs/performance.md). A
 * network between hosts and the spread of the ranks come on top, so that this is an upper bound.
 */
#ifndef DT_TRAIN_EFFICIENCY_H
#define DT_TRAIN_EFFICIENCY_H

#include <stdint.h>

#include "model/config.h"

/* Below this, ranks starve: they have too few sequences. */
#define DT_STARVING 0.7

typedef struct {
    double fixed;    /* seconds of a step, whatever its number of sequences */
    double sequence; /* seconds of one sequence */
} dt_step_cost;

/* parameters: of the model; tokens: of a sequence; threads: of a rank on a CPU, 0: a GPU. */
dt_step_cost dt_step_cost_of(const dt_model_config *config, int64_t parameters, int64_t tokens,
                             int32_t threads);

/* Returns the share of a step's time that a rank spends on its sequences, on average over the ranks,
 * all of which wait for the one with the most. */
double dt_efficiency(const dt_step_cost *cost, int32_t batch_size, int32_t ranks);

/* Returns the smallest power of two of sequences per rank with which ranks do not starve. */
int32_t dt_sufficient_share(const dt_step_cost *cost);

#endif
