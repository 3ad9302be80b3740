/* The scalars of a checkpoint, stored as attributes of its groups:
 *
 *     /config     sizes of the model
 *     /settings   settings of the run
 *     /progress   progress of the run
 *     /           number of parameters, program version, timestamp, has_optimizer
 *
 * Flags are stored as integers, choices as integers or names, lists as arrays in the group. The
 * settings are those in run/settings.h; the other fields are in a table in the .c file.
 */
#ifndef DT_RUN_CHECKPOINT_SCALARS_H
#define DT_RUN_CHECKPOINT_SCALARS_H

#include "io/container.h"
#include "run/run.h"

/* Writes the fields of this format version. */
dt_status dt_checkpoint_put_scalars(dt_container *file, int32_t version, const dt_run *run);

/* Reads the fields of this format version; settings that it lacks are set to their defaults, other
 * fields are not changed. Texts are owned by the run. Returns DT_ERR_INPUT if an attribute is
 * missing or has the wrong type, or a choice is unknown; `path` is for the message. */
dt_status dt_checkpoint_get_scalars(dt_container *file, const char *path, int32_t version,
                                    dt_run *run);

#endif
