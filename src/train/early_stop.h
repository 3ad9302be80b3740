/* Early stopping, and tracking of the best epoch. Both depend on the validation losses only, which
 * are the same on all ranks; the state is stored in the checkpoint. */
#ifndef DT_TRAIN_EARLY_STOP_H
#define DT_TRAIN_EARLY_STOP_H

#include <stdbool.h>

#include "run/run.h"

/* Updates the state with progress->validation_loss, just computed after progress->epoch. The epoch
 * becomes the best one if its loss is below all previous ones. The patience counter is reset if the
 * loss is below the loss at the last reset by more than the run's minimum improvement. A loss that
 * is not finite counts as no improvement. */
void dt_early_stop_update(dt_run_progress *progress, const dt_run_settings *settings);

/* Returns whether as many evaluations in a row as the run's patience brought no improvement. */
bool dt_early_stop_due(const dt_run_progress *progress, const dt_run_settings *settings);

#endif
