/* Which checkpoint an argument names: a file, or the newest one of a run. */
#ifndef DT_RUN_CHECKPOINT_PATH_H
#define DT_RUN_CHECKPOINT_PATH_H

#include "core/status.h"

/* Resolves a checkpoint argument into `out` (PATH_MAX bytes): the path itself; if it is the output
 * directory of a run, its newest checkpoint (DT_ERR_INPUT if there is none); if it ends in `.pt`
 * and does not exist, the same path with `.h5` if that exists (with a notice). The file must have the
 * SHA-256 `expected`, unless that is NULL (dt_sha256_expect()). */
dt_status dt_checkpoint_path(const char *argument, const char *expected, char *out);

/* Writes the name that `deeptaxa calibrate` gives the calibrated copy of a checkpoint to `out` (PATH_MAX
 * bytes): <checkpoint>_calibrated.h5. */
dt_status dt_calibrated_path(const char *checkpoint, char *out);

/* Finds the complete checkpoint with the most training progress in a run's output directory, among
 * those of the run named in deeptaxa_uuid.txt. Sets `path` (PATH_MAX bytes) to its path, or to ""
 * if there is none. Files that are damaged or contain weights only are skipped with a warning. */
dt_status dt_newest_checkpoint(const char *output_dir, char *path);

#endif
