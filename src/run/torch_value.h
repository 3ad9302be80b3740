/* Values of a DeepTaxa file's dictionary, converted and checked. Errors are DT_ERR_INPUT with the
 * name of the file and of the value. Numbers may be stored as int, float, bool or a tensor without
 * dimensions. */
#ifndef DT_RUN_TORCH_VALUE_H
#define DT_RUN_TORCH_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/torch_file.h"

/* Returns whether there is a value other than None. */
static inline bool dt_torch_given(const dt_pickle_value *value)
{
    return value && value->kind != DT_PICKLE_NONE;
}

/* Returns whether it is a text that a table can contain: without '\0', tab and newline. */
bool dt_torch_is_name(const dt_pickle_value *value);

/* Fails: `key` is not what it should be. */
dt_status dt_torch_wrong(const dt_torch_file *file, const char *key, const char *expected);

/* An int of 0 … INT32_MAX or INT64_MAX that must be there. */
dt_status dt_torch_int32(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                         int32_t *out);
dt_status dt_torch_int64(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                         int64_t *out);

/* A finite number; without `required`, *out is unchanged if there is none. */
dt_status dt_torch_double(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                          bool required, double *out);

/* A measured number, which may be NaN or infinite; *out is unchanged if there is none. */
dt_status dt_torch_measure(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                           double *out);

/* A bool, false if there is none. */
dt_status dt_torch_flag(const dt_torch_file *file, const dt_pickle_value *dict, const char *key,
                        bool *out);

/* A list or tuple of numbers, of which the first `count` are taken; key: for the message. */
dt_status dt_torch_doubles(const dt_torch_file *file, const dt_pickle_value *list, const char *key,
                           int32_t count, double *out);

/* *out: a copy of the text, the caller's to free(); NULL if there is none that is a name. */
dt_status dt_torch_text(const dt_pickle_value *dict, const char *key, char **out);

#endif
