#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "io/container_internal.h"

/* ---- Arrays ---------------------------------------------------------------------------------- */

dt_status dt_container_has(dt_container *file, const char *name, bool *there)
{
    *there = dt_hdf5_find(&file->contents, name) != NULL;
    return DT_OK;
}

static dt_status lacks(const dt_container *file, const char *name)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file lacks '%s'", file->path, name);
}

/* DT_ERR_INPUT unless the array has our layout. */
static dt_status check_array(const dt_container *file, const dt_hdf5_object *object)
{
    if (object->is_array && object->ours && (uint64_t)object->info.bytes <= file->source.bytes)
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT,
        "%s: '%s' is not an array in DeepTaxa-MPI's layout, or claims more bytes than the "
        "file has",
        file->path, object->info.name);
}

/* Opens the array `name`, unless it is open already. */
static dt_status use_array(dt_container *file, const char *name)
{
    dt_hdf5_elements *open = &file->open;
    if (open->array && strcmp(open->array->info.name, name) == 0)
        return DT_OK;
    dt_hdf5_elements_close(open);
    const dt_hdf5_object *object = dt_hdf5_find(&file->contents, name);
    if (!object)
        return lacks(file, name);
    DT_TRY(check_array(file, object));
    const dt_status status = dt_hdf5_elements_open(open, &file->source, object);
    if (status != DT_OK)
        dt_hdf5_elements_close(open);
    return status;
}

dt_status dt_container_info(dt_container *file, const char *name, dt_array_info *info)
{
    const dt_hdf5_object *object = dt_hdf5_find(&file->contents, name);
    if (!object)
        return lacks(file, name);
    DT_TRY(check_array(file, object));
    *info = object->info;
    info->name = (char *)name;
    return DT_OK;
}

/* Whether a path is in a group; everything is in "". */
static bool is_in(const char *path, const char *group)
{
    const size_t length = strlen(group);
    return length == 0 || (strncmp(path, group, length) == 0 && path[length] == '/');
}

dt_status dt_container_list(dt_container *file, const char *group, dt_array_info **infos,
                            int64_t *count)
{
    const dt_hdf5_contents *contents = &file->contents;
    dt_array_info *list;
    int64_t listed = 0;
    if (!dt_hdf5_find(contents, group))
        return lacks(file, group);
    DT_TRY(DT_NEW(list, contents->objects));
    dt_status status = DT_OK;
    for (size_t i = 0; i < contents->objects; ++i) {
        const dt_hdf5_object *object = &contents->object[i];
        if (!object->is_array || !is_in(object->info.name, group))
            continue;
        DT_TRY_OR(fail, check_array(file, object));
        list[listed] = object->info;
        DT_TRY_OR(fail, dt_copy_text(&list[listed].name, object->info.name));
        listed++;
    }
    *infos = list;
    *count = listed;
    return DT_OK;
fail:
    dt_array_infos_free(list, listed);
    return status;
}

void dt_array_infos_free(dt_array_info *infos, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        free(infos[i].name);
    free(infos);
}

/* Writes a shape as "3 x 4". */
static void shape_text(char *out, size_t size, int32_t dimensions, const int64_t *shape)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < dimensions && used < size; ++i)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, i ? " x " : "", shape[i]);
}

static dt_status check_shape(const dt_container *file, int32_t dimensions, const int64_t *shape)
{
    const dt_array_info *info = &file->open.array->info;
    bool same = info->dimensions == dimensions;
    for (int i = 0; same && i < dimensions; ++i)
        same = info->shape[i] == shape[i];
    if (same)
        return DT_OK;
    char found[200];
    char needed[200];
    shape_text(found, sizeof found, info->dimensions, info->shape);
    shape_text(needed, sizeof needed, dimensions, shape);
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is %s, but %s is expected", file->path, info->name,
                   found, needed);
}

static dt_status check_element(const dt_container *file, dt_element element)
{
    const dt_array_info *info = &file->open.array->info;
    if (info->element == element)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is an array of %s, but %s is expected", file->path,
                   info->name, dt_container_element_name(info->element),
                   dt_container_element_name(element));
}

dt_status dt_container_get_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, void *values)
{
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    DT_TRY(check_shape(file, dimensions, shape));
    return dt_hdf5_elements_read(&file->open, 0, shape[0], values);
}

dt_status dt_container_get_rows(dt_container *file, const char *name, dt_element element,
                                int64_t row_elements, int64_t first, int64_t rows, void *values)
{
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    const dt_array_info *info = &file->open.array->info;
    int64_t bytes = info->element_bytes;
    if (__builtin_mul_overflow(bytes, row_elements, &bytes) ||
        __builtin_mul_overflow(bytes, info->shape[0], &bytes) || bytes != info->bytes)
        return dt_fail(DT_ERR_INPUT, "%s: '%s' does not have %" PRId64 " elements per row",
                       file->path, name, row_elements);
    if (first < 0 || rows < 0 || first > info->shape[0] || rows > info->shape[0] - first)
        return dt_fail(DT_ERR_INPUT,
                       "%s: '%s' has %" PRId64 " rows, but %" PRId64 " rows from row %" PRId64
                       " on are expected",
                       file->path, name, info->shape[0], rows, first);
    return dt_hdf5_elements_read(&file->open, first, rows, values);
}

dt_status dt_container_load_vector(dt_container *file, const char *name, dt_element element,
                                   void **values, int64_t *count)
{
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    const int64_t length = file->open.array->info.shape[0];
    DT_TRY(check_shape(file, 1, &length));
    void *read;
    DT_TRY(dt_calloc(&read, (size_t)length, (size_t)file->open.array->info.element_bytes, name));
    const dt_status status = dt_hdf5_elements_read(&file->open, 0, length, read);
    if (status != DT_OK) {
        free(read);
        return status;
    }
    *values = read;
    *count = length;
    return DT_OK;
}

static dt_status check_text(const dt_container *file, const char *name, const char *text)
{
    const size_t length = strlen(text);
    const size_t valid = dt_utf8_valid(text, length);
    if (valid == length)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: damaged: a text of '%s' is not UTF-8 (byte 0x%02x)",
                   file->path, name, (unsigned char)text[valid]);
}

dt_status dt_container_get_texts(dt_container *file, const char *name, char ***texts,
                                 int64_t *count)
{
    char *padded;
    int64_t n;
    DT_TRY(dt_container_load_vector(file, name, DT_ELEMENT_TEXT, (void **)&padded, &n));
    const size_t width = (size_t)file->open.array->info.element_bytes;
    char **pointers = NULL;
    dt_status status =
        dt_calloc((void **)&pointers, 1, (size_t)n * (sizeof *pointers + width + 1), name);
    char *bytes = status == DT_OK ? (char *)(pointers + n) : NULL;
    for (int64_t i = 0; status == DT_OK && i < n; ++i) {
        pointers[i] = bytes;
        memcpy(bytes, padded + (size_t)i * width, width);
        status = check_text(file, name, bytes);
        bytes += width + 1;
    }
    free(padded);
    if (status != DT_OK) {
        free(pointers);
        return status;
    }
    *texts = pointers;
    *count = n;
    return DT_OK;
}

dt_status dt_container_get_text(dt_container *file, const char *name, char **text)
{
    const int64_t one = 1;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, DT_ELEMENT_TEXT));
    DT_TRY(check_shape(file, 1, &one));
    char *read;
    DT_TRY(dt_calloc((void **)&read, (size_t)file->open.array->info.element_bytes + 1, 1, name));
    dt_status status = dt_hdf5_elements_read(&file->open, 0, 1, read);
    if (status == DT_OK)
        status = check_text(file, name, read);
    if (status != DT_OK) {
        free(read);
        return status;
    }
    *text = read;
    return DT_OK;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

dt_status dt_container_has_attribute(dt_container *file, const char *object, const char *key,
                                     bool *there)
{
    const dt_hdf5_object *found = dt_hdf5_find(&file->contents, object);
    *there = found && dt_hdf5_find_attribute(found, key);
    return DT_OK;
}

/* Finds an attribute that holds a single value; NULL with DT_ERR_INPUT's message if there is none. */
static const dt_hdf5_attribute *find_attribute(const dt_container *file, const char *object,
                                               const char *key, dt_element element)
{
    const dt_hdf5_object *found = dt_hdf5_find(&file->contents, object);
    const dt_hdf5_attribute *attribute = found ? dt_hdf5_find_attribute(found, key) : NULL;
    if (attribute && attribute->value && attribute->type.element == element)
        return attribute;
    if (!attribute)
        dt_fail(DT_ERR_INPUT, "%s: '/%s' lacks the attribute '%s'", file->path, object, key);
    else
        dt_fail(DT_ERR_INPUT, "%s: the attribute '%s' of '/%s' is not a single %s", file->path, key,
                object, dt_container_element_name(element));
    return NULL;
}

static dt_status get_number(const dt_container *file, const char *object, const char *key,
                            dt_element element, void *value, size_t size)
{
    const dt_hdf5_attribute *attribute = find_attribute(file, object, key, element);
    if (!attribute)
        return DT_ERR_INPUT;
    memcpy(value, attribute->value, size);
    return DT_OK;
}

dt_status dt_container_get_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t *value)
{
    return get_number(file, object, key, DT_ELEMENT_INT64, value, sizeof *value);
}

dt_status dt_container_get_attribute_double(dt_container *file, const char *object, const char *key,
                                            double *value)
{
    return get_number(file, object, key, DT_ELEMENT_FLOAT64, value, sizeof *value);
}

dt_status dt_container_get_attribute_text(dt_container *file, const char *object, const char *key,
                                          char **value)
{
    const dt_hdf5_attribute *attribute = find_attribute(file, object, key, DT_ELEMENT_TEXT);
    char *text;
    if (!attribute)
        return DT_ERR_INPUT;
    const size_t bytes = (size_t)attribute->type.bytes;
    DT_TRY(dt_calloc((void **)&text, bytes + 1, 1, key));
    memcpy(text, attribute->value, bytes);
    const dt_status status = dt_utf8_copy(value, text); /* older versions wrote any bytes */
    free(text);
    return status;
}
