/* What `deeptaxa convert` and `deeptaxa export` do: a copy of a checkpoint, in the format that the
 * name of the output file says, with what the command line adds to it or omits. */
#ifndef DT_CLI_CONVERT_CHECKPOINT_H
#define DT_CLI_CONVERT_CHECKPOINT_H

#include "core/status.h"

/* `parsed`: dt_convert_options. Returns DT_ERR_USAGE if the output is the checkpoint itself, and
 * the errors of dt_checkpoint_read(), dt_checkpoint_export() and dt_add_training_set(). */
dt_status dt_convert_checkpoint(const void *parsed);

#endif
