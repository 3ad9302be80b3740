/* Evaluation of a model on labelled sequences. */
#ifndef DT_EVAL_EVALUATE_H
#define DT_EVAL_EVALUATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "eval/metrics.h"
#include "eval/objective.h"
#include "model/model.h"
#include "profile/profile.h"
#include "run/split.h"

typedef struct {
    double loss;   /* of the objective over all sequences (dt_objective_of_set()); NaN, with a
                    warning, if all of them have weight 0 (dt_objective_weighs()) */
    bool diverged; /* the loss is not finite, and not for that reason */
    dt_metrics tax_rank[DT_MAX_TAX_RANKS];
} dt_evaluation;

/* The input of an evaluation. Pointers are borrowed. */
typedef struct {
    dt_model *model;
    dt_comm *comm;
    const dt_dataset *dataset;
    const int64_t *indices; /* (count) sequences of the dataset; NULL: `split` */
    const dt_split *split;  /* with marks: its validation sequences, in ascending order, for
                               dt_evaluate() of a streamed set; NULL: `indices` */
    int64_t count;          /* >= 1 */
    const dt_objective *objective;
    dt_batch_memory *memory; /* of a micro-batch, for which the model has reserved its buffers */
    const atomic_int *stop;  /* not 0: stop; NULL: never stop */
    bool rank0_only;         /* only world_rank 0 computes; otherwise every rank takes a share */
    dt_profile *profile;     /* may be NULL */
} dt_evaluation_job;

/* Predicts the sequences and computes the loss and the metrics against their labels. The result is
 * the same on all ranks; memory does not depend on the number of sequences with a split, which
 * is evaluated part by part. Returns DT_STOPPED on all ranks if any of them (with rank0_only: rank 0)
 * was stopped. Collective. */
dt_status dt_evaluate(dt_evaluation *out, const dt_evaluation_job *job);

#endif
