/* What the files of the container share. Private to io/container*.c:
 *
 *     container_write.c       all of writing
 *     container_open.c        opening for reading, closing, and the errors of reading
 *     container_read.c        arrays and texts
 *     container_attributes.c  attributes
 *     container_list.c        what a file holds
 *     container_shared.c      what reading and writing share: turns, element types, rows
 *     container_seal.c        the checksum in front (container_seal.h)
 *     hdf5_driver.c           how HDF5 reaches the disk (hdf5_driver.h)
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
    hid_t file;           /* HDF5's, < 0 before it is open */
    hid_t array;          /* dataset in use, < 0 when none is */
    char *array_name;     /* its name */
    dt_array_info info;   /* what it is */
    int64_t rows_written; /* writing: rows of it that are there */
    bool grows;           /* writing: it takes any number of rows */
    int64_t bytes;        /* reading: size of the file; no array may claim more */
    dt_new_file new_file; /* writing: where the file stands until it is committed */
    bool failed;          /* writing: a call failed, the file cannot be committed */
};

/* ---- Turns (container_shared.c) -------------------------------------------------------------- */

/* Switches HDF5's error printing off in the calling thread. */
void dt_container_silence(void);

/* HDF5 is not made for threads: every function that calls it begins with DT_HDF5_TURN, and no other
 * thread is in HDF5 until it returns. A thread whose turn it is may call such functions in turn. */
int dt_container_begin_turn(void);
void dt_container_end_turn(const int *turn);
#define DT_HDF5_TURN                                                                               \
    const int hdf5_turn __attribute__((cleanup(dt_container_end_turn), unused)) =                  \
        dt_container_begin_turn()

/* ---- Elements (container_shared.c) ----------------------------------------------------------- */

/* The element type on disk (memory is converted from and to it; on little-endian machines they are
 * the same). Immutable, except for texts: `bytes` long, to be closed with H5Tclose(). */
hid_t dt_container_disk_type(dt_element element, int64_t bytes);
/* Bytes of an element; 0 for DT_ELEMENT_TEXT. */
int64_t dt_element_bytes(dt_element element);
/* The type in memory. */
hid_t dt_container_memory_type(dt_element element, hid_t disk_type);

/* Which of our element types a dataset or attribute has, and the bytes of an element; false when it
 * is none of them. */
bool dt_container_find_element(hid_t type, dt_element *element, int64_t *bytes);

/* "float32", for messages. */
const char *dt_container_element_name(dt_element element);

/* ---- Arrays and links (container_shared.c) --------------------------------------------------- */

/* Selects rows first … first + rows - 1 of the array in use, on disk and in memory: both are the
 * caller's to H5Sclose(). */
dt_status dt_container_select_rows(dt_container *file, int64_t first, int64_t rows,
                                   hid_t *disk_space, hid_t *memory_space);

/* Lets go of the dataset in use. */
herr_t dt_container_leave_array(dt_container *file);

/* 1 when the path leads to a link, through groups that are all there; 0 when not; < 0 when HDF5
 * cannot tell. */
int dt_container_link_exists(hid_t file, const char *name);

/* ---- Reading --------------------------------------------------------------------------------- */

/* The message for a call of HDF5 that failed just now, on `name` of the file: DT_ERR_IO when the
 * disk refused, else DT_ERR_INPUT. The next call of HDF5 clears what it is made of. */
dt_status dt_container_read_error(const dt_container *file, const char *name);

/* DT_ERR_INPUT where the file has no array or group `name`. */
dt_status dt_container_need(dt_container *file, const char *name);

/* Fills everything of `info` but the name; false when the dataset is none of ours. */
bool dt_container_describe(hid_t array, dt_array_info *info);

#endif
