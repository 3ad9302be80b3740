/* The number format of a run, and the loss scale that fp16 needs (docs/model.md 3).
 *
 * Parameters, moments and gradient sums are fp32 whatever the format is, and so is a checkpoint: it
 * can be gone on with in any format. The loss scale starts at DT_LOSS_SCALE_START where a run turns
 * to fp16, goes on where it was when a run in fp16 is resumed in fp16, and is 1 otherwise.
 */
#ifndef DT_TRAIN_PRECISION_H
#define DT_TRAIN_PRECISION_H

#include "backend.h"
#include "run/run.h"

/* Writes the format into the run's settings, and what follows from it into its update rule and its
 * progress (which are complete already). A notice tells of a resumed run that changes its format.
 */
void dt_training_precision(dt_run *run, dt_precision precision, bool resumed);

#endif
