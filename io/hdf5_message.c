#include "io/hdf5_message.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define LONGEST_NAME 1000

/* ---- Type and shape -------------------------------------------------------------------------- */

/* The encodings of our types, from the four bits of the class on. */
static const struct {
    dt_element element;
    unsigned char length;
    unsigned char bytes[20]; /* class, three bytes of flags, size (4), properties */
} encodings[] = {
    {DT_ELEMENT_FLOAT32, 20, {1, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127}},
    {DT_ELEMENT_FLOAT64, 20, {1, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3}},
    {DT_ELEMENT_INT32, 12, {0, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0}},
    {DT_ELEMENT_INT64, 12, {0, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0}},
    {DT_ELEMENT_UINT16, 12, {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0}},
    {DT_ELEMENT_UINT8, 12, {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0}},
};

enum { CLASS_STRING = 3, LATEST_CLASS = 11 };

dt_status dt_hdf5_decode_type(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_type *type)
{
    dt_hdf5_cursor fields = data;
    const uint64_t class = dt_hdf5_number(&fields, 1) & 15;
    dt_hdf5_take(&fields, 3);
    *type = (dt_hdf5_type){.bytes = (int64_t)dt_hdf5_number(&fields, 4)};
    if (fields.failed || class > LATEST_CLASS || type->bytes == 0)
        return dt_hdf5_damaged(file, "type");
    if (class == CLASS_STRING) {
        type->ours = true;
        type->element = DT_ELEMENT_TEXT;
        return DT_OK;
    }
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings && !type->ours; ++i) {
        type->element = encodings[i].element;
        type->ours = class == encodings[i].bytes[0] && data.left >= encodings[i].length &&
                     memcmp(data.at + 1, encodings[i].bytes + 1, encodings[i].length - 1u) == 0;
    }
    return DT_OK;
}

dt_status dt_hdf5_decode_space(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_space *space)
{
    enum { HAS_MAXIMA = 1, NO_VALUE = 2 };
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t dimensions = dt_hdf5_number(&data, 1);
    const uint64_t flags = dt_hdf5_number(&data, 1);
    const uint64_t kind = dt_hdf5_number(&data, 1); /* in version 1: reserved */
    *space = (dt_hdf5_space){.dimensions = (int32_t)dimensions, .fixed = true};
    if (version < 1 || version > 2 || (version == 2 && kind > NO_VALUE))
        return dt_hdf5_damaged(file, "shape");
    if (version == 1)
        dt_hdf5_take(&data, 4);
    if (dimensions > DT_MAX_DIMENSIONS)
        return dt_hdf5_refused(file, "has more than 8 dimensions");
    for (uint64_t i = 0; i < dimensions; ++i)
        space->shape[i] = (int64_t)dt_hdf5_number(&data, 8);
    for (uint64_t i = 0; i < dimensions && (flags & HAS_MAXIMA); ++i)
        if ((int64_t)dt_hdf5_number(&data, 8) != space->shape[i] && i > 0)
            space->fixed = false;
    for (uint64_t i = 0; i < dimensions; ++i)
        if (space->shape[i] < 0)
            return dt_hdf5_damaged(file, "shape");
    if (version == 2 && kind == NO_VALUE)
        space->dimensions = -1;
    return data.failed ? dt_hdf5_damaged(file, "shape") : DT_OK;
}

/* ---- Layout and filters ---------------------------------------------------------------------- */

enum { CLASS_COMPACT = 0, CLASS_CONTIGUOUS = 1, CLASS_CHUNKED = 2, CLASS_VIRTUAL = 3 };

/* Takes the shape of a chunk, numbers of `size` bytes; the last is the size of an element. */
static bool take_chunk(dt_hdf5_cursor *data, uint64_t numbers, size_t size,
                       dt_hdf5_storage *storage)
{
    if (numbers < 2 || numbers > DT_MAX_DIMENSIONS + 1 || size < 1 || size > 8)
        return false;
    storage->dimensions = (int32_t)numbers - 1;
    for (uint64_t i = 0; i < numbers; ++i) {
        const int64_t number = (int64_t)dt_hdf5_number(data, size);
        if (number < 1 || number > UINT32_MAX)
            return false;
        *(i + 1 < numbers ? &storage->chunk[i] : &storage->element_bytes) = number;
    }
    return !data->failed;
}

/* Version 3: chunks are found through a B-tree of version 1. */
static dt_status old_chunks(const dt_hdf5_file *file, dt_hdf5_cursor *data,
                            dt_hdf5_storage *storage)
{
    const uint64_t numbers = dt_hdf5_number(data, 1);
    storage->kind = DT_HDF5_CHUNK_TREE;
    storage->address = dt_hdf5_number(data, 8);
    return take_chunk(data, numbers, 4, storage) ? DT_OK : dt_hdf5_damaged(file, "layout");
}

/* Versions 4 and 5: several kinds of indexes. */
static dt_status new_chunks(const dt_hdf5_file *file, dt_hdf5_cursor *data,
                            dt_hdf5_storage *storage)
{
    enum { SINGLE = 1, FIXED = 3, EXTENSIBLE = 4, PARTIAL_UNFILTERED = 1, FILTERED_SINGLE = 2 };
    const uint64_t flags = dt_hdf5_number(data, 1);
    const uint64_t numbers = dt_hdf5_number(data, 1);
    const uint64_t size = dt_hdf5_number(data, 1);
    if (!take_chunk(data, numbers, (size_t)size, storage))
        return dt_hdf5_damaged(file, "layout");
    const uint64_t index = dt_hdf5_number(data, 1);
    if (flags & PARTIAL_UNFILTERED)
        return dt_hdf5_refused(file, "has partial chunks without a checksum");
    if (index == SINGLE) {
        storage->kind = DT_HDF5_SINGLE_CHUNK;
        if (flags & FILTERED_SINGLE) {
            storage->bytes = dt_hdf5_number(data, 8);
            if (dt_hdf5_number(data, 4) != 0)
                return dt_hdf5_refused(file, "has a chunk without its filter");
        }
    } else if (index == FIXED) {
        storage->kind = DT_HDF5_FIXED_CHUNKS;
        dt_hdf5_take(data, 1); /* the array itself repeats it */
    } else if (index == EXTENSIBLE) {
        storage->kind = DT_HDF5_EXTENDED_CHUNKS;
        dt_hdf5_take(data, 5);
    } else {
        return dt_hdf5_refused(file, "has an index of chunks of another kind");
    }
    storage->address = dt_hdf5_number(data, 8);
    return DT_OK;
}

dt_status dt_hdf5_decode_layout(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                dt_hdf5_storage *storage)
{
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t class = dt_hdf5_number(&data, 1);
    if (version < 3 || version > 5)
        return dt_hdf5_refused(file, "has a layout of another version of HDF5");
    if (class == CLASS_VIRTUAL)
        return dt_hdf5_refused(file, "is virtual, made of other arrays");
    if (class == CLASS_COMPACT)
        return dt_hdf5_refused(file, "has the compact layout");
    if (class != CLASS_CONTIGUOUS && class != CLASS_CHUNKED)
        return dt_hdf5_damaged(file, "layout");
    if (class == CLASS_CONTIGUOUS) {
        storage->kind = DT_HDF5_CONTIGUOUS;
        storage->address = dt_hdf5_number(&data, 8);
        storage->bytes = dt_hdf5_number(&data, 8);
    } else if (version == 3) {
        DT_TRY(old_chunks(file, &data, storage));
    } else {
        DT_TRY(new_chunks(file, &data, storage));
    }
    return data.failed ? dt_hdf5_damaged(file, "layout") : DT_OK;
}

dt_status dt_hdf5_decode_filters(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                 dt_hdf5_storage *storage)
{
    enum { FLETCHER32 = 3 };
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t count = dt_hdf5_number(&data, 1);
    if (version == 1)
        dt_hdf5_take(&data, 6);
    const uint64_t filter = dt_hdf5_number(&data, 2);
    if (data.failed || version < 1 || version > 2)
        return dt_hdf5_damaged(file, "list of filters");
    if (count != 1 || filter != FLETCHER32)
        return dt_hdf5_refused(file, "is compressed or has another filter than Fletcher-32");
    storage->fletcher32 = true;
    return DT_OK;
}

/* ---- Attributes and links -------------------------------------------------------------------- */

dt_status dt_hdf5_copy_name(const dt_hdf5_file *file, const unsigned char *bytes, size_t length,
                            char **out)
{
    if (length == 0 || length > LONGEST_NAME || memchr(bytes, '\0', length))
        return dt_hdf5_damaged(file, "name");
    DT_TRY(dt_calloc((void **)out, length + 1, 1, "name"));
    memcpy(*out, bytes, length);
    return DT_OK;
}

/* Takes a part of an attribute; in version 1 it is padded to 8 bytes. */
static dt_hdf5_cursor take_part(dt_hdf5_cursor *data, uint64_t size, uint64_t version)
{
    const uint64_t padded = version == 1 ? (size + 7) / 8 * 8 : size;
    const unsigned char *at = dt_hdf5_take(data, (size_t)padded);
    return (dt_hdf5_cursor){.at = at, .left = at ? (size_t)size : 0, .failed = !at};
}

/* A name in an attribute ends with '\0'. */
static dt_status attribute_name(const dt_hdf5_file *file, dt_hdf5_cursor part, char **name)
{
    const unsigned char *end = part.left ? memchr(part.at, '\0', part.left) : NULL;
    if (!end)
        return dt_hdf5_damaged(file, "attribute");
    return dt_hdf5_copy_name(file, part.at, (size_t)(end - part.at), name);
}

/* Copies the value that `data` begins with, if it is a single one of our types. */
static dt_status attribute_value(const dt_hdf5_file *file, dt_hdf5_cursor space_part,
                                 dt_hdf5_cursor data, dt_hdf5_attribute *attribute)
{
    dt_hdf5_space space;
    DT_TRY(dt_hdf5_decode_space(file, space_part, &space));
    bool single = space.dimensions >= 0;
    for (int32_t i = 0; i < space.dimensions; ++i)
        single = single && space.shape[i] == 1;
    if (!single || !attribute->type.ours)
        return DT_OK;
    const size_t bytes = (size_t)attribute->type.bytes;
    const unsigned char *value = dt_hdf5_take(&data, bytes);
    if (!value)
        return dt_hdf5_damaged(file, "attribute");
    DT_TRY(dt_calloc((void **)&attribute->value, bytes, 1, attribute->name));
    memcpy(attribute->value, value, bytes);
    return DT_OK;
}

dt_status dt_hdf5_decode_attribute(const dt_hdf5_file *file, dt_hdf5_cursor data,
                                   dt_hdf5_attribute *attribute)
{
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t shared = dt_hdf5_number(&data, 1); /* in version 1: reserved */
    const uint64_t name_bytes = dt_hdf5_number(&data, 2);
    const uint64_t type_bytes = dt_hdf5_number(&data, 2);
    const uint64_t space_bytes = dt_hdf5_number(&data, 2);
    if (version == 3)
        dt_hdf5_take(&data, 1); /* character set of the name */
    const dt_hdf5_cursor name = take_part(&data, name_bytes, version);
    const dt_hdf5_cursor type = take_part(&data, type_bytes, version);
    const dt_hdf5_cursor space = take_part(&data, space_bytes, version);
    *attribute = (dt_hdf5_attribute){0};
    if (data.failed || version < 1 || version > 3)
        return dt_hdf5_damaged(file, "attribute");
    DT_TRY(attribute_name(file, name, &attribute->name));
    dt_status status = DT_OK;
    if (version == 1 || shared == 0) { /* else its type is stored elsewhere, so not ours */
        status = dt_hdf5_decode_type(file, type, &attribute->type);
        if (status == DT_OK)
            status = attribute_value(file, space, data, attribute);
    }
    if (status != DT_OK) {
        free(attribute->name);
        attribute->name = NULL;
    }
    return status;
}

dt_status dt_hdf5_decode_link(const dt_hdf5_file *file, dt_hdf5_cursor data, dt_hdf5_link *link)
{
    enum { HAS_ORDER = 4, HAS_TYPE = 8, HAS_CHARACTER_SET = 16, HARD = 0 };
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t flags = dt_hdf5_number(&data, 1);
    const uint64_t type = flags & HAS_TYPE ? dt_hdf5_number(&data, 1) : HARD;
    *link = (dt_hdf5_link){.hard = type == HARD};
    if (flags & HAS_ORDER)
        link->order = dt_hdf5_number(&data, 8);
    if (flags & HAS_CHARACTER_SET)
        dt_hdf5_take(&data, 1);
    const uint64_t length = dt_hdf5_number(&data, (size_t)1 << (flags & 3));
    const unsigned char *name = dt_hdf5_take(&data, (size_t)length);
    if (link->hard)
        link->address = dt_hdf5_number(&data, 8);
    if (data.failed || version != 1)
        return dt_hdf5_damaged(file, "link");
    return dt_hdf5_copy_name(file, name, (size_t)length, &link->name);
}
