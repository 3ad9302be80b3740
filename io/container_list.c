#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/container_internal.h"

#define DEEPEST_GROUP 16

typedef struct {
    dt_array_info *infos;
    size_t count;
    size_t capacity;
} info_list;

static dt_status list_group(const dt_container *file, const char *group, int depth,
                            info_list *list);

/* Adds the array at the link, or all arrays of the group. */
static dt_status list_link(const dt_container *file, char *path, int depth, info_list *list)
{
    const hid_t object = H5Oopen(file->file, path, H5P_DEFAULT);
    if (object < 0)
        return dt_container_read_error(file, path);
    dt_status status = DT_OK;
    if (H5Iget_type(object) == H5I_GROUP) {
        status = list_group(file, path, depth + 1, list);
    } else if (H5Iget_type(object) == H5I_DATASET) {
        dt_array_info info = {0};
        DT_TRY_OR(done, DT_GROW(list->infos, list->capacity, list->count + 1));
        if (!dt_container_describe(object, &info) || info.bytes > file->bytes)
            DT_TRY_OR(done,
                      dt_fail(DT_ERR_INPUT, "%s: '%s' is not an array in DeepTaxa-MPI's layout",
                              file->path, path));
        DT_TRY_OR(done, dt_copy_text(&info.name, path));
        list->infos[list->count++] = info;
    }
done:
    H5Oclose(object);
    return status;
}

/* Lists in order of creation; by name in files of other programs that do not record that order. */
static dt_status list_group(const dt_container *file, const char *group, int depth, info_list *list)
{
    const char *path = *group ? group : "/";
    H5G_info_t info;
    if (depth > DEEPEST_GROUP)
        return dt_fail(DT_ERR_INPUT, "%s: groups are nested too deeply", file->path);
    if (H5Gget_info_by_name(file->file, path, &info, H5P_DEFAULT) < 0)
        return dt_container_read_error(file, path);
    for (hsize_t i = 0; i < info.nlinks; ++i) {
        H5_index_t index = H5_INDEX_CRT_ORDER;
        ssize_t length =
            H5Lget_name_by_idx(file->file, path, index, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
        if (length < 0) {
            index = H5_INDEX_NAME;
            length =
                H5Lget_name_by_idx(file->file, path, index, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
        }
        if (length < 0)
            return dt_container_read_error(file, path);
        const size_t prefix = strlen(group) + (*group != '\0');
        char *name;
        DT_TRY(dt_calloc((void **)&name, prefix + (size_t)length + 1, 1, "name"));
        if (prefix)
            sprintf(name, "%s/", group);
        H5Lget_name_by_idx(file->file, path, index, H5_ITER_INC, i, name + prefix,
                           (size_t)length + 1, H5P_DEFAULT);
        const dt_status status = list_link(file, name, depth, list);
        free(name);
        DT_TRY(status);
    }
    return DT_OK;
}

dt_status dt_container_list(dt_container *file, const char *group, dt_array_info **infos,
                            int64_t *count)
{
    DT_HDF5_LOCK;
    info_list list = {0};
    if (*group)
        DT_TRY(dt_container_need(file, group));
    const dt_status status = list_group(file, group, 0, &list);
    if (status != DT_OK) {
        dt_array_infos_free(list.infos, (int64_t)list.count);
        return status;
    }
    *infos = list.infos;
    *count = (int64_t)list.count;
    return DT_OK;
}

void dt_array_infos_free(dt_array_info *infos, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        free(infos[i].name);
    free(infos);
}
