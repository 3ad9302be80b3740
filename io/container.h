/* A file of named arrays, texts and attributes: what checkpoints and shards are made of.
 *
 * It is an HDF5 file that h5py and every HDF5 tool read: arrays are datasets (little-endian, in
 * chunks of about 512 KiB, each with a Fletcher-32 checksum), names such as
 * "model/embedding.weight" are paths through groups. In front stands a seal with a checksum of the
 * rest (container_seal.h), so that a damaged file is refused and never believed. The root carries
 * two attributes, `format` and `format_version`, by which a file of another kind or of a later
 * program is told.
 *
 * Errors name the file: DT_ERR_INPUT when its content is wrong, DT_ERR_IO when the system refused
 * to read or write. HDF5's own error printing is off in the threads that use these functions.
 * Threads may each use containers of their own at the same time; HDF5 is not made for threads, so
 * that they take turns, call by call.
 * File locks are not used. Where a file may outgrow a size limit of the user's, the program
 * ignores SIGXFSZ.
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
    DT_ELEMENT_TEXT, /* UTF-8 padded with '\0' to the length of the longest of the array */
} dt_element;

/* What an array is, without its values. */
typedef struct {
    char *name; /* path from the root, "model/embedding.weight" */
    dt_element element;
    int32_t dimensions;               /* 1 … DT_MAX_DIMENSIONS */
    int64_t shape[DT_MAX_DIMENSIONS]; /* row-major: the last one varies fastest */
    int64_t element_bytes;            /* of one element; DT_ELEMENT_TEXT: of the longest text */
    int64_t bytes;                    /* of all elements */
} dt_array_info;

typedef struct dt_container dt_container;

/* ---- Writing. The file stands under a temporary name until it is committed. ------------------ */

/* Starts a file that dt_container_commit() will put at `path`. `format` is a short name for what
 * is in it ("deeptaxa-checkpoint"), `version` (>= 1) that of the way it is laid out. */
dt_status dt_container_create(dt_container **out, const char *path, const char *format,
                              int32_t version);

/* Completes the file: every byte is on the disk and the file at `path` is the new one when this
 * returns DT_OK; otherwise what was at `path` before is still there and the new file is gone.
 * `file` is freed in either case. Fails when one of the calls before failed. */
dt_status dt_container_commit(dt_container *file);

/* Throws the unfinished file away. Keeps the calling thread's error message. NULL is fine. */
void dt_container_discard(dt_container *file);

/* Writes an array whole; `values` holds the product of shape[0 … dimensions-1] elements. Groups in
 * `name` are made as needed. Each name can be used once. Not for DT_ELEMENT_TEXT. */
dt_status dt_container_put_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, const void *values);

/* The same piece by piece, for what is not in memory at once: dt_container_begin_array(), then
 * dt_container_add_rows() until all shape[0] rows are there. A row is what one index of the first
 * dimension selects. One array at a time; an incomplete one is an error of the call that follows.
 */
dt_status dt_container_begin_array(dt_container *file, const char *name, dt_element element,
                                   int32_t dimensions, const int64_t *shape);
/* With DT_ROWS_UNKNOWN as shape[0] it has as many rows as are added. */
#define DT_ROWS_UNKNOWN ((int64_t)-1)
/* The same for `count` texts of up to `longest` bytes (>= 1): dt_container_add_rows() then takes
 * rows of `longest` bytes, each filled up with '\0'. */
dt_status dt_container_begin_texts(dt_container *file, const char *name, int64_t count,
                                   int64_t longest);
dt_status dt_container_add_rows(dt_container *file, int64_t rows, const void *values);

/* One-dimensional arrays of texts. A single text (of any length) is an array of one. */
dt_status dt_container_put_texts(dt_container *file, const char *name, int64_t count,
                                 const char *const *texts);
dt_status dt_container_put_text(dt_container *file, const char *name, const char *text);

/* Attributes: single values that belong to a group or an array, "" being the root. A group that
 * is not there is made. Texts longer than 32 KiB do not fit: dt_container_put_text(). Bytes of a
 * text that are not UTF-8 (a file's name may have them) become U+FFFD. */
dt_status dt_container_put_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t value);
dt_status dt_container_put_attribute_double(dt_container *file, const char *object, const char *key,
                                            double value);
dt_status dt_container_put_attribute_text(dt_container *file, const char *object, const char *key,
                                          const char *value);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Opens a file written as `format` in version 1 … `supported`; *version (may be NULL) receives
 * which. Reads no array. Refused, with one line that says which it is: a file that is missing, no
 * HDF5 (a PyTorch .pt is named as such), cut short, damaged, of another format, of a later version.
 */
dt_status dt_container_open(dt_container **out, const char *path, const char *format,
                            int32_t supported, int32_t *version);
void dt_container_close(dt_container *file); /* NULL is fine */

/* Sets *there to whether the file has an array or a group of this name. */
dt_status dt_container_has(dt_container *file, const char *name, bool *there);

/* What the array `name` is. info->name is `name` itself, the caller's. */
dt_status dt_container_info(dt_container *file, const char *name, dt_array_info *info);

/* All arrays below a group ("" for the whole file), in the order of writing, without reading one.
 * Free with dt_array_infos_free(). */
dt_status dt_container_list(dt_container *file, const char *group, dt_array_info **infos,
                            int64_t *count);
void dt_array_infos_free(dt_array_info *infos, int64_t count);

/* Reads an array into `values`. It must have this element type and shape. */
dt_status dt_container_get_array(dt_container *file, const char *name, dt_element element,
                                 int32_t dimensions, const int64_t *shape, void *values);

/* Reads rows first … first + rows - 1 of an array of this element type and `row_elements` elements
 * a row. Reading on in the same array is cheap. */
dt_status dt_container_get_rows(dt_container *file, const char *name, dt_element element,
                                int64_t row_elements, int64_t first, int64_t rows, void *values);

/* Reads a one-dimensional array of any length: *values (*count elements) is the caller's to free().
 * No more is allocated than the file holds. */
dt_status dt_container_load_vector(dt_container *file, const char *name, dt_element element,
                                   void **values, int64_t *count);

/* *texts: *count pointers and what they point to in one piece, the caller's to free(). */
dt_status dt_container_get_texts(dt_container *file, const char *name, char ***texts,
                                 int64_t *count);
/* *text: '\0'-ended, the caller's to free(). */
dt_status dt_container_get_text(dt_container *file, const char *name, char **text);

/* Attributes. An integer is not read as a floating-point number nor the other way round. */
dt_status dt_container_has_attribute(dt_container *file, const char *object, const char *key,
                                     bool *there);
dt_status dt_container_get_attribute_int(dt_container *file, const char *object, const char *key,
                                         int64_t *value);
dt_status dt_container_get_attribute_double(dt_container *file, const char *object, const char *key,
                                            double *value);
/* *value: '\0'-ended UTF-8, the caller's to free(). */
dt_status dt_container_get_attribute_text(dt_container *file, const char *object, const char *key,
                                          char **value);

#endif
