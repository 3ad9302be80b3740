/* Where a run can be gone on with: for --resume auto. */
#ifndef DT_TRAIN_NEWEST_H
#define DT_TRAIN_NEWEST_H

#include "core/status.h"

/* Finds, in a run's output folder, the whole checkpoint in which the most of the training is done,
 * of the run that deeptaxa_uuid.txt names. `path` (room for PATH_MAX) becomes its name, "" when
 * there is none. Files that are damaged or hold weights only are passed over with a warning. */
dt_status dt_newest_checkpoint(const char *output_dir, char *path);

#endif
