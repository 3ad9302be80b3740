/* From the logits of a sequence to its prediction, where that is more than the largest logit of
 * each taxonomic rank: consistent lineages, and the vote of several models.
 *
 * Consistent: of the lineages that the training set held, the one with the largest sum of
 * log-probabilities (taxonomy/lineage_tree.h). Confidences are then those of its labels;
 * entropy and the place of the true label stay those of the rank's probabilities.
 *
 * Vote: the probabilities of each rank are the mean over the models of their softmax (soft voting;
 * Dietterich, Multiple Classifier Systems 2000), and label, confidence and entropy follow from them
 * as for one model. With consistent lineages the logarithm of the mean is what is summed.
 */
#ifndef DT_PREDICT_DECIDE_H
#define DT_PREDICT_DECIDE_H

#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "taxonomy/lineage_tree.h"

#define DT_MAX_VOTERS 32

typedef struct {
    const dt_class_layout *layout;
    int32_t statistic_size; /* bytes of a logit: 4 or 8 */
    int32_t voters;
    const double *temperature[DT_MAX_VOTERS]; /* (voters) each (tax_ranks); NULL: all 1 */
    const dt_lineage_tree *lineages;          /* NULL: each tax_rank by itself */
} dt_decision;

/* Working memory of one thread. Free with dt_decision_memory_free(). */
typedef struct {
    double *score;       /* (C) log-probabilities, up to a constant of each tax_rank */
    double *probability; /* (C) of the last vote */
    double *sum;         /* (nodes of the tree) */
} dt_decision_memory;

dt_status dt_decision_memory_create(dt_decision_memory *memory, const dt_decision *decision);
void dt_decision_memory_free(dt_decision_memory *memory);

/* Decides on one sequence. `prediction` is what the first model's backend said of it, and is
 * changed in place; `independent` (NULL: not wanted) receives the labels that each tax_rank by
 * itself would have. With one voter and no tree nothing changes. Where a model gave
 * numbers that are none, a confidence is NaN. */
void dt_decide(dt_prediction *prediction /* (tax_ranks) */, int32_t *independent /* (tax_ranks) */,
               const dt_decision *decision, const dt_decision_memory *memory,
               const void *const *logits /* (voters) each (C) */,
               const int32_t *labels /* (tax_ranks) true classes or -1; NULL: not known */);

#endif
