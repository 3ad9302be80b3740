#include "run/checkpoint_tensors.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

static const struct {
    const char *folder;
    dt_vector vector;
} tensor_groups[] = {
    {"model", DT_PARAMETERS},
    {"optimizer/exp_avg", DT_EXP_AVG},
    {"optimizer/exp_avg_sq", DT_EXP_AVG_SQ},
};
#define TENSOR_GROUPS ((int)(sizeof tensor_groups / sizeof *tensor_groups))

#define BLOCK_ELEMENTS ((int64_t)1 << 18) /* copied at a time from another file */

static int64_t row_elements(const dt_param_spec *spec)
{
    return spec->count / spec->shape[0];
}

/* Returns the number of rows of a tensor that are copied at a time. */
static int64_t block_rows(const dt_param_spec *spec)
{
    const int64_t rows = BLOCK_ELEMENTS / row_elements(spec);
    if (rows < 1)
        return 1;
    return rows < spec->shape[0] ? rows : spec->shape[0];
}

/* Returns the largest number of elements that are in memory at a time. */
static int64_t buffer_elements(const dt_tensor_source *source)
{
    int64_t largest = 0;
    for (int32_t i = 0; i < source->table->count; ++i) {
        const dt_param_spec *spec = &source->table->spec[i];
        const int64_t count = source->file ? block_rows(spec) * row_elements(spec) : spec->count;
        if (count > largest)
            largest = count;
    }
    return largest;
}

/* Moments exist for trained tensors only. */
static bool has_tensor(const dt_param_table *table, const dt_param_spec *spec, dt_vector vector)
{
    return vector == DT_PARAMETERS || spec->offset < table->trained;
}

/* The source of tensors, or with a backend also their destination, and a buffer. */
typedef struct {
    dt_tensor_source at;
    float *values; /* (buffer_elements) */
} tensor_side;

/* Reads or writes one tensor. */
typedef dt_status (*tensor_work)(dt_container *file, const char *name, const dt_param_spec *spec,
                                 int group, const tensor_side *side);

static dt_status check_shape(const dt_tensor_source *from, const char *name,
                             const dt_param_spec *spec)
{
    dt_array_info info;
    DT_TRY(dt_container_info(from->file, name, &info));
    bool same = info.dimensions == spec->dims;
    for (int32_t d = 0; same && d < spec->dims; ++d)
        same = info.shape[d] == spec->shape[d];
    if (!same)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: the shape of '%s' does not match the model",
                       from->path, name);
    return DT_OK;
}

static dt_status copy_tensor(dt_container *file, const char *name, const dt_param_spec *spec,
                             const tensor_side *side)
{
    const int64_t rows = block_rows(spec);
    DT_TRY(check_shape(&side->at, name, spec));
    DT_TRY(dt_container_begin_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape));
    for (int64_t first = 0; first < spec->shape[0]; first += rows) {
        const int64_t left = spec->shape[0] - first;
        const int64_t count = left < rows ? left : rows;
        DT_TRY(dt_container_get_rows(side->at.file, name, DT_ELEMENT_FLOAT32, row_elements(spec),
                                     first, count, side->values));
        DT_TRY(dt_container_add_rows(file, count, side->values));
    }
    return DT_OK;
}

static dt_status put_tensor(dt_container *file, const char *name, const dt_param_spec *spec,
                            int group, const tensor_side *side)
{
    const float *values = side->values;
    if (side->at.file)
        return copy_tensor(file, name, spec, side);
    if (side->at.backend)
        DT_TRY(dt_params_read(side->at.backend, tensor_groups[group].vector, spec->offset,
                              spec->count, side->values));
    else
        values = side->at.copy + group * side->at.table->elements + spec->offset;
    return dt_container_put_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape, values);
}

static dt_status get_tensor(dt_container *file, const char *name, const dt_param_spec *spec,
                            int group, const tensor_side *side)
{
    DT_TRY(dt_container_get_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape,
                                  side->values));
    return dt_params_write(side->at.backend, tensor_groups[group].vector, spec->offset, spec->count,
                           side->values);
}

/* Calls `work` for every parameter tensor and, with moments, every moment tensor. */
static dt_status for_each_tensor(dt_container *file, const dt_tensor_source *at, bool moments,
                                 tensor_work work)
{
    const dt_param_table *table = at->table;
    const int groups = moments ? TENSOR_GROUPS : 1;
    char name[160];
    tensor_side side = {.at = *at};
    DT_TRY(DT_NEW(side.values, (size_t)buffer_elements(at)));
    dt_status status = DT_OK;
    for (int g = 0; g < groups && status == DT_OK; ++g) {
        for (int32_t i = 0; i < table->count && status == DT_OK; ++i) {
            const dt_param_spec *spec = &table->spec[i];
            if (!has_tensor(table, spec, tensor_groups[g].vector))
                continue;
            snprintf(name, sizeof name, "%s/%s", tensor_groups[g].folder, spec->name);
            status = work(file, name, spec, g, &side);
        }
    }
    free(side.values);
    return status;
}

dt_tensor_source dt_tensors_of_model(const dt_model *model)
{
    return (dt_tensor_source){.table = dt_model_params(model), .backend = dt_model_backend(model)};
}

dt_status dt_checkpoint_put_tensors(dt_container *file, const dt_tensor_source *source,
                                    bool moments)
{
    return for_each_tensor(file, source, moments, put_tensor);
}

dt_status dt_checkpoint_get_tensors(dt_container *file, dt_model *model, bool moments)
{
    const dt_tensor_source target = dt_tensors_of_model(model);
    return for_each_tensor(file, &target, moments, get_tensor);
}

int64_t dt_checkpoint_copy_elements(const dt_param_table *table)
{
    return TENSOR_GROUPS * table->elements;
}

dt_status dt_checkpoint_copy(float *copy, const dt_model *model)
{
    const int64_t elements = dt_model_params(model)->elements;
    for (int g = 0; g < TENSOR_GROUPS; ++g)
        DT_TRY(dt_params_read(dt_model_backend(model), tensor_groups[g].vector, 0, elements,
                              copy + g * elements));
    return DT_OK;
}
