/* From logits to predictions, where that is more than the largest logit at each taxonomic rank:
 * lineages and ensembles of models. Lineages are those of the training set.
 *
 * Consistent lineage: of the lineages, the one with the largest sum of log-probabilities
 * (taxonomy/lineage_tree.h). Confidences are those of its labels; entropy and the position of the
 * true label are those of each rank's probabilities.
 *
 * Summed lineage (docs/model.md 4): the distribution over the lineages, of which a vote takes a part;
 * from the root on, at each rank the child with the largest probability, which is its confidence.
 * Entropy, loss and the position of the true label are those of each rank's marginal distribution.
 *
 * Ensemble: the probabilities of each rank are the mean of the members' softmax (soft voting;
 * Dietterich, Multiple Classifier Systems 2000); label, confidence and entropy follow from them as
 * for one model. For consistent lineages, the logarithms of these means are summed; summed lineages
 * have the mean of the members' distributions over the lineages. Members with
 * equal logits and temperatures, as those of one model given several times, are not averaged: the
 * first one's prediction is the mean, to the bit.
 */
#ifndef DT_PREDICT_DECIDE_H
#define DT_PREDICT_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "taxonomy/lineage_tree.h"

#define DT_MAX_MEMBERS 32 /* models of an ensemble */

/* The choices of --lineage, in this order. */
typedef enum { DT_LINEAGE_INDEPENDENT, DT_LINEAGE_CONSISTENT, DT_LINEAGE_SUMMED } dt_lineage_choice;
static inline const char *dt_lineage_choice_name(dt_lineage_choice choice)
{
    static const char *const names[] = {"independent", "consistent", "summed"};
    return names[choice];
}

typedef struct {
    const dt_class_layout *layout;
    int32_t statistic_size;                    /* bytes of a logit: 4 or 8 */
    int32_t members;                           /* models */
    const double *temperature[DT_MAX_MEMBERS]; /* (members) each (tax_ranks); NULL: all 1 */
    dt_lineage_choice lineage;
    const dt_lineage_tree *lineages; /* NULL with DT_LINEAGE_INDEPENDENT */
    double neighbour_weight;         /* share of a vote in the distribution over the lineages */
} dt_decision;

/* Working memory of one thread. Free with dt_decision_memory_free(). */
typedef struct {
    double *score;       /* (C) log-probabilities, up to a constant per tax_rank */
    double *probability; /* (C) of the last sequence for which dt_decide() returned true */
    double *sum;         /* (nodes of the tree) */
    double *mass;        /* likewise: P(node) */
} dt_decision_memory;

dt_status dt_decision_memory_create(dt_decision_memory *memory, const dt_decision *decision);
void dt_decision_memory_free(dt_decision_memory *memory);

/* Decides on one sequence. `prediction` holds the first model's prediction and is changed in place;
 * it stays as it is with one model and no tree. `independent` (may be NULL) receives the labels
 * that each tax_rank would have independently. `vote`: for DT_LINEAGE_SUMMED only, NULL or empty:
 * none. Where a model's output is not finite, a confidence is NaN. Returns true if the probabilities
 * are not those of the first model: they are in memory->probability. */
bool dt_decide(dt_prediction *prediction /* (tax_ranks) */, int32_t *independent /* (tax_ranks) */,
               const dt_decision *decision, const dt_decision_memory *memory,
               const void *const *logits /* (members) each (C); with DT_LINEAGE_SUMMED the heads'
                                            outputs, otherwise of a lineage layer its marginals */
               ,
               const dt_vote *vote,
               const int32_t *labels /* (tax_ranks) true classes or -1; NULL: unknown */);

#endif
