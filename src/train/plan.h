/* The plan of a run: parameters, steps, batch sizes and memory. */
#ifndef DT_TRAIN_PLAN_H
#define DT_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/memory.h"
#include "data/dataset.h"
#include "run/run.h"
#include "model/model.h"

/* What the choice of the micro-batch size depends on. */
typedef struct {
    dt_model *model;
    const dt_dataset *dataset;
    const dt_comm *comm;
    bool fixed;   /* settings->micro_batch was given by the user and must not be lowered */
    bool reserve; /* allocate the model's memory */
} dt_micro_batch_plan;

/* Sets settings->micro_batch to the largest micro-batch that fits in the device's memory
 * (model/fit.h). The upper limit is its current value (of a resumed run, or given by the user); if
 * that is 0, the size beyond which speed no longer increases (see plan.c). */
dt_status dt_plan_micro_batch(dt_run_settings *settings, const dt_micro_batch_plan *plan);

/* Sets *fits to whether this host has memory for a copy of the parameters and moments in addition
 * to everything planned, so that a thread can write checkpoints. Requires settings->micro_batch. */
dt_status dt_plan_copy_fits(bool *fits, const dt_run_settings *settings,
                            const dt_micro_batch_plan *plan);

/* Adds the table of parameters by layer, with the total. */
dt_status dt_plan_parameters(dt_text *out, const dt_param_table *table);

/* Adds the share of a step that the ranks spend on their sequences (train/efficiency.h), and prints a
 * notice that says what to set if it is low. threads: of a rank. Nothing with a single rank. */
dt_status dt_plan_efficiency(dt_text *out, const dt_run *run, const dt_dataset *dataset,
                             int32_t threads, bool resumed);

/* Adds the rest of what --dry-run prints: the labels of each taxonomic rank with an example,
 * sequences, steps and memory (including the copy for checkpoints if it fits). */
dt_status dt_plan_run(dt_text *out, const dt_run *run, dt_model *model, const dt_dataset *dataset,
                      bool copy_fits);

#endif
