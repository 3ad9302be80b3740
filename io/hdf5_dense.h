/* Dense storage of HDF5: the links of a group, or the attributes of an object, when there are many.
 * They are in a fractal heap; a B-tree of version 2 says where. Private to the container.
 *
 * "HDF5 File Format Specification Version 3.0", sections III.A.2 (B-trees) and III.G (fractal heap).
 */
#ifndef DT_IO_HDF5_DENSE_H
#define DT_IO_HDF5_DENSE_H

#include "io/hdf5_bytes.h"

typedef enum {
    DT_HDF5_LINKS_BY_NAME = 5,
    DT_HDF5_ATTRIBUTES_BY_NAME = 8,
} dt_hdf5_records;

/* Is given one message; an error ends the visits. */
typedef dt_status dt_hdf5_visit(void *context, dt_hdf5_cursor message);

/* Calls `visit` with each message that the B-tree at `tree`, of records of this type, lists. */
dt_status dt_hdf5_visit_dense(dt_hdf5_file *file, uint64_t heap, uint64_t tree,
                              dt_hdf5_records type, dt_hdf5_visit *visit, void *context);

#endif
