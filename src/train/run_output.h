/* The files of a run below its output directory (docs/files.md "Training"), written by world_rank
 * 0: deeptaxa_uuid.txt, train.log, report.html
 *     metadata/deeptaxa_<uuid>_label2id.json
 *     metrics/deeptaxa_<uuid>_epoch<N>.json, metrics/deeptaxa_<uuid>_steps.jsonl,
 *         metrics/deeptaxa_<uuid>_metrics.csv
 *     weights/deeptaxa_<uuid>_epoch<N>_…, on request (exports.h)
 *     checkpoints/deeptaxa_<uuid>_epoch<N>.h5, after a completed epoch
 *     checkpoints/deeptaxa_<uuid>_epoch<N>_step<S>.h5, after S updates of epoch N; only the newest
 *         is kept
 */
#ifndef DT_TRAIN_RUN_OUTPUT_H
#define DT_TRAIN_RUN_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/output_folder.h"
#include "run/run.h"
#include "io/event_file.h"
#include "run/run_json.h"
#include "ranks/ranks.h"
#include "train/step.h"

typedef struct {
    dt_output_folder folder;
    char run_uuid[64];
    bool unsaved;               /* .deeptaxa.unsaved says that there is no checkpoint yet */
    FILE *steps;                /* metrics/…_steps.jsonl */
    dt_event_file *tensorboard; /* NULL: none; set by the caller, closed here */
    bool reports;               /* write report.html; set by the caller */
    double report_seconds;      /* that the last report took */
} dt_run_output;

/* Contents of an epoch's metrics that are not stored in the checkpoint. */
typedef struct {
    const char *checkpoint_path;
    const dt_rank_info *ranks;       /* (world_size) */
    const dt_invocation *invocation; /* NULL: left out */
    dt_step_times times;             /* of rank 0, in the epoch */
    double session_time;             /* seconds since this process began to train */
    char session_start[32];          /* dt_timestamp() of that start */
    char epoch_start[32];        /* timestamp of the end of the previous epoch, or of that start */
    char epoch_end[32];          /* timestamp after training and evaluation of the epoch */
    double checkpoint_time;      /* seconds that training was blocked by checkpoints */
    double checkpoint_writing;   /* seconds that writing them took, in the background or not */
    double sequences_per_second; /* of the epoch's training */
    double tokens_per_second;
} dt_epoch_report;

/* Creates the directories, takes the lock and opens train.log. Assigns an id to a run without one
 * (run->settings.run_uuid), and writes the id and the labels. Removes what a killed process left:
 * unfinished files, and steps, labels and references of a run without a checkpoint. If it fails before
 * train.log is open, it removes what it made; afterwards train.log says why the run ended. */
dt_status dt_run_output_open(dt_run_output *output, const char *folder, dt_run *run);
/* Opens the steps file to continue after the updates of `state`; removes its lines of later ones. */
dt_status dt_run_output_open_steps(dt_run_output *output, const dt_update_state *state);
/* To be called after the first checkpoint is complete: from now on a killed run can be resumed. */
void dt_run_output_saved(dt_run_output *output);
/* Releases the directory. train.log stays open for the message that says why the run ended. The
 * references of a run that ends without a checkpoint are removed: nothing refers to them. */
void dt_run_output_close(dt_run_output *output);

/* Sets `out` (PATH_MAX bytes) to the path of the checkpoint after `epoch` completed epochs. */
dt_status dt_run_checkpoint_path(const dt_run_output *output, int32_t epoch, char *out);
/* The same for the checkpoint after `step` updates of epoch number `epoch`, both from 1. */
dt_status dt_run_step_checkpoint_path(const dt_run_output *output, int32_t epoch, int64_t step,
                                      char *out);
/* Removes the run's checkpoints from within epochs 1 … `epoch`, except the file `except` (may be
 * NULL). */
void dt_run_drop_step_checkpoints(const dt_run_output *output, int32_t epoch, const char *except);

/* Removes the run's checkpoints of completed epochs 1 … `epoch`, including any left by a killed
 * process. */
void dt_run_drop_epoch_checkpoints(const dt_run_output *output, int32_t epoch);

/* Removes the run's checkpoints of completed epochs, except the file named `except`. Returns their
 * number. */
int dt_run_drop_all_epoch_checkpoints(const dt_run_output *output, const char *except);

/* Renames the run's checkpoints of epochs after `epoch` to `….h5.old`: the run was resumed from an
 * earlier checkpoint, and --resume auto must not choose the abandoned ones. Removes `.old` files of
 * epochs up to `epoch`, which have been trained again. Returns the number of files renamed. */
int dt_run_set_later_aside(const dt_run_output *output, int32_t epoch);

/* Appends a line about the last update to the steps file, and its numbers to that for TensorBoard.
 * loss: of that update, over all ranks. */
dt_status dt_run_output_step(dt_run_output *output, int32_t epoch, const dt_update_state *state,
                             double loss, double sequences_per_second);

/* Sets *exists to whether the metrics of an epoch were written. */
dt_status dt_run_output_has_metrics(const dt_run_output *output, int32_t epoch, bool *exists);

/* Sets `out` (PATH_MAX bytes) to the path of an export of an epoch, `weights/…_epoch<N>_<name>`;
 * creates the directory. */
dt_status dt_run_export_path(const dt_run_output *output, int32_t epoch, const char *name,
                             char *out);

/* Adds the row of a completed epoch to metrics/…_metrics.csv (train/epoch_table.h), and its numbers
 * to the file for TensorBoard. */
dt_status dt_run_output_epoch(const dt_run_output *output, const dt_run *run);

/* From that table: raises *epoch to its last one, and sets *evaluations to the number of evaluated
 * epochs after the given *epoch. Changes neither without a table. */
dt_status dt_run_output_progress(const dt_run_output *output, int32_t *epoch, int32_t *evaluations);

/* Writes the metrics of an evaluated epoch. */
dt_status dt_run_output_metrics(const dt_run_output *output, const dt_run *run,
                                const dt_epoch_report *report);

/* Writes `<folder>/report.html` (report/report.h) from the files of the run so far, if
 * output->reports. A failure is one warning, after which no other report is tried. */
void dt_run_output_report(dt_run_output *output);
/* The same after an epoch's metrics, if the last report took less than a hundredth of the epoch's
 * `training_time`: a report does not slow a run down. */
void dt_run_output_refresh_report(dt_run_output *output, double training_time);

#endif
