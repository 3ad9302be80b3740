/* A training run as JSON for the report, from the files in its output directory: the metrics of its
 * epochs and its steps file (docs/files.md "Training"). Of a folder with several runs it is that of
 * deeptaxa_uuid.txt. DeepTaxa's own folders are read too; what they lack is null.
 *
 *     name, folder, id     last part of the folder's path; the path; the run's id
 *     ranks                [name of a taxonomic rank, …], [] before the first evaluation
 *     settings             [[section, name, value as text], …] of the last epoch's metrics
 *     epochs               {epoch, training_loss, validation_loss, …: [number by epoch, …],
 *                           accuracy, precision, recall, f1_score: [[number by rank, …] by epoch,
 *                           …]}
 *     best                 {epoch, loss, rise, overfitted}: the lowest validation loss, how much
 *                          larger the last one is (0.1: by 10 %), and whether this is overfitting:
 *                          by more than 1 %, while the training loss has become smaller; null
 *                          without evaluations
 *     steps                {step, loss, learning_rate, gradient_norm, sequences_per_second:
 *                           [number, …], lines, together}: each number is the mean of `together`
 *                           lines of the file
 */
#ifndef DT_REPORT_RUN_FILES_H
#define DT_REPORT_RUN_FILES_H

#include "core/status.h"
#include "io/json_writer.h"

/* Adds the run as a value. Of the steps, at most `points` means are written. DT_ERR_INPUT with the
 * file or folder, if it is not one of a run. */
dt_status dt_report_run(dt_json *json, const char *folder, int64_t points);

#endif
