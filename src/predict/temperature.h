/* Temperature scaling (Guo et al., ICML 2017): one divisor of the logits per taxonomic rank, fitted
 * on held-out sequences so that a confidence equals the probability that the prediction is right.
 * It changes no label.
 *
 * The negative log-likelihood of the true classes, Σ log Σ_c exp(z_c/T) - z_y/T, is convex in
 * β = 1/T: its derivative is Σ E_β[z] - z_y, its second derivative Σ Var_β[z] >= 0. It is
 * minimised by Newton's method from β = 1, with a bracket that narrows at every step and bisection
 * of log β where a step leaves the bracket, until the relative change of β is below 1e-7.
 */
#ifndef DT_PREDICT_TEMPERATURE_H
#define DT_PREDICT_TEMPERATURE_H

#include <stdint.h>

#include "backend.h"
#include "core/pool.h"
#include "core/status.h"

#define DT_MIN_TEMPERATURE 0.01
#define DT_MAX_TEMPERATURE 100.0

/* Outcome of the fit at a tax_rank. The temperature is 1 in all cases but the first. */
typedef enum {
    DT_FIT_FOUND,
    DT_FIT_NO_TRUTH,  /* the model knows none of the true labels */
    DT_FIT_ALL_RIGHT, /* the likelihood increases without bound as T decreases */
    DT_FIT_NO_MINIMUM /* not between the smallest and the largest temperature */
} dt_fit_outcome;

typedef struct {
    dt_fit_outcome outcome;
    double temperature;
    int64_t known;                    /* sequences whose true class is known */
    int64_t right;                    /* of these, predicted correctly */
    double loss_before, loss_after;   /* mean negative log-likelihood, at 1 and at `temperature` */
    double error_before, error_after; /* expected calibration error (eval/metrics.h) */
} dt_rank_fit;

/* Held-out sequences. The pointers are not owned. */
typedef struct {
    const dt_class_layout *layout;
    const float *logits;   /* (count, C) */
    const int32_t *labels; /* (count, tax_ranks) true classes, -1 where unknown */
    int64_t count;
} dt_heldout;

/* Fits all tax_ranks. The result does not depend on the number of threads. DT_ERR_NUMERIC if a
 * logit is not finite. */
dt_status dt_fit_temperatures(dt_rank_fit *out /* (tax_ranks) */, const dt_heldout *heldout,
                              dt_pool *pool);

#endif
