/* A parameter update: its constants, its state, and the arithmetic that is the same on all devices:
 * learning-rate schedule, AdamW (Loshchilov & Hutter, ICLR 2019, as computed by PyTorch), LAMB (You
 * et al., ICLR 2020), clipping, loss scale (docs/model.md 3). Header only, with no libc except
 * <math.h>, so that C and CUDA share it.
 */
#ifndef DT_CORE_UPDATE_RULE_H
#define DT_CORE_UPDATE_RULE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/model_limits.h"
#include "core/philox.h" /* DT_HOST_DEVICE */

/* A tensor for LAMB, whose learning rate is multiplied by dt_trust_ratio() if it is `scaled`. */
typedef struct {
    int64_t offset, count; /* elements of the flat vector */
    bool scaled;
} dt_update_tensor;

/* Constants of a run. */
typedef struct dt_update_rule {
    double learning_rate;
    double beta1, beta2, eps, weight_decay;
    double max_grad_norm;            /* <= 0: no clipping */
    int64_t warmup_steps;            /* W */
    int64_t total_steps;             /* T */
    int64_t schedule_start;          /* updates done before the start of the schedule */
    bool dynamic_scale;              /* fp16: the loss scale of dt_update_state is adjusted */
    const dt_update_tensor *tensors; /* LAMB: those to update, on the host. NULL: AdamW */
    int32_t tensor_count;
} dt_update_rule;

/* On the device, advanced by each update; part of a checkpoint. */
typedef struct dt_update_state {
    int64_t steps;            /* t: updates done */
    int64_t skipped;          /* updates skipped because a number was not finite */
    int32_t skipped_in_row;   /* of these, since the last good update */
    int32_t scale_good_steps; /* updates since the loss scale last changed */
    double loss_scale;        /* 1 unless dynamic_scale */
    double grad_norm;         /* of the last update, before clipping; not finite if skipped */
    double last_rate;         /* learning rate of the last update */
    double loss;              /* scaled sum over this rank's sequences of the last update */
    double loss_sum[DT_MAX_TAX_RANKS]; /* per tax_rank, summed over the updates since the host last
                                          wrote the state; skipped updates are left out */
    int64_t loss_updates;              /* number of updates in loss_sum */
} dt_update_state;

/* The dynamic loss scale of fp16: its initial value; the factor after this many consecutive good
 * updates; the factor after each skipped update. */
#define DT_LOSS_SCALE_START 16384.0
#define DT_LOSS_SCALE_GROWTH 2.0
#define DT_LOSS_SCALE_BACKOFF 0.5
#define DT_LOSS_SCALE_INTERVAL 2000

/* Returns the learning rate of update t = 0, 1, …: rises linearly from 0 over `warmup` updates,
 * then falls linearly to 0 at `total`. */
static inline DT_HOST_DEVICE double dt_scheduled_rate(double base, int64_t t, int64_t warmup,
                                                      int64_t total)
{
    if (t < warmup)
        return base * (double)t / (double)warmup;
    const int64_t left = total > t ? total - t : 0;
    const int64_t span = total > warmup ? total - warmup : 1;
    return base * (double)left / (double)span;
}

/* Returns the factor that reduces gradients with this global norm to max_norm (<= 0: none). */
static inline DT_HOST_DEVICE double dt_clip_factor(double norm, double max_norm)
{
    const double factor = max_norm / (norm + 1e-6);
    return max_norm > 0.0 && factor < 1.0 ? factor : 1.0;
}

/* Returns 1 - beta^t for update t = 1, 2, …, the bias correction of the moments. */
static inline DT_HOST_DEVICE double dt_bias_correction(double beta, int64_t t)
{
    return 1.0 - pow(beta, (double)t);
}

/* LAMB: returns the factor for the learning rate of a tensor, the norm of its parameters divided by
 * that of the step, m / (sqrt(v) + eps) + weight_decay * p, from the two sums of squares. */
static inline DT_HOST_DEVICE double dt_trust_ratio(double parameter_squares, double step_squares)
{
    return parameter_squares > 0.0 && step_squares > 0.0 ? sqrt(parameter_squares / step_squares)
                                                         : 1.0;
}

#endif
