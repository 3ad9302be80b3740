/* The description of a checkpoint that `deeptaxa describe` prints, in the published layout. */
#ifndef DT_RUN_DESCRIBE_H
#define DT_RUN_DESCRIBE_H

#include "core/memory.h"
#include "io/output.h"
#include "run/run.h"

/* Adds the description to `out`: Model Details, Training Hyperparameters, Dataset Info, Taxonomic
 * Levels, Timing, Performance Metrics (not in DeepTaxa; if the model was evaluated), System Info.
 * Sizes of branches that the model type lacks are left out. path: of the checkpoint; version: of
 * this program. Tensors are not needed. */
dt_status dt_describe_text(dt_text *out, const dt_run *checkpoint, const char *path,
                           const char *version);

/* Adds a block with the name and the shape of each tensor. */
dt_status dt_describe_tensors(dt_text *out, const dt_run *checkpoint);

/* Writes the same as a JSON object with the keys of the training metrics, plus those of DeepTaxa's
 * export: `run_uuid`, `tokenizer`, `epoch`, `hidden_dropout_prob` and `output_attentions` in
 * `model_details`, `optimizer` in `training_hyperparameters`, `training_time` and `evaluation_time`
 * in `timing`, `cuda` in `system_info`. */
dt_status dt_describe_json(dt_output *out, const dt_run *checkpoint, const char *path,
                           const char *version);

#endif
