/* The arithmetic of one parameter update that is the same on every device: learning-rate schedule,
 * AdamW (Loshchilov & Hutter, ICLR 2019, as PyTorch computes it), clipping, loss scale. Header only
 * and free of libc but for <math.h>, so that C and CUDA share it. docs/model.md 3.
 */
#ifndef DT_CORE_UPDATE_RULE_H
#define DT_CORE_UPDATE_RULE_H

#include <math.h>
#include <stdint.h>

#include "core/philox.h" /* DT_HOST_DEVICE */

/* The dynamic loss scale of fp16: where it starts; multiplied by the growth after so many good
 * updates in a row, by the backoff after each one that had to be skipped. */
#define DT_LOSS_SCALE_START 16384.0
#define DT_LOSS_SCALE_GROWTH 2.0
#define DT_LOSS_SCALE_BACKOFF 0.5
#define DT_LOSS_SCALE_INTERVAL 2000

/* Learning rate of update t = 0, 1, …: rises linearly from 0 over `warmup` updates, then falls
 * linearly to 0 at `total`. */
static inline DT_HOST_DEVICE double dt_scheduled_rate(double base, int64_t t, int64_t warmup,
                                                      int64_t total)
{
    if (t < warmup)
        return base * (double)t / (double)warmup;
    const int64_t left = total > t ? total - t : 0;
    const int64_t span = total > warmup ? total - warmup : 1;
    return base * (double)left / (double)span;
}

/* Factor that brings gradients of this global norm down to max_norm (<= 0: never). */
static inline DT_HOST_DEVICE double dt_clip_factor(double norm, double max_norm)
{
    const double factor = max_norm / (norm + 1e-6);
    return max_norm > 0.0 && factor < 1.0 ? factor : 1.0;
}

/* 1 - beta^t for update number t = 1, 2, …, by which the moments are corrected. */
static inline DT_HOST_DEVICE double dt_bias_correction(double beta, int64_t t)
{
    return 1.0 - pow(beta, (double)t);
}

#endif
