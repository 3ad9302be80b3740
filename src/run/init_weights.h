/* Starting a training from the parameters of another one (--init-weights): the body of the model as
 * it was trained, the heads where their labels are as many. */
#ifndef DT_RUN_INIT_WEIGHTS_H
#define DT_RUN_INIT_WEIGHTS_H

#include "core/status.h"
#include "model/model.h"
#include "model/params.h"

/* Compares the tensors of a checkpoint with those of a model that is to start from them. Every
 * parameter of the body must be in both with the same shape: those that are not are warned of, one
 * by one, and the result is DT_ERR_INPUT. A head (all `classifiers.<r>.` of a taxonomic rank) that
 * is missing there, or has a tensor of another shape, will start afresh: one notice names them. */
dt_status dt_init_weights_check(const char *path, const dt_param_table *table);

/* Writes the checkpoint's parameters into a model that has its initial values, heads that start
 * afresh left out. The check comes before. */
dt_status dt_init_weights_load(const char *path, dt_model *model);

#endif
