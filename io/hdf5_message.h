/* The messages of HDF5 object headers: what describes an array, an attribute or a link. Private to
 * the container.
 *
 * "HDF5 File Format Specification Version 3.0", section IV.A.2, names in parentheses. The functions
 * return DT_ERR_INPUT for what is invalid, and for what is valid but not read: external and virtual
 * storage, layouts and filters other than those of docs/files.md.
 */
#ifndef DT_IO_HDF5_MESSAGE_H
#define DT_IO_HDF5_MESSAGE_H

#include "io/container.h"
#include "io/hdf5_bytes.h"

typedef enum {
    DT_HDF5_NIL = 0x00,
    DT_HDF5_DATASPACE = 0x01,
    DT_HDF5_LINK_INFO = 0x02,
    DT_HDF5_DATATYPE = 0x03,
    DT_HDF5_OLD_FILL_VALUE = 0x04,
    DT_HDF5_FILL_VALUE = 0x05,
    DT_HDF5_LINK = 0x06,
    DT_HDF5_EXTERNAL_FILES = 0x07,
    DT_HDF5_LAYOUT = 0x08,
    DT_HDF5_GROUP_INFO = 0x0a,
    DT_HDF5_FILTERS = 0x0b,
    DT_HDF5_ATTRIBUTE = 0x0c,
    DT_HDF5_COMMENT = 0x0d,
    DT_HDF5_OLD_TIME = 0x0e,
    DT_HDF5_CONTINUATION = 0x10,
    DT_HDF5_SYMBOL_TABLE = 0x11,
    DT_HDF5_TIME = 0x12,
    DT_HDF5_ATTRIBUTE_INFO = 0x15,
    DT_HDF5_REFERENCE_COUNT = 0x16,
} dt_hdf5_message_type;

/* Type of elements (Datatype Message). */
typedef struct {
    bool ours; /* one of dt_element; otherwise only attributes that nobody asks for may have it */
    dt_element element;
    int64_t bytes; /* of one element */
} dt_hdf5_type;

dt_status dt_hdf5_decode_type(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_type *type);

/* Shape (Dataspace Message). */
typedef struct {
    int32_t dimensions;               /* 0: a single value; -1: no value */
    int64_t shape[DT_MAX_DIMENSIONS]; /* row-major */
    bool fixed; /* no dimension but the first may grow or is shorter than its maximum */
} dt_hdf5_space;

dt_status dt_hdf5_decode_space(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_space *space);

/* Where the elements of an array are (Data Layout Message, Filter Pipeline Message). */
typedef enum {
    DT_HDF5_CONTIGUOUS,
    DT_HDF5_CHUNK_TREE,      /* chunks found through a B-tree of version 1 */
    DT_HDF5_SINGLE_CHUNK,    /* one chunk */
    DT_HDF5_FIXED_CHUNKS,    /* through a fixed array */
    DT_HDF5_EXTENDED_CHUNKS, /* through an extensible array */
} dt_hdf5_storage_kind;

typedef struct {
    dt_hdf5_storage_kind kind;
    uint64_t address;   /* of the elements or the index; DT_HDF5_UNDEFINED if there is none */
    uint64_t bytes;     /* contiguous: of all elements; a single chunk with a filter: its bytes */
    int32_t dimensions; /* of a chunk */
    int64_t chunk[DT_MAX_DIMENSIONS]; /* shape of a chunk */
    int64_t element_bytes;            /* as the layout of chunks states them */
    bool fletcher32;                  /* each chunk is followed by its checksum */
} dt_hdf5_storage;

dt_status dt_hdf5_decode_layout(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                dt_hdf5_storage *storage);
/* Sets storage->fletcher32. */
dt_status dt_hdf5_decode_filters(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                 dt_hdf5_storage *storage);

/* An attribute (Attribute Message). */
typedef struct {
    char *name; /* owned */
    dt_hdf5_type type;
    unsigned char
        *value; /* owned: type.bytes bytes; NULL if it is not a single value of our types */
} dt_hdf5_attribute;

dt_status dt_hdf5_decode_attribute(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                   dt_hdf5_attribute *attribute);

/* A link of a group (Link Message). */
typedef struct {
    char *name;       /* owned */
    uint64_t address; /* of the object header */
    uint64_t order;   /* number of the link by creation; 0 if that is not recorded */
    bool hard;        /* false: a soft, external or user-defined link */
} dt_hdf5_link;

dt_status dt_hdf5_decode_link(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_link *link);

/* Sets *out to a copy of a name of `length` bytes, the caller's to free(). DT_ERR_INPUT if it is
 * empty, too long, or contains '\0'. */
dt_status dt_hdf5_copy_name(const dt_hdf5_file *file, const unsigned char *bytes, size_t length,
                            char **out);

#endif
