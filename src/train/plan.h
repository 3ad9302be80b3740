/* The plan of a run: what will be computed, in how many steps, with how much memory. */
#ifndef DT_TRAIN_PLAN_H
#define DT_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/memory.h"
#include "data/dataset.h"
#include "run/run.h"
#include "model/model.h"

/* How the pieces of a rank's share are chosen. */
typedef struct {
    dt_model *model;
    const dt_dataset *dataset;
    const dt_comm *comm;
    bool fixed;   /* settings->micro_batch was given by the user: it is not lowered */
    bool reserve; /* take the model's memory */
} dt_piece_plan;

/* Chooses settings->micro_batch, the largest piece of a rank's share that fits in the device's
 * memory (model/fit.h): where it is 0, from not more than pays (see plan.c); else from what it is,
 * the number of the run that is resumed. */
dt_status dt_plan_micro_batch(dt_run_settings *settings, const dt_piece_plan *plan);

/* Whether this rank's host has room for a copy of parameters and moments beside all that is planned
 * (settings->micro_batch is chosen), so that a thread can write checkpoints. */
dt_status dt_plan_copy_fits(bool *fits, const dt_run_settings *settings, const dt_piece_plan *plan);

/* Adds the table of parameters by layer and in all, as shown before training. */
dt_status dt_plan_parameters(dt_text *out, const dt_param_table *table);

/* Adds what --dry-run prints below that: labels of each taxonomic rank with an example, sequences,
 * steps, memory (with the copy for checkpoints where it fits). */
dt_status dt_plan_run(dt_text *out, const dt_run *run, dt_model *model, const dt_dataset *dataset,
                      bool copy_fits);

#endif
