#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "io/container_internal.h"

#define CHUNK_BYTES ((int64_t)1 << 19) /* fastest of 256 KiB … 1 MiB: fits the cache */
#define LONGEST_ATTRIBUTE ((size_t)32 << 10)

/* Fails with the error of HDF5 or the disk. The file cannot be committed afterwards. */
static dt_status write_error(dt_container *file, const char *name)
{
    file->failed = true;
    if (file->disk.error)
        return dt_fail(dt_write_failure(file->disk.error), "%s: cannot write: %s", file->path,
                       strerror(file->disk.error));
    return dt_fail(DT_ERR_INTERNAL, "%s: HDF5 cannot write '%s'", file->path, name);
}

static dt_status misuse(dt_container *file, const char *name, const char *what)
{
    file->failed = true;
    return dt_fail(DT_ERR_INTERNAL, "%s: '%s': %s", file->path, name, what);
}

/* Returns DT_OK if `failed` is false and no write to the disk has failed so far. */
static dt_status check(dt_container *file, bool failed, const char *name)
{
    return failed || file->disk.error ? write_error(file, name) : DT_OK;
}

/* Selects rows first … first + rows - 1 of the open array, on disk and in memory; the caller closes
 * both spaces with H5Sclose(). */
static dt_status select_rows(dt_container *file, int64_t first, int64_t rows, hid_t *disk_space,
                             hid_t *memory_space)
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

/* Closes the open dataset. */
static herr_t close_array(dt_container *file)
{
    const herr_t result = file->array >= 0 ? H5Dclose(file->array) : 0;
    file->array = -1;
    free(file->array_name);
    file->array_name = NULL;
    return result;
}

/* Returns 1 if the path, including all its groups, exists; 0 if not; < 0 if HDF5 fails. */
static int link_exists(hid_t file, const char *name)
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

/* Makes a creation list for groups and files that record the order of creation of their members. */
static hid_t make_creation_list(hid_t class)
{
    const hid_t list = H5Pcreate(class);
    if (list >= 0)
        H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    if (list >= 0)
        H5Pset_obj_track_times(list, false); /* equal content gives equal bytes */
    return list;
}

static void create_hdf5(dt_container *file)
{
    const hid_t creation = make_creation_list(H5P_FILE_CREATE);
    const hid_t access = dt_hdf5_access(&file->disk);
    if (creation >= 0 && access >= 0 && H5Pset_userblock(creation, DT_INTEGRITY_BYTES) >= 0)
        file->file = H5Fcreate(file->new_file.temporary, H5F_ACC_TRUNC, creation, access);
    if (creation >= 0)
        H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
}

dt_status dt_container_create(dt_container **out, const char *path, const char *format,
                              int32_t version)
{
    DT_HDF5_LOCK;
    dt_container *file;
    DT_TRY(DT_NEW(file, 1));
    dt_status status = dt_new_file_begin(&file->new_file, path);
    if (status != DT_OK) {
        free(file);
        return status;
    }
    if (file->new_file.in_place) {
        free(file);
        return dt_fail(DT_ERR_IO,
                       "%s: is a pipe or a device; an HDF5 file can only be written to a disk",
                       path);
    }
    dt_container_disable_error_printing();
    file->file = -1;
    file->array = -1;
    file->disk.fd = -1;
    memcpy(file->path, file->new_file.path, sizeof file->path);
    file->disk.fd = open(file->new_file.temporary, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file->disk.fd < 0)
        DT_TRY_OR(fail, dt_fail(DT_ERR_IO, "%s: cannot write: %s", path, strerror(errno)));
    create_hdf5(file);
    DT_TRY_OR(fail, check(file, file->file < 0, "/"));
    DT_TRY_OR(fail, dt_container_put_attribute_text(file, "", "format", format));
    DT_TRY_OR(fail, dt_container_put_attribute_int(file, "", "format_version", version));
    *out = file;
    return DT_OK;
fail:
    dt_container_discard(file);
    return status;
}

/* Creates the groups on the path to `name`; if `whole`, also `name` itself as a group. */
static dt_status make_groups(dt_container *file, const char *name, bool whole)
{
    dt_status status = DT_OK;
    const hid_t list = make_creation_list(H5P_GROUP_CREATE);
    char *path = strdup(name);
    if (!path || list < 0) {
        status = check(file, true, name);
        goto done;
    }
    for (char *end = strchr(path, '/');; end = strchr(end + 1, '/')) {
        if (!end && !whole)
            break;
        if (end)
            *end = '\0';
        const htri_t there = H5Lexists(file->file, path, H5P_DEFAULT);
        const hid_t group =
            there == 0 ? H5Gcreate2(file->file, path, H5P_DEFAULT, list, H5P_DEFAULT) : -1;
        DT_TRY_OR(done, check(file, there < 0 || (there == 0 && group < 0), path));
        if (group >= 0)
            H5Gclose(group);
        if (!end)
            break;
        *end = '/';
    }
done:
    free(path);
    if (list >= 0)
        H5Pclose(list);
    return status;
}

/* Returns the rows per chunk: about CHUNK_BYTES; chunks of equal size if the array's size is
 * known. */
static int64_t chunk_rows(const dt_array_info *info, bool grows)
{
    if (grows) {
        const int64_t rows =
            CHUNK_BYTES / (info->bytes > 0 ? info->bytes : 1); /* info->bytes: of one row */
        return rows > 0 ? rows : 1;
    }
    const int64_t chunks = (info->bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    return (info->shape[0] + chunks - 1) / chunks;
}

/* Makes the creation list of a dataset: chunks of whole rows with a checksum each. An empty array
 * has no chunks. */
static hid_t make_layout(const dt_array_info *info, bool grows)
{
    const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (list < 0)
        return -1;
    bool ok = H5Pset_obj_track_times(list, false) >= 0 &&
              H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) >= 0;
    if (ok && info->bytes > 0) {
        hsize_t chunk[DT_MAX_DIMENSIONS];
        for (int i = 0; i < info->dimensions; ++i)
            chunk[i] = (hsize_t)info->shape[i];
        chunk[0] = (hsize_t)chunk_rows(info, grows);
        ok = H5Pset_chunk(list, info->dimensions, chunk) >= 0 && H5Pset_fletcher32(list) >= 0;
    }
    if (ok)
        return list;
    H5Pclose(list);
    return -1;
}

/* Makes the access list of a dataset that is written in order: two chunks are cached, and full ones
 * are evicted first. */
static hid_t make_access(const dt_array_info *info)
{
    const hid_t list = H5Pcreate(H5P_DATASET_ACCESS);
    const int64_t row = info->shape[0] ? info->bytes / info->shape[0] : 0;
    const int64_t chunk = row > CHUNK_BYTES ? row : CHUNK_BYTES;
    if (list >= 0)
        H5Pset_chunk_cache(list, 101, (size_t)(2 * chunk), 1.0);
    return list;
}

/* `info` describes the whole array; for a growing array, one row of it. */
static dt_status create_dataset(dt_container *file, const dt_array_info *info)
{
    hsize_t shape[DT_MAX_DIMENSIONS];
    hsize_t most[DT_MAX_DIMENSIONS];
    for (int i = 0; i < info->dimensions; ++i)
        most[i] = shape[i] = (hsize_t)info->shape[i];
    if (file->grows) {
        shape[0] = 0;
        most[0] = H5S_UNLIMITED;
    }
    const hid_t type = dt_container_disk_type(info->element, info->element_bytes);
    const hid_t space = H5Screate_simple(info->dimensions, shape, most);
    const hid_t layout = make_layout(info, file->grows);
    const hid_t access = make_access(info);
    if (type >= 0 && space >= 0 && layout >= 0 && access >= 0)
        file->array = H5Dcreate2(file->file, info->name, type, space, H5P_DEFAULT, layout, access);
    if (access >= 0)
        H5Pclose(access);
    if (layout >= 0)
        H5Pclose(layout);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0 && info->element == DT_ELEMENT_TEXT)
        H5Tclose(type);
    return check(file, file->array < 0, info->name);
}

/* Closes the open array; fails if rows are missing. */
static dt_status end_array(dt_container *file)
{
    if (file->failed)
        return dt_fail(DT_ERR_INTERNAL, "%s: an earlier write failed", file->path);
    if (file->array < 0)
        return DT_OK;
    if (!file->grows && file->rows_written != file->info.shape[0])
        return misuse(file, file->array_name, "some of its rows were not written");
    const bool failed = close_array(file) < 0;
    return check(file, failed, "an array");
}

static dt_status begin(dt_container *file, const char *name, dt_element element,
                       int64_t element_bytes, int32_t dimensions, const int64_t *shape)
{
    DT_TRY(end_array(file));
    if (dimensions < 1 || dimensions > DT_MAX_DIMENSIONS)
        return misuse(file, name, "an array must have 1 to 8 dimensions");
    if (link_exists(file->file, name) != 0)
        return misuse(file, name, "the name is already used");
    DT_TRY(dt_copy_text(&file->array_name, name));
    dt_array_info *info = &file->info;
    *info = (dt_array_info){.name = file->array_name,
                            .element = element,
                            .dimensions = dimensions,
                            .element_bytes = element_bytes,
                            .bytes = element_bytes};
    file->grows = shape[0] == DT_ROWS_UNKNOWN;
    for (int i = 0; i < dimensions; ++i) {
        info->shape[i] = file->grows && i == 0 ? 1 : shape[i];
        if (info->shape[i] < 0 || __builtin_mul_overflow(info->bytes, info->shape[i], &info->bytes))
            return misuse(file, name, "its shape is invalid");
    }
    file->rows_written = 0;
    DT_TRY(make_groups(file, name, false));
    return create_dataset(file, info);
}

dt_status dt_container_begin_array(dt_container *file, const char *name, dt_element element,
                                   int32_t dimensions, const int64_t *shape)
{
    DT_HDF5_LOCK;
    if (element == DT_ELEMENT_TEXT)
        return misuse(file, name, "use dt_container_put_texts() for texts");
    return begin(file, name, element, dt_element_bytes(element), dimensions, shape);
}

/* Extends the array by `rows` rows. */
static dt_status grow(dt_container *file, int64_t rows)
{
    hsize_t shape[DT_MAX_DIMENSIONS];
    for (int i = 0; i < file->info.dimensions; ++i)
        shape[i] = (hsize_t)file->info.shape[i];
    shape[0] = (hsize_t)file->rows_written + (hsize_t)rows;
    return check(file, H5Dset_extent(file->array, shape) < 0, file->array_name);
}

dt_status dt_container_begin_texts(dt_container *file, const char *name, int64_t count,
                                   int64_t longest)
{
    DT_HDF5_LOCK;
    return begin(file, name, DT_ELEMENT_TEXT, longest, 1, &count);
}

dt_status dt_container_add_rows(dt_container *file, int64_t rows, const void *values)
{
    DT_HDF5_LOCK;
    if (file->failed || file->array < 0 || rows < 0 ||
        (!file->grows && rows > file->info.shape[0] - file->rows_written))
        return misuse(file, file->array_name ? file->array_name : "",
                      "too many rows, or no array is open");
    if (rows == 0)
        return DT_OK;
    if (file->grows)
        DT_TRY(grow(file, rows));
    hid_t disk_space;
    hid_t memory_space;
    DT_TRY(select_rows(file, file->rows_written, rows, &disk_space, &memory_space));
    const hid_t disk_type = H5Dget_type(file->array);
    const bool failed =
        file->info.bytes > 0 &&
        H5Dwrite(file->array, dt_container_memory_type(file->info.element, disk_type), memory_space,
                 disk_space, H5P_DEFAULT, values) < 0;
    H5Tclose(disk_type);
    H5Sclose(memory_space);
    H5Sclose(disk_space);
    file->rows_written += rows;
    return check(file, failed, file->array_name);
}

dt_status dt_container_put_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, const void *values)
{
    DT_HDF5_LOCK;
    DT_TRY(dt_container_begin_array(file, name, element, dimensions, shape));
    DT_TRY(dt_container_add_rows(file, shape[0], values));
    return end_array(file);
}

dt_status dt_container_put_texts(dt_container *file, const char *name, int64_t count,
                                 const char *const *texts)
{
    DT_HDF5_LOCK;
    size_t longest = 1; /* HDF5 has no strings of zero bytes */
    for (int64_t i = 0; i < count; ++i) {
        const size_t length = strlen(texts[i]);
        longest = length > longest ? length : longest;
    }
    DT_TRY(begin(file, name, DT_ELEMENT_TEXT, (int64_t)longest, 1, &count));
    /* in batches of about one chunk, to avoid a padded copy of all texts */
    const int64_t rows = CHUNK_BYTES / (int64_t)longest + 1;
    char *padded;
    DT_TRY(dt_calloc((void **)&padded, (size_t)rows, longest, "texts"));
    dt_status status = DT_OK;
    for (int64_t first = 0; first < count && status == DT_OK; first += rows) {
        const int64_t n = count - first < rows ? count - first : rows;
        memset(padded, 0, (size_t)n * longest);
        for (int64_t i = 0; i < n; ++i)
            memcpy(padded + i * (int64_t)longest, texts[first + i], strlen(texts[first + i]));
        status = dt_container_add_rows(file, n, padded);
    }
    free(padded);
    DT_TRY(status);
    return end_array(file);
}

dt_status dt_container_put_text(dt_container *file, const char *name, const char *text)
{
    DT_HDF5_LOCK;
    return dt_container_put_texts(file, name, 1, &text);
}

static dt_status put_attribute(dt_container *file, const char *object, const char *key, hid_t type,
                               hid_t memory_type, const void *value)
{
    DT_TRY(end_array(file));
    if (*object && link_exists(file->file, object) == 0)
        DT_TRY(make_groups(file, object, true));
    const char *path = *object ? object : "/";
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate_by_name(file->file, path, key, type, space, H5P_DEFAULT,
                                              H5P_DEFAULT, H5P_DEFAULT);
    bool failed = attribute < 0 || H5Awrite(attribute, memory_type, value) < 0;
    if (attribute >= 0)
        failed = H5Aclose(attribute) < 0 || failed;
    H5Sclose(space);
    return check(file, failed, key);
}

dt_status dt_container_put_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t value)
{
    DT_HDF5_LOCK;
    return put_attribute(file, object, key, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

dt_status dt_container_put_attribute_double(dt_container *file, const char *object, const char *key,
                                            double value)
{
    DT_HDF5_LOCK;
    return put_attribute(file, object, key, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

static dt_status put_attribute_utf8(dt_container *file, const char *object, const char *key,
                                    const char *value)
{
    const size_t length = strlen(value);
    if (length > LONGEST_ATTRIBUTE)
        return misuse(file, key, "the text is too long for an attribute");
    const hid_t type = dt_container_disk_type(DT_ELEMENT_TEXT, length ? (int64_t)length : 1);
    DT_TRY(check(file, type < 0, key));
    const dt_status status = put_attribute(file, object, key, type, type, value);
    H5Tclose(type);
    return status;
}

dt_status dt_container_put_attribute_text(dt_container *file, const char *object, const char *key,
                                          const char *value)
{
    DT_HDF5_LOCK;
    char *text;
    DT_TRY(dt_utf8_copy(&text, value));
    const dt_status status = put_attribute_utf8(file, object, key, text);
    free(text);
    return status;
}

/* Closes everything; the temporary file stays. */
static void release(dt_container *file)
{
    DT_HDF5_LOCK;
    close_array(file);
    if (file->file >= 0)
        H5Fclose(file->file);
    if (file->disk.fd >= 0)
        close(file->disk.fd);
    file->file = -1;
    file->disk.fd = -1;
}

/* Closes the HDF5 file. Releases the HDF5 lock before the slow remainder of the commit. */
static dt_status close_written(dt_container *file)
{
    DT_HDF5_LOCK;
    DT_TRY(end_array(file));
    if (H5Fflush(file->file, H5F_SCOPE_GLOBAL) < 0)
        return write_error(file, "/");
    const bool failed = H5Fclose(file->file) < 0;
    file->file = -1;
    return check(file, failed, "/");
}

dt_status dt_container_commit(dt_container *file)
{
    dt_status status = close_written(file);
    if (status == DT_OK)
        status = dt_integrity_write(file->disk.fd, file->path, &file->disk.chunks);
    if (status == DT_OK) {
        const int fd = file->disk.fd;
        file->disk.fd = -1;
        if (close(fd) != 0) {
            file->disk.error = errno;
            status = write_error(file, "/");
        }
    }
    if (status == DT_OK) {
        status = dt_new_file_commit(&file->new_file);
        free(file);
        return status;
    }
    dt_container_discard(file);
    return status;
}

void dt_container_discard(dt_container *file)
{
    if (!file)
        return;
    /* ignore what HDF5 still writes: the file is deleted */
    if (!file->disk.error)
        file->disk.error = ECANCELED;
    release(file);
    dt_new_file_discard(&file->new_file);
    free(file);
}
