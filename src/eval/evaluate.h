/* Running a trained model over labelled sequences and measuring it. */
#ifndef DT_EVAL_EVALUATE_H
#define DT_EVAL_EVALUATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "eval/measures.h"
#include "eval/objective.h"
#include "model/model.h"
#include "profile/profile.h"

typedef struct {
    double loss; /* the objective's, over all sequences together (dt_objective_of_set()); NaN, with
                    a warning, where none of them weighs anything (dt_objective_weighs()) */
    dt_measures tax_rank[DT_MAX_TAX_RANKS];
} dt_evaluation;

/* What is to be evaluated. Nothing is owned. */
typedef struct {
    dt_model *model;
    dt_comm *comm;
    const dt_dataset *dataset;
    const int64_t *indices; /* (count) sequences of the dataset */
    int64_t count;          /* >= 1 */
    const dt_objective *objective;
    dt_batch_memory *memory; /* of a piece, for which the model has reserved its buffers */
    const atomic_int *stop;  /* not 0: give up; NULL: never asked to */
    bool rank0_only;         /* world_rank 0 works alone; else all take a share */
    dt_profile *profile;     /* NULL: none */
} dt_evaluation_job;

/* Runs the sequences forward and measures them against their labels. The result is the same on all
 * ranks. DT_STOPPED, on all ranks, when one was asked to stop (with rank0_only: rank 0).
 * Collective.
 */
dt_status dt_evaluate(dt_evaluation *out, const dt_evaluation_job *job);

#endif
