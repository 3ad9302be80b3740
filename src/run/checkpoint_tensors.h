/* The tensors of a checkpoint, float32, under the names and with the shapes of the parameter table
 * (model/params.h), which are those of the PyTorch state dict:
 *
 *     model/<name>                  the parameters
 *     optimizer/exp_avg/<name>      their first moments, of those that take part in training
 *     optimizer/exp_avg_sq/<name>   their second moments
 */
#ifndef DT_RUN_CHECKPOINT_TENSORS_H
#define DT_RUN_CHECKPOINT_TENSORS_H

#include "io/container.h"
#include "run/checkpoint.h"

/* Where tensors that are written come from: one of the three. */
typedef struct {
    const dt_param_table *table;
    dt_backend *backend; /* the flat vectors of a device, read tensor by tensor */
    const float *copy;   /* what dt_checkpoint_copy() made */
    dt_container *file;  /* another checkpoint, read in pieces of about 1 MB */
    const char *path;    /* its name, for errors */
} dt_tensor_source;

dt_tensor_source dt_tensors_of_model(const dt_model *model);

/* Writes the parameters and, with `moments`, the optimizer's. DT_ERR_INPUT where the source is a
 * file and one is missing there, damaged or of another shape. */
dt_status dt_checkpoint_put_tensors(dt_container *file, const dt_tensor_source *source,
                                    bool moments);

/* Reads the same into a model, through memory for one tensor. DT_ERR_INPUT where one is missing,
 * damaged or of another shape. */
dt_status dt_checkpoint_get_tensors(dt_container *file, dt_model *model, bool moments);

#endif
