/* The losses: their names, their formulas and derivatives, for every device and for the evaluation.
 * Header only and free of libc but for <math.h>, so that C and CUDA share it.
 *
 * To add one, add a row at the end of DT_LOSSES and its function here. What treats one loss unlike
 * another does so in a switch without default, which then does not compile until it has a case.
 */
#ifndef DT_CORE_LOSS_H
#define DT_CORE_LOSS_H

#include <math.h>

#include "core/philox.h" /* DT_HOST_DEVICE */

/* LOSS(DT_LOSS_…, name): the name is that of --loss-type, and of the function dt_loss_<name>.
 * Checkpoints hold the number: never reorder. */
#define DT_LOSSES(LOSS)                                                                            \
    LOSS(CROSS_ENTROPY, cross_entropy)                                                             \
    LOSS(FOCAL, focal)

#define DT_LOSS_ENUMERATOR(enumerator, name) DT_LOSS_##enumerator,
typedef enum { DT_LOSSES(DT_LOSS_ENUMERATOR) } dt_loss_type;
#undef DT_LOSS_ENUMERATOR

/* The names with '|' between, as an option's choices: "cross_entropy|focal". */
#define DT_LOSS_BAR_NAME(enumerator, name) "|" #name
#define DT_LOSS_CHOICES (&(DT_LOSSES(DT_LOSS_BAR_NAME))[1])

static inline const char *dt_loss_type_name(dt_loss_type type)
{
#define DT_LOSS_NAME(enumerator, name) #name,
    static const char *const names[] = {DT_LOSSES(DT_LOSS_NAME)};
#undef DT_LOSS_NAME
    return names[type];
}

/* Each formula takes ce, the cross entropy of one sequence at one taxonomic rank times the weight
 * of its class, and the value of --focal-gamma. It returns the loss; *slope is its derivative with
 * respect to ce. */

static inline DT_HOST_DEVICE double dt_loss_cross_entropy(double ce, double gamma, double *slope)
{
    (void)gamma;
    *slope = 1.0;
    return ce;
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
