/* Classification metrics at a taxonomic rank (docs/model.md 4): accuracy; precision, recall and
 * F1 as support-weighted averages over the labels that occur in truth or prediction, 0 where
 * undefined, like scikit-learn's precision_recall_fscore_support(average='weighted',
 * zero_division=0); and the expected calibration error.
 *
 * All are computed from counts, so memory does not depend on the number of sequences.
 */
#ifndef DT_EVAL_METRICS_H
#define DT_EVAL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "run/rank_metrics.h"

/* Computes the metrics of `count` (>= 1) sequences at one tax_rank: truth[i · truth_stride] and
 * predicted[i · predicted_stride] are classes in 0 … classes-1. A truth of `classes` or more is a
 * label that is not in the training vocabulary: a separate label that is never predicted. */
dt_status dt_metrics_compute(dt_metrics *out, const int32_t *truth, int64_t truth_stride,
                             const int32_t *predicted, int64_t predicted_stride, int64_t count,
                             int32_t classes);

/* The same, sequence by sequence. Zero-initialise; free with dt_metric_counts_free(). */
typedef struct {
    int32_t classes;
    int64_t count;      /* sequences so far */
    int64_t right;      /* correct predictions */
    int64_t *support;   /* (classes) sequences whose true class is this one */
    int64_t *predicted; /* (classes) sequences predicted to be of this class */
    int64_t *hits;      /* (classes) both */
} dt_metric_counts;

dt_status dt_metric_counts_create(dt_metric_counts *counts, int32_t classes);
void dt_metric_counts_free(dt_metric_counts *counts); /* leaves it empty */

/* Counts one sequence; truth and predicted as above. */
void dt_metric_counts_add(dt_metric_counts *counts, int32_t truth, int32_t predicted);

/* Returns the metrics of the counted sequences; all 0 if there are none. */
dt_metrics dt_metric_counts_result(const dt_metric_counts *counts);

/* The expected calibration error (Naeini et al., AAAI 2015): the sum over 10 equal-width bins of
 * confidence (lo < c <= hi) of the fraction of sequences · |accuracy - mean confidence|. */
#define DT_CALIBRATION_BINS 10
typedef struct {
    int64_t count[DT_CALIBRATION_BINS];
    int64_t right[DT_CALIBRATION_BINS];
    double confidence[DT_CALIBRATION_BINS]; /* sums */
} dt_calibration;

/* Counts one sequence. A confidence of 0 or less is in no bin. */
void dt_calibration_add(dt_calibration *calibration, double confidence, bool right);
double dt_calibration_error(const dt_calibration *calibration); /* NaN if nothing was counted */

#endif
