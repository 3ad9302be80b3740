/* LayerNorm of one row (Ba, Kiros & Hinton 2016), for the operations that include one. */
#ifndef DT_CPU_NORM_H
#define DT_CPU_NORM_H

#include "cpu/real.h"

/* y = (s - mean) / deviation · gamma + beta, deviation = √(variance + eps); statistics[0] is the
 * mean, [1] is 1 / deviation. y may be s. All rows have `hidden` elements. */
void dt_norm_row(dt_real *y, dt_real *statistics, const dt_real *s, const dt_real *gamma,
                 const dt_real *beta, int64_t hidden, double eps);

/* Computes the gradient with respect to s. ds may be dy or s. */
void dt_norm_row_backward(dt_real *ds, const dt_real *dy, const dt_real *s,
                          const dt_real *statistics, const dt_real *gamma, int64_t hidden);

#endif
