/* The state of a training, shared by trainer.c (start, evaluation, end), preflight.c, choices.c,
 * epoch.c (the steps), outcome.c (whether it is over) and exports.c. */
#ifndef DT_TRAIN_TRAINER_INTERNAL_H
#define DT_TRAIN_TRAINER_INTERNAL_H

#include "data/sampler.h"
#include "train/moments.h"
#include "train/run_output.h"
#include "train/saver.h"
#include "train/step.h"
#include "train/training.h"

typedef struct {
    const dt_training *job;
    dt_run *run;
    dt_model *model;
    dt_moments moments;
    dt_sampler sampler;
    dt_stepper stepper;
    dt_objective objective;
    void *class_weight;   /* of the objective, on the device; may be NULL */
    dt_run_output output; /* on rank 0 */
    dt_saver saver;
    dt_text sums;           /* on rank 0: the line of the preflight about the sums of gradients */
    double began;           /* dt_seconds() of this process's first step */
    char session_start[32]; /* timestamp of that step */
    char epoch_start[32];   /* timestamp of the end of the previous epoch, or of that step */
    int64_t skipped_seen;   /* number of skipped updates already reported */
    bool stopping;          /* all ranks have agreed to end */
    bool diverged;          /* as the last evaluation says */
    bool complete;          /* a run with save_best_only came to its end in an earlier process */
    bool agreed;            /* all ranks have the same failure (dt_agree) */
} dt_trainer;

/* Checks the sums of gradients before the first one (ranks/sums.h). If that is all that is asked for
 * (preflight_only), prints the table of the ranks and the result. Call it after attach(). Collective.
 */
dt_status dt_trainer_preflight(dt_trainer *t);

/* Chooses the algorithms of the device's matrix products, or takes those of the checkpoint (with
 * --deterministic: neither); all ranks with the same type of device have the same. Stores them in
 * the run. Call it once, before the first step and evaluation. Collective. */
dt_status dt_trainer_choose(dt_trainer *t);

/* Returns DT_ERR_USAGE if the run has no validation sequences, which `flag` requires. */
dt_status dt_trainer_needs_validation(const dt_trainer *t, const char *flag);

/* Trains the rest of the current epoch and saves whenever a save is due. On a stop it sets
 * t->stopping and returns after the last completed update without saving it; if that was the last
 * update of the epoch, the epoch counts as completed. Collective. */
dt_status dt_trainer_epoch(dt_trainer *t);

/* Fails if the loss of the epoch that has just ended, or of its evaluation, is not finite, or if every
 * update was skipped. Call it before the epoch is saved. Collective. */
dt_status dt_trainer_check_losses(dt_trainer *t, bool evaluated);

/* Sets t->complete if an earlier process completed the run, though the checkpoint does not say so.
 * Collective. */
dt_status dt_trainer_find_end(dt_trainer *t);

/* Returns true after the last epoch, or when early stopping is due. */
bool dt_trainer_is_over(const dt_trainer *t);

/* Prints why the run ended before its last epoch, if it did. */
void dt_trainer_report_early_stop(const dt_trainer *t);

#endif
