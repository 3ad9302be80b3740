#include "run/init_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/shell.h"
#include "run/checkpoint.h"
#include "run/settings.h"
#include "run/stored_tensors.h"

static bool same_shape(const dt_stored_tensor *tensor, const dt_param_spec *spec)
{
    return tensor && dt_param_has_shape(spec, tensor->dimensions, tensor->shape);
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

/* Describes the first parameter outside the heads that does not match; returns false if all do. */
static bool find_mismatch(const dt_stored_tensors *s, const dt_param_table *table, char *out,
                          size_t size)
{
    char here[128];
    char there[128] = "missing";
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        const dt_stored_tensor *tensor = dt_stored_tensors_find(s, spec->name);
        if (head_length(spec->name) > 0 || same_shape(tensor, spec))
            continue;
        shape_text(here, sizeof here, spec->shape, spec->dims);
        if (tensor)
            shape_text(there, sizeof there, tensor->shape, tensor->dimensions);
        snprintf(out, size, "%s is %s, but this model needs %s", spec->name, there, here);
        return true;
    }
    for (int64_t i = 0; i < dt_stored_tensors_count(s); ++i) {
        const char *name = dt_stored_tensors_at(s, i)->name;
        if (head_length(name) > 0 || dt_params_find(table, name))
            continue;
        snprintf(out, size, "%.128s does not exist in this model", name);
        return true;
    }
    return false;
}

/* Says which sizes of the models differ; `mismatch`: what to say if none does. */
static dt_status refuse(const char *path, const dt_run *theirs, const dt_run *ours,
                        const char *mismatch)
{
    dt_text sizes = {0};
    char word[DT_PASTED_SIZE];
    dt_status status = dt_settings_list_sizes(&sizes, theirs, ours);
    if (status == DT_OK && sizes.length)
        status = dt_fail(DT_ERR_INPUT,
                         "--init-weights %s: has other sizes: %s: use its own: deeptaxa describe "
                         "--checkpoint %s --export-metrics d.json, then train --config d.json",
                         path, sizes.data, dt_pasted(path, word));
    else if (status == DT_OK && theirs->config.vocabulary != ours->config.vocabulary)
        status = dt_fail(DT_ERR_INPUT,
                         "--init-weights %s: its tokenizer has %d tokens, that of this run %d: use "
                         "the tokenizer that the checkpoint was trained with",
                         path, theirs->config.vocabulary, ours->config.vocabulary);
    else if (status == DT_OK)
        status = dt_fail(DT_ERR_INPUT, "--init-weights %s: %s", path, mismatch);
    dt_text_free(&sizes);
    return status;
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

static dt_status check(const dt_stored_tensors *s, const char *path, const dt_run *run,
                       const dt_param_table *table)
{
    char mismatch[512];
    dt_run stored;
    if (!find_mismatch(s, table, mismatch, sizeof mismatch))
        return notice_fresh_heads(s, table, path);
    DT_TRY(dt_checkpoint_read(path, &stored));
    const dt_status status = refuse(path, &stored, run, mismatch);
    dt_run_free(&stored);
    return status;
}

dt_status dt_init_weights_check(const char *path, const dt_run *run, const dt_param_table *table)
{
    dt_stored_tensors *s;
    DT_TRY(dt_stored_tensors_open(&s, path));
    const dt_status status = check(s, path, run, table);
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
