#include "io/hdf5_header.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* A part of a header that is still to be read: the messages of `size` bytes at `address`. */
typedef struct {
    uint64_t address;
    uint64_t size;
} header_part;

typedef struct {
    dt_hdf5_header *header;
    dt_hdf5_file *file;
    bool second;  /* version 2 */
    bool ordered; /* version 2: messages have a number */
    header_part *part;
    size_t parts;
    size_t capacity;
} header_walk;

static dt_status invalid(const header_walk *walk)
{
    return dt_hdf5_damaged(walk->file, "object header");
}

static dt_status add_part(header_walk *walk, uint64_t address, uint64_t size)
{
    DT_TRY(DT_GROW(walk->part, walk->capacity, walk->parts + 1));
    walk->part[walk->parts++] = (header_part){address, size};
    return DT_OK;
}

static dt_status keep_block(dt_hdf5_header *header, unsigned char *bytes)
{
    const dt_status status = DT_GROW(header->block, header->block_capacity, header->blocks + 1);
    if (status != DT_OK)
        free(bytes);
    else
        header->block[header->blocks++].bytes = bytes;
    return status;
}

static dt_status add_message(header_walk *walk, uint64_t type, uint64_t flags, dt_hdf5_cursor data)
{
    enum { SHARED = 2 };
    dt_hdf5_header *header = walk->header;
    switch (type) {
    case DT_HDF5_NIL:
    case DT_HDF5_OLD_FILL_VALUE:
    case DT_HDF5_FILL_VALUE:
    case DT_HDF5_GROUP_INFO:
    case DT_HDF5_COMMENT:
    case DT_HDF5_OLD_TIME:
    case DT_HDF5_TIME:
    case DT_HDF5_REFERENCE_COUNT:
        return DT_OK; /* nothing to know */
    case DT_HDF5_CONTINUATION: {
        const uint64_t address = dt_hdf5_number(&data, 8);
        const uint64_t size = dt_hdf5_number(&data, 8);
        return data.failed ? invalid(walk) : add_part(walk, address, size);
    }
    case DT_HDF5_EXTERNAL_FILES:
        return dt_hdf5_refused(walk->file, "has its elements in other files");
    case DT_HDF5_DATASPACE:
    case DT_HDF5_LINK_INFO:
    case DT_HDF5_DATATYPE:
    case DT_HDF5_LINK:
    case DT_HDF5_LAYOUT:
    case DT_HDF5_FILTERS:
    case DT_HDF5_ATTRIBUTE:
    case DT_HDF5_SYMBOL_TABLE:
    case DT_HDF5_ATTRIBUTE_INFO:
        break;
    default:
        return dt_hdf5_refused(walk->file, "has a message of an unknown type");
    }
    if (flags & SHARED)
        return dt_hdf5_refused(walk->file, "has a type or message that is stored elsewhere");
    DT_TRY(DT_GROW(header->message, header->capacity, header->messages + 1));
    header->message[header->messages++] =
        (dt_hdf5_message){.type = (dt_hdf5_message_type)type, .data = data};
    return DT_OK;
}

/* Adds the messages of one part. */
static dt_status add_messages(header_walk *walk, dt_hdf5_cursor part)
{
    const size_t frame = walk->second ? (walk->ordered ? 6 : 4) : 8;
    while (part.left >= frame) { /* a rest is a gap */
        const uint64_t type = dt_hdf5_number(&part, walk->second ? 1 : 2);
        const uint64_t size = dt_hdf5_number(&part, 2);
        const uint64_t flags = dt_hdf5_number(&part, 1);
        dt_hdf5_take(&part, frame - (walk->second ? 4 : 5));
        const unsigned char *at = dt_hdf5_take(&part, (size_t)size);
        if (!at)
            return invalid(walk);
        DT_TRY(add_message(walk, type, flags, (dt_hdf5_cursor){.at = at, .left = (size_t)size}));
    }
    return DT_OK;
}

/* Loads the parts that messages of continuation name, and the parts that these name. */
static dt_status add_parts(header_walk *walk)
{
    const uint64_t before = walk->second ? 4 : 0; /* signature */
    const uint64_t after = walk->second ? 4 : 0;  /* checksum */
    for (size_t i = 0; i < walk->parts; ++i) {
        const header_part part = walk->part[i];
        unsigned char *bytes;
        if (part.size < before + 8 + after)
            return invalid(walk);
        DT_TRY(walk->second
                   ? dt_hdf5_load_part(walk->file, part.address, part.size, "OCHK", true, &bytes,
                                       "object header")
                   : dt_hdf5_load(walk->file, part.address, part.size, &bytes, "object header"));
        DT_TRY(keep_block(walk->header, bytes));
        DT_TRY(add_messages(walk, (dt_hdf5_cursor){.at = bytes + before,
                                                   .left = (size_t)(part.size - before - after)}));
    }
    return DT_OK;
}

/* Version 1: 16 bytes, then the first messages. */
static dt_status load_first(header_walk *walk, uint64_t address)
{
    unsigned char start[12];
    DT_TRY(dt_hdf5_read(walk->file, address, sizeof start, start, "object header"));
    dt_hdf5_cursor fields = {.at = start + 8, .left = 4};
    return add_part(walk, address + 16, dt_hdf5_number(&fields, 4));
}

/* Version 2: a start of up to 34 bytes, the first messages, a checksum. */
static dt_status load_second(header_walk *walk, uint64_t address)
{
    enum { ORDERED = 0x04, HAS_LIMITS = 0x10, HAS_TIMES = 0x20 };
    unsigned char start[34];
    DT_TRY(dt_hdf5_read(walk->file, address, 6, start, "object header"));
    const unsigned flags = start[5];
    const size_t size_at = 6u + (flags & HAS_TIMES ? 16 : 0) + (flags & HAS_LIMITS ? 4 : 0);
    const size_t size_bytes = (size_t)1 << (flags & 3);
    DT_TRY(dt_hdf5_read(walk->file, address, size_at + size_bytes, start, "object header"));
    dt_hdf5_cursor fields = {.at = start + size_at, .left = size_bytes};
    const uint64_t size = dt_hdf5_number(&fields, size_bytes);
    const uint64_t before = size_at + size_bytes;
    unsigned char *bytes;
    if (start[4] != 2 || start[5] != flags || size > walk->file->bytes)
        return invalid(walk);
    DT_TRY(dt_hdf5_load_part(walk->file, address, before + size + 4, "OHDR", true, &bytes,
                             "object header"));
    DT_TRY(keep_block(walk->header, bytes));
    walk->second = true;
    walk->ordered = flags & ORDERED;
    return add_messages(walk, (dt_hdf5_cursor){.at = bytes + before, .left = (size_t)size});
}

dt_status dt_hdf5_header_load(dt_hdf5_header *header, dt_hdf5_file *file, uint64_t address)
{
    header_walk walk = {.header = header, .file = file};
    unsigned char version;
    *header = (dt_hdf5_header){0};
    dt_status status = dt_hdf5_read(file, address, 1, &version, "object header");
    if (status == DT_OK)
        status = version == 1     ? load_first(&walk, address)
                 : version == 'O' ? load_second(&walk, address)
                                  : invalid(&walk);
    if (status == DT_OK)
        status = add_parts(&walk);
    free(walk.part);
    if (status != DT_OK)
        dt_hdf5_header_free(header);
    return status;
}

void dt_hdf5_header_free(dt_hdf5_header *header)
{
    for (size_t i = 0; i < header->blocks; ++i)
        free(header->block[i].bytes);
    free(header->block);
    free(header->message);
    *header = (dt_hdf5_header){0};
}

const dt_hdf5_message *dt_hdf5_header_find(const dt_hdf5_header *header, dt_hdf5_message_type type)
{
    for (size_t i = 0; i < header->messages; ++i)
        if (header->message[i].type == type)
            return &header->message[i];
    return NULL;
}
