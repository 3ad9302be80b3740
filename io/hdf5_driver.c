#include "io/hdf5_driver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

typedef struct {
    H5FD_t base; /* must be first */
    dt_hdf5_disk *disk;
    haddr_t eoa; /* bytes that HDF5 has allocated */
    haddr_t eof; /* bytes of the file */
} open_file;

/* Records the first error; writing continues as if it had succeeded. */
static void note_error(open_file *file, int error)
{
    if (!file->disk->error)
        file->disk->error = error ? error : EIO;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    (void)name;
    (void)max_address;
    dt_hdf5_disk *const *info = H5Pget_driver_info(access);
    struct stat stat;
    if (!info || fstat((*info)->fd, &stat) != 0)
        return NULL;
    open_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->disk = *info;
    file->eof = (haddr_t)stat.st_size;
    if (flags & H5F_ACC_TRUNC) {
        file->eof = 0;
        if (ftruncate(file->disk->fd, 0) != 0)
            note_error(file, errno);
    }
    return &file->base;
}

static herr_t driver_close(H5FD_t *base)
{
    free(base);
    return 0;
}

/* Permits the optimisations that HDF5's POSIX driver permits: fewer and larger accesses. */
static herr_t driver_query(const H5FD_t *base, unsigned long *flags)
{
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const open_file *)base)->eoa;
}

static herr_t driver_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((open_file *)base)->eoa = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const open_file *)base)->eof;
}

static herr_t driver_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address,
                          size_t size, void *buffer)
{
    (void)type;
    (void)transfer;
    open_file *file = (open_file *)base;
    char *to = buffer;
    while (size > 0) {
        const ssize_t got = pread(file->disk->fd, to, size, (off_t)address);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            note_error(file, errno);
            return -1;
        }
        if (got == 0) { /* allocated but not yet written */
            memset(to, 0, size);
            break;
        }
        to += got;
        address += (haddr_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static herr_t driver_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address,
                           size_t size, const void *buffer)
{
    (void)transfer;
    open_file *file = (open_file *)base;
    const char *from = buffer;
    if (type == H5FD_MEM_DRAW)
        dt_extents_add(&file->disk->chunks, address, address + size);
    else
        dt_extents_remove(&file->disk->chunks, address, address + size);
    while (size > 0 && !file->disk->error) {
        const ssize_t put = pwrite(file->disk->fd, from, size, (off_t)address);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            note_error(file, put < 0 ? errno : ENOSPC);
            break;
        }
        from += put;
        address += (haddr_t)put;
        size -= (size_t)put;
    }
    if (address + size > file->eof)
        file->eof = address + size;
    return 0;
}

static herr_t driver_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    (void)transfer;
    (void)closing;
    open_file *file = (open_file *)base;
    if (file->eoa != file->eof && !file->disk->error &&
        ftruncate(file->disk->fd, (off_t)file->eoa) != 0)
        note_error(file, errno);
    file->eof = file->eoa;
    return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)400, /* 256 … 511 are reserved for unregistered drivers */
#endif
    .name = "deeptaxa",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(dt_hdf5_disk *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = {H5FD_MEM_DEFAULT, H5FD_MEM_DEFAULT, H5FD_MEM_DEFAULT, H5FD_MEM_DEFAULT,
               H5FD_MEM_DEFAULT, H5FD_MEM_DEFAULT, H5FD_MEM_DEFAULT},
};

/* The driver stays registered: H5FD_close() reads its class after giving back the file's reference,
 * which would free it if it were the last one. */
hid_t dt_hdf5_access(dt_hdf5_disk *disk)
{
    static hid_t id = H5I_INVALID_HID; /* protected by the HDF5 lock */
    if (id < 0)
        id = H5FDregister(&driver);
    const hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    const bool ok = id >= 0 && list >= 0 && H5Pset_driver(list, id, &disk) >= 0 &&
                    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) >= 0 &&
                    H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0;
    if (ok)
        return list;
    if (list >= 0)
        H5Pclose(list);
    return -1;
}
