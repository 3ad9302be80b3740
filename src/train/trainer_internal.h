/* A training under way: what trainer.c (start, evaluation, end) and epoch.c (the steps) share. */
#ifndef DT_TRAIN_TRAINER_INTERNAL_H
#define DT_TRAIN_TRAINER_INTERNAL_H

#include "data/sampler.h"
#include "train/ranks.h"
#include "train/run_output.h"
#include "train/saver.h"
#include "train/step.h"
#include "train/trainer.h"

typedef struct {
    const dt_training *job;
    dt_run *run;
    dt_model *model;
    dt_rank_info *ranks; /* (world_size) */
    dt_sampler sampler;
    dt_stepper stepper;
    dt_objective objective;
    void *class_weight;   /* the objective's on the device; NULL: it has none */
    dt_run_output output; /* on rank 0 */
    dt_saver saver;
    double began;           /* dt_seconds() of this process's first step */
    char session_start[32]; /* dt_timestamp() of the same */
    char epoch_start[32];   /* of the end of the epoch before, or of the same */
    int64_t skipped_told;   /* skipped updates that were warned of or counted */
    bool stopping;          /* all ranks have agreed to end */
    bool agreed;            /* all ranks have the same failure (dt_agree) */
} dt_trainer;

/* DT_ERR_USAGE where no sequences validate, which `flag` needs. */
dt_status dt_trainer_needs_validation(const dt_trainer *t, const char *flag);

/* Trains the running epoch to its end, from where it stands, saving when that is due. On a stop it
 * sets t->stopping and returns after the last completed update, which is not saved then; the epoch
 * is counted as completed when that was its last one. Collective. */
dt_status dt_trainer_epoch(dt_trainer *t);

#endif
