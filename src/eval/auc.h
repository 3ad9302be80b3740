/* The area under the ROC curve (Hanley & McNeil, Radiology 1982) at one taxonomic rank. */
#ifndef DT_EVAL_AUC_H
#define DT_EVAL_AUC_H

#include <stdint.h>

#include "core/status.h"

/* Sets *auc for `count` sequences: truth[i] in 0 … classes-1, and probability (count, classes) of
 * every class. As scikit-learn's roc_auc_score over the labels that occur in the truth, the rows
 * renormalised over them: with two labels the area for the second one, with more the areas of each
 * label against the rest, averaged by support (docs/model.md 4). Ties count half. NaN with fewer
 * than two labels. O(classes · count); working memory is 24 bytes a sequence. */
dt_status dt_auc(double *auc, const float *probability, const int32_t *truth, int64_t count,
                 int32_t classes);

#endif
