/* A trained model as a command uses it: its checkpoint, on a device of its own. What `predict` and
 * `calibrate` share. */
#ifndef DT_PREDICT_LOADED_MODEL_H
#define DT_PREDICT_LOADED_MODEL_H

#include <limits.h>

#include "backend.h"
#include "run/checkpoint.h"
#include "model/model.h"
#include "profile/profile.h"
#include "sequence/tokenizer.h"

typedef struct {
    char path[PATH_MAX]; /* as it was resolved */
    dt_run checkpoint;
    dt_backend *backend;
    dt_model *model;
} dt_loaded_model;

/* Zero-initialise; free with dt_loaded_model_free(), also on failure. Reads all but the tensors of
 * the file that `argument` names (dt_checkpoint_path()). */
dt_status dt_loaded_model_read(dt_loaded_model *loaded, const char *argument);

/* The checkpoint's tokenizer, or that of one-hot; the caller's to destroy. */
dt_status dt_loaded_model_tokenizer(const dt_loaded_model *loaded, dt_tokenizer **tokenizer);

/* Opens the device and loads the model there, measured by `profile` (NULL: not), with memory for as
 * many of *batch_size sequences at a time (dt_predictor) as there is room for: *batch_size is
 * lowered with a notice. */
dt_status dt_loaded_model_open(dt_loaded_model *loaded, const char *device,
                               const dt_backend_options *options, int32_t *batch_size,
                               dt_profile *profile);

void dt_loaded_model_free(dt_loaded_model *loaded); /* leaves it empty */

#endif
