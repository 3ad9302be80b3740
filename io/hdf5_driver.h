/* How HDF5 reaches the disk: a file driver over a descriptor that we opened.
 *
 * Two things it does that HDF5's own drivers do not. It takes no file locks, which some cluster
 * file systems lack. And HDF5 never sees a failed write: after one, closing the file fails too, and
 * HDF5 1.10 then leaves a half-closed file behind that brings the program down at its end. So the
 * driver keeps the first error for us to look at and lets HDF5 go on as if all went well; the file
 * is thrown away. It also notes where the chunks of arrays went, for the seal. Private to the
 * container.
 */
#ifndef DT_IO_HDF5_DRIVER_H
#define DT_IO_HDF5_DRIVER_H

#include <hdf5.h>

#include "io/container_seal.h"

/* What the driver works on. Stays where it is, and alive, as long as HDF5 has the file open. */
typedef struct {
    int fd;    /* open for reading, or for reading and writing; closed by its owner */
    int error; /* errno of the first read, write or truncation that failed, 0 when none did */
    dt_extents chunks; /* where chunks of arrays were written */
} dt_hdf5_disk;

/* A file access list (H5Pclose it) for H5Fcreate or H5Fopen of `disk`; the name given to these is
 * not used. Files are written so that HDF5 1.10 can read them, in the formats whose every piece
 * of metadata has a checksum. < 0 on failure. */
hid_t dt_hdf5_access(dt_hdf5_disk *disk);

#endif
