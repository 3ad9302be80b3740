/* Initialising a model from the parameters of a checkpoint (--init-weights): everything but the
 * heads, and those heads that have the same number of labels. */
#ifndef DT_RUN_INIT_WEIGHTS_H
#define DT_RUN_INIT_WEIGHTS_H

#include "core/status.h"
#include "model/model.h"
#include "model/params.h"
#include "run/run.h"

/* Compares the tensors of a checkpoint with those of the run's model, described by `table`. Every
 * parameter outside the heads must exist in both with the same shape; otherwise DT_ERR_INPUT is
 * returned, with the sizes of the models that differ. A head (all `classifiers.<r>.` of a taxonomic
 * rank) that is missing in the checkpoint or has a tensor of another shape keeps its random initial
 * values: one notice lists these heads. */
dt_status dt_init_weights_check(const char *path, const dt_run *run, const dt_param_table *table);

/* Copies the checkpoint's parameters into a model that has random initial values, except the heads
 * that do not match. Requires a successful dt_init_weights_check(). */
dt_status dt_init_weights_load(const char *path, dt_model *model);

#endif
