/* What `deeptaxa describe` prints of a checkpoint: the published layout, block by block. */
#ifndef DT_MODEL_DESCRIBE_H
#define DT_MODEL_DESCRIBE_H

#include "core/memory.h"
#include "io/output.h"
#include "model/checkpoint.h"

/* Adds the description to `out`: Model Details, Training Hyperparameters, Dataset Info, Taxonomic
 * Levels, Timing, System Info. `path` is the checkpoint's, `version` this program's. Tensors are
 * not needed. */
dt_status dt_describe_text(dt_text *out, const dt_checkpoint *checkpoint, const char *path,
                           const char *version);

/* Writes the same as one JSON object, with the keys of the training's metrics. */
dt_status dt_describe_json(dt_output *out, const dt_checkpoint *checkpoint, const char *path,
                           const char *version);

#endif
