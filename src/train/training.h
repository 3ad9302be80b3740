/* A training to run: what dt_train() (train/trainer.h) is given. */
#ifndef DT_TRAIN_TRAINING_H
#define DT_TRAIN_TRAINING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/pool.h"
#include "data/dataset.h"
#include "profile/profile.h"
#include "ranks/ranks.h"
#include "run/run.h"
#include "train/run_output.h"

typedef struct {
    /* Config, settings, split, labels and tokenizer of the run; its progress is updated. The
     * progress is all zero for a new run, and the checkpoint's for a resumed one. */
    dt_run *run;
    const char *resume_path; /* checkpoint to read the tensors from; NULL: a new run */
    bool resumes_newest;     /* it is the newest one in output_dir: --resume auto */
    const char *init_path;   /* for a new run: checkpoint to initialise parameters from
                                (run/init_weights.h); NULL: random */
    const dt_dataset *dataset;
    dt_backend *backend;
    dt_comm *comm;
    const dt_rank_info *ranks; /* (world_size); they fit together (dt_ranks_check()) */
    dt_pool *pool;             /* for initial values; the backend has as many threads */
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
    bool store_references;     /* keep the sequences for neighbours (train/store_references.h) */
    bool export_embeddings;    /* this and the next two: see train/exports.h */
    bool export_importance;
    int32_t perm_region_size;        /* tokens of a region; 0: a quarter of max_length */
    bool report;                     /* write report.html */
    bool tensorboard;                /* write files for TensorBoard */
    const dt_invocation *invocation; /* for the metrics; NULL: left out */
    const char *settings;            /* printed before the plan, except in a dry run; or NULL */
    bool deterministic;              /* no algorithm is chosen by timing (choices_time()) */
    bool dry_run;                    /* print the plan and return */
    bool preflight_only;             /* prepare the run, print the preflight and return */
    bool verbose;                    /* print how the time of each epoch was spent */
    dt_profile *profile;             /* backend and comm are its wrappers then; NULL: no profile */
} dt_training;

#endif
