/* What a training minimises: the loss of docs/model.md 3 with its level and class weights. The
 * backend computes the loss of one sequence (dt_loss); here stands what belongs to many: the class
 * weights, and the factors that make sums over the sequences the means of the definition. */
#ifndef DT_EVAL_OBJECTIVE_H
#define DT_EVAL_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "layers.h"
#include "run/run.h"

typedef struct {
    dt_class_layout classes;
    dt_loss_type type;
    double gamma;   /* of the focal loss */
    bool focal_sum; /* the focal loss is summed over a batch, not averaged */
    int32_t batch_size;
    double level_weight[DT_MAX_TAX_RANKS];
    double *class_weight; /* (C) of all tax_ranks back to back; NULL: all 1 */
} dt_objective;

/* The objective of a run. labels: of the whole dataset (total, tax_ranks); class weights are taken
 * from those of the training part, run->split.training. `inverse` at a tax_rank of C classes, N
 * sequences, n of them of the class: N / (C · n), `sqrt_inverse` its square root, and 0 for classes
 * without one. Labels of -1 count nowhere. DT_ERR_USAGE for a --focal-weight that does not fit the
 * labels. Free with dt_objective_free(). */
dt_status dt_objective_create(dt_objective *out, const dt_run *run, const int32_t *labels);
void dt_objective_free(dt_objective *objective); /* leaves it empty */

/* dt_batch.loss_scale of a batch: of the WHOLE batch over all ranks, sequences[0 … count-1] of the
 * dataset, so that pieces of it may be computed anywhere and added up.
 *     cross entropy                      level weight / count
 *     cross entropy with class weights   level weight / Σ class weights of the labels; 0 where
 *                                        that sum is 0
 *     focal, mean / sum                  level weight / count, level weight
 * Each is divided by `batches`, those of an update. */
void dt_objective_scale(double *scale /* (tax_ranks) */, const dt_objective *objective,
                        const int32_t *labels, const int64_t *sequences, int64_t count,
                        int32_t batches);

/* The loss over a set of sequences from the cross entropy of each (cross_entropy[i · stride], of
 * sequences[i]) at one tax_rank, level-weighted: as if the set were one batch. A loss that is
 * summed over a batch is that of an average batch: the sum · batch size / count, to be compared
 * with the training loss. */
double dt_objective_of_set(const dt_objective *objective, int32_t tax_rank, const int32_t *labels,
                           const int64_t *sequences, int64_t count, const float *cross_entropy,
                           size_t stride /* bytes */);

/* Whether the losses over such a set say anything: false where all of its labels have the class
 * weight 0 at every tax_rank that is learnt, one of several classes and a level weight. */
bool dt_objective_weighs(const dt_objective *objective, const int32_t *labels,
                         const int64_t *sequences, int64_t count);

/* Reads --focal-weight: class weights as comma lists, one a tax_rank, separated by ';'. A single
 * list serves all tax_ranks where each has as many classes. weight (C). DT_ERR_USAGE says which
 * list is wrong; `taxonomy` names the tax_ranks. */
dt_status dt_focal_weight_parse(double *weight, const char *text, const dt_taxonomy *taxonomy);

#endif
