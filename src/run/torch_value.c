#include "run/torch_value.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

bool dt_torch_is_name(const dt_pickle_value *value)
{
    return value && value->kind == DT_PICKLE_TEXT &&
           strcspn(value->text, "\t\n") == value->length; /* its end is a '\0' */
}

dt_status dt_torch_wrong(const dt_torch_file *file, const char *key, const char *expected)
{
    return dt_fail(DT_ERR_INPUT, "%s: damaged, or not a model of DeepTaxa: %s is missing or not %s",
                   dt_torch_path(file), key, expected);
}

dt_status dt_torch_int64(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                         int64_t *out)
{
    const dt_pickle_value *value = dt_pickle_get(dict, key);
    if (!value || value->kind != DT_PICKLE_INT || value->integer < 0)
        return dt_torch_wrong(file, key, "a whole number");
    *out = value->integer;
    return DT_OK;
}

dt_status dt_torch_int32(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                         int32_t *out)
{
    int64_t number = 0;
    DT_TRY(dt_torch_int64(file, dict, key, &number));
    if (number > INT32_MAX)
        return dt_torch_wrong(file, key, "a number of a model's size");
    *out = (int32_t)number;
    return DT_OK;
}

static bool is_number(const dt_pickle_value *value, double *out)
{
    if (value->kind == DT_PICKLE_FLOAT)
        *out = value->number;
    else if (value->kind == DT_PICKLE_INT || value->kind == DT_PICKLE_BOOL)
        *out = (double)value->integer;
    else
        return false;
    return true;
}

dt_status dt_torch_double(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                          bool required, double *out)
{
    const dt_pickle_value *value = dt_pickle_get(dict, key);
    if (!dt_torch_given(value) && !required)
        return DT_OK;
    double number = 0.0;
    if (!value || !is_number(value, &number) || !isfinite(number))
        return dt_torch_wrong(file, key, "a number");
    *out = number;
    return DT_OK;
}

dt_status dt_torch_measure(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                           double *out)
{
    const dt_pickle_value *value = dt_pickle_get(dict, key);
    return !dt_torch_given(value) || is_number(value, out) ? DT_OK
                                                           : dt_torch_wrong(file, key, "a number");
}

dt_status dt_torch_flag(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                        bool *out)
{
    const dt_pickle_value *value = dt_pickle_get(dict, key);
    if (dt_torch_given(value) && value->kind != DT_PICKLE_BOOL)
        return dt_torch_wrong(file, key, "True or False");
    *out = dt_torch_given(value) && value->integer;
    return DT_OK;
}

dt_status dt_torch_doubles(const dt_torch_file *file, const dt_pickle_value *list, const char *key,
                           int32_t count, double *out)
{
    const bool listed = list && (list->kind == DT_PICKLE_LIST || list->kind == DT_PICKLE_TUPLE);
    if (!listed || list->items->count < count)
        return dt_torch_wrong(file, key, "a list of a number for each taxonomic rank");
    for (int32_t i = 0; i < count; ++i)
        if (!is_number(&list->items->value[i], &out[i]) || !isfinite(out[i]))
            return dt_torch_wrong(file, key, "a list of numbers");
    return DT_OK;
}

dt_status dt_torch_text(const dt_pickle_value *dict, const char *key, char **out)
{
    const dt_pickle_value *value = dt_pickle_get(dict, key);
    *out = NULL;
    return dt_torch_is_name(value) ? dt_copy_text(out, value->text) : DT_OK;
}
