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

#define BLOCK_ELEMENTS ((int64_t)1 << 18) /* written at a time */

#define TENSOR_NAME 160 /* bytes of a name with its group */

static int64_t row_elements(const dt_param_spec *spec)
{
    return spec->count / spec->shape[0];
}

/* Returns the number of rows of a tensor that are written at a time. */
static int64_t block_rows(const dt_param_spec *spec)
{
    const int64_t rows = BLOCK_ELEMENTS / row_elements(spec);
    if (rows < 1)
        return 1;
    return rows < spec->shape[0] ? rows : spec->shape[0];
}

bool dt_tensor_exists(const dt_param_table *table, const dt_param_spec *spec, int group)
{
    return group == 0 || spec->offset < table->trained;
}

static void tensor_name(char *name, size_t size, int group, const dt_param_spec *spec)
{
    snprintf(name, size, "%s/%s", tensor_groups[group].folder, spec->name);
}

/* ---- writing --------------------------------------------------------------------------------- */

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

/* Sets *values to `count` rows of a tensor, in `buffer` unless the source is a copy in memory. */
static dt_status get_rows(const dt_tensor_source *from, int group, const dt_param_spec *spec,
                          int64_t first, int64_t count, float *buffer, const float **values)
{
    char name[TENSOR_NAME];
    const int64_t row = row_elements(spec);
    const int64_t offset = spec->offset + first * row;
    *values = buffer;
    if (from->copy) {
        *values = from->copy + group * from->table->elements + offset;
        return DT_OK;
    }
    if (from->backend)
        return dt_params_read(from->backend, tensor_groups[group].vector, offset, count * row,
                              buffer);
    tensor_name(name, sizeof name, group, spec);
    return dt_container_get_rows(from->file, name, DT_ELEMENT_FLOAT32, row, first, count, buffer);
}

dt_status dt_tensor_blocks(const dt_tensor_source *from, int group, const dt_param_spec *spec,
                           dt_tensor_sink sink, void *context)
{
    char name[TENSOR_NAME];
    float *buffer;
    const int64_t rows = block_rows(spec);
    tensor_name(name, sizeof name, group, spec);
    if (from->file)
        DT_TRY(check_shape(from, name, spec));
    DT_TRY(DT_NEW(buffer, (size_t)(rows * row_elements(spec))));
    dt_status status = DT_OK;
    for (int64_t first = 0; first < spec->shape[0] && status == DT_OK; first += rows) {
        const float *values;
        const int64_t left = spec->shape[0] - first;
        const int64_t count = left < rows ? left : rows;
        status = get_rows(from, group, spec, first, count, buffer, &values);
        if (status == DT_OK)
            status = sink(context, values, count, row_elements(spec));
    }
    free(buffer);
    return status;
}

static dt_status add_rows(void *context, const float *values, int64_t rows, int64_t elements)
{
    (void)elements;
    return dt_container_add_rows(context, rows, values);
}

static dt_status put_tensor(dt_container *file, const dt_tensor_source *source, int group,
                            const dt_param_spec *spec)
{
    char name[TENSOR_NAME];
    tensor_name(name, sizeof name, group, spec);
    DT_TRY(dt_container_begin_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape));
    return dt_tensor_blocks(source, group, spec, add_rows, file);
}

dt_status dt_checkpoint_put_tensors(dt_container *file, const dt_tensor_source *source,
                                    bool moments)
{
    const dt_param_table *table = source->table;
    for (int g = 0; g < (moments ? TENSOR_GROUPS : 1); ++g)
        for (int32_t i = 0; i < table->count; ++i)
            if (dt_tensor_exists(table, &table->spec[i], g))
                DT_TRY(put_tensor(file, source, g, &table->spec[i]));
    return DT_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static dt_status get_tensor(dt_container *file, dt_model *model, int group,
                            const dt_param_spec *spec)
{
    char name[TENSOR_NAME];
    float *values;
    tensor_name(name, sizeof name, group, spec);
    DT_TRY(DT_NEW(values, (size_t)spec->count));
    dt_status status =
        dt_container_get_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape, values);
    if (status == DT_OK)
        status = dt_params_write(dt_model_backend(model), tensor_groups[group].vector, spec->offset,
                                 spec->count, values);
    free(values);
    return status;
}

dt_status dt_checkpoint_get_tensors(dt_container *file, dt_model *model, bool moments)
{
    const dt_param_table *table = dt_model_params(model);
    for (int g = 0; g < (moments ? TENSOR_GROUPS : 1); ++g)
        for (int32_t i = 0; i < table->count; ++i)
            if (dt_tensor_exists(table, &table->spec[i], g))
                DT_TRY(get_tensor(file, model, g, &table->spec[i]));
    return DT_OK;
}

/* ---- sources --------------------------------------------------------------------------------- */

dt_tensor_source dt_tensors_of_model(const dt_model *model)
{
    return (dt_tensor_source){.table = dt_model_params(model), .backend = dt_model_backend(model)};
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
