/* Saving a run: checkpoints after epochs and within them, and the metrics that name them.
 *
 * World_rank 0 writes, in a thread where there is room for a copy (checkpoint_writer.h). What
 * belongs to a checkpoint follows when it is in place: the line that tells its name, the metrics of
 * its epoch, and the removal of those that it replaces. So metrics never name a file that is not
 * there, and at every moment the newest checkpoint is a whole one.
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
#include "train/run_output.h"

/* A checkpoint under way. */
typedef struct {
    char path[PATH_MAX];
    dt_run content; /* the run as it was; borrows from it */
    bool within_epoch;
    int64_t step;    /* updates of the running epoch, within_epoch */
    bool has_report; /* metrics are to be written */
    dt_epoch_report report;
} dt_pending_save;

typedef struct {
    dt_comm *comm;
    const dt_model *model;
    dt_run *run;
    dt_run_output *output;
    int32_t keep;                 /* newest checkpoints of epochs that stay; 0: all */
    bool best_only;               /* of the checkpoints of epochs stay the best, the one of the
                                     lowest validation loss, and until the run is over the newest */
    dt_profile *profile;          /* NULL: none */
    dt_checkpoint_writer *writer; /* on rank 0 */
    dt_pending_save pending;      /* on rank 0 */
    double *sums;                 /* (world_size, tax_ranks) loss sums, on rank 0 */
    char newest[PATH_MAX];        /* checkpoint that is whole, on rank 0; "": none */
    int64_t saved_micro_steps;    /* of the last save; -1: none */
    double still;                 /* seconds that training stood still for saving */
} dt_saver;

/* A saver of this run. comm, model, run, output, keep and best_only are set by the caller before;
 * resumed: the checkpoint that the run goes on from, NULL for a new one. beside: whether there is
 * room for a copy. */
dt_status dt_saver_create(dt_saver *saver, const char *resumed, bool beside);
void dt_saver_free(dt_saver *saver); /* waits for the write under way */

/* Saves the run as it stands: within_epoch after so many updates of the running epoch (`step`),
 * else at an epoch's end. Waits for the save before, and for the copy. report: metrics to write
 * once the checkpoint is in place; NULL: none; its checkpoint_path and times are filled in.
 * Collective; errors are the same on all ranks (dt_agree). */
dt_status dt_saver_save(dt_saver *saver, bool within_epoch, int64_t step,
                        const dt_epoch_report *report, bool *agreed);

/* Completes a save whose file is written. Does not wait, and is not collective. */
dt_status dt_saver_poll(dt_saver *saver);

/* Waits for the save under way and completes it. Collective; errors as above. */
dt_status dt_saver_wait(dt_saver *saver, bool *agreed);

/* The same at the end of a run that is complete: with best_only the newest goes where it is not the
 * best. */
dt_status dt_saver_finish(dt_saver *saver, bool *agreed);

#endif
