/* Settings and progress of the run that wrote a DeepTaxa file (run/torch_read.h). */
#ifndef DT_RUN_TORCH_PROGRESS_H
#define DT_RUN_TORCH_PROGRESS_H

#include "io/torch_file.h"
#include "run/run.h"

/* The run has its defaults, config and taxonomy. What the file lacks keeps its default, and `unknown`
 * lists it. */
dt_status dt_torch_read_settings(const dt_torch_file *file, dt_run *run);

/* After the settings. Sets has_optimizer if the file has all that a resumed run needs: state of the
 * optimizer and of the scheduler, and the split. */
dt_status dt_torch_read_progress(dt_torch_file *file, dt_run *run);

#endif
