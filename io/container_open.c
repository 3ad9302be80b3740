#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/file.h"
#include "io/container_internal.h"

/* ---- Read errors ---------------------------------------------------------------------------- */

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

/* Returns true if HDF5's error stack of the call that just failed mentions `word`. */
static bool trace_mentions(const char *word)
{
    word_search search = {.word = word};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, search_entry, &search);
    return search.found;
}

dt_status dt_container_read_error(const dt_container *file, const char *name)
{
    if (file->disk.error)
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", file->path, strerror(file->disk.error));
    if (trace_mentions("hecksum") || trace_mentions("fletcher"))
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: the checksum of '%s' does not match",
                       file->path, name);
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: '%s' cannot be read", file->path, name);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static dt_status open_hdf5(dt_container *file)
{
    const hid_t access = dt_hdf5_access(&file->disk);
    if (access < 0)
        return dt_fail(DT_ERR_INTERNAL, "%s: cannot configure HDF5", file->path);
    file->file = H5Fopen(file->path, H5F_ACC_RDONLY, access);
    dt_status status = DT_OK;
    if (file->file < 0 && (trace_mentions("truncated file") || file->bytes < 48))
        status = dt_fail(DT_ERR_INPUT, "%s: the file is truncated: %" PRId64 " bytes remain",
                         file->path, file->bytes);
    else if (file->file < 0)
        status = dt_container_read_error(file, "/");
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
    file->disk.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
    if (file->disk.fd < 0 || fstat(file->disk.fd, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dt_fail(DT_ERR_INPUT,
                       "%s: not a regular file; a file written by DeepTaxa-MPI (.h5) is expected",
                       path);
    file->bytes = info.st_size;
    DT_TRY(dt_integrity_check(file->disk.fd, path));
    DT_TRY(open_hdf5(file));
    return check_format(file, format, supported, version);
}

dt_status dt_container_open(dt_container **out, const char *path, const char *format,
                            int32_t supported, int32_t *version)
{
    DT_HDF5_LOCK;
    dt_container *file;
    DT_TRY(DT_NEW(file, 1));
    dt_container_disable_error_printing();
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
    DT_HDF5_LOCK;
    if (!file)
        return;
    dt_container_close_array(file);
    if (file->file >= 0)
        H5Fclose(file->file);
    if (file->disk.fd >= 0)
        close(file->disk.fd);
    free(file);
}
