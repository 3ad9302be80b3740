/* Training a model: epochs of updates, evaluation, checkpoints (docs/model.md 3). */
#ifndef DT_TRAIN_TRAINER_H
#define DT_TRAIN_TRAINER_H

#include "core/status.h"
#include "train/training.h"

/* Trains until run->settings.epochs are complete or early stopping ends the run. Collective: every
 * rank passes the same run and dataset; only rank 0 writes the shared files. Returns the same
 * status on all ranks; if a single rank fails, it terminates all of them (comm->ops->abort).
 *
 * Returns DT_STOPPED after job->stop was set: the current update is abandoned
 * (dt_stepper_update()), the last completed one is saved, and an interrupted evaluation is left to
 * the resumed run; the message says how to resume. */
dt_status dt_train(const dt_training *training);

#endif
