#include "io/hdf5_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/hdf5_group.h"
#include "io/hdf5_header.h"

#define DEEPEST_GROUP 16
#define LONGEST_PATH 1000
#define MOST_OBJECTS 100000

typedef struct {
    dt_hdf5_file *file;
    dt_hdf5_contents *contents;
    size_t current;                    /* index of the object whose attributes are read */
    uint64_t above[DEEPEST_GROUP + 1]; /* addresses of the groups around it, from the root on */
} contents_walk;

static dt_status read_object(contents_walk *walk, const char *path, uint64_t address, int depth);

/* ---- Attributes ------------------------------------------------------------------------------ */

static dt_status add_attribute(void *context, dt_hdf5_cursor message)
{
    const contents_walk *walk = context;
    dt_hdf5_object *object = &walk->contents->object[walk->current];
    DT_TRY(DT_GROW(object->attribute, object->capacity, object->attributes + 1));
    DT_TRY(dt_hdf5_decode_attribute(walk->file, message, &object->attribute[object->attributes]));
    object->attributes++;
    return DT_OK;
}

/* Many attributes are stored outside of the header (Attribute Info Message). */
static dt_status add_dense_attributes(contents_walk *walk, dt_hdf5_cursor data)
{
    enum { HAS_ORDER = 1 };
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t flags = dt_hdf5_number(&data, 1);
    if (flags & HAS_ORDER)
        dt_hdf5_take(&data, 2);
    const uint64_t heap = dt_hdf5_number(&data, 8);
    const uint64_t tree = dt_hdf5_number(&data, 8);
    if (data.failed || version != 0)
        return dt_hdf5_damaged(walk->file, "list of attributes");
    if (heap == DT_HDF5_UNDEFINED)
        return DT_OK;
    return dt_hdf5_visit_dense(walk->file, heap, tree, DT_HDF5_ATTRIBUTES_BY_NAME, add_attribute,
                               walk);
}

static dt_status add_attributes(contents_walk *walk, const dt_hdf5_header *header)
{
    for (size_t i = 0; i < header->messages; ++i) {
        const dt_hdf5_message *message = &header->message[i];
        if (message->type == DT_HDF5_ATTRIBUTE)
            DT_TRY(add_attribute(walk, message->data));
        else if (message->type == DT_HDF5_ATTRIBUTE_INFO)
            DT_TRY(add_dense_attributes(walk, message->data));
    }
    return DT_OK;
}

/* ---- Arrays ---------------------------------------------------------------------------------- */

/* Sets type and shape, and whether they are ours. */
static void describe(dt_hdf5_object *object, const dt_hdf5_type *type, const dt_hdf5_space *space)
{
    dt_array_info *info = &object->info;
    object->fixed = space->fixed;
    info->element = type->element;
    info->element_bytes = type->bytes;
    info->dimensions = space->dimensions;
    info->bytes = type->bytes;
    object->ours = type->ours && space->dimensions >= 1;
    for (int32_t i = 0; i < space->dimensions; ++i) {
        info->shape[i] = space->shape[i];
        if (__builtin_mul_overflow(info->bytes, info->shape[i], &info->bytes))
            object->ours = false;
    }
}

static dt_status add_array(const contents_walk *walk, dt_hdf5_object *object,
                           const dt_hdf5_header *header)
{
    const dt_hdf5_message *type = dt_hdf5_header_find(header, DT_HDF5_DATATYPE);
    const dt_hdf5_message *space = dt_hdf5_header_find(header, DT_HDF5_DATASPACE);
    const dt_hdf5_message *layout = dt_hdf5_header_find(header, DT_HDF5_LAYOUT);
    const dt_hdf5_message *filters = dt_hdf5_header_find(header, DT_HDF5_FILTERS);
    dt_hdf5_type its_type;
    dt_hdf5_space its_space;
    object->is_array = true;
    if (!type || !space || !layout)
        return dt_hdf5_refused(walk->file, "is neither a group nor an array");
    DT_TRY(dt_hdf5_decode_type(walk->file, type->data, &its_type));
    DT_TRY(dt_hdf5_decode_space(walk->file, space->data, &its_space));
    DT_TRY(dt_hdf5_decode_layout(walk->file, layout->data, &object->storage));
    if (filters)
        DT_TRY(dt_hdf5_decode_filters(walk->file, filters->data, &object->storage));
    describe(object, &its_type, &its_space);
    return DT_OK;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static dt_status read_link(contents_walk *walk, const char *group, const dt_hdf5_link *link,
                           int depth)
{
    char path[LONGEST_PATH];
    const int length = snprintf(path, sizeof path, "%s%s%s", group, *group ? "/" : "", link->name);
    if (length >= LONGEST_PATH || depth > DEEPEST_GROUP)
        return dt_hdf5_refused(walk->file, "has groups nested too deeply or names too long");
    walk->file->object = path;
    dt_status status = DT_OK;
    if (strchr(link->name, '/'))
        status = dt_hdf5_damaged(walk->file, "name");
    else if (!link->hard)
        status = dt_hdf5_refused(walk->file, "is a link to another place or file");
    for (int i = 0; i < depth && status == DT_OK; ++i)
        if (walk->above[i] == link->address)
            status = dt_hdf5_refused(walk->file, "is a link to a group that contains it");
    if (status == DT_OK)
        status = read_object(walk, path, link->address, depth);
    walk->file->object = "";
    return status;
}

static dt_status read_group(contents_walk *walk, const char *path, const dt_hdf5_header *header,
                            int depth)
{
    dt_hdf5_links links;
    DT_TRY(dt_hdf5_links_load(&links, walk->file, header));
    dt_status status = DT_OK;
    for (size_t i = 0; i < links.count && status == DT_OK; ++i) {
        walk->file->object = path;
        status = read_link(walk, path, &links.link[i], depth + 1);
    }
    dt_hdf5_links_free(&links);
    return status;
}

/* Adds the object whose header is at `address`, and all below it. */
static dt_status read_object(contents_walk *walk, const char *path, uint64_t address, int depth)
{
    dt_hdf5_contents *contents = walk->contents;
    dt_hdf5_header header;
    if (contents->objects == MOST_OBJECTS)
        return dt_hdf5_refused(walk->file, "is one of more than 100000 objects");
    walk->above[depth] = address;
    DT_TRY(dt_hdf5_header_load(&header, walk->file, address));
    dt_status status = DT_GROW(contents->object, contents->capacity, contents->objects + 1);
    if (status == DT_OK) {
        walk->current = contents->objects++;
        dt_hdf5_object *object = &contents->object[walk->current];
        *object = (dt_hdf5_object){0};
        status = dt_copy_text(&object->info.name, path);
    }
    if (status == DT_OK)
        status = add_attributes(walk, &header);
    if (status == DT_OK)
        status = dt_hdf5_is_group(&header)
                     ? read_group(walk, path, &header, depth)
                     : add_array(walk, &contents->object[walk->current], &header);
    dt_hdf5_header_free(&header);
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Finds the root group's header (Superblock, section II.A of the specification). */
static dt_status read_superblock(const dt_hdf5_file *file, uint64_t *root)
{
    enum { SIZES_OLD = 13, SIZES_NEW = 9, NEW_BYTES = 48 };
    unsigned char bytes[76];
    DT_TRY(dt_hdf5_read(file, 0, NEW_BYTES, bytes, "superblock"));
    const unsigned version = bytes[8];
    const unsigned char *sizes = bytes + (version < 2 ? SIZES_OLD : SIZES_NEW);
    if (memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) != 0 || version > 3)
        return dt_hdf5_damaged(file, "superblock");
    if (sizes[0] != 8 || sizes[1] != 8)
        return dt_hdf5_refused(file, "has addresses or lengths of other than 8 bytes");
    size_t at = 36;
    if (version < 2) {
        DT_TRY(dt_hdf5_read(file, 0, sizeof bytes, bytes, "superblock"));
        at = version == 0 ? 64 : 68;
    } else {
        dt_hdf5_cursor end = {.at = bytes + NEW_BYTES - 4, .left = 4};
        if (dt_hdf5_checksum(bytes, NEW_BYTES - 4) != dt_hdf5_number(&end, 4))
            return dt_hdf5_damaged(file, "superblock");
    }
    dt_hdf5_cursor address = {.at = bytes + at, .left = 8};
    *root = dt_hdf5_number(&address, 8);
    return DT_OK;
}

dt_status dt_hdf5_contents_load(dt_hdf5_contents *contents, dt_hdf5_file *file)
{
    contents_walk walk = {.file = file, .contents = contents};
    uint64_t root = 0;
    *contents = (dt_hdf5_contents){0};
    file->object = "";
    file->left = 2 * file->bytes; /* each part once, and each message in a heap once more */
    dt_status status = read_superblock(file, &root);
    if (status == DT_OK)
        status = read_object(&walk, "", root, 0);
    if (status != DT_OK)
        dt_hdf5_contents_free(contents);
    return status;
}

void dt_hdf5_contents_free(dt_hdf5_contents *contents)
{
    for (size_t i = 0; i < contents->objects; ++i) {
        dt_hdf5_object *object = &contents->object[i];
        for (size_t a = 0; a < object->attributes; ++a) {
            free(object->attribute[a].name);
            free(object->attribute[a].value);
        }
        free(object->attribute);
        free(object->info.name);
    }
    free(contents->object);
    *contents = (dt_hdf5_contents){0};
}

dt_hdf5_object *dt_hdf5_find(const dt_hdf5_contents *contents, const char *path)
{
    for (size_t i = 0; i < contents->objects; ++i)
        if (strcmp(contents->object[i].info.name, path) == 0)
            return &contents->object[i];
    return NULL;
}

const dt_hdf5_attribute *dt_hdf5_find_attribute(const dt_hdf5_object *object, const char *key)
{
    for (size_t i = 0; i < object->attributes; ++i)
        if (strcmp(object->attribute[i].name, key) == 0)
            return &object->attribute[i];
    return NULL;
}
