/* Finding the checkpoint to resume from, for --resume auto. */
#ifndef DT_TRAIN_NEWEST_H
#define DT_TRAIN_NEWEST_H

#include "core/status.h"

/* Finds the complete checkpoint with the most training progress in a run's output directory, among
 * those of the run named in deeptaxa_uuid.txt. Sets `path` (PATH_MAX bytes) to its path, or to ""
 * if there is none. Files that are damaged or contain weights only are skipped with a warning. */
dt_status dt_newest_checkpoint(const char *output_dir, char *path);

#endif
