/* Training a model: epochs of updates, evaluation, checkpoints (docs/model.md 3). */
#ifndef DT_TRAIN_TRAINER_H
#define DT_TRAIN_TRAINER_H

#include <stdatomic.h>
#include <stdint.h>

#include "comm.h"
#include "core/pool.h"
#include "data/dataset.h"
#include "run/run.h"
#include "profile/profile.h"
#include "train/run_output.h"
#include "train/schedule.h"

typedef struct {
    /* Config, settings, split, labels and tokenizer of the run; its progress is brought up to date.
     * A new run has progress all zero; that of a checkpoint is gone on with. */
    dt_run *run;
    const char *resume_path; /* the checkpoint to take the tensors from; NULL: initial values */
    const char *init_path;   /* for a new run: initial values from a checkpoint's parameters
                                (run/init_weights.h); NULL: all drawn */
    const dt_dataset *dataset;
    dt_backend *backend;
    dt_comm *comm;
    dt_pool *pool;           /* for initial values; the backend has as many threads */
    const char *thread_note; /* a notice of their number, said with the plan; NULL: none */
    const char *output_dir;
    bool fixed_micro_batch;    /* run->settings.micro_batch was given by the user */
    const atomic_int *stop;    /* set by a signal to its number: save and end; NULL: never */
    int32_t keep_checkpoints;  /* newest ones of epochs that stay; 0: all */
    bool save_best_only;       /* of the checkpoints of epochs the best stays (saver.h) */
    int64_t save_every_steps;  /* updates of an epoch from one save to the next; 0: at its end */
    double save_every_minutes; /* the same by rank 0's clock; 0: at its end */
    bool validate_on_rank0;    /* else every rank takes a share of the validation */
    bool export_embeddings;    /* these two and the next: see train/exports.h */
    bool export_importance;
    int32_t perm_region_size;        /* tokens of a region; 0: a quarter of max_length */
    const dt_invocation *invocation; /* for the metrics; NULL: not told */
    bool dry_run;                    /* print the plan and stop */
    bool verbose;                    /* tell where the time of each epoch went */
    dt_profile *profile;             /* measures; backend and comm are wrapped then. NULL: none */
} dt_training;

/* Trains until run->settings.epochs are complete, or early stopping ends it. Collective: every rank
 * comes with the same run and dataset; rank 0 alone writes the files that they share. Returns the
 * same status on all ranks, or does not return: a rank that fails alone ends all of them
 * (comm->ops->abort).
 *
 * DT_STOPPED after job->stop was set: the running update is left out (dt_stepper_update), the last
 * completed one is saved, an evaluation under way is left for the resumed run; the message says
 * how to go on. */
dt_status dt_train(const dt_training *training);

#endif
