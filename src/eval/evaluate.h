/* Running a trained model over labelled sequences and measuring it. */
#ifndef DT_EVAL_EVALUATE_H
#define DT_EVAL_EVALUATE_H

#include <stdint.h>

#include "comm.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "eval/measures.h"
#include "model/model.h"

typedef struct {
    double loss; /* level-weighted cross entropy, averaged over the sequences */
    dt_measures tax_rank[DT_MAX_TAX_RANKS];
} dt_evaluation;

/* Runs the `count` >= 1 sequences `indices` of the dataset forward, shared over the world_ranks, in
 * pieces that fit `memory` (whose size the model has reserved), and measures them against their
 * labels. level_weight (tax_ranks). The result is complete on world_rank 0; others get zeros.
 * Collective. */
dt_status dt_evaluate(dt_evaluation *out, dt_model *model, dt_comm *comm, const dt_dataset *dataset,
                      const int64_t *indices, int64_t count, const double *level_weight,
                      dt_batch_memory *memory);

#endif
