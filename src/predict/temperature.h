/* Temperature scaling (Guo et al., ICML 2017): one number a taxonomic rank that divides the logits,
 * fitted on held-out sequences so that the confidences say how often predictions are right. It
 * changes no label.
 *
 * The negative log-likelihood of the true classes, Σ log Σ_c exp(z_c/T) - z_y/T, is convex in
 * β = 1/T: its derivative Σ E_β[z] - z_y grows, its second derivative Σ Var_β[z] is at least 0.
 * Newton's method from β = 1, with a bracket that every step narrows and a bisection (of the
 * logarithm) where a step leaves it, until β changes by less than 1e-7 of itself.
 */
#ifndef DT_PREDICT_TEMPERATURE_H
#define DT_PREDICT_TEMPERATURE_H

#include <stdint.h>

#include "backend.h"
#include "core/pool.h"
#include "core/status.h"

#define DT_MIN_TEMPERATURE 0.01
#define DT_MAX_TEMPERATURE 100.0

/* What came of the fit of a tax_rank. In all cases but the first the temperature is 1. */
typedef enum {
    DT_FIT_FOUND,
    DT_FIT_NO_TRUTH,  /* no true label is one that the model knows */
    DT_FIT_ALL_RIGHT, /* the likelihood grows without end as T falls: nothing to learn from */
    DT_FIT_NO_MINIMUM /* none between the smallest and the largest temperature */
} dt_fit_outcome;

typedef struct {
    dt_fit_outcome outcome;
    double temperature;
    int64_t known;                    /* sequences whose true class is known */
    int64_t right;                    /* of these, predicted as they truly are */
    double loss_before, loss_after;   /* mean negative log-likelihood, at 1 and at `temperature` */
    double error_before, error_after; /* expected calibration error (eval/metrics.h) */
} dt_rank_fit;

/* Held-out sequences. Nothing is owned. */
typedef struct {
    const dt_class_layout *layout;
    const float *logits;   /* (count, C) */
    const int32_t *labels; /* (count, tax_ranks) true classes, -1 where unknown */
    int64_t count;
} dt_heldout;

/* Fits all tax_ranks. The result does not depend on the number of threads. DT_ERR_NUMERIC when a
 * logit is no finite number. */
dt_status dt_fit_temperatures(dt_rank_fit *out /* (tax_ranks) */, const dt_heldout *heldout,
                              dt_pool *pool);

#endif
