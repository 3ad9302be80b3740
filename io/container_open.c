#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container_internal.h"

static dt_status check_format(dt_container *file, const char *format, int32_t supported,
                              int32_t *version)
{
    bool has_format;
    bool has_version;
    DT_TRY(dt_container_has_attribute(file, "", "format", &has_format));
    DT_TRY(dt_container_has_attribute(file, "", "format_version", &has_version));
    if (!has_format || !has_version)
        return dt_fail(DT_ERR_INPUT, "%s: an HDF5 file, but not written by DeepTaxa-MPI",
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
                       "%s: a %s of format version %" PRId64
                       "; this program reads up to version %d: "
                       "use a newer DeepTaxa-MPI",
                       file->path, format, number, (int)supported);
    if (number < 1)
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: invalid format version %" PRId64,
                       file->path, number);
    if (version)
        *version = (int32_t)number;
    return DT_OK;
}

static dt_status open_steps(dt_container *file, const char *path, const char *format,
                            int32_t supported, int32_t *version)
{
    struct stat info;
    DT_TRY(dt_path(file->path, sizeof file->path, "%s", path));
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
    if (fd >= 0)
        file->source = (dt_hdf5_file){.fd = fd, .path = file->path, .object = ""};
    if (fd < 0 || fstat(fd, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dt_fail(DT_ERR_INPUT,
                       "%s: not a regular file; a file written by DeepTaxa-MPI (.h5) is expected",
                       path);
    file->source.bytes = (uint64_t)info.st_size;
    DT_TRY(dt_integrity_check(fd, path));
    DT_TRY(dt_hdf5_contents_load(&file->contents, &file->source));
    return check_format(file, format, supported, version);
}

dt_status dt_container_open(dt_container **out, const char *path, const char *format,
                            int32_t supported, int32_t *version)
{
    dt_container *file;
    DT_TRY(DT_NEW(file, 1));
    file->source.fd = -1;
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
    if (!file)
        return;
    dt_hdf5_elements_close(&file->open);
    dt_hdf5_contents_free(&file->contents);
    if (file->source.fd >= 0)
        close(file->source.fd);
    free(file);
}
