#include <stdlib.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "io/container_internal.h"

static const char *object_path(const char *object)
{
    return *object ? object : "/";
}

dt_status dt_container_has_attribute(dt_container *file, const char *object, const char *key,
                                     bool *there)
{
    DT_HDF5_LOCK;
    *there = *object == '\0';
    if (*object)
        DT_TRY(dt_container_has(file, object, there));
    const htri_t found =
        *there ? H5Aexists_by_name(file->file, object_path(object), key, H5P_DEFAULT) : 0;
    *there = found > 0;
    return found < 0 ? dt_container_read_error(file, key) : DT_OK;
}

/* Opens an attribute that holds a single value; *bytes is its size. */
static dt_status open_attribute(dt_container *file, const char *object, const char *key,
                                dt_element element, hid_t *attribute, int64_t *bytes)
{
    bool there;
    DT_TRY(dt_container_has_attribute(file, object, key, &there));
    if (!there)
        return dt_fail(DT_ERR_INPUT, "%s: '/%s' lacks the attribute '%s'", file->path, object, key);
    *attribute = H5Aopen_by_name(file->file, object_path(object), key, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0)
        return dt_container_read_error(file, key);
    const hid_t type = H5Aget_type(*attribute);
    const hid_t space = H5Aget_space(*attribute);
    dt_element found = element;
    const bool ok = type >= 0 && space >= 0 && dt_container_find_element(type, &found, bytes) &&
                    found == element && H5Sget_simple_extent_npoints(space) == 1 &&
                    *bytes <= file->bytes;
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (ok)
        return DT_OK;
    H5Aclose(*attribute);
    return dt_fail(DT_ERR_INPUT, "%s: the attribute '%s' of '/%s' is not a single %s", file->path,
                   key, object, dt_container_element_name(element));
}

static dt_status get_number(dt_container *file, const char *object, const char *key,
                            dt_element element, void *value)
{
    hid_t attribute = -1;
    int64_t bytes = 0;
    DT_TRY(open_attribute(file, object, key, element, &attribute, &bytes));
    const bool failed = H5Aread(attribute, dt_container_memory_type(element, -1), value) < 0;
    const dt_status status = failed ? dt_container_read_error(file, key) : DT_OK;
    H5Aclose(attribute);
    return status;
}

dt_status dt_container_get_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t *value)
{
    DT_HDF5_LOCK;
    return get_number(file, object, key, DT_ELEMENT_INT64, value);
}

dt_status dt_container_get_attribute_double(dt_container *file, const char *object, const char *key,
                                            double *value)
{
    DT_HDF5_LOCK;
    return get_number(file, object, key, DT_ELEMENT_FLOAT64, value);
}

dt_status dt_container_get_attribute_text(dt_container *file, const char *object, const char *key,
                                          char **value)
{
    DT_HDF5_LOCK;
    hid_t attribute = -1;
    int64_t bytes = 0;
    DT_TRY(open_attribute(file, object, key, DT_ELEMENT_TEXT, &attribute, &bytes));
    char *text = NULL;
    dt_status status = dt_calloc((void **)&text, (size_t)bytes + 1, 1, key);
    const hid_t type = H5Aget_type(attribute);
    if (status == DT_OK && (type < 0 || H5Aread(attribute, type, text) < 0))
        status = dt_container_read_error(file, key);
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
    if (status == DT_OK)
        status = dt_utf8_copy(value, text); /* older versions wrote the bytes unchecked */
    free(text);
    return status;
}
