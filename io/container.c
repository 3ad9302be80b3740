#include "io/container.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"
#include "io/container_internal.h"

#define DEEPEST_GROUP 16

/* ---- What writing shares -------------------------------------------------------------------- */

void dt_container_silence(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* recursive, which has no portable static initialiser */
static pthread_mutex_t hdf5_mutex;
static pthread_once_t hdf5_once = PTHREAD_ONCE_INIT;

static void make_hdf5_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&hdf5_mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

int dt_container_begin_turn(void)
{
    pthread_once(&hdf5_once, make_hdf5_mutex);
    return pthread_mutex_lock(&hdf5_mutex);
}

void dt_container_end_turn(const int *turn)
{
    (void)turn;
    pthread_mutex_unlock(&hdf5_mutex);
}

int64_t dt_element_bytes(dt_element element)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
    case DT_ELEMENT_INT32:
        return 4;
    case DT_ELEMENT_FLOAT64:
    case DT_ELEMENT_INT64:
        return 8;
    case DT_ELEMENT_UINT16:
        return 2;
    case DT_ELEMENT_UINT8:
        return 1;
    case DT_ELEMENT_TEXT:
        break;
    }
    return 0;
}

hid_t dt_container_disk_type(dt_element element, int64_t bytes)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
        return H5T_IEEE_F32LE;
    case DT_ELEMENT_FLOAT64:
        return H5T_IEEE_F64LE;
    case DT_ELEMENT_INT32:
        return H5T_STD_I32LE;
    case DT_ELEMENT_INT64:
        return H5T_STD_I64LE;
    case DT_ELEMENT_UINT16:
        return H5T_STD_U16LE;
    case DT_ELEMENT_UINT8:
        return H5T_STD_U8LE;
    case DT_ELEMENT_TEXT:
        break;
    }
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, (size_t)bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
         H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

hid_t dt_container_memory_type(dt_element element, hid_t disk_type)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
        return H5T_NATIVE_FLOAT;
    case DT_ELEMENT_FLOAT64:
        return H5T_NATIVE_DOUBLE;
    case DT_ELEMENT_INT32:
        return H5T_NATIVE_INT32;
    case DT_ELEMENT_INT64:
        return H5T_NATIVE_INT64;
    case DT_ELEMENT_UINT16:
        return H5T_NATIVE_UINT16;
    case DT_ELEMENT_UINT8:
        return H5T_NATIVE_UINT8;
    case DT_ELEMENT_TEXT:
        break;
    }
    return disk_type;
}

dt_status dt_container_select_rows(dt_container *file, int64_t first, int64_t rows,
                                   hid_t *disk_space, hid_t *memory_space)
{
    hsize_t start[DT_MAX_DIMENSIONS] = {0};
    hsize_t count[DT_MAX_DIMENSIONS];
    for (int i = 0; i < file->info.dimensions; ++i)
        count[i] = (hsize_t)file->info.shape[i];
    start[0] = (hsize_t)first;
    count[0] = (hsize_t)rows;
    *disk_space = H5Dget_space(file->array);
    *memory_space = H5Screate_simple(file->info.dimensions, count, NULL);
    if (*disk_space >= 0 && *memory_space >= 0 &&
        H5Sselect_hyperslab(*disk_space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0)
        return DT_OK;
    if (*disk_space >= 0)
        H5Sclose(*disk_space);
    if (*memory_space >= 0)
        H5Sclose(*memory_space);
    return dt_fail(DT_ERR_INTERNAL, "%s: HDF5 cannot select rows of '%s'", file->path,
                   file->info.name);
}

herr_t dt_container_leave_array(dt_container *file)
{
    const herr_t result = file->array >= 0 ? H5Dclose(file->array) : 0;
    file->array = -1;
    free(file->array_name);
    file->array_name = NULL;
    return result;
}

int dt_container_link_exists(hid_t file, const char *name)
{
    char *path = strdup(name);
    if (!path)
        return -1;
    int there = *path != '\0';
    for (char *end = path; there > 0 && end;) {
        end = strchr(end, '/');
        if (end)
            *end = '\0';
        there = H5Lexists(file, path, H5P_DEFAULT);
        if (end)
            *end++ = '/';
    }
    free(path);
    return there;
}

/* ---- Errors of reading ---------------------------------------------------------------------- */

typedef struct {
    const char *word;
    bool found;
} word_search;

static herr_t search_entry(unsigned n, const H5E_error2_t *entry, void *context)
{
    (void)n;
    word_search *search = context;
    if (entry->desc && strstr(entry->desc, search->word))
        search->found = true;
    return 0;
}

/* True when HDF5's trace of the call that just failed speaks of `word`. */
static bool trace_mentions(const char *word)
{
    word_search search = {.word = word};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, search_entry, &search);
    return search.found;
}

/* The message for a call of HDF5 that failed just now, on `name` of the file. */
static dt_status read_error(const dt_container *file, const char *name)
{
    if (file->disk.error)
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", file->path, strerror(file->disk.error));
    if (trace_mentions("hecksum") || trace_mentions("fletcher"))
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: the checksum of '%s' does not fit",
                       file->path, name);
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: '%s' cannot be read", file->path, name);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static dt_status open_hdf5(dt_container *file)
{
    const hid_t access = dt_hdf5_access(&file->disk);
    if (access < 0)
        return dt_fail(DT_ERR_INTERNAL, "%s: HDF5 cannot be set up", file->path);
    file->file = H5Fopen(file->path, H5F_ACC_RDONLY, access);
    dt_status status = DT_OK;
    if (file->file < 0 && (trace_mentions("truncated file") || file->bytes < 48))
        status =
            dt_fail(DT_ERR_INPUT, "%s: the file is cut short: %" PRId64 " bytes are left of it",
                    file->path, file->bytes);
    else if (file->file < 0)
        status = read_error(file, "/");
    H5Pclose(access);
    return status;
}

static dt_status check_format(dt_container *file, const char *format, int32_t supported,
                              int32_t *version)
{
    bool has_format;
    bool has_version;
    DT_TRY(dt_container_has_attribute(file, "", "format", &has_format));
    DT_TRY(dt_container_has_attribute(file, "", "format_version", &has_version));
    if (!has_format || !has_version)
        return dt_fail(DT_ERR_INPUT, "%s: an HDF5 file, but none that DeepTaxa-MPI wrote",
                       file->path);
    char *found;
    DT_TRY(dt_container_get_attribute_text(file, "", "format", &found));
    dt_status status = DT_OK;
    if (strcmp(found, format) != 0)
        status =
            dt_fail(DT_ERR_INPUT, "%s: the file is a %.64s, not a %s", file->path, found, format);
    free(found);
    DT_TRY(status);
    int64_t number;
    DT_TRY(dt_container_get_attribute_int(file, "", "format_version", &number));
    if (number > supported)
        return dt_fail(DT_ERR_INPUT,
                       "%s: a %s of format version %" PRId64 "; this program reads up to %d: use a "
                       "later DeepTaxa-MPI",
                       file->path, format, number, (int)supported);
    if (number < 1)
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: format version %" PRId64, file->path,
                       number);
    if (version)
        *version = (int32_t)number;
    return DT_OK;
}

static dt_status open_steps(dt_container *file, const char *path, const char *format,
                            int32_t supported, int32_t *version)
{
    struct stat info;
    if ((size_t)snprintf(file->path, sizeof file->path, "%s", path) >= sizeof file->path)
        return dt_fail(DT_ERR_IO, "%s: the path is too long", path);
    file->disk.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->disk.fd < 0 || fstat(file->disk.fd, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dt_fail(DT_ERR_INPUT,
                       "%s: not a regular file; name a file that DeepTaxa-MPI wrote (.h5)", path);
    file->bytes = info.st_size;
    DT_TRY(dt_seal_check(file->disk.fd, path));
    DT_TRY(open_hdf5(file));
    return check_format(file, format, supported, version);
}

dt_status dt_container_open(dt_container **out, const char *path, const char *format,
                            int32_t supported, int32_t *version)
{
    DT_HDF5_TURN;
    dt_container *file;
    DT_TRY(DT_NEW(file, 1));
    dt_container_silence();
    file->file = -1;
    file->array = -1;
    file->disk.fd = -1;
    const dt_status status = open_steps(file, path, format, supported, version);
    if (status != DT_OK) {
        dt_container_close(file);
        return status;
    }
    *out = file;
    return DT_OK;
}

void dt_container_close(dt_container *file)
{
    DT_HDF5_TURN;
    if (!file)
        return;
    dt_container_leave_array(file);
    if (file->file >= 0)
        H5Fclose(file->file);
    if (file->disk.fd >= 0)
        close(file->disk.fd);
    free(file);
}

/* ---- Arrays --------------------------------------------------------------------------------- */

dt_status dt_container_has(dt_container *file, const char *name, bool *there)
{
    DT_HDF5_TURN;
    const int found = dt_container_link_exists(file->file, name);
    *there = found > 0;
    return found < 0 ? read_error(file, name) : DT_OK;
}

static dt_status need(dt_container *file, const char *name)
{
    bool there;
    DT_TRY(dt_container_has(file, name, &there));
    return there ? DT_OK : dt_fail(DT_ERR_INPUT, "%s: the file lacks '%s'", file->path, name);
}

/* Which of our element types a dataset or attribute has. */
static bool find_element(hid_t type, dt_element *element, int64_t *bytes)
{
    *bytes = (int64_t)H5Tget_size(type);
    if (H5Tget_class(type) == H5T_STRING && *bytes > 0 && H5Tis_variable_str(type) == 0) {
        *element = DT_ELEMENT_TEXT;
        return true;
    }
    for (dt_element i = DT_ELEMENT_FLOAT32; i < DT_ELEMENT_TEXT; ++i) {
        if (H5Tequal(type, dt_container_disk_type(i, 0)) > 0) {
            *element = i;
            return true;
        }
    }
    return false;
}

/* Fills everything of `info` but the name; false when the dataset is none of ours. */
static bool describe(hid_t array, dt_array_info *info)
{
    const hid_t type = H5Dget_type(array);
    const hid_t space = H5Dget_space(array);
    hsize_t shape[DT_MAX_DIMENSIONS];
    bool ok = type >= 0 && space >= 0 && find_element(type, &info->element, &info->element_bytes);
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

/* Makes `name` the array in use. */
static dt_status use_array(dt_container *file, const char *name)
{
    if (file->array >= 0 && strcmp(file->array_name, name) == 0)
        return DT_OK;
    dt_container_leave_array(file);
    DT_TRY(need(file, name));
    file->array = H5Dopen2(file->file, name, H5P_DEFAULT);
    if (file->array < 0)
        return read_error(file, name);
    file->array_name = strdup(name);
    if (!file->array_name) {
        dt_container_leave_array(file);
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    }
    file->info = (dt_array_info){.name = file->array_name};
    if (describe(file->array, &file->info) && file->info.bytes <= file->bytes)
        return DT_OK;
    dt_container_leave_array(file);
    return dt_fail(DT_ERR_INPUT,
                   "%s: '%s' is no array as DeepTaxa-MPI writes, or is larger than "
                   "the file",
                   file->path, name);
}

dt_status dt_container_info(dt_container *file, const char *name, dt_array_info *info)
{
    DT_HDF5_TURN;
    DT_TRY(use_array(file, name));
    *info = file->info;
    info->name = (char *)name;
    return DT_OK;
}

/* "3 × 4" */
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
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is %s, where %s is needed", file->path, info->name,
                   found, needed);
}

static const char *element_name(dt_element element)
{
    static const char *const names[] = {"float32", "float64", "int32", "int64",
                                        "uint16",  "uint8",   "text"};
    return names[element];
}

static dt_status check_element(const dt_container *file, dt_element element)
{
    if (file->info.element == element)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is an array of %s, where %s is needed", file->path,
                   file->info.name, element_name(file->info.element), element_name(element));
}

/* Reads rows of the array in use. */
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
    /* the message first: the calls below clear HDF5's trace */
    const dt_status status = failed ? read_error(file, file->info.name) : DT_OK;
    H5Tclose(type);
    H5Sclose(memory_space);
    H5Sclose(disk_space);
    return status;
}

dt_status dt_container_get_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, void *values)
{
    DT_HDF5_TURN;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    DT_TRY(check_shape(file, dimensions, shape));
    return read_rows(file, 0, shape[0], values);
}

dt_status dt_container_get_rows(dt_container *file, const char *name, dt_element element,
                                int64_t row_elements, int64_t first, int64_t rows, void *values)
{
    DT_HDF5_TURN;
    DT_TRY(use_array(file, name));
    DT_TRY(check_element(file, element));
    const dt_array_info *info = &file->info;
    if (info->bytes != info->shape[0] * row_elements * info->element_bytes)
        return dt_fail(DT_ERR_INPUT, "%s: '%s' has not %" PRId64 " elements a row", file->path,
                       name, row_elements);
    if (first < 0 || rows < 0 || first > info->shape[0] || rows > info->shape[0] - first)
        return dt_fail(DT_ERR_INPUT,
                       "%s: '%s' has %" PRId64 " rows; %" PRId64 " from %" PRId64 " on are needed",
                       file->path, name, info->shape[0], rows, first);
    return read_rows(file, first, rows, values);
}

dt_status dt_container_load_vector(dt_container *file, const char *name, dt_element element,
                                   void **values, int64_t *count)
{
    DT_HDF5_TURN;
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
    DT_HDF5_TURN;
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
    DT_HDF5_TURN;
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

/* ---- Listing -------------------------------------------------------------------------------- */

typedef struct {
    dt_array_info *infos;
    size_t count;
    size_t capacity;
} info_list;

static dt_status list_group(const dt_container *file, const char *group, int depth,
                            info_list *list);

/* Adds what the link leads to: an array, or all that is in a group. */
static dt_status list_link(const dt_container *file, char *path, int depth, info_list *list)
{
    const hid_t object = H5Oopen(file->file, path, H5P_DEFAULT);
    if (object < 0)
        return read_error(file, path);
    dt_status status = DT_OK;
    if (H5Iget_type(object) == H5I_GROUP) {
        status = list_group(file, path, depth + 1, list);
    } else if (H5Iget_type(object) == H5I_DATASET) {
        dt_array_info info = {0};
        DT_TRY_OR(done, DT_GROW(list->infos, list->capacity, list->count + 1));
        if (!describe(object, &info) || info.bytes > file->bytes)
            DT_TRY_OR(done, dt_fail(DT_ERR_INPUT, "%s: '%s' is no array as DeepTaxa-MPI writes",
                                    file->path, path));
        info.name = strdup(path);
        if (!info.name)
            DT_TRY_OR(done, dt_fail(DT_ERR_MEMORY, "out of memory"));
        list->infos[list->count++] = info;
    }
done:
    H5Oclose(object);
    return status;
}

/* Lists in the order of writing; files from other hands may keep none, then by name. */
static dt_status list_group(const dt_container *file, const char *group, int depth, info_list *list)
{
    const char *path = *group ? group : "/";
    H5G_info_t info;
    if (depth > DEEPEST_GROUP)
        return dt_fail(DT_ERR_INPUT, "%s: groups are nested too deep", file->path);
    if (H5Gget_info_by_name(file->file, path, &info, H5P_DEFAULT) < 0)
        return read_error(file, path);
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
            return read_error(file, path);
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
    DT_HDF5_TURN;
    info_list list = {0};
    if (*group)
        DT_TRY(need(file, group));
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

/* ---- Attributes ----------------------------------------------------------------------------- */

static const char *object_path(const char *object)
{
    return *object ? object : "/";
}

dt_status dt_container_has_attribute(dt_container *file, const char *object, const char *key,
                                     bool *there)
{
    DT_HDF5_TURN;
    *there = *object == '\0';
    if (*object)
        DT_TRY(dt_container_has(file, object, there));
    const htri_t found =
        *there ? H5Aexists_by_name(file->file, object_path(object), key, H5P_DEFAULT) : 0;
    *there = found > 0;
    return found < 0 ? read_error(file, key) : DT_OK;
}

/* Opens an attribute that holds one value of an element type; *bytes is its size. */
static dt_status open_attribute(dt_container *file, const char *object, const char *key,
                                dt_element element, hid_t *attribute, int64_t *bytes)
{
    bool there;
    DT_TRY(dt_container_has_attribute(file, object, key, &there));
    if (!there)
        return dt_fail(DT_ERR_INPUT, "%s: '/%s' lacks the attribute '%s'", file->path, object, key);
    *attribute = H5Aopen_by_name(file->file, object_path(object), key, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0)
        return read_error(file, key);
    const hid_t type = H5Aget_type(*attribute);
    const hid_t space = H5Aget_space(*attribute);
    dt_element found = element;
    const bool ok = type >= 0 && space >= 0 && find_element(type, &found, bytes) &&
                    found == element && H5Sget_simple_extent_npoints(space) == 1 &&
                    *bytes <= file->bytes;
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (ok)
        return DT_OK;
    H5Aclose(*attribute);
    return dt_fail(DT_ERR_INPUT, "%s: the attribute '%s' of '/%s' is not one %s", file->path, key,
                   object, element_name(element));
}

static dt_status get_number(dt_container *file, const char *object, const char *key,
                            dt_element element, void *value)
{
    hid_t attribute = -1;
    int64_t bytes = 0;
    DT_TRY(open_attribute(file, object, key, element, &attribute, &bytes));
    const bool failed = H5Aread(attribute, dt_container_memory_type(element, -1), value) < 0;
    const dt_status status = failed ? read_error(file, key) : DT_OK;
    H5Aclose(attribute);
    return status;
}

dt_status dt_container_get_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t *value)
{
    DT_HDF5_TURN;
    return get_number(file, object, key, DT_ELEMENT_INT64, value);
}

dt_status dt_container_get_attribute_double(dt_container *file, const char *object, const char *key,
                                            double *value)
{
    DT_HDF5_TURN;
    return get_number(file, object, key, DT_ELEMENT_FLOAT64, value);
}

dt_status dt_container_get_attribute_text(dt_container *file, const char *object, const char *key,
                                          char **value)
{
    DT_HDF5_TURN;
    hid_t attribute = -1;
    int64_t bytes = 0;
    DT_TRY(open_attribute(file, object, key, DT_ELEMENT_TEXT, &attribute, &bytes));
    char *text = NULL;
    dt_status status = dt_calloc((void **)&text, (size_t)bytes + 1, 1, key);
    const hid_t type = H5Aget_type(attribute);
    if (status == DT_OK && (type < 0 || H5Aread(attribute, type, text) < 0))
        status = read_error(file, key);
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
    if (status != DT_OK)
        free(text);
    else
        *value = text;
    return status;
}
