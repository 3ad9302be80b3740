/* Reads the structure of an HDF5 file: its groups, arrays and attributes, without libhdf5. Private to
 * the container.
 *
 * libhdf5 trusts what it reads: a few changed bytes make its version 1.10 write beyond its memory.
 * So it only writes our files. This reader knows the part of the format that it and h5py write for
 * what docs/files.md describes: superblocks 0 to 3, object headers 1 and 2, groups with symbol tables
 * or links, few or many; attributes; arrays that are contiguous or in chunks with any of the usual
 * indexes. Everything else is refused by name, and nothing in a file makes it read out of bounds,
 * or take time or memory out of proportion to the file's size (hdf5_bytes.h).
 */
#ifndef DT_IO_HDF5_READER_H
#define DT_IO_HDF5_READER_H

#include "io/hdf5_message.h"

/* A group or an array. */
typedef struct {
    dt_array_info info; /* of an array; `name`, which is owned, also of a group; "": the root */
    bool is_array;
    bool ours;               /* an array with 1 to 8 dimensions and elements of our types */
    bool fixed;              /* as in dt_hdf5_space */
    dt_hdf5_storage storage; /* of an array */
    dt_hdf5_attribute *attribute;
    size_t attributes;
    size_t capacity;
} dt_hdf5_object;

typedef struct {
    dt_hdf5_object *object; /* each group is followed by what it contains, in the order of creation,
                               or by name in files that do not record it */
    size_t objects;
    size_t capacity;
} dt_hdf5_contents;

/* Reads everything but the elements of arrays. file->fd, path and bytes are set. DT_ERR_INPUT: the
 * file is damaged, or has something that is not read. Free with dt_hdf5_contents_free(). */
dt_status dt_hdf5_contents_load(dt_hdf5_contents *contents, dt_hdf5_file *file);
void dt_hdf5_contents_free(dt_hdf5_contents *contents);

/* Return the object at this path and its attribute; NULL if there is none. */
dt_hdf5_object *dt_hdf5_find(const dt_hdf5_contents *contents, const char *path);
const dt_hdf5_attribute *dt_hdf5_find_attribute(const dt_hdf5_object *object, const char *key);

#endif
