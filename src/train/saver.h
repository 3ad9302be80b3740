/* Saving a run: checkpoints after epochs and within them, and the metrics that refer to them.
 *
 * World_rank 0 writes, in a background thread if memory allows a copy (checkpoint_writer.h). Once
 * the file is complete, its name is logged, the metrics of its epoch are written, and the
 * checkpoints that it replaces are removed. So metrics never refer to a missing file, and the
 * newest checkpoint is complete at all times.
 */
#ifndef DT_TRAIN_SAVER_H
#define DT_TRAIN_SAVER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "run/checkpoint.h"
#include "model/model.h"
#include "profile/profile.h"
#include "train/checkpoint_writer.h"
#include "train/moments.h"
#include "train/run_output.h"

/* A checkpoint that is being written. */
typedef struct {
    char path[PATH_MAX];
    dt_run content; /* the run at the time of the save; its pointers are borrowed */
    bool within_epoch;
    int64_t step;    /* completed updates of the current epoch, if within_epoch */
    bool has_report; /* write metrics when the checkpoint is complete */
    dt_epoch_report report;
} dt_pending_save;

typedef struct {
    dt_comm *comm;
    const dt_model *model;
    dt_moments *moments; /* of the model, if the ranks share them (dt_moments_open()) */
    dt_run *run;
    dt_run_output *output;
    int32_t keep;                 /* number of newest epoch checkpoints to keep; 0: all */
    bool best_only;               /* keep only the epoch checkpoint with the lowest validation loss
                                     and, until the end of the run, the newest */
    bool resumed_newest;          /* the run was resumed from its newest checkpoint */
    dt_profile *profile;          /* may be NULL */
    dt_checkpoint_writer *writer; /* on rank 0 */
    dt_pending_save pending;      /* on rank 0 */
    double *sums;                 /* (world_size, tax_ranks) loss sums, on rank 0 */
    char newest[PATH_MAX];        /* the newest complete checkpoint, on rank 0; "": none */
    int64_t saved_micro_steps;    /* micro_steps at the last save; -1: none */
    double blocked;               /* seconds that training was blocked by saving */
} dt_saver;

/* Initialises a saver; the caller has set the members before `writer`.
 * resumed: the checkpoint that the run was resumed from; NULL for a new run. background: memory
 * allows a copy of the model's state. */
dt_status dt_saver_create(dt_saver *saver, const char *resumed, bool background);
void dt_saver_free(dt_saver *saver); /* waits for the current write */

/* Saves the current state of the run: if within_epoch, after `step` updates of the current epoch,
 * otherwise at the end of an epoch. Waits for the previous save, and for the copy. report: metrics
 * to write once the checkpoint is complete, with checkpoint_path and times filled in here; may be
 * NULL. Collective; errors are the same on all ranks (dt_agree). */
dt_status dt_saver_save(dt_saver *saver, bool within_epoch, int64_t step,
                        const dt_epoch_report *report, bool *agreed);

/* Completes a save whose file has been written. Does not wait; not collective. */
dt_status dt_saver_poll(dt_saver *saver);

/* Waits for the current save and completes it. Collective; errors as above. */
dt_status dt_saver_wait(dt_saver *saver, bool *agreed);

/* The same at the end of a completed run; with best_only, also removes the newest checkpoint unless
 * it is the best. One that the user named to resume from stays if nothing was trained. */
dt_status dt_saver_finish(dt_saver *saver, bool *agreed);

#endif
