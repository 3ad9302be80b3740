#include "run/stored_tensors.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container.h"
#include "run/checkpoint_format.h"
#include "run/torch_read.h"

#define BLOCK_ELEMENTS ((int64_t)1 << 18)

struct dt_stored_tensors {
    char path[PATH_MAX];
    /* either */
    dt_container *container;
    dt_array_info *info; /* (count) of the group model */
    /* or */
    dt_torch_file *torch;

    int64_t count;
    dt_stored_tensor *tensor; /* (count) */
};

/* The groups of an HDF5 checkpoint. */
static const char *folder(dt_vector which)
{
    return which == DT_PARAMETERS ? "model"
           : which == DT_EXP_AVG  ? "optimizer/exp_avg"
                                  : "optimizer/exp_avg_sq";
}

/* ---- opening --------------------------------------------------------------------------------- */

static dt_status list_container(dt_stored_tensors *stored)
{
    DT_TRY(dt_container_open(&stored->container, stored->path, DT_CHECKPOINT_FORMAT,
                             DT_CHECKPOINT_VERSION, NULL));
    DT_TRY(dt_container_list(stored->container, "model", &stored->info, &stored->count));
    DT_TRY(DT_NEW(stored->tensor, (size_t)stored->count));
    for (int64_t i = 0; i < stored->count; ++i)
        stored->tensor[i] = (dt_stored_tensor){.name = stored->info[i].name + strlen("model/"),
                                               .dimensions = stored->info[i].dimensions,
                                               .shape = stored->info[i].shape};
    return DT_OK;
}

/* Values that are no tensors have been refused by dt_torch_read_run(). */
static dt_status list_torch(dt_stored_tensors *stored)
{
    DT_TRY(dt_torch_open(&stored->torch, stored->path));
    const dt_pickle_value *parameters = dt_torch_parameters(stored->torch);
    const int64_t values = parameters ? parameters->items->count : 0;
    DT_TRY(DT_NEW(stored->tensor, (size_t)values));
    for (int64_t i = 0; i < values; i += 2) {
        const dt_pickle_value *name = &parameters->items->value[i];
        const dt_torch_tensor *tensor = dt_torch_tensor_of(name + 1);
        if (tensor && !dt_torch_is_buffer(name))
            stored->tensor[stored->count++] = (dt_stored_tensor){
                .name = name->text, .dimensions = tensor->dimensions, .shape = tensor->shape};
    }
    return DT_OK;
}

dt_status dt_stored_tensors_open(dt_stored_tensors **out, const char *path)
{
    dt_stored_tensors *stored;
    DT_TRY(DT_NEW(stored, 1));
    dt_status status = dt_path(stored->path, sizeof stored->path, "%s", path);
    if (status == DT_OK)
        status = dt_torch_file_probable(path) ? list_torch(stored) : list_container(stored);
    if (status != DT_OK) {
        dt_stored_tensors_close(stored);
        return status;
    }
    *out = stored;
    return DT_OK;
}

void dt_stored_tensors_close(dt_stored_tensors *stored)
{
    if (!stored)
        return;
    if (stored->info)
        dt_array_infos_free(stored->info, stored->count);
    dt_container_close(stored->container);
    dt_torch_close(stored->torch);
    free(stored->tensor);
    free(stored);
}

/* ---- the list -------------------------------------------------------------------------------- */

const char *dt_stored_tensors_path(const dt_stored_tensors *stored)
{
    return stored->path;
}

int64_t dt_stored_tensors_count(const dt_stored_tensors *stored)
{
    return stored->count;
}

const dt_stored_tensor *dt_stored_tensors_at(const dt_stored_tensors *stored, int64_t i)
{
    return &stored->tensor[i];
}

const dt_stored_tensor *dt_stored_tensors_find(const dt_stored_tensors *stored, const char *name)
{
    for (int64_t i = 0; i < stored->count; ++i)
        if (strcmp(stored->tensor[i].name, name) == 0)
            return &stored->tensor[i];
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t row_elements(const dt_param_spec *spec)
{
    return spec->count / spec->shape[0];
}

int64_t dt_stored_block_rows(const dt_param_spec *spec)
{
    const int64_t rows = BLOCK_ELEMENTS / row_elements(spec);
    if (rows < 1)
        return 1;
    return rows < spec->shape[0] ? rows : spec->shape[0];
}

static dt_status check_shape(const dt_stored_tensors *stored, const char *name,
                             const dt_param_spec *spec, int32_t dimensions, const int64_t *shape)
{
    if (dt_param_has_shape(spec, dimensions, shape))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: damaged: the shape of '%s' does not match the model",
                   stored->path, name);
}

static dt_status read_container(dt_stored_tensors *stored, dt_vector which,
                                const dt_param_spec *spec, int64_t first, int64_t rows, float *out)
{
    char name[160];
    dt_array_info info;
    snprintf(name, sizeof name, "%s/%s", folder(which), spec->name);
    if (first == 0) {
        DT_TRY(dt_container_info(stored->container, name, &info));
        DT_TRY(check_shape(stored, name, spec, info.dimensions, info.shape));
    }
    return dt_container_get_rows(stored->container, name, DT_ELEMENT_FLOAT32, row_elements(spec),
                                 first, rows, out);
}

static dt_status read_torch(dt_stored_tensors *stored, dt_vector which, const dt_param_spec *spec,
                            int64_t first, int64_t rows, float *out)
{
    const dt_torch_tensor *tensor = dt_torch_parameter(stored->torch, which, spec->name);
    if (!tensor)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: '%s' is missing", stored->path, spec->name);
    DT_TRY(check_shape(stored, spec->name, spec, tensor->dimensions, tensor->shape));
    return dt_torch_read(stored->torch, tensor, first * row_elements(spec),
                         rows * row_elements(spec), out);
}

/* A second moment is a mean of squares. Both comparisons are always made, so that compilers can
 * vectorise them. */
static dt_status check_values(const dt_stored_tensors *stored, dt_vector which,
                              const dt_param_spec *spec, int64_t count, const float *value)
{
    const bool squares = which == DT_EXP_AVG_SQ;
    const float least = squares ? 0.0f : -FLT_MAX;
    int wrong = 0;
    for (int64_t i = 0; i < count; ++i)
        wrong |= !(value[i] >= least) | !(value[i] <= FLT_MAX);
    if (!wrong)
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT, "%s: damaged, or its training diverged: '%s/%s' has a value that is %s",
        stored->path, folder(which), spec->name, squares ? "negative or not finite" : "not finite");
}

dt_status dt_stored_tensors_read(dt_stored_tensors *stored, dt_vector which,
                                 const dt_param_spec *spec, int64_t first, int64_t rows, float *out)
{
    DT_TRY(stored->torch ? read_torch(stored, which, spec, first, rows, out)
                         : read_container(stored, which, spec, first, rows, out));
    return check_values(stored, which, spec, rows * row_elements(spec), out);
}
