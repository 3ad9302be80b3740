#include "model/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"

dt_status dt_params_add(dt_param_table *table, dt_param *offset, bool joined, dt_init init,
                        double scale, const int64_t shape[3], const char *name_format, ...)
{
    if (table->count == DT_STREAM_PARTS)
        return dt_fail(DT_ERR_USAGE,
                       "the model has more than %d tensors: lower --num-conv-layers, "
                       "--num-hidden-layers or the number of --kernel-sizes",
                       DT_STREAM_PARTS);
    if (table->count == table->capacity) {
        const int32_t capacity = table->capacity ? 2 * table->capacity : 64;
        dt_param_spec *grown = realloc(table->spec, (size_t)capacity * sizeof *grown);
        if (!grown)
            return dt_fail(DT_ERR_MEMORY, "out of memory: the table of parameters");
        table->spec = grown;
        table->capacity = capacity;
    }
    dt_param_spec spec = {.init = init, .scale = scale, .zero_row = -1, .count = 1};
    va_list args;
    va_start(args, name_format);
    vsnprintf(spec.name, sizeof spec.name, name_format, args);
    va_end(args);
    for (; spec.dims < 3 && shape[spec.dims]; ++spec.dims) {
        spec.shape[spec.dims] = shape[spec.dims];
        spec.count *= shape[spec.dims];
    }
    const int64_t gap = joined ? 0 : -table->elements & (DT_PARAM_ALIGNMENT - 1);
    spec.offset = table->elements + gap;
    table->elements = spec.offset + spec.count;
    table->parameters += spec.count;
    table->spec[table->count++] = spec;
    *offset = spec.offset;
    return DT_OK;
}

void dt_params_free(dt_param_table *table)
{
    free(table->spec);
    *table = (dt_param_table){0};
}

bool dt_param_has_shape(const dt_param_spec *spec, int32_t dimensions, const int64_t *shape)
{
    bool same = dimensions == spec->dims;
    for (int32_t d = 0; same && d < spec->dims; ++d)
        same = shape[d] == spec->shape[d];
    return same;
}

const dt_param_spec *dt_params_find(const dt_param_table *table, const char *name)
{
    for (int32_t i = 0; i < table->count; ++i)
        if (strcmp(table->spec[i].name, name) == 0)
            return &table->spec[i];
    return NULL;
}

dt_status dt_params_update_tensors(const dt_param_table *table, dt_update_tensor **out,
                                   int32_t *count)
{
    *count = 0;
    DT_TRY(DT_NEW(*out, (size_t)table->count));
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        if (spec->offset < table->trained)
            (*out)[(*count)++] = (dt_update_tensor){spec->offset, spec->count, spec->dims > 1};
    }
    return DT_OK;
}

/* ---- initial values -------------------------------------------------------------------------- */

/* Elements per task of the pool; a multiple of 4. */
#define TASK_ELEMENTS 65536

typedef struct {
    const dt_param_spec *spec;
    uint32_t tensor; /* number of the tensor in its table */
    uint32_t seed;
    float *values; /* (spec->count) */
} draw_context;

/* Returns a value in the open interval (0, 1). */
static double unit_interval(uint32_t draw)
{
    return ((double)draw + 0.5) * (1.0 / 4294967296.0);
}

/* Computes two normal values from two random numbers (Box & Muller, 1958). */
static void normal_pair(uint32_t a, uint32_t b, double out[2])
{
    const double radius = sqrt(-2.0 * log(unit_interval(a)));
    const double angle = 2.0 * 3.14159265358979323846 * unit_interval(b);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

static dt_status draw_task(void *context, int64_t task, int worker)
{
    (void)worker;
    const draw_context *draw = context;
    const dt_param_spec *spec = draw->spec;
    const int64_t begin = task * TASK_ELEMENTS;
    const int64_t left = spec->count - begin;
    const int64_t end = begin + (left < TASK_ELEMENTS ? left : TASK_ELEMENTS);
    for (int64_t i = begin; i < end; i += 4) {
        uint32_t bits[4];
        double values[4];
        dt_philox(draw->seed, dt_stream(DT_DRAW_INIT, draw->tensor, 0), (uint32_t)(i / 4),
                  (uint32_t)((uint64_t)(i / 4) >> 32), 0, 0, bits);
        if (spec->init == DT_INIT_NORMAL) {
            normal_pair(bits[0], bits[1], values);
            normal_pair(bits[2], bits[3], values + 2);
        } else {
            for (int j = 0; j < 4; ++j)
                values[j] = 2.0 * unit_interval(bits[j]) - 1.0;
        }
        for (int j = 0; j < 4 && i + j < end; ++j)
            draw->values[i + j] = (float)(spec->scale * values[j]);
    }
    return DT_OK;
}

static dt_status init_tensor(const draw_context *draw, dt_backend *backend, dt_pool *pool)
{
    const dt_param_spec *spec = draw->spec;
    if (spec->init == DT_INIT_CONSTANT)
        for (int64_t i = 0; i < spec->count; ++i)
            draw->values[i] = (float)spec->scale;
    else
        DT_TRY(dt_pool_run(pool, draw_task, (void *)draw,
                           (spec->count + TASK_ELEMENTS - 1) / TASK_ELEMENTS));
    if (spec->zero_row >= 0)
        memset(draw->values + spec->zero_row * spec->shape[1], 0,
               (size_t)spec->shape[1] * sizeof *draw->values);
    return dt_params_write(backend, DT_PARAMETERS, spec->offset, spec->count, draw->values);
}

dt_status dt_params_init(const dt_param_table *table, dt_backend *backend, uint32_t seed,
                         dt_pool *pool)
{
    int64_t largest = 0;
    for (int32_t i = 0; i < table->count; ++i)
        if (table->spec[i].count > largest)
            largest = table->spec[i].count;
    draw_context draw = {.seed = seed};
    DT_TRY(DT_NEW(draw.values, (size_t)largest));
    dt_status status = DT_OK;
    for (int32_t i = 0; status == DT_OK && i < table->count; ++i) {
        draw.spec = &table->spec[i];
        draw.tensor = (uint32_t)i;
        status = init_tensor(&draw, backend, pool);
    }
    free(draw.values);
    return status;
}

/* ---- exchange -------------------------------------------------------------------------------- */

dt_status dt_params_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         float *out)
{
    if (backend->master_size == sizeof(float)) {
        backend->ops->vector_read(backend, which, offset, count, out);
        return backend->ops->check(backend);
    }
    double *values;
    DT_TRY(DT_NEW(values, (size_t)count));
    backend->ops->vector_read(backend, which, offset, count, values);
    for (int64_t i = 0; i < count; ++i)
        out[i] = (float)values[i];
    free(values);
    return backend->ops->check(backend);
}

dt_status dt_params_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                          const float *values)
{
    if (backend->master_size == sizeof(float)) {
        backend->ops->vector_write(backend, which, offset, count, values);
        return backend->ops->check(backend);
    }
    double *wide;
    DT_TRY(DT_NEW(wide, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        wide[i] = (double)values[i];
    backend->ops->vector_write(backend, which, offset, count, wide);
    free(wide);
    return backend->ops->check(backend);
}
