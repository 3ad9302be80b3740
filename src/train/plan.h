/* The plan of a run: what will be computed, in how many steps, with how much memory. */
#ifndef DT_TRAIN_PLAN_H
#define DT_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/memory.h"
#include "data/dataset.h"
#include "model/checkpoint.h"
#include "model/model.h"

/* Chooses settings->micro_batch where it is 0: the largest piece of a rank's share whose buffers,
 * together with the flat vectors, fit in the device's memory, but not more than pays (see plan.c).
 * Depends on the machine and the settings alone, never on what is free at the moment: equal runs
 * stay equal. DT_ERR_MEMORY when not even one sequence fits, with the flags that help. */
dt_status dt_plan_micro_batch(dt_run_settings *settings, const dt_model *model,
                              const dt_dataset *dataset, const dt_comm *comm);

/* Whether this rank's host has room for a copy of parameters and moments beside all that is planned
 * (settings->micro_batch is chosen), so that a thread can write checkpoints. */
dt_status dt_plan_copy_fits(bool *fits, const dt_run_settings *settings, const dt_model *model,
                            const dt_dataset *dataset, const dt_comm *comm);

/* Adds the table of parameters by layer and in all, as shown before training. */
dt_status dt_plan_parameters(dt_text *out, const dt_param_table *table);

/* Adds what --dry-run prints below that: labels, sequences, steps, memory (with the copy for
 * checkpoints where it fits). */
dt_status dt_plan_run(dt_text *out, const dt_checkpoint *run, const dt_model *model,
                      const dt_dataset *dataset, bool copy_fits);

#endif
