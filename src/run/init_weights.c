#include "run/init_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "io/container.h"
#include "run/checkpoint.h"

/* The tensors of a checkpoint. */
typedef struct {
    dt_container *file;
    dt_array_info *info;
    int64_t count;
} source;

static const char group[] = "model/";

static dt_status source_open(source *s, const char *path)
{
    *s = (source){0};
    DT_TRY(dt_container_open(&s->file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    const dt_status status = dt_container_list(s->file, "model", &s->info, &s->count);
    if (status != DT_OK)
        dt_container_close(s->file);
    return status;
}

static void source_close(source *s)
{
    dt_array_infos_free(s->info, s->count);
    dt_container_close(s->file);
}

/* Returns the name of a tensor without its group, as in the model. */
static const char *tensor_name(const dt_array_info *info)
{
    return info->name + sizeof group - 1;
}

static const dt_array_info *find(const source *s, const char *name)
{
    for (int64_t i = 0; i < s->count; ++i)
        if (strcmp(tensor_name(&s->info[i]), name) == 0)
            return &s->info[i];
    return NULL;
}

static bool same_shape(const dt_array_info *info, const dt_param_spec *spec)
{
    bool same = info && info->element == DT_ELEMENT_FLOAT32 && info->dimensions == spec->dims;
    for (int32_t d = 0; same && d < spec->dims; ++d)
        same = info->shape[d] == spec->shape[d];
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
static bool head_fits(const source *s, const dt_param_table *table, const char *name)
{
    const size_t length = head_length(name);
    for (int32_t i = 0; i < table->count; ++i)
        if (strncmp(table->spec[i].name, name, length) == 0 &&
            !same_shape(find(s, table->spec[i].name), &table->spec[i]))
            return false;
    return true;
}

static bool is_taken(const source *s, const dt_param_table *table, const dt_param_spec *spec)
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
static int64_t warn_of_mismatches(const source *s, const dt_param_table *table, const char *path)
{
    int64_t count = 0;
    char here[128];
    char there[128];
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        const dt_array_info *info = find(s, spec->name);
        if (head_length(spec->name) > 0 || same_shape(info, spec))
            continue;
        shape_text(here, sizeof here, spec->shape, spec->dims);
        if (info)
            shape_text(there, sizeof there, info->shape, info->dimensions);
        else
            snprintf(there, sizeof there, "missing");
        dt_warn("%s: %s is %s, but this model needs %s", path, spec->name, there, here);
        count++;
    }
    for (int64_t i = 0; i < s->count; ++i) {
        const char *name = tensor_name(&s->info[i]);
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

static dt_status notice_fresh_heads(const source *s, const dt_param_table *table, const char *path)
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
    source s;
    DT_TRY(source_open(&s, path));
    const int64_t mismatches = warn_of_mismatches(&s, table, path);
    dt_status status = DT_OK;
    if (mismatches > 0)
        status = dt_fail(DT_ERR_INPUT,
                         "--init-weights %s: the %lld parameters listed above do not match this "
                         "model: use the model flags and the tokenizer that the checkpoint was "
                         "trained with (see deeptaxa describe)",
                         path, (long long)mismatches);
    else
        status = notice_fresh_heads(&s, table, path);
    source_close(&s);
    return status;
}

static dt_status load(const source *s, dt_model *model)
{
    const dt_param_table *table = dt_model_params(model);
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        char name[160];
        float *values;
        if (!is_taken(s, table, spec))
            continue;
        snprintf(name, sizeof name, "%s%s", group, spec->name);
        DT_TRY(DT_NEW(values, (size_t)spec->count));
        dt_status status = dt_container_get_array(s->file, name, DT_ELEMENT_FLOAT32, spec->dims,
                                                  spec->shape, values);
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
    source s;
    DT_TRY(source_open(&s, path));
    const dt_status status = load(&s, model);
    source_close(&s);
    return status;
}
