/* Internals of the container. Private to io/container*.c:
 *
 *     container_write.c       writing, with libhdf5
 *     container_shared.c      of writing: HDF5 lock, element types
 *     hdf5_driver.c           of writing: disk access of libhdf5 (hdf5_driver.h)
 *     container_open.c        opening for reading, closing
 *     container_read.c        reading and listing arrays, texts and attributes
 *     hdf5_reader.h and its parts: the structure of a file, read without libhdf5
 *         hdf5_bytes.h        bytes, checksums, decoding
 *         hdf5_header.h       object headers; hdf5_message.h: their messages
 *         hdf5_group.h        links of a group; hdf5_dense.h: of a large one
 *         hdf5_chunks.h       indexes of chunks; hdf5_elements.h: elements of arrays
 *     container_integrity.c   the integrity header (container_integrity.h)
 */
#ifndef DT_IO_CONTAINER_INTERNAL_H
#define DT_IO_CONTAINER_INTERNAL_H

#include <limits.h>

#include "core/file.h"
#include "io/container.h"
#include "io/hdf5_driver.h"
#include "io/hdf5_elements.h"

struct dt_container {
    char path[PATH_MAX];
    /* reading */
    dt_hdf5_file source;
    dt_hdf5_contents contents;
    dt_hdf5_elements open; /* the array that was read last */
    /* writing */
    dt_hdf5_disk disk;
    hid_t file;           /* HDF5 file, < 0 if not open */
    hid_t array;          /* open dataset, < 0 if none */
    char *array_name;     /* its name */
    dt_array_info info;   /* its type and shape */
    int64_t rows_written; /* number of its rows written */
    bool grows;           /* any number of rows can be added to it */
    dt_new_file new_file; /* the temporary file */
    bool failed;          /* a call failed, the file cannot be committed */
};

/* ---- The HDF5 lock (container_shared.c) ------------------------------------------------------ */

/* Disables HDF5's error printing in the calling thread. */
void dt_container_disable_error_printing(void);

/* HDF5 is not thread-safe: every function that calls it begins with DT_HDF5_LOCK, which holds a
 * recursive lock until the function returns. */
int dt_container_lock(void);
void dt_container_unlock(const int *lock);
#define DT_HDF5_LOCK                                                                               \
    const int hdf5_lock __attribute__((cleanup(dt_container_unlock), unused)) = dt_container_lock()

/* ---- Elements (container_shared.c) ----------------------------------------------------------- */

/* Returns the element type on disk (HDF5 converts from and to memory; on little-endian machines
 * they are equal). It is immutable, except for texts: that type, `bytes` long, must be closed with
 * H5Tclose(). */
hid_t dt_container_disk_type(dt_element element, int64_t bytes);
/* Returns the size of an element in bytes; 0 for DT_ELEMENT_TEXT. */
int64_t dt_element_bytes(dt_element element);
/* Returns the element type in memory. */
hid_t dt_container_memory_type(dt_element element, hid_t disk_type);

/* Returns a name for messages, such as "float32". */
const char *dt_container_element_name(dt_element element);

#endif
