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

#define TENSOR_NAME 160 /* bytes of a name with its group */

static int64_t row_elements(const dt_param_spec *spec)
{
    return spec->count / spec->shape[0];
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

/* Reads elements of a flat vector from a backend. */
static dt_status read_vector(const dt_tensor_source *from, dt_vector vector, int64_t offset,
                             int64_t count, float *out)
{
    const dt_moment_reader *moments = &from->moments;
    return vector != DT_PARAMETERS && moments->read
               ? moments->read(moments->context, vector, offset, count, out)
               : dt_params_read(from->backend, vector, offset, count, out);
}

/* Sets *values to `count` rows of a tensor, in `buffer` unless the source is a copy in memory. */
static dt_status get_rows(const dt_tensor_source *from, int group, const dt_param_spec *spec,
                          int64_t first, int64_t count, float *buffer, const float **values)
{
    const dt_vector vector = tensor_groups[group].vector;
    const int64_t row = row_elements(spec);
    const int64_t offset = spec->offset + first * row;
    *values = buffer;
    if (from->copy) {
        *values = from->copy + group * from->table->elements + offset;
        return DT_OK;
    }
    if (from->backend)
        return read_vector(from, vector, offset, count * row, buffer);
    return dt_stored_tensors_read(from->stored, vector, spec, first, count, buffer);
}

dt_status dt_tensor_blocks(const dt_tensor_source *from, int group, const dt_param_spec *spec,
                           dt_tensor_sink sink, void *context)
{
    float *buffer;
    const int64_t rows = dt_stored_block_rows(spec);
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

static dt_status check_tensor(dt_container *file, const char *path, int group,
                              const dt_param_spec *spec)
{
    char name[TENSOR_NAME];
    dt_array_info info;
    tensor_name(name, sizeof name, group, spec);
    DT_TRY(dt_container_info(file, name, &info));
    if (dt_param_has_shape(spec, info.dimensions, info.shape))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: damaged: the shape of '%s' does not match the model", path,
                   name);
}

dt_status dt_checkpoint_check_tensors(dt_container *file, const char *path,
                                      const dt_model_config *config, bool moments)
{
    dt_param_table table;
    DT_TRY(dt_model_layout(config, &table));
    dt_status status = DT_OK;
    for (int g = 0; g < (moments ? TENSOR_GROUPS : 1); ++g)
        for (int32_t i = 0; i < table.count && status == DT_OK; ++i)
            if (dt_tensor_exists(&table, &table.spec[i], g))
                status = check_tensor(file, path, g, &table.spec[i]);
    dt_params_free(&table);
    return status;
}

/* Where the blocks of a tensor go. */
typedef struct {
    dt_backend *backend;
    dt_vector vector;
    int64_t offset; /* of the next element */
} target;

static dt_status write_rows(void *context, const float *values, int64_t rows, int64_t elements)
{
    target *to = context;
    const int64_t count = rows * elements;
    DT_TRY(dt_params_write(to->backend, to->vector, to->offset, count, values));
    to->offset += count;
    return DT_OK;
}

dt_status dt_checkpoint_get_tensors(dt_stored_tensors *stored, dt_model *model, bool moments)
{
    const dt_tensor_source from = {.table = dt_model_params(model), .stored = stored};
    for (int g = 0; g < (moments ? TENSOR_GROUPS : 1); ++g)
        for (int32_t i = 0; i < from.table->count; ++i) {
            const dt_param_spec *spec = &from.table->spec[i];
            target to = {dt_model_backend(model), tensor_groups[g].vector, spec->offset};
            if (dt_tensor_exists(from.table, spec, g))
                DT_TRY(dt_tensor_blocks(&from, g, spec, write_rows, &to));
        }
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

dt_status dt_checkpoint_copy(float *copy, const dt_tensor_source *from)
{
    const dt_param_table *table = from->table;
    for (int g = 0; g < TENSOR_GROUPS; ++g)
        DT_TRY(read_vector(from, tensor_groups[g].vector, 0,
                           g == 0 ? table->elements : table->trained, copy + g * table->elements));
    return DT_OK;
}
