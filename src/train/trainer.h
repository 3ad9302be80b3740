/* Training a model: epochs of updates, evaluation, checkpoints (reference-model 3). */
#ifndef DT_TRAIN_TRAINER_H
#define DT_TRAIN_TRAINER_H

#include <stdint.h>

#include "comm.h"
#include "core/pool.h"
#include "data/dataset.h"
#include "model/checkpoint.h"

typedef struct {
    /* Config, settings, split, labels and tokenizer of the run; its progress is brought up to date.
     * A new run has progress all zero; that of a checkpoint is gone on with. */
    dt_checkpoint *run;
    const char *resume_path; /* the checkpoint to take the tensors from; NULL: initial values */
    const dt_dataset *dataset;
    dt_backend *backend;
    dt_comm *comm;
    dt_pool *pool; /* for initial values */
    const char *output_dir;
    bool fixed_micro_batch;   /* run->settings.micro_batch was given by the user */
    int32_t keep_checkpoints; /* newest ones that stay; 0: all */
    bool dry_run;             /* print the plan and stop */
    bool verbose;             /* tell where the time of each epoch went */
} dt_training;

/* The training and validation part and the schedule of a new run: fills run->split and the settings
 * that follow from the data (sequences, warm-up and total steps). */
dt_status dt_training_schedule(dt_checkpoint *run, const dt_dataset *dataset);

/* Trains until run->settings.epochs are complete. Collective. */
dt_status dt_train(const dt_training *training);

#endif
