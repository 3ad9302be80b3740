/* Reads the elements of an HDF5 array, contiguous or in chunks. Private to the container. */
#ifndef DT_IO_HDF5_ELEMENTS_H
#define DT_IO_HDF5_ELEMENTS_H

#include "io/hdf5_chunks.h"

typedef struct {
    dt_hdf5_file *file;
    const dt_hdf5_object *array; /* NULL if none is open */
    dt_hdf5_chunks chunks;
    unsigned char *buffer; /* a chunk and its checksum */
    int64_t loaded;        /* number of that chunk, -1: none */
} dt_hdf5_elements;

/* Begins to read an array of the file, with array->ours. DT_ERR_INPUT if its chunks are not there, or
 * it is larger than the file. End with dt_hdf5_elements_close(), which a zero-initialised one allows. */
dt_status dt_hdf5_elements_open(dt_hdf5_elements *elements, dt_hdf5_file *file,
                                const dt_hdf5_object *array);
void dt_hdf5_elements_close(dt_hdf5_elements *elements);

/* Reads rows first … first + rows - 1, which the array has. DT_ERR_INPUT if the checksum of a chunk
 * does not match. The last chunk stays in memory. */
dt_status dt_hdf5_elements_read(dt_hdf5_elements *elements, int64_t first, int64_t rows, void *out);

#endif
