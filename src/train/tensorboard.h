/* A run's numbers for TensorBoard, in `<folder>/tensorboard/` (io/event_file.h). The step of all of
 * them is the number of updates:
 *
 *     loss/update, learning_rate, gradient_norm, sequences_per_second   of a line of the steps file
 *     loss/training, seconds/training, epoch                            of a completed epoch
 *     loss/validation, seconds/evaluation, accuracy/<tax_rank>, precision/…, recall/…, f1_score/…
 *                                                                       of an evaluation
 *     settings                                                          all settings, as a text
 */
#ifndef DT_TRAIN_TENSORBOARD_H
#define DT_TRAIN_TENSORBOARD_H

#include "core/update_rule.h"
#include "io/event_file.h"
#include "run/run.h"

/* Creates the folder and a file for the rest of the run. settings: lines of text; NULL: none. */
dt_status dt_tensorboard_open(dt_event_file **out, const char *folder, const dt_run *run,
                              const char *settings);

dt_status dt_tensorboard_step(dt_event_file *file, const dt_update_state *state, double loss,
                              double sequences_per_second);
dt_status dt_tensorboard_epoch(dt_event_file *file, const dt_run *run);

#endif
