/* The single values of a checkpoint: attributes of the groups of its file.
 *
 *     /config     sizes of the model
 *     /settings   of the run
 *     /progress   where it stands
 *     /           number of parameters, program and time of writing, whether the optimizer is there
 *
 * One table in the .c names each with its member of dt_run, and the format version that
 * brought it. Flags are integers.
 */
#ifndef DT_RUN_CHECKPOINT_SCALARS_H
#define DT_RUN_CHECKPOINT_SCALARS_H

#include "io/container.h"
#include "run/checkpoint.h"

dt_status dt_checkpoint_put_scalars(dt_container *file, const dt_run *checkpoint);

/* Leaves what a file of this format version does not have yet as it is. Texts are the caller's, in
 * the checkpoint. DT_ERR_INPUT where an attribute is missing or of another type. */
dt_status dt_checkpoint_get_scalars(dt_container *file, int32_t version, dt_run *checkpoint);

#endif
