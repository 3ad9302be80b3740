#include "run/init_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "run/stored_tensors.h"

static bool same_shape(const dt_stored_tensor *tensor, const dt_param_spec *spec)
{
    bool same = tensor && tensor->dimensions == spec->dims;
    for (int32_t d = 0; same && d < spec->dims; ++d)
        same = tensor->shape[d] == spec->shape[d];
    return same;
}

/* Returns the length of the prefix "classifiers.<r>." of a name; 0 if it is not of a head. */
static size_t head_length(const char *name)
{
    static const char head[] = "classifiers.";
    if (strncmp(name, head, sizeof head - 1) != 0)
        return 0;
    const char *dot = strchr(name + sizeof head - 1, '.');
    return dot ? (size_t)(dot - name) + 1 : 0;
}

/* Returns whether the checkpoint has all tensors of this tensor's head, with the same shapes. */
static bool head_fits(const dt_stored_tensors *s, const dt_param_table *table, const char *name)
{
    const size_t length = head_length(name);
    for (int32_t i = 0; i < table->count; ++i)
        if (strncmp(table->spec[i].name, name, length) == 0 &&
            !same_shape(dt_stored_tensors_find(s, table->spec[i].name), &table->spec[i]))
            return false;
    return true;
}

static bool is_taken(const dt_stored_tensors *s, const dt_param_table *table,
                     const dt_param_spec *spec)
{
    return head_length(spec->name) == 0 || head_fits(s, table, spec->name);
}

/* Formats "[896, 5, 3]". */
static void shape_text(char *out, size_t size, const int64_t *shape, int32_t dimensions)
{
    int used = snprintf(out, size, "[");
    for (int32_t d = 0; d < dimensions && (size_t)used < size; ++d)
        used +=
            snprintf(out + used, size - (size_t)used, "%s%lld", d ? ", " : "", (long long)shape[d]);
    if ((size_t)used < size)
        snprintf(out + used, size - (size_t)used, "]");
}

/* Warns of each parameter outside the heads that does not match, and returns their number. */
static int64_t warn_of_mismatches(const dt_stored_tensors *s, const dt_param_table *table,
                                  const char *path)
{
    int64_t count = 0;
    char here[128];
    char there[128];
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        const dt_stored_tensor *tensor = dt_stored_tensors_find(s, spec->name);
        if (head_length(spec->name) > 0 || same_shape(tensor, spec))
            continue;
        shape_text(here, sizeof here, spec->shape, spec->dims);
        if (tensor)
            shape_text(there, sizeof there, tensor->shape, tensor->dimensions);
        else
            snprintf(there, sizeof there, "missing");
        dt_warn("%s: %s is %s, but this model needs %s", path, spec->name, there, here);
        count++;
    }
    for (int64_t i = 0; i < dt_stored_tensors_count(s); ++i) {
        const char *name = dt_stored_tensors_at(s, i)->name;
        if (head_length(name) > 0 || dt_params_find(table, name))
            continue;
        dt_warn("%s: %s does not exist in this model", path, name);
        count++;
    }
    return count;
}

/* Returns whether tensor i is the first one of its head. */
static bool first_of_head(const dt_param_table *table, int32_t i)
{
    const char *name = table->spec[i].name;
    for (int32_t j = 0; j < i; ++j)
        if (strncmp(table->spec[j].name, name, head_length(name)) == 0)
            return false;
    return true;
}

static dt_status notice_fresh_heads(const dt_stored_tensors *s, const dt_param_table *table,
                                    const char *path)
{
    dt_text names = {0};
    dt_status status = DT_OK;
    for (int32_t i = 0; i < table->count && status == DT_OK; ++i) {
        const char *name = table->spec[i].name;
        const size_t length = head_length(name);
        if (length > 0 && first_of_head(table, i) && !head_fits(s, table, name))
            status =
                dt_text_addf(&names, "%s%.*s", names.length ? ", " : "", (int)length - 1, name);
    }
    if (status == DT_OK && names.length)
        dt_notice("%s: heads initialised randomly, because their shapes differ: %s", path,
                  names.data);
    dt_text_free(&names);
    return status;
}

dt_status dt_init_weights_check(const char *path, const dt_param_table *table)
{
    dt_stored_tensors *s;
    DT_TRY(dt_stored_tensors_open(&s, path));
    const int64_t mismatches = warn_of_mismatches(s, table, path);
    dt_status status = DT_OK;
    if (mismatches > 0)
        status = dt_fail(DT_ERR_INPUT,
                         "--init-weights %s: the %lld parameters listed above do not match this "
                         "model: use the model flags and the tokenizer that the checkpoint was "
                         "trained with (see deeptaxa describe)",
                         path, (long long)mismatches);
    else
        status = notice_fresh_heads(s, table, path);
    dt_stored_tensors_close(s);
    return status;
}

static dt_status load(dt_stored_tensors *s, dt_model *model)
{
    const dt_param_table *table = dt_model_params(model);
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        float *values;
        if (!is_taken(s, table, spec))
            continue;
        DT_TRY(DT_NEW(values, (size_t)spec->count));
        dt_status status =
            dt_stored_tensors_read(s, DT_PARAMETERS, spec, 0, spec->shape[0], values);
        if (status == DT_OK)
            status = dt_params_write(dt_model_backend(model), DT_PARAMETERS, spec->offset,
                                     spec->count, values);
        free(values);
        DT_TRY(status);
    }
    return DT_OK;
}

dt_status dt_init_weights_load(const char *path, dt_model *model)
{
    dt_stored_tensors *s;
    DT_TRY(dt_stored_tensors_open(&s, path));
    const dt_status status = load(s, model);
    dt_stored_tensors_close(s);
    return status;
}
