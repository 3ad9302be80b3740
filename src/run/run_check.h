/* Whether the parts of a run that was read from a checkpoint agree with each other, so that nothing
 * that is computed from them leaves its memory, divides by zero or becomes part of a path that the
 * program did not mean. The file may be damaged, or made by someone else's program.
 */
#ifndef DT_RUN_RUN_CHECK_H
#define DT_RUN_RUN_CHECK_H

#include "run/run.h"

/* Checks settings, progress and split; `path` is the file. The taxonomy, the model's configuration and
 * arrays of fixed length are checked where they are read. DT_ERR_INPUT, with the file and the first
 * value that is wrong. */
dt_status dt_run_check(const dt_run *run, const char *path);

#endif
