/* The files of a run below its output folder (docs/files.md "Training"), written by world_rank 0:
 *     deeptaxa_uuid.txt, train.log
 *     metadata/deeptaxa_<uuid>_label2id.json
 *     metrics/deeptaxa_<uuid>_epoch<N>.json, metrics/deeptaxa_<uuid>_steps.jsonl
 *     weights/deeptaxa_<uuid>_epoch<N>_…, on request (exports.h)
 *     checkpoints/deeptaxa_<uuid>_epoch<N>.h5, of a completed epoch
 *     checkpoints/deeptaxa_<uuid>_epoch<N>_step<S>.h5, of S updates of epoch N, the newest alone
 */
#ifndef DT_TRAIN_RUN_OUTPUT_H
#define DT_TRAIN_RUN_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "run/run.h"
#include "run/run_json.h"
#include "train/ranks.h"
#include "train/step.h"

typedef struct {
    char folder[PATH_MAX];
    char run_uuid[64];
    int lock;
    FILE *steps; /* metrics/…_steps.jsonl */
} dt_run_output;

/* What the metrics of an epoch say beside what stands in the checkpoint. */
typedef struct {
    const char *checkpoint_path;
    const dt_rank_info *ranks;       /* (world_size) */
    const dt_invocation *invocation; /* NULL: not told */
    dt_step_times times;             /* of rank 0, in the epoch */
    double session_time;             /* seconds since this process began to train */
    char session_start[32];          /* dt_timestamp() of that */
    char epoch_start[32];            /* of the end of the epoch before, or of that */
    char epoch_end[32];              /* when the epoch was trained and evaluated */
    double checkpoint_time;          /* seconds that training stood still for checkpoints */
    double checkpoint_writing;   /* seconds that writing them took, beside the training or not */
    double sequences_per_second; /* of the epoch's training */
    double tokens_per_second;
} dt_epoch_report;

/* Makes the folders, takes the lock, opens train.log. A run without an id gets one, in
 * run->settings; id and labels are written out. Lines of the steps file that lie beyond the run's
 * progress and unfinished files, left by a process that was killed, are dropped. */
dt_status dt_run_output_open(dt_run_output *output, const char *folder, dt_run *run);
/* Gives the folder back. train.log stays open: why a run ended is said after this. */
void dt_run_output_close(dt_run_output *output);

/* The checkpoint's name for a number of completed epochs. `out` has room for PATH_MAX. */
dt_status dt_run_checkpoint_path(const dt_run_output *output, int32_t epoch, char *out);
/* The same for `step` updates of the running epoch, of which the first is number 1. */
dt_status dt_run_step_checkpoint_path(const dt_run_output *output, int32_t epoch, int64_t step,
                                      char *out);
/* Removes the run's checkpoints that stand within epochs 1 … `epoch`, except that one (NULL: none
 * is spared). */
void dt_run_drop_step_checkpoints(const dt_run_output *output, int32_t epoch, const char *except);

/* Removes the run's checkpoints of the epochs 1 … `epoch`, also what a killed process left. */
void dt_run_drop_epoch_checkpoints(const dt_run_output *output, int32_t epoch);

/* Sets the run's checkpoints of epochs after `epoch` aside, as `….h5.old`: the run has been gone on
 * with from an earlier one, and --resume auto must not return to the way that it left. What was set
 * aside of epochs up to `epoch`, which the new way has done again, is removed. Returns how many
 * were set aside. */
int dt_run_set_later_aside(const dt_run_output *output, int32_t epoch);

/* Appends one line about the last update. loss: of that update, over all ranks. */
dt_status dt_run_output_step(dt_run_output *output, int32_t epoch, const dt_update_state *state,
                             double loss, double sequences_per_second);

/* Sets *there to whether the metrics of an epoch were written. */
dt_status dt_run_output_has_metrics(const dt_run_output *output, int32_t epoch, bool *there);

/* The name of an export of an epoch, `…_epoch<N>_<name>`, in the folder `weights`, which is made.
 * `out` has room for PATH_MAX. */
dt_status dt_run_export_path(const dt_run_output *output, int32_t epoch, const char *name,
                             char *out);

/* Writes the metrics of an evaluated epoch. */
dt_status dt_run_output_metrics(const dt_run_output *output, const dt_run *run,
                                const dt_epoch_report *report);

#endif
