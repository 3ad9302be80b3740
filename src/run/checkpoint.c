#include "run/checkpoint.h"
#include "run/settings.h"

/* Version of a file whose settings need no newer one, so that older programs can read it. */
#define OLDEST_WRITTEN 2

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/version.h"
#include "io/container.h"
#include "run/checkpoint_arrays.h"
#include "run/checkpoint_scalars.h"
#include "run/checkpoint_tensors.h"
#include "run/run_check.h"
#include "run/torch_read.h"
#include "run/torch_write.h"

/* ---- whole files ----------------------------------------------------------------------------- */

static dt_status write_content(dt_container *file, int32_t version, const dt_run *checkpoint,
                               const dt_tensor_source *source)
{
    DT_TRY(dt_checkpoint_put_scalars(file, version, checkpoint));
    DT_TRY(dt_checkpoint_put_arrays(file, checkpoint));
    return dt_checkpoint_put_tensors(file, source, checkpoint->has_optimizer);
}

/* DeepTaxa's format has the numbers of the split, also of a streamed run. */
static dt_status write_torch(const char *path, const dt_run *content,
                             const dt_tensor_source *source)
{
    const dt_run_settings *s = &content->settings;
    dt_run numbered = *content; /* owns only its split */
    if (s->data_checksum[0] == '\0' || !content->has_optimizer)
        return dt_torch_write(path, content, source);
    DT_TRY(dt_run_split(&numbered, s->total_sequences, false));
    const dt_status status = dt_torch_write(path, &numbered, source);
    dt_split_free(&numbered.split);
    return status;
}

static dt_status write_file(const char *path, const dt_run *content, const dt_tensor_source *source)
{
    dt_container *file;
    int32_t version = OLDEST_WRITTEN;
    if (dt_is_torch_name(path))
        return write_torch(path, content, source);
    DT_TRY(dt_settings_raise_version(content, &version));
    if (content->settings.data_checksum[0] != '\0' && version < DT_CHECKPOINT_STREAMED)
        version = DT_CHECKPOINT_STREAMED;
    DT_TRY(dt_container_create(&file, path, DT_CHECKPOINT_FORMAT, version));
    const dt_status status = write_content(file, version, content, source);
    if (status != DT_OK) {
        dt_container_discard(file);
        return status;
    }
    return dt_container_commit(file);
}

static dt_status write_checkpoint(const char *path, const dt_run *checkpoint,
                                  const dt_tensor_source *source, bool weights_only)
{
    dt_run content = *checkpoint;
    content.has_optimizer = !weights_only;
    content.parameters = source->table->parameters;
    dt_timestamp(content.timestamp, sizeof content.timestamp);
    snprintf(content.version, sizeof content.version, "%s", dt_version());
    return write_file(path, &content, source);
}

dt_status dt_checkpoint_write(const char *path, const dt_run *checkpoint, const dt_model *model,
                              bool weights_only)
{
    const dt_tensor_source source = dt_tensors_of_model(model);
    return write_checkpoint(path, checkpoint, &source, weights_only);
}

dt_status dt_checkpoint_write_from(const char *path, const dt_run *checkpoint,
                                   const dt_tensor_source *source)
{
    return write_checkpoint(path, checkpoint, source, false);
}

dt_status dt_checkpoint_export(const char *path, const dt_run *checkpoint, const char *from)
{
    dt_param_table table = {0};
    dt_tensor_source source = {.table = &table};
    dt_status status;
    DT_TRY_OR(done, dt_model_layout(&checkpoint->config, &table));
    DT_TRY_OR(done, dt_stored_tensors_open(&source.stored, from));
    status = write_file(path, checkpoint, &source);
done:
    dt_stored_tensors_close(source.stored);
    dt_params_free(&table);
    return status;
}

static dt_status read_content(dt_container *file, const char *path, int32_t version, dt_run *out)
{
    DT_TRY(dt_checkpoint_get_scalars(file, path, version, out));
    DT_TRY(dt_checkpoint_get_arrays(file, path, out));
    if (dt_model_config_check(&out->config) != DT_OK)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid model configuration: %s", path,
                       dt_error_message());
    dt_set_rate(&out->settings);
    return dt_checkpoint_check_tensors(file, path, &out->config, out->has_optimizer);
}

static dt_status read_container(const char *path, dt_run *out)
{
    dt_container *file;
    int32_t version;
    DT_TRY(dt_container_open(&file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, &version));
    const dt_status status = read_content(file, path, version, out);
    dt_container_close(file);
    return status;
}

static dt_status read_torch(const char *path, dt_run *out)
{
    dt_torch_file *file;
    DT_TRY(dt_torch_open(&file, path));
    const dt_status status = dt_torch_read_run(file, out);
    dt_torch_close(file);
    return status;
}

dt_status dt_checkpoint_read(const char *path, dt_run *out)
{
    *out = (dt_run){0};
    dt_status status =
        dt_torch_file_probable(path) ? read_torch(path, out) : read_container(path, out);
    if (status == DT_OK)
        status = dt_run_check(out, path);
    if (status != DT_OK)
        dt_run_free(out);
    return status;
}

dt_status dt_checkpoint_read_tensors(const char *path, dt_model *model, bool moments)
{
    dt_stored_tensors *stored;
    DT_TRY(dt_stored_tensors_open(&stored, path));
    const dt_status status = dt_checkpoint_get_tensors(stored, model, moments);
    dt_stored_tensors_close(stored);
    return status;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* Reads a whole array of numbers; texts have been read by dt_checkpoint_read(). */
static dt_status verify_array(dt_container *file, const dt_array_info *info)
{
    char *values;
    if (info->element == DT_ELEMENT_TEXT)
        return DT_OK;
    DT_TRY(DT_NEW(values, (size_t)info->bytes));
    const dt_status status = dt_container_get_array(file, info->name, info->element,
                                                    info->dimensions, info->shape, values);
    free(values);
    return status;
}

static dt_status verify_container(const char *path)
{
    dt_container *file;
    dt_array_info *infos;
    int64_t count;
    DT_TRY(dt_container_open(&file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    dt_status status = dt_container_list(file, "", &infos, &count);
    if (status == DT_OK) {
        for (int64_t i = 0; i < count && status == DT_OK; ++i)
            status = verify_array(file, &infos[i]);
        dt_array_infos_free(infos, count);
    }
    dt_container_close(file);
    return status;
}

static dt_status verify_torch(const char *path)
{
    dt_torch_file *file;
    DT_TRY(dt_torch_open(&file, path));
    const dt_status status = dt_torch_verify(file);
    dt_torch_close(file);
    return status;
}

dt_status dt_checkpoint_verify(const char *path)
{
    dt_run content;
    DT_TRY(dt_checkpoint_read(path, &content));
    dt_run_free(&content);
    return dt_torch_file_probable(path) ? verify_torch(path) : verify_container(path);
}
