/* The learning-rate schedule of a run, and how one that is resumed may change it. */
#ifndef DT_TRAIN_SCHEDULE_H
#define DT_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "data/dataset.h"
#include "run/run.h"

/* The training and validation part and the schedule of a new run: fills run->split and the settings
 * that follow from the data (sequences, warm-up and total steps). */
dt_status dt_training_schedule(dt_run *run, const dt_dataset *dataset);

/* A resumed run gets `epochs` epochs in all, more than it has: from its next update on it follows
 * the schedule that it would have had with so many from its start (or from where that was last
 * reset). A notice tells how the learning rate jumps. */
void dt_training_extend(dt_run *run, int32_t epochs);

/* A resumed run begins its schedule anew: warm-up and fall from its next update to the end of
 * run->settings.epochs, with the rate and the warm-up ratio of run->settings. Moments and counters
 * stay; the patience of early stopping starts anew. DT_ERR_USAGE when no update is left. */
dt_status dt_training_restart(dt_run *run);

#endif
