/* Measures of a classification by taxonomic rank (docs/model.md 4): accuracy, and precision,
 * recall and F1 averaged over the labels weighted by support, 0 where undefined, over the labels
 * that occur in truth or prediction - as scikit-learn's
 * precision_recall_fscore_support(average='weighted', zero_division=0); and the expected
 * calibration error.
 *
 * Both come from counts, so a stream of any length needs constant memory.
 */
#ifndef DT_EVAL_MEASURES_H
#define DT_EVAL_MEASURES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "run/rank_measures.h"

/* Measures of `count` sequences at one tax_rank: truth[i · truth_stride] and
 * predicted[i · predicted_stride] are classes in 0 … classes-1. A truth of `classes` or more is a
 * label that the training vocabulary lacks: never right, a label of its own. count >= 1. */
dt_status dt_measure(dt_measures *out, const int32_t *truth, int64_t truth_stride,
                     const int32_t *predicted, int64_t predicted_stride, int64_t count,
                     int32_t classes);

/* The same, sequence by sequence. Zero-initialise; free with dt_measure_counts_free(). */
typedef struct {
    int32_t classes;
    int64_t count;      /* sequences so far */
    int64_t right;      /* of these, predicted as they truly are */
    int64_t *support;   /* (classes) sequences that truly are of the class */
    int64_t *predicted; /* (classes) sequences that are predicted to be */
    int64_t *hits;      /* (classes) both */
} dt_measure_counts;

dt_status dt_measure_counts_create(dt_measure_counts *counts, int32_t classes);
void dt_measure_counts_free(dt_measure_counts *counts); /* leaves it empty */

/* Counts one sequence; truth and prediction as above. */
void dt_measure_counts_add(dt_measure_counts *counts, int32_t truth, int32_t predicted);

/* The measures of what was counted; all 0 when that is nothing. */
dt_measures dt_measure_counts_result(const dt_measure_counts *counts);

/* The expected calibration error (Naeini et al., AAAI 2015): Σ over 10 equal-width bins of
 * confidence, lo < c <= hi, of share of the sequences · |accuracy - mean confidence|. */
#define DT_CALIBRATION_BINS 10
typedef struct {
    int64_t count[DT_CALIBRATION_BINS];
    int64_t right[DT_CALIBRATION_BINS];
    double confidence[DT_CALIBRATION_BINS]; /* sums */
} dt_calibration;

/* Counts one sequence. A confidence of 0 or less is in no bin. */
void dt_calibration_add(dt_calibration *calibration, double confidence, bool right);
double dt_calibration_error(const dt_calibration *calibration); /* NaN when nothing was counted */

#endif
