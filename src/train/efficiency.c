#include "train/efficiency.h"

#include "model/work.h"

/* H100: seconds of the kernels beside those of the layers, of the kernels of a layer, and for a
 * parameter; operations per second. */
#define GPU_KERNELS 100e-6
#define GPU_LAYER_KERNELS 70e-6
#define GPU_PARAMETER 13e-12
#define GPU_RATE 490e12

/* Zen 4: AdamW on one thread and the sum, seconds for a parameter; operations per second of a
 * thread. */
#define CPU_UPDATE 2.6e-9
#define CPU_SUM 1.6e-9
#define CPU_RATE 95e9

dt_step_cost dt_step_cost_of(const dt_model_config *config, int64_t parameters, int64_t tokens,
                             int32_t threads)
{
    const double work = 3.0 * dt_forward_work(config, tokens);
    const double p = (double)parameters;
    const int32_t layers = dt_model_has_encoder(config) ? config->layers : 0;
    if (threads == 0)
        return (dt_step_cost){.fixed = GPU_KERNELS + layers * GPU_LAYER_KERNELS + p * GPU_PARAMETER,
                              .sequence = work / GPU_RATE};
    return (dt_step_cost){.fixed = p * (CPU_UPDATE / threads + CPU_SUM),
                          .sequence = work / (CPU_RATE * threads)};
}

double dt_efficiency(const dt_step_cost *cost, int32_t batch_size, int32_t ranks)
{
    const int32_t largest = (batch_size + ranks - 1) / ranks;
    const double mean = (double)batch_size / ranks;
    return mean * cost->sequence / (cost->fixed + largest * cost->sequence);
}

int32_t dt_sufficient_share(const dt_step_cost *cost)
{
    int32_t share = 1;
    while (share < 1 << 20 && dt_efficiency(cost, share, 1) < DT_STARVING)
        share *= 2;
    return share;
}
