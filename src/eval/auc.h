/* The area under the ROC curve (Hanley & McNeil, Radiology 1982) at one taxonomic rank. */
#ifndef DT_EVAL_AUC_H
#define DT_EVAL_AUC_H

#include <stdint.h>

#include "core/status.h"

/* Computes *auc for `count` sequences with truth[i] in 0 … classes-1 and probability (count,
 * classes). Equals scikit-learn's roc_auc_score over the labels that occur in the truth, with rows
 * renormalised over these: for two labels the area of the second one, for more the one-vs-rest
 * areas averaged by support (docs/model.md 4). Ties count half. NaN for fewer than two labels.
 * O(classes · count); working memory is 24 bytes per sequence. */
dt_status dt_auc(double *auc, const float *probability, const int32_t *truth, int64_t count,
                 int32_t classes);

#endif
