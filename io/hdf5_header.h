/* Object headers of HDF5, versions 1 and 2: the messages that describe a group or an array. Private
 * to the container.
 *
 * "HDF5 File Format Specification Version 3.0", section IV.A.1.
 */
#ifndef DT_IO_HDF5_HEADER_H
#define DT_IO_HDF5_HEADER_H

#include "io/hdf5_message.h"

typedef struct {
    dt_hdf5_message_type type;
    dt_hdf5_cursor data; /* in a block of the header */
} dt_hdf5_message;

typedef struct {
    dt_hdf5_message *message;
    size_t messages;
    size_t capacity;
    struct {
        unsigned char *bytes;
    } * block; /* the parts of the header */
    size_t blocks;
    size_t block_capacity;
} dt_hdf5_header;

/* Reads all messages of the header at `address`. DT_ERR_INPUT if it is invalid or has messages that
 * are not read: shared with other objects, or of an unknown type. Free with dt_hdf5_header_free(). */
dt_status dt_hdf5_header_load(dt_hdf5_header *header, dt_hdf5_file *file, uint64_t address);
void dt_hdf5_header_free(dt_hdf5_header *header);

/* Returns the first message of this type, NULL if there is none. */
const dt_hdf5_message *dt_hdf5_header_find(const dt_hdf5_header *header, dt_hdf5_message_type type);

#endif
