/* Measures of a classification by taxonomic rank (reference-model 4): accuracy, and precision,
 * recall and F1 averaged over the labels weighted by support, 0 where undefined, over the labels
 * that occur in truth or prediction - as scikit-learn's
 * precision_recall_fscore_support(average='weighted', zero_division=0).
 */
#ifndef DT_EVAL_MEASURES_H
#define DT_EVAL_MEASURES_H

#include <stdint.h>

#include "backend.h"
#include "core/status.h"

typedef struct {
    double accuracy;
    double precision;
    double recall;
    double f1;
} dt_measures;

/* Measures of `count` sequences at one tax_rank: truth[i · truth_stride] and
 * predicted[i · predicted_stride] are classes in 0 … classes-1. A truth of `classes` or more is a
 * label that the training vocabulary lacks: never right, a label of its own. count >= 1. */
dt_status dt_measure(dt_measures *out, const int32_t *truth, int64_t truth_stride,
                     const int32_t *predicted, int64_t predicted_stride, int64_t count,
                     int32_t classes);

#endif
