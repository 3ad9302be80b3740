/* A file of named arrays, texts and attributes: the basis of checkpoints and shards.
 *
 * It is an HDF5 file that h5py and all HDF5 tools can read: arrays are datasets (little-endian, in
 * chunks of about 512 KiB, each with a Fletcher-32 checksum); names such as
 * "model/embedding.weight" are paths through groups. An integrity header at the beginning holds a
 * checksum of everything else (container_integrity.h), so that a damaged file is rejected. The root
 * attributes `format` and `format_version` identify the kind of file and its version.
 *
 * Errors name the file: DT_ERR_INPUT if its content is invalid, DT_ERR_IO if the system could not
 * read or write. Files are written with libhdf5 and read without it (hdf5_reader.h), so that no file,
 * whoever made it, reaches that library. libhdf5's own error printing is off in threads that write.
 * Several threads may use different containers at the same time; since libhdf5 is not thread-safe, a
 * lock serialises those that write. File locks are not used. If a file may exceed the user's file
 * size limit, the program must ignore SIGXFSZ.
 */
#ifndef DT_IO_CONTAINER_H
#define DT_IO_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MAX_DIMENSIONS 8

typedef enum {
    DT_ELEMENT_FLOAT32,
    DT_ELEMENT_FLOAT64,
    DT_ELEMENT_INT32,
    DT_ELEMENT_INT64,
    DT_ELEMENT_UINT16,
    DT_ELEMENT_UINT8,
    DT_ELEMENT_TEXT, /* UTF-8 padded with '\0' to the longest text of the array */
} dt_element;

/* Type and shape of an array. */
typedef struct {
    char *name; /* path from the root, "model/embedding.weight" */
    dt_element element;
    int32_t dimensions;               /* 1 … DT_MAX_DIMENSIONS */
    int64_t shape[DT_MAX_DIMENSIONS]; /* row-major: the last dimension varies fastest */
    int64_t element_bytes;            /* of one element; DT_ELEMENT_TEXT: of the longest text */
    int64_t bytes;                    /* of all elements */
} dt_array_info;

typedef struct dt_container dt_container;

/* ---- Writing. The file has a temporary name until it is committed. --------------------------- */

/* Creates a file that dt_container_commit() moves to `path`. `format` is a short name for its
 * content ("deeptaxa-checkpoint"), `version` (>= 1) the version of that format. */
dt_status dt_container_create(dt_container **out, const char *path, const char *format,
                              int32_t version);

/* Completes the file and moves it to `path`. After DT_OK every byte is on the disk; otherwise
 * `path` is unchanged and the new file is deleted. Frees `file` in either case. Fails if an earlier
 * call failed. */
dt_status dt_container_commit(dt_container *file);

/* Deletes the unfinished file. Preserves the calling thread's error message. NULL is allowed. */
void dt_container_discard(dt_container *file);

/* Writes a whole array; `values` holds the product of shape[0 … dimensions-1] elements. Creates the
 * groups in `name` as needed. A name can be used only once. Not for DT_ELEMENT_TEXT. */
dt_status dt_container_put_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, const void *values);

/* Writes an array incrementally, when it is not in memory as a whole: dt_container_begin_array(),
 * then dt_container_add_rows() until all shape[0] rows are written. A row is one index of the first
 * dimension. Only one array can be open; if it is incomplete, the next call that writes something
 * else fails. */
dt_status dt_container_begin_array(dt_container *file, const char *name, dt_element element,
                                   int32_t dimensions, const int64_t *shape);
/* As shape[0]: the array gets as many rows as are added. */
#define DT_ROWS_UNKNOWN ((int64_t)-1)
/* The same for `count` texts of up to `longest` bytes (>= 1): dt_container_add_rows() then takes
 * rows of `longest` bytes, padded with '\0'. */
dt_status dt_container_begin_texts(dt_container *file, const char *name, int64_t count,
                                   int64_t longest);
dt_status dt_container_add_rows(dt_container *file, int64_t rows, const void *values);

/* Write one-dimensional arrays of texts. A single text (of any length) is an array of one. */
dt_status dt_container_put_texts(dt_container *file, const char *name, int64_t count,
                                 const char *const *texts);
dt_status dt_container_put_text(dt_container *file, const char *name, const char *text);

/* Attributes: single values of a group or an array; the object "" is the root. A missing group is
 * created. Texts longer than 32 KiB do not fit: use dt_container_put_text(). Bytes of a text that
 * are not UTF-8 (possible in file names) become U+FFFD. */
dt_status dt_container_put_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t value);
dt_status dt_container_put_attribute_double(dt_container *file, const char *object, const char *key,
                                            double value);
dt_status dt_container_put_attribute_text(dt_container *file, const char *object, const char *key,
                                          const char *value);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Opens a file of kind `format`, version 1 … `supported`; stores its version in *version, unless
 * NULL. Reads the structure and the attributes, but no arrays. Fails with a one-line explanation if
 * the file is missing, not HDF5 (PyTorch .pt files are recognised), truncated, damaged, has what
 * docs/files.md does not describe, or is of another format or of a later version.
 */
dt_status dt_container_open(dt_container **out, const char *path, const char *format,
                            int32_t supported, int32_t *version);
void dt_container_close(dt_container *file); /* NULL is allowed */

/* Sets *there to true if the file has an array or a group of this name. */
dt_status dt_container_has(dt_container *file, const char *name, bool *there);

/* Gets type and shape of the array `name`. info->name is set to the caller's `name`. */
dt_status dt_container_info(dt_container *file, const char *name, dt_array_info *info);

/* Lists all arrays below a group ("": the whole file) in the order in which they were written. Free
 * with dt_array_infos_free(). */
dt_status dt_container_list(dt_container *file, const char *group, dt_array_info **infos,
                            int64_t *count);
void dt_array_infos_free(dt_array_info *infos, int64_t count);

/* Reads an array into `values`; fails unless it has this element type and shape. */
dt_status dt_container_get_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, void *values);

/* Reads rows first … first + rows - 1 of an array; fails unless it has this element type and
 * `row_elements` elements per row. Consecutive reads of the same array are cheap. */
dt_status dt_container_get_rows(dt_container *file, const char *name, dt_element element,
                                int64_t row_elements, int64_t first, int64_t rows, void *values);

/* Reads a one-dimensional array of any length; the caller frees *values (*count elements).
 * Allocates no more than the size of the file. */
dt_status dt_container_load_vector(dt_container *file, const char *name, dt_element element,
                                   void **values, int64_t *count);

/* Reads texts; the caller frees *texts (*count pointers and the texts, in one allocation). Here and in
 * the next, DT_ERR_INPUT if one is not UTF-8. */
dt_status dt_container_get_texts(dt_container *file, const char *name, char ***texts,
                                 int64_t *count);
/* Reads a single '\0'-terminated text; the caller frees *text. */
dt_status dt_container_get_text(dt_container *file, const char *name, char **text);

/* Attributes. Integers and floating-point numbers are not converted into each other. */
dt_status dt_container_has_attribute(dt_container *file, const char *object, const char *key,
                                     bool *there);
dt_status dt_container_get_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t *value);
dt_status dt_container_get_attribute_double(dt_container *file, const char *object, const char *key,
                                            double *value);
/* The caller frees *value, a '\0'-terminated UTF-8 text. */
dt_status dt_container_get_attribute_text(dt_container *file, const char *object, const char *key,
                                          char **value);

#endif
