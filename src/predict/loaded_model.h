/* A trained model loaded from a checkpoint, on a device of its own. Used by `predict` and
 * `calibrate`. */
#ifndef DT_PREDICT_LOADED_MODEL_H
#define DT_PREDICT_LOADED_MODEL_H

#include <limits.h>

#include "backend.h"
#include "run/checkpoint.h"
#include "model/model.h"
#include "profile/profile.h"
#include "sequence/tokenizer.h"

typedef struct {
    char path[PATH_MAX]; /* resolved path of the checkpoint */
    dt_run checkpoint;
    dt_backend *backend;
    dt_model *model;
} dt_loaded_model;

/* Reads everything but the tensors from the checkpoint that `argument` names, of which
 * `expected_sha256` may be NULL (dt_checkpoint_path()). Zero-initialise `loaded`; free it with
 * dt_loaded_model_free(), also on failure. */
dt_status dt_loaded_model_read(dt_loaded_model *loaded, const char *argument,
                               const char *expected_sha256);

/* Creates the checkpoint's tokenizer, or the one-hot tokenizer; the caller destroys it. */
dt_status dt_loaded_model_tokenizer(const dt_loaded_model *loaded, dt_tokenizer **tokenizer);

/* Opens the device and loads the model there, with memory for *batch_size sequences at a time
 * (dt_predictor). If there is too little memory, *batch_size is lowered and a notice is logged.
 * `profile` measures the backend; NULL: no profile. */
dt_status dt_loaded_model_open(dt_loaded_model *loaded, const char *device,
                               const dt_backend_options *options, int32_t *batch_size,
                               dt_profile *profile);

/* Frees the content and clears the struct. */
void dt_loaded_model_free(dt_loaded_model *loaded);

#endif
