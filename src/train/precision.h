/* The number format of a run, and the loss scale that fp16 needs (docs/model.md 3).
 *
 * Parameters, moments, gradient sums and checkpoints are always fp32, so a run can be resumed in
 * any format. The loss scale is DT_LOSS_SCALE_START when a run starts in fp16 or changes to it, its
 * last value when an fp16 run is resumed in fp16, and 1 otherwise.
 */
#ifndef DT_TRAIN_PRECISION_H
#define DT_TRAIN_PRECISION_H

#include "backend.h"
#include "run/run.h"

/* Sets the format in the run's settings, and the loss scaling in its update rule and progress,
 * which must be complete otherwise. Prints a notice if a resumed run changes its format. */
void dt_training_precision(dt_run *run, dt_precision precision, bool resumed);

#endif
