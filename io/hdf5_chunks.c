#include "io/hdf5_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define DEEPEST_TREE 16

typedef struct {
    dt_hdf5_file *file;
    const dt_hdf5_storage *storage;
    dt_hdf5_chunks *chunks;
    int64_t next;       /* fixed and extensible arrays: number of the next chunk */
    size_t entry_bytes; /* the same: of an entry */
    uint64_t page;      /* the same: entries of a page of a large block */
    size_t start_bytes; /* the same: what a block begins with */
} chunk_walk;

static dt_status invalid(const chunk_walk *walk)
{
    return dt_hdf5_damaged(walk->file, "index of chunks");
}

/* Whether a chunk that is stored in `bytes` bytes without the filters of `mask` is as it should be. */
static bool as_expected(const chunk_walk *walk, uint64_t bytes, uint64_t mask)
{
    return mask == 0 &&
           bytes == (uint64_t)walk->chunks->bytes + (walk->storage->fletcher32 ? 4 : 0);
}

/* ---- B-trees of version 1 -------------------------------------------------------------------- */

/* Takes a key: size and filters of a chunk and its first element. *number: of the chunk. */
static dt_status take_key(const chunk_walk *walk, dt_hdf5_cursor *node, bool check, int64_t *number)
{
    const dt_hdf5_storage *storage = walk->storage;
    const uint64_t bytes = dt_hdf5_number(node, 4);
    const uint64_t mask = dt_hdf5_number(node, 4);
    bool ok = as_expected(walk, bytes, mask);
    *number = 0;
    for (int32_t i = 0; i < storage->dimensions; ++i) {
        const uint64_t first = dt_hdf5_number(node, 8);
        const uint64_t chunk = (uint64_t)storage->chunk[i];
        const uint64_t along = (uint64_t)walk->chunks->along[i];
        ok = ok && first % chunk == 0 && first / chunk < along;
        *number = ok ? (int64_t)((uint64_t)*number * along + first / chunk) : 0;
    }
    ok = dt_hdf5_number(node, 8) == 0 && ok;
    return node->failed || (check && !ok) ? invalid(walk) : DT_OK;
}

static dt_status load_tree(const chunk_walk *walk, uint64_t address, int depth)
{
    enum { CHUNKS = 1, START = 24 };
    const size_t key_bytes = 8 + 8 * ((size_t)walk->storage->dimensions + 1);
    unsigned char start[START];
    unsigned char *bytes;
    DT_TRY(dt_hdf5_read(walk->file, address, sizeof start, start, "index of chunks"));
    dt_hdf5_cursor fields = {.at = start + 4, .left = START - 4};
    const uint64_t type = dt_hdf5_number(&fields, 1);
    const uint64_t level = dt_hdf5_number(&fields, 1);
    const uint64_t count = dt_hdf5_number(&fields, 2);
    if (type != CHUNKS || depth > DEEPEST_TREE)
        return invalid(walk);
    const uint64_t size = START + count * (key_bytes + 8);
    DT_TRY(dt_hdf5_load_part(walk->file, address, size, "TREE", false, &bytes, "index of chunks"));
    dt_hdf5_cursor node = {.at = bytes + START, .left = (size_t)(size - START)};
    dt_status status = DT_OK;
    for (uint64_t i = 0; i < count && status == DT_OK; ++i) {
        int64_t number;
        DT_TRY_OR(done, take_key(walk, &node, level == 0, &number));
        const uint64_t child = dt_hdf5_number(&node, 8);
        if (level)
            status = load_tree(walk, child, depth + 1);
        else
            walk->chunks->address[number] = child;
    }
done:
    free(bytes);
    return status;
}

/* ---- Entries of fixed and extensible arrays -------------------------------------------------- */

/* Takes the entry of the next chunk: address; with a filter, also size and filters. */
static dt_status take_entry(chunk_walk *walk, dt_hdf5_cursor *entries)
{
    const uint64_t address = dt_hdf5_number(entries, 8);
    if (walk->storage->fletcher32) {
        const uint64_t bytes = dt_hdf5_number(entries, walk->entry_bytes - 12);
        const uint64_t mask = dt_hdf5_number(entries, 4);
        if (address != DT_HDF5_UNDEFINED && !as_expected(walk, bytes, mask))
            return invalid(walk);
    }
    if (entries->failed)
        return invalid(walk);
    walk->chunks->address[walk->next++] = address;
    return DT_OK;
}

/* Takes up to `count` entries, as many as chunks are missing. */
static dt_status take_entries(chunk_walk *walk, dt_hdf5_cursor *entries, uint64_t count)
{
    for (uint64_t i = 0; i < count && walk->next < walk->chunks->count; ++i)
        DT_TRY(take_entry(walk, entries));
    return DT_OK;
}

/* Loads a page, or another block whose entries are between `before` bytes and a checksum. */
static dt_status load_entries(chunk_walk *walk, uint64_t address, uint64_t before, uint64_t count,
                              const char *signature)
{
    const uint64_t size = before + count * walk->entry_bytes + 4;
    unsigned char *bytes;
    DT_TRY(dt_hdf5_load(walk->file, address, size, &bytes, "index of chunks"));
    dt_hdf5_cursor end = {.at = bytes + size - 4, .left = 4};
    dt_hdf5_cursor entries = {.at = bytes + before, .left = (size_t)(size - before - 4)};
    dt_status status = DT_OK;
    if ((before && memcmp(bytes, signature, 4) != 0) ||
        dt_hdf5_checksum(bytes, (size_t)size - 4) != dt_hdf5_number(&end, 4))
        status = invalid(walk);
    if (status == DT_OK)
        status = take_entries(walk, &entries, count);
    free(bytes);
    return status;
}

/* Loads a data block of `count` entries; a large one consists of pages. `bitmap` is the size of the
 * bitmap of written pages in it; the checksums say the same. */
static dt_status load_data_block(chunk_walk *walk, uint64_t address, uint64_t count,
                                 uint64_t bitmap, const char *signature)
{
    if (address == DT_HDF5_UNDEFINED || count > walk->file->bytes)
        return dt_hdf5_refused(walk->file, "has chunks that were never written");
    if (count <= walk->page)
        return load_entries(walk, address, walk->start_bytes, count, signature);
    uint64_t at = address + walk->start_bytes + bitmap + 4;
    for (uint64_t first = 0; first < count && walk->next < walk->chunks->count;
         first += walk->page) {
        const uint64_t entries = count - first < walk->page ? count - first : walk->page;
        DT_TRY(load_entries(walk, at, 0, entries, ""));
        at += entries * walk->entry_bytes + 4;
    }
    return DT_OK;
}

/* Takes what the headers of both arrays begin with: version, client, size of an entry. */
static bool take_start(chunk_walk *walk, dt_hdf5_cursor *header)
{
    const uint64_t version = dt_hdf5_number(header, 1);
    const uint64_t filtered = dt_hdf5_number(header, 1);
    walk->entry_bytes = (size_t)dt_hdf5_number(header, 1);
    return version == 0 && filtered == (walk->storage->fletcher32 ? 1 : 0) &&
           (filtered ? walk->entry_bytes >= 13 && walk->entry_bytes <= 20 : walk->entry_bytes == 8);
}

static dt_status load_fixed(chunk_walk *walk)
{
    enum { HEADER = 28 };
    unsigned char *bytes;
    DT_TRY(dt_hdf5_load_part(walk->file, walk->storage->address, HEADER, "FAHD", true, &bytes,
                             "index of chunks"));
    dt_hdf5_cursor header = {.at = bytes + 4, .left = HEADER - 4};
    const bool known = take_start(walk, &header);
    const uint64_t page_bits = dt_hdf5_number(&header, 1);
    const uint64_t count = dt_hdf5_number(&header, 8);
    const uint64_t address = dt_hdf5_number(&header, 8);
    free(bytes);
    if (!known || page_bits > 31 || count > walk->file->bytes)
        return invalid(walk);
    walk->page = (uint64_t)1 << page_bits;
    walk->start_bytes = 14;
    const uint64_t pages = (count + walk->page - 1) / walk->page;
    return load_data_block(walk, address, count, (pages + 7) / 8, "FADB");
}

/* ---- Extensible arrays ----------------------------------------------------------------------- */

typedef struct {
    uint64_t in_index;      /* entries in the index block */
    uint64_t smallest;      /* entries of the smallest data block */
    uint64_t super_blocks;  /* super blocks in all */
    uint64_t direct;        /* those whose data blocks the index block lists itself */
    uint64_t direct_blocks; /* the number of these data blocks */
    size_t offset_bytes;    /* of an offset in the array */
    uint64_t index_address;
} extensible_array;

static dt_status load_extensible_header(chunk_walk *walk, extensible_array *array)
{
    enum { HEADER = 72 };
    unsigned char *bytes;
    DT_TRY(dt_hdf5_load_part(walk->file, walk->storage->address, HEADER, "EAHD", true, &bytes,
                             "index of chunks"));
    dt_hdf5_cursor header = {.at = bytes + 4, .left = HEADER - 4};
    const bool known = take_start(walk, &header);
    const uint64_t bits = dt_hdf5_number(&header, 1);
    array->in_index = dt_hdf5_number(&header, 1);
    array->smallest = dt_hdf5_number(&header, 1);
    const uint64_t pointers = dt_hdf5_number(&header, 1);
    const uint64_t page_bits = dt_hdf5_number(&header, 1);
    dt_hdf5_take(&header, (size_t)6 * 8); /* statistics */
    array->index_address = dt_hdf5_number(&header, 8);
    free(bytes);
    const unsigned smallest_bits = dt_hdf5_log2(array->smallest);
    array->direct = 2 * (uint64_t)dt_hdf5_log2(pointers);
    array->direct_blocks = 2 * (pointers - 1);
    array->super_blocks = 1 + bits - smallest_bits;
    array->offset_bytes = (bits + 7) / 8;
    walk->page = (uint64_t)1 << (page_bits & 31);
    walk->start_bytes = 14 + array->offset_bytes;
    if (!known || bits > 64 || bits < smallest_bits || page_bits > 31 ||
        array->smallest != (uint64_t)1 << smallest_bits || pointers < 2 ||
        pointers != (uint64_t)1 << dt_hdf5_log2(pointers) || array->super_blocks < array->direct)
        return invalid(walk);
    return DT_OK;
}

/* Loads the data blocks of a super block, `count` with `entries` each, whose addresses are next in
 * `addresses`. */
static dt_status load_data_blocks(chunk_walk *walk, dt_hdf5_cursor *addresses, uint64_t count,
                                  uint64_t entries)
{
    for (uint64_t i = 0; i < count && walk->next < walk->chunks->count; ++i) {
        const uint64_t address = dt_hdf5_number(addresses, 8);
        DT_TRY(addresses->failed ? invalid(walk)
                                 : load_data_block(walk, address, entries, 0, "EADB"));
    }
    return DT_OK;
}

static dt_status load_super_block(chunk_walk *walk, uint64_t address, uint64_t count,
                                  uint64_t entries)
{
    const uint64_t pages = entries > walk->page ? entries / walk->page : 0;
    const uint64_t bitmap = (pages + 7) / 8; /* of each data block */
    if (count > walk->file->bytes / (bitmap + 8))
        return invalid(walk);
    const uint64_t before = walk->start_bytes + count * bitmap;
    const uint64_t size = before + 8 * count + 4;
    unsigned char *bytes;
    DT_TRY(dt_hdf5_load_part(walk->file, address, size, "EASB", true, &bytes, "index of chunks"));
    dt_hdf5_cursor addresses = {.at = bytes + before, .left = (size_t)(8 * count)};
    const dt_status status = load_data_blocks(walk, &addresses, count, entries);
    free(bytes);
    return status;
}

/* The index block: the first entries, addresses of data blocks, addresses of super blocks. Super
 * block u has 2^(u/2) data blocks of 2^((u+1)/2) times the smallest size (divisions without rest). */
static dt_status load_extensible(chunk_walk *walk)
{
    enum { START = 14 };
    extensible_array array;
    unsigned char *bytes;
    DT_TRY(load_extensible_header(walk, &array));
    const uint64_t size = START + array.in_index * walk->entry_bytes +
                          8 * (array.direct_blocks + array.super_blocks - array.direct) + 4;
    DT_TRY(dt_hdf5_load_part(walk->file, array.index_address, size, "EAIB", true, &bytes,
                             "index of chunks"));
    dt_hdf5_cursor block = {.at = bytes + START, .left = (size_t)size - START - 4};
    dt_hdf5_cursor entries = block;
    dt_hdf5_take(&block, (size_t)array.in_index * walk->entry_bytes);
    dt_status status = take_entries(walk, &entries, array.in_index);
    for (uint64_t u = 0; u < array.super_blocks && status == DT_OK; ++u) {
        const uint64_t count = (uint64_t)1 << (u / 2);
        const uint64_t each = array.smallest << ((u + 1) / 2);
        if (walk->next == walk->chunks->count)
            break;
        status = u < array.direct ? load_data_blocks(walk, &block, count, each)
                                  : load_super_block(walk, dt_hdf5_number(&block, 8), count, each);
    }
    free(bytes);
    return status;
}

/* ---- All ------------------------------------------------------------------------------------- */

/* Computes the number of chunks and their size; all of them have to fit into the file. */
static dt_status count_chunks(const chunk_walk *walk, const dt_hdf5_object *array)
{
    const dt_array_info *info = &array->info;
    const dt_hdf5_storage *storage = walk->storage;
    dt_hdf5_chunks *chunks = walk->chunks;
    int64_t all;
    bool ok =
        storage->dimensions == info->dimensions && storage->element_bytes == info->element_bytes;
    chunks->count = 1;
    chunks->bytes = info->element_bytes;
    for (int32_t i = 0; ok && i < info->dimensions; ++i) {
        chunks->along[i] = (info->shape[i] - 1) / storage->chunk[i] + 1;
        ok = !__builtin_mul_overflow(chunks->count, chunks->along[i], &chunks->count) &&
             !__builtin_mul_overflow(chunks->bytes, storage->chunk[i], &chunks->bytes);
    }
    ok = ok && !__builtin_mul_overflow(chunks->bytes, chunks->count, &all) &&
         (uint64_t)all <= walk->file->bytes && /* and so has an index of 8 bytes a chunk */
         (chunks->count == 1 || (uint64_t)chunks->count <= walk->file->bytes / 8);
    return ok ? DT_OK : invalid(walk);
}

static dt_status load_index(chunk_walk *walk, const dt_hdf5_object *array)
{
    const dt_hdf5_storage *storage = walk->storage;
    if (storage->address == DT_HDF5_UNDEFINED)
        return DT_OK; /* no chunk was written */
    if (!array->fixed && storage->kind != DT_HDF5_CHUNK_TREE)
        return dt_hdf5_refused(walk->file, "can grow in other dimensions than the first");
    switch (storage->kind) {
    case DT_HDF5_CHUNK_TREE:
        return load_tree(walk, storage->address, 0);
    case DT_HDF5_FIXED_CHUNKS:
        return load_fixed(walk);
    case DT_HDF5_EXTENDED_CHUNKS:
        return load_extensible(walk);
    case DT_HDF5_SINGLE_CHUNK:
        if (walk->chunks->count != 1 ||
            (storage->fletcher32 && !as_expected(walk, storage->bytes, 0)))
            return invalid(walk);
        walk->chunks->address[0] = storage->address;
        return DT_OK;
    case DT_HDF5_CONTIGUOUS:
        break;
    }
    return invalid(walk);
}

dt_status dt_hdf5_chunks_load(dt_hdf5_chunks *chunks, dt_hdf5_file *file,
                              const dt_hdf5_object *array)
{
    chunk_walk walk = {.file = file, .storage = &array->storage, .chunks = chunks};
    file->left = 2 * file->bytes;
    DT_TRY(count_chunks(&walk, array));
    DT_TRY(DT_NEW(chunks->address, (size_t)chunks->count));
    for (int64_t i = 0; i < chunks->count; ++i)
        chunks->address[i] = DT_HDF5_UNDEFINED;
    dt_status status = load_index(&walk, array);
    for (int64_t i = 0; i < chunks->count && status == DT_OK; ++i)
        if (chunks->address[i] == DT_HDF5_UNDEFINED)
            status = dt_hdf5_refused(file, "has chunks that were never written");
    if (status != DT_OK) {
        free(chunks->address);
        chunks->address = NULL;
    }
    return status;
}
