/* The links of an HDF5 group, in each of the three ways in which they are stored: messages of its
 * header, dense storage (hdf5_dense.h), or a symbol table. Private to the container.
 *
 * "HDF5 File Format Specification Version 3.0", sections III.A.1, III.B to III.D.
 */
#ifndef DT_IO_HDF5_GROUP_H
#define DT_IO_HDF5_GROUP_H

#include "io/hdf5_dense.h"
#include "io/hdf5_header.h"

typedef struct {
    dt_hdf5_file *file;
    dt_hdf5_link *link; /* in the order of creation; by name if that is not recorded */
    size_t count;
    size_t capacity;
} dt_hdf5_links;

/* Whether an object with this header is a group. */
bool dt_hdf5_is_group(const dt_hdf5_header *header);

/* Reads the links of a group. Free with dt_hdf5_links_free(). */
dt_status dt_hdf5_links_load(dt_hdf5_links *links, dt_hdf5_file *file,
                             const dt_hdf5_header *header);
void dt_hdf5_links_free(dt_hdf5_links *links);

#endif
