/* Internals of the container. Private to io/container*.c:
 *
 *     container_write.c       writing
 *     container_open.c        opening for reading, closing, read errors
 *     container_read.c        reading arrays and texts
 *     container_attributes.c  attributes
 *     container_list.c        listing arrays
 *     container_shared.c      shared by reading and writing: HDF5 lock, element types, rows
 *     container_integrity.c   the integrity header (container_integrity.h)
 *     hdf5_driver.c           disk access of HDF5 (hdf5_driver.h)
 */
#ifndef DT_IO_CONTAINER_INTERNAL_H
#define DT_IO_CONTAINER_INTERNAL_H

#include <limits.h>

#include "core/file.h"
#include "io/container.h"
#include "io/hdf5_driver.h"

struct dt_container {
    char path[PATH_MAX];
    dt_hdf5_disk disk;
    hid_t file;           /* HDF5 file, < 0 if not open */
    hid_t array;          /* open dataset, < 0 if none */
    char *array_name;     /* its name */
    dt_array_info info;   /* its type and shape */
    int64_t rows_written; /* writing: number of its rows written */
    bool grows;           /* writing: any number of rows can be added to it */
    int64_t bytes;        /* reading: size of the file; an array that claims more is rejected */
    dt_new_file new_file; /* writing: the temporary file */
    bool failed;          /* writing: a call failed, the file cannot be committed */
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

/* Finds the element type of a dataset or attribute and its size in bytes; false if it is none of
 * ours. */
bool dt_container_find_element(hid_t type, dt_element *element, int64_t *bytes);

/* Returns a name for messages, such as "float32". */
const char *dt_container_element_name(dt_element element);

/* ---- Arrays and links (container_shared.c) --------------------------------------------------- */

/* Selects rows first … first + rows - 1 of the open array, on disk and in memory; the caller closes
 * both spaces with H5Sclose(). */
dt_status dt_container_select_rows(dt_container *file, int64_t first, int64_t rows,
                                   hid_t *disk_space, hid_t *memory_space);

/* Closes the open dataset. */
herr_t dt_container_close_array(dt_container *file);

/* Returns 1 if the path, including all its groups, exists; 0 if not; < 0 if HDF5 fails. */
int dt_container_link_exists(hid_t file, const char *name);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Returns the error for a call of HDF5 on `name` that has just failed: DT_ERR_IO if the disk
 * failed, else DT_ERR_INPUT. Call it before any other HDF5 call, which would clear the error stack.
 */
dt_status dt_container_read_error(const dt_container *file, const char *name);

/* DT_ERR_INPUT if the file has no array or group `name`. */
dt_status dt_container_need(dt_container *file, const char *name);

/* Fills `info` except its name; returns false if the dataset is not in our layout. */
bool dt_container_describe(hid_t array, dt_array_info *info);

#endif
