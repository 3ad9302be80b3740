#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/container_internal.h"

dt_status dt_container_has(dt_container *file, const char *name, bool *there)
{
    DT_HDF5_LOCK;
    const int found = dt_container_link_exists(file->file, name);
    *there = found > 0;
    return found < 0 ? dt_container_read_error(file, name) : DT_OK;
}

dt_status dt_container_need(dt_container *file, const char *name)
{
    bool there;
    DT_TRY(dt_container_has(file, name, &there));
    return there ? DT_OK : dt_fail(DT_ERR_INPUT, "%s: the file lacks '%s'", file->path, name);
}

bool dt_container_describe(hid_t array, dt_array_info *info)
{
    const hid_t type = H5Dget_type(array);
    const hid_t space = H5Dget_space(array);
    hsize_t shape[DT_MAX_DIMENSIONS];
    bool ok = type >= 0 && space >= 0 &&
              dt_container_find_element(type, &info->element, &info->element_bytes);
    const int dimensions = ok ? H5Sget_simple_extent_ndims(space) : 0;
    ok = ok && dimensions >= 1 && dimensions <= DT_MAX_DIMENSIONS &&
         H5Sget_simple_extent_dims(space, shape, NULL) == dimensions;
    info->dimensions = dimensions;
    info->bytes = info->element_bytes;
    for (int i = 0; ok && i < dimensions; ++i) {
        info->shape[i] = (int64_t)shape[i];
        ok = info->shape[i] >= 0 &&
             !__builtin_mul_overflow(info->bytes, info->shape[i], &info->bytes);
    }
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return ok;
}

/* Opens the array `name`, unless it is open already. */
static dt_status use_array(dt_container *file, const char *name)
{
    if (file->array >= 0 && strcmp(file->array_name, name) == 0)
        return DT_OK;
    dt_container_close_array(file);
    DT_TRY(dt_container_need(file, name));
    file->array = H5Dopen2(file->file, name, H5P_DEFAULT);
    if (file->array < 0)
        return dt_container_read_error(file, name);
    file->array_name = strdup(name);
    if (!file->array_name) {
        dt_container_close_array(file);
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    }
    file->info = (dt_array_info){.name = file->array_name};
    if (dt_container_describe(file->array, &file->info) && file->info.bytes <= file->bytes)
        return DT_OK;
    dt_container_close_array(file);
    return dt_fail(
        DT_ERR_INPUT,
        "%s: '%s' is not an array in DeepTaxa-MPI's layout, or claims more bytes than the "
        "file has",
        file->path, name);
}

dt_status dt_container_info(dt_container *file, const char *name, dt_array_info *info)
{
    DT_HDF5_LOCK;
    DT_TRY(use_array(file, name));
    *info = file->info;
    info->name = (char *)name;
    return DT_OK;
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
    const dt_array_info *info = &file->info;
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
    if (file->info.element == element)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is an array of %s, but %s is expected", file->path,
                   file->info.name, dt_container_element_name(file->info.element),
                   dt_container_element_name(element));
}

/* Reads rows of the open array. */
static dt_status read_rows(dt_container *file, int64_t first, int64_t rows, void *values)
{
    if (file->info.bytes == 0 || rows == 0)
        return DT_OK;
    hid_t disk_space;
    hid_t memory_space;
    DT_TRY(dt_container_select_rows(file, first, rows, &disk_space, &memory_space));
    const hid_t type = H5Dget_type(file->array);
    const hid_t memory_type = dt_container_memory_type(file->info.element, type);
    const bool failed =
        H5Dread(file->array, memory_type, memory_space, disk_space, H5P_DEFAULT, values) < 0;
    /* before the calls below clear HDF5's error stack */
    const dt_status status = failed ? dt_container_read_error(file, file->info.name) : DT_OK;
    H5Tclose(type);
    H5Sclose(memory_space);
    H5Sclose(disk_space);
    return status;
}

dt_status dt_container_get_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, void *values)
{
    DT_HDF5_LOCK;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    DT_TRY(check_shape(file, dimensions, shape));
    return read_rows(file, 0, shape[0], values);
}

dt_status dt_container_get_rows(dt_container *file, const char *name, dt_element element,
                                int64_t row_elements, int64_t first, int64_t rows, void *values)
{
    DT_HDF5_LOCK;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    const dt_array_info *info = &file->info;
    if (info->bytes != info->shape[0] * row_elements * info->element_bytes)
        return dt_fail(DT_ERR_INPUT, "%s: '%s' does not have %" PRId64 " elements per row",
                       file->path, name, row_elements);
    if (first < 0 || rows < 0 || first > info->shape[0] || rows > info->shape[0] - first)
        return dt_fail(DT_ERR_INPUT,
                       "%s: '%s' has %" PRId64 " rows, but %" PRId64 " rows from row %" PRId64
                       " on are expected",
                       file->path, name, info->shape[0], rows, first);
    return read_rows(file, first, rows, values);
}

dt_status dt_container_load_vector(dt_container *file, const char *name, dt_element element,
                                   void **values, int64_t *count)
{
    DT_HDF5_LOCK;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    const int64_t length = file->info.shape[0];
    DT_TRY(check_shape(file, 1, &length));
    void *read;
    DT_TRY(dt_calloc(&read, (size_t)length, (size_t)file->info.element_bytes, name));
    const dt_status status = read_rows(file, 0, length, read);
    if (status != DT_OK) {
        free(read);
        return status;
    }
    *values = read;
    *count = length;
    return DT_OK;
}

dt_status dt_container_get_texts(dt_container *file, const char *name, char ***texts,
                                 int64_t *count)
{
    DT_HDF5_LOCK;
    char *padded;
    int64_t n;
    DT_TRY(dt_container_load_vector(file, name, DT_ELEMENT_TEXT, (void **)&padded, &n));
    const size_t width = (size_t)file->info.element_bytes;
    char **pointers;
    const dt_status status =
        dt_calloc((void **)&pointers, 1, (size_t)n * (sizeof *pointers + width + 1), name);
    if (status == DT_OK) {
        char *bytes = (char *)(pointers + n);
        for (int64_t i = 0; i < n; ++i) {
            pointers[i] = bytes;
            memcpy(bytes, padded + (size_t)i * width, width);
            bytes += width + 1;
        }
        *texts = pointers;
        *count = n;
    }
    free(padded);
    return status;
}

dt_status dt_container_get_text(dt_container *file, const char *name, char **text)
{
    DT_HDF5_LOCK;
    const int64_t one = 1;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, DT_ELEMENT_TEXT));
    DT_TRY(check_shape(file, 1, &one));
    char *read;
    DT_TRY(dt_calloc((void **)&read, (size_t)file->info.element_bytes + 1, 1, name));
    const dt_status status = read_rows(file, 0, 1, read);
    if (status != DT_OK) {
        free(read);
        return status;
    }
    *text = read;
    return DT_OK;
}
