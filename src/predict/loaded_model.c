#include "predict/loaded_model.h"

#include <string.h>

#include "sequence/tokenizer_json.h"
#include "model/fit.h"
#include "predict/predictor.h"
#include "profile/profiled_backend.h"
#include "run/checkpoint_path.h"

dt_status dt_loaded_model_read(dt_loaded_model *loaded, const char *argument,
                               const char *expected_sha256)
{
    DT_TRY(dt_checkpoint_path(argument, expected_sha256, loaded->path));
    return dt_checkpoint_read(loaded->path, &loaded->checkpoint);
}

dt_status dt_loaded_model_tokenizer(const dt_loaded_model *loaded, dt_tokenizer **tokenizer)
{
    if (loaded->checkpoint.config.encoding == DT_ENCODING_ONEHOT)
        return dt_tokenizer_create_onehot(tokenizer);
    const char *json = loaded->checkpoint.tokenizer_json;
    return dt_tokenizer_from_json(json, strlen(json), loaded->path, tokenizer);
}

/* dt_batch_bound of an input that has not been read. */
static dt_status batch_bound(const void *context, int32_t requested, int32_t *sequences,
                             int64_t *tokens)
{
    const dt_model *model = context;
    *sequences = dt_predictor_max_sequences(dt_model_backend(model), requested);
    *tokens =
        dt_predictor_max_tokens(dt_model_backend(model), dt_model_config_of(model), requested);
    return DT_OK;
}

dt_status dt_loaded_model_open(dt_loaded_model *loaded, const char *device,
                               const dt_backend_options *options, int32_t *batch_size,
                               dt_profile *profile)
{
    DT_TRY(dt_backend_open(device, options, &loaded->backend));
    DT_TRY(dt_profiled_backend(loaded->backend, profile));
    DT_TRY(dt_model_create(&loaded->model, &loaded->checkpoint.config, loaded->backend, false));
    DT_TRY(dt_run_add_lineages(&loaded->checkpoint, loaded->model));
    dt_profiled_backend_parameters(loaded->backend, profile, dt_model_params(loaded->model));
    const dt_fit fit = {.model = loaded->model,
                        .bound = batch_bound,
                        .context = loaded->model,
                        .flag = "batch-size",
                        .advice = "free some of its memory, or choose another with --device"};
    DT_TRY(dt_fit_batch(&fit, true, batch_size));
    return dt_checkpoint_read_tensors(loaded->path, loaded->model, false);
}

void dt_loaded_model_free(dt_loaded_model *loaded)
{
    dt_model_destroy(loaded->model);
    if (loaded->backend)
        loaded->backend->ops->destroy(loaded->backend);
    dt_run_free(&loaded->checkpoint);
    *loaded = (dt_loaded_model){0};
}
