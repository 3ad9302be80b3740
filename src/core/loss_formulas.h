/* The losses with their derivatives, for every device and for the evaluation (docs/model.md 3). Header
 * only and free of libc but for <math.h>, so that C and CUDA share it.
 */
#ifndef DT_CORE_LOSS_FORMULAS_H
#define DT_CORE_LOSS_FORMULAS_H

#include <math.h>

#include "core/loss.h"
#include "core/philox.h" /* DT_HOST_DEVICE */

/* Each formula takes ce, the cross entropy of one sequence at one taxonomic rank times the weight
 * of its class, and the value of --focal-gamma. It returns the loss; *slope is its derivative with
 * respect to ce. */

static inline DT_HOST_DEVICE double dt_loss_cross_entropy(double ce, double gamma, double *slope)
{
    (void)gamma;
    *slope = 1.0;
    return ce;
}

/* The cross entropy after the lineage layer. */
static inline DT_HOST_DEVICE double dt_loss_lineage(double ce, double gamma, double *slope)
{
    return dt_loss_cross_entropy(ce, gamma, slope);
}

/* (1 - e^-ce)^gamma · ce (Lin et al., ICCV 2017) */
static inline DT_HOST_DEVICE double dt_loss_focal(double ce, double gamma, double *slope)
{
    const double miss = -expm1(-ce);
    if (gamma == 0.0) {
        *slope = 1.0;
        return ce;
    }
    if (miss <= 0.0) {
        *slope = 0.0;
        return 0.0;
    }
    const double power = pow(miss, gamma);
    *slope = power + gamma * pow(miss, gamma - 1.0) * exp(-ce) * ce;
    return power * ce;
}

/* The formula of that loss. */
static inline DT_HOST_DEVICE double dt_loss_value(dt_loss_type type, double ce, double gamma,
                                                  double *slope)
{
#define DT_LOSS_CASE(enumerator, name)                                                             \
    case DT_LOSS_##enumerator:                                                                     \
        return dt_loss_##name(ce, gamma, slope);
    switch (type) {
        DT_LOSSES(DT_LOSS_CASE)
    }
#undef DT_LOSS_CASE
    *slope = 0.0;
    return (double)NAN; /* no number of the enumeration */
}

#endif
