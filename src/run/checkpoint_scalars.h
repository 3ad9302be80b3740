/* The single values of a checkpoint: attributes of the groups of its file.
 *
 *     /config     sizes of the model
 *     /settings   of the run
 *     /progress   where it stands
 *     /           number of parameters, program and time of writing, whether the optimizer is there
 *
 * Flags are integers; choices are integers or names; a list is an array of its group. The settings
 * are those of run/settings.h; a table in the .c has the rest.
 */
#ifndef DT_RUN_CHECKPOINT_SCALARS_H
#define DT_RUN_CHECKPOINT_SCALARS_H

#include "io/container.h"
#include "run/run.h"

/* Writes what files of this format version have. */
dt_status dt_checkpoint_put_scalars(dt_container *file, int32_t version, const dt_run *run);

/* Settings that files of this version do not have get their defaults; other values stay as they
 * are. Texts are the run's. DT_ERR_INPUT where an attribute is missing or of another type, or a
 * choice is not known; `path` is for the message. */
dt_status dt_checkpoint_get_scalars(dt_container *file, const char *path, int32_t version,
                                    dt_run *run);

#endif
