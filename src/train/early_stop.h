/* Ending a training whose validation loss no longer falls, and knowing its best epoch. All of it
 * follows from the evaluations, which are the same on all ranks, and stands in the checkpoint. */
#ifndef DT_TRAIN_EARLY_STOP_H
#define DT_TRAIN_EARLY_STOP_H

#include <stdbool.h>

#include "run/run.h"

/* Takes progress->validation_loss, of an evaluation just made after progress->epoch. The epoch is
 * the best where the loss is below all before; patience starts anew where it is below
 * the loss that patience last started from by more than the run's least gain. A loss that is not
 * finite is no gain. */
void dt_early_stop_note(dt_run_progress *progress, const dt_run_settings *settings);

/* Whether as many evaluations in a row as the run's patience have brought no gain. */
bool dt_early_stop_due(const dt_run_progress *progress, const dt_run_settings *settings);

#endif
