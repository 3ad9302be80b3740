/* What `deeptaxa describe` prints of a checkpoint: the published layout, block by block. */
#ifndef DT_RUN_DESCRIBE_H
#define DT_RUN_DESCRIBE_H

#include "core/memory.h"
#include "io/output.h"
#include "run/run.h"

/* Adds the description to `out`: Model Details, Training Hyperparameters, Dataset Info, Taxonomic
 * Levels, Timing, Performance Metrics (ours; where an evaluation was made), System Info. Sizes of
 * parts that the model type lacks are left out. `path` is the checkpoint's, `version` this
 * program's. Tensors are not needed. */
dt_status dt_describe_text(dt_text *out, const dt_run *checkpoint, const char *path,
                           const char *version);

/* Writes the same as one JSON object, with the keys of the training's metrics, and beside them
 * those that DeepTaxa's own export has: `run_uuid`, `tokenizer`, `epoch`, `hidden_dropout_prob` and
 * `output_attentions` in `model_details`, `optimizer` in `training_hyperparameters`,
 * `training_time`, `evaluation_time` in `timing`, `cuda` in `system_info`. */
dt_status dt_describe_json(dt_output *out, const dt_run *checkpoint, const char *path,
                           const char *version);

#endif
