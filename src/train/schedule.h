/* The learning-rate schedule of a run, and its changes when a run is resumed. */
#ifndef DT_TRAIN_SCHEDULE_H
#define DT_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "data/dataset.h"
#include "run/run.h"

/* Sets the split and the schedule of a new run: run->split, the learning rate in effect, and the
 * settings that depend on the data (numbers of sequences, warm-up and total steps). The warm-up is
 * a fraction of the updates and so, to a batch, of the sequences: with another batch size it covers
 * the same sequences. */
dt_status dt_training_schedule(dt_run *run, const dt_dataset *dataset);

/* Returns the learning rate of the run's next update. */
double dt_training_next_rate(const dt_run *run);

/* Returns the learning rate of the run's last update, 0 before the first one of a schedule. */
double dt_training_last_rate(const dt_run *run);

/* Extends a resumed run to `epochs` epochs in total. From its next update on, it follows the
 * schedule that it would have with that many epochs from its start (or its last reset). Prints a
 * notice with the old and the new learning rate. */
void dt_training_extend(dt_run *run, int32_t epochs);

/* Restarts the schedule of a resumed run: warm-up and decay from its next update to the end of
 * run->settings.epochs, with the rate and the warm-up ratio of run->settings. Moments and counters
 * are kept; the patience of early stopping is reset. DT_ERR_USAGE if no update is left. */
dt_status dt_training_restart(dt_run *run);

#endif
