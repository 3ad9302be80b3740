/* The training objective: the loss of docs/model.md 3 with its level and class weights. The
 * backend computes the loss of one sequence (dt_loss); this module computes the class weights, and
 * the factors that turn sums over sequences into the means of the definition. */
#ifndef DT_EVAL_OBJECTIVE_H
#define DT_EVAL_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"
#include "layers.h"
#include "run/run.h"

typedef struct {
    dt_class_layout classes;
    dt_loss_type type;
    double gamma;   /* of the focal loss */
    bool focal_sum; /* the focal loss is summed over a batch, not averaged */
    int32_t batch_size;
    double level_weight[DT_MAX_TAX_RANKS];
    double *class_weight; /* (C) of all tax_ranks, concatenated; NULL: all 1 */
} dt_objective;

/* Creates the objective of a run. Class weights depend on the training sequences of the dataset: at
 * a tax_rank with C classes and N labelled sequences, n of them of the class, `inverse` is
 * N / (C · n) and `sqrt_inverse` its square root; 0 for a class without sequences. Labels of -1 are
 * ignored. A streamed dataset needs its survey. Returns DT_ERR_USAGE for a --focal-weight that does
 * not match the labels. Free with dt_objective_free(). */
dt_status dt_objective_create(dt_objective *out, const dt_run *run, const dt_dataset *dataset);
void dt_objective_free(dt_objective *objective); /* leaves it empty */

/* Computes dt_batch.loss_scale from the GLOBAL batch, sequences[0 … count-1] of the dataset, so
 * that its micro-batches can be computed on any rank and summed:
 *     cross entropy                      level weight / count
 *     cross entropy with class weights   level weight / Σ class weights of the labels; 0 where
 *                                        that sum is 0
 *     focal, mean                        level weight / count
 *     focal, sum                         level weight
 * Each is divided by `batches`, the number of batches of an update. */
void dt_objective_scale(double *scale /* (tax_ranks) */, const dt_objective *objective,
                        const dt_dataset *dataset, const int64_t *sequences, int64_t count,
                        int32_t batches);

/* The loss of a set of sequences at one tax_rank as if it were one batch. Zero-initialise. */
typedef struct {
    int64_t count;
    double loss;    /* sum over the sequences */
    double weights; /* sum of their class weights */
} dt_set_loss;

/* Adds a sequence by its label and its cross entropy. */
void dt_set_loss_add(dt_set_loss *set, const dt_objective *objective, int32_t tax_rank,
                     int32_t label, float cross_entropy);

/* Returns the level-weighted loss of the set. A summed focal loss is scaled to an average batch, sum
 * · batch size / count, so that it is comparable with the training loss. */
double dt_set_loss_result(const dt_set_loss *set, const dt_objective *objective, int32_t tax_rank);

/* Returns whether the loss of a set is meaningful: false if all its labels have class weight 0 at
 * every tax_rank that is trained (more than one class, level weight not 0). */
bool dt_set_loss_weighs(const dt_set_loss *set /* (tax_ranks) */, const dt_objective *objective);

/* Parses --focal-weight into weight (C): one comma-separated list of class weights per tax_rank,
 * separated by ';'. A single list is used for all tax_ranks if they have equally many classes.
 * Returns DT_ERR_USAGE with a message that names the invalid list. */
dt_status dt_focal_weight_parse(double *weight, const char *text, const dt_taxonomy *taxonomy);

#endif
