/* An HDF5 file driver for writing, on top of a file descriptor that we opened.
 *
 * It differs from HDF5's own drivers in two ways. It takes no file locks, which some cluster file
 * systems do not support. And it hides failed writes from HDF5: after one, closing the file would
 * fail too, and HDF5 1.10 would then leave a half-closed file that crashes the program at exit. The
 * driver records the first error for us and reports success to HDF5; the file is discarded. It also
 * records where chunks of arrays are written, for the integrity header. Private to the container.
 */
#ifndef DT_IO_HDF5_DRIVER_H
#define DT_IO_HDF5_DRIVER_H

#include <hdf5.h>

#include "io/container_integrity.h"

/* State of the driver. Must not move while HDF5 has the file open. */
typedef struct {
    int fd;            /* open for reading and writing; its owner closes it */
    int error;         /* errno of the first read, write or truncation that failed, 0 if none */
    dt_extents chunks; /* where chunks of arrays were written */
} dt_hdf5_disk;

/* Returns a file access list (free with H5Pclose()) for H5Fcreate, whose file name is
 * then ignored in favour of `disk`. Files are written in formats that HDF5 1.10 can read and whose
 * metadata all have checksums. < 0 on failure. */
hid_t dt_hdf5_access(dt_hdf5_disk *disk);

#endif
