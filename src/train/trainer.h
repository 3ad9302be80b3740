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
    /* Config, settings, split, labels and tokenizer of the run; its progress is updated. The
     * progress is all zero for a new run, and the checkpoint's for a resumed one. */
    dt_run *run;
    const char *resume_path; /* checkpoint to read the tensors from; NULL: a new run */
    const char *init_path;   /* for a new run: checkpoint to initialise parameters from
                                (run/init_weights.h); NULL: random */
    const dt_dataset *dataset;
    dt_backend *backend;
    dt_comm *comm;
    dt_pool *pool; /* for initial values; the backend has as many threads */
    const char
        *thread_note; /* notice about the number of threads, printed with the plan; or NULL */
    const char *output_dir;
    bool fixed_micro_batch;    /* run->settings.micro_batch was given by the user */
    const atomic_int *stop;    /* set to a signal's number: save and end; NULL: never stop */
    int32_t keep_checkpoints;  /* number of newest epoch checkpoints to keep; 0: all */
    bool save_best_only;       /* keep only the best epoch checkpoint (saver.h) */
    int64_t save_every_steps;  /* updates between saves within an epoch; 0: only at its end */
    double save_every_minutes; /* the same on rank 0's clock; 0: only at its end */
    bool validate_on_rank0;    /* otherwise every rank evaluates a share */
    bool export_embeddings;    /* this and the next two: see train/exports.h */
    bool export_importance;
    int32_t perm_region_size;        /* tokens of a region; 0: a quarter of max_length */
    const dt_invocation *invocation; /* for the metrics; NULL: left out */
    bool dry_run;                    /* print the plan and return */
    bool verbose;                    /* print how the time of each epoch was spent */
    dt_profile *profile;             /* backend and comm are its wrappers then; NULL: no profile */
} dt_training;

/* Trains until run->settings.epochs are complete or early stopping ends the run. Collective: every
 * rank passes the same run and dataset; only rank 0 writes the shared files. Returns the same
 * status on all ranks; if a single rank fails, it terminates all of them (comm->ops->abort).
 *
 * Returns DT_STOPPED after job->stop was set: the current update is abandoned
 * (dt_stepper_update()), the last completed one is saved, and an interrupted evaluation is left to
 * the resumed run; the message says how to resume. */
dt_status dt_train(const dt_training *training);

#endif
