/* Where the chunks of an HDF5 array are, from any of its indexes. Private to the container.
 *
 * "HDF5 File Format Specification Version 3.0", sections III.A.1 (B-trees of version 1), VII.C (fixed
 * array) and VII.D (extensible array).
 */
#ifndef DT_IO_HDF5_CHUNKS_H
#define DT_IO_HDF5_CHUNKS_H

#include "io/hdf5_reader.h"

typedef struct {
    int64_t count;                    /* chunks of the array */
    int64_t along[DT_MAX_DIMENSIONS]; /* chunks in each dimension */
    int64_t bytes;                    /* of the elements of one chunk; all are whole in the file */
    uint64_t *address;                /* (count) row-major */
} dt_hdf5_chunks;

/* Finds all chunks of an array with elements, array->info.bytes > 0. DT_ERR_INPUT if the index is
 * invalid or a chunk was never written. The caller frees chunks->address. file->object names the
 * array. */
dt_status dt_hdf5_chunks_load(dt_hdf5_chunks *chunks, dt_hdf5_file *file,
                              const dt_hdf5_object *array);

#endif
