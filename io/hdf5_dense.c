#include "io/hdf5_dense.h"

#include <stdlib.h>

#include "core/memory.h"

#define DEEPEST 8 /* levels of a tree or heap; 8 hold more than any file */

/* ---- B-trees of version 2 -------------------------------------------------------------------- */

typedef struct {
    dt_hdf5_file *file;
    uint64_t type;
    uint64_t node_bytes;
    uint64_t record_bytes;
    size_t count_bytes;              /* of the number of records of a node */
    size_t total_bytes[DEEPEST + 1]; /* of the number of records below a node at this depth */
    dt_hdf5_visit *visit;            /* is given a record */
    void *context;
} tree_walk;

/* Computes the sizes of the fields of nodes; returns false if a node can hold no record. */
static bool tree_sizes(tree_walk *tree, uint64_t depth)
{
    enum { FRAME = 10 }; /* signature, version, type, checksum */
    if (tree->record_bytes == 0 || tree->node_bytes < FRAME + tree->record_bytes)
        return false;
    uint64_t most = (tree->node_bytes - FRAME) / tree->record_bytes;
    uint64_t total = most;
    tree->count_bytes = dt_hdf5_bytes_for(most);
    for (uint64_t i = 1; i <= depth; ++i) {
        const uint64_t pointer = 8 + tree->count_bytes + tree->total_bytes[i - 1];
        if (tree->node_bytes < FRAME + pointer)
            return false;
        most = (tree->node_bytes - FRAME - pointer) / (tree->record_bytes + pointer);
        if (most == 0 || __builtin_mul_overflow(most + 1, total, &total) ||
            __builtin_add_overflow(total, most, &total))
            return false;
        tree->total_bytes[i] = dt_hdf5_bytes_for(total);
    }
    return true;
}

static dt_status visit_record(const tree_walk *tree, dt_hdf5_cursor *node)
{
    const unsigned char *record = dt_hdf5_take(node, (size_t)tree->record_bytes);
    if (!record)
        return dt_hdf5_damaged(tree->file, "B-tree");
    return tree->visit(tree->context,
                       (dt_hdf5_cursor){.at = record, .left = (size_t)tree->record_bytes});
}

/* Visits the records of a node in order, with those of its children between them. */
static dt_status visit_node(const tree_walk *tree, uint64_t address, uint64_t records,
                            uint64_t depth)
{
    const char *signature = depth ? "BTIN" : "BTLF";
    const uint64_t pointer = depth ? 8 + tree->count_bytes + tree->total_bytes[depth - 1] : 0;
    const uint64_t used =
        6 + records * tree->record_bytes + (depth ? records + 1 : 0) * pointer + 4;
    unsigned char *bytes;
    if (used > tree->node_bytes)
        return dt_hdf5_damaged(tree->file, "B-tree");
    DT_TRY(dt_hdf5_load_part(tree->file, address, used, signature, true, &bytes, "B-tree"));
    dt_hdf5_cursor node = {.at = bytes + 5, .left = (size_t)used - 9};
    dt_status status = DT_OK;
    if (bytes[4] != 0 || dt_hdf5_number(&node, 1) != tree->type)
        DT_TRY_OR(done, dt_hdf5_damaged(tree->file, "B-tree"));
    dt_hdf5_cursor children = node;
    dt_hdf5_take(&children, (size_t)(records * tree->record_bytes));
    for (uint64_t i = 0; i <= records; ++i) {
        if (depth) {
            const uint64_t child = dt_hdf5_number(&children, 8);
            const uint64_t count = dt_hdf5_number(&children, tree->count_bytes);
            dt_hdf5_take(&children, tree->total_bytes[depth - 1]);
            DT_TRY_OR(done, visit_node(tree, child, count, depth - 1));
        }
        if (i < records)
            DT_TRY_OR(done, visit_record(tree, &node));
    }
done:
    free(bytes);
    return status;
}

/* Visits all records of the tree at `address`, which has to be of the type tree->type. */
static dt_status visit_tree(tree_walk *tree, uint64_t address)
{
    enum { HEADER = 38 };
    unsigned char *bytes;
    DT_TRY(dt_hdf5_load_part(tree->file, address, HEADER, "BTHD", true, &bytes, "B-tree"));
    dt_hdf5_cursor header = {.at = bytes + 4, .left = HEADER - 4};
    const uint64_t version = dt_hdf5_number(&header, 1);
    const uint64_t type = dt_hdf5_number(&header, 1);
    tree->node_bytes = dt_hdf5_number(&header, 4);
    tree->record_bytes = dt_hdf5_number(&header, 2);
    const uint64_t depth = dt_hdf5_number(&header, 2);
    dt_hdf5_take(&header, 2); /* when nodes are split and merged */
    const uint64_t root = dt_hdf5_number(&header, 8);
    const uint64_t records = dt_hdf5_number(&header, 2);
    free(bytes);
    if (version != 0 || type != tree->type || depth > DEEPEST || !tree_sizes(tree, depth))
        return dt_hdf5_damaged(tree->file, "B-tree");
    return root == DT_HDF5_UNDEFINED ? DT_OK : visit_node(tree, root, records, depth);
}

/* ---- Fractal heaps --------------------------------------------------------------------------- */

/* A part of the heap's address space. */
typedef struct {
    uint64_t start;
    uint64_t size;
    unsigned char *bytes;
} heap_block;

typedef struct {
    dt_hdf5_file *file;
    uint64_t id_bytes;
    uint64_t checked;     /* 1: direct blocks have a checksum */
    uint64_t width;       /* blocks of a row */
    uint64_t first_size;  /* of the blocks of the first two rows; doubled with each further row */
    uint64_t direct_rows; /* rows of direct blocks; those below are of indirect ones */
    size_t offset_bytes;  /* of an offset in the heap */
    size_t length_bytes;  /* of the length of an object */
    uint64_t huge_tree;   /* B-tree of the objects outside of the blocks */
    heap_block *block;    /* the direct blocks, by start */
    size_t blocks;
    size_t capacity;
} fractal_heap;

static void free_heap(fractal_heap *heap)
{
    for (size_t i = 0; i < heap->blocks; ++i)
        free(heap->block[i].bytes);
    free(heap->block);
}

static bool power_of_two(uint64_t value)
{
    return value && (value & (value - 1)) == 0;
}

/* The checksum of a direct block is inside, and is computed with zeros in its place. */
static bool direct_block_matches(const fractal_heap *heap, unsigned char *bytes, uint64_t size)
{
    dt_hdf5_cursor at = {.at = bytes + 13 + heap->offset_bytes, .left = 4};
    const uint64_t stored = dt_hdf5_number(&at, 4);
    for (size_t i = 0; i < 4; ++i)
        bytes[13 + heap->offset_bytes + i] = 0;
    return dt_hdf5_checksum(bytes, (size_t)size) == stored;
}

static dt_status load_direct(fractal_heap *heap, uint64_t address, uint64_t start, uint64_t size)
{
    unsigned char *bytes;
    if (size < 32)
        return dt_hdf5_damaged(heap->file, "heap");
    DT_TRY(dt_hdf5_load_part(heap->file, address, size, "FHDB", false, &bytes, "heap"));
    dt_status status = DT_OK;
    if (bytes[4] != 0 || (heap->checked && !direct_block_matches(heap, bytes, size)))
        status = dt_hdf5_damaged(heap->file, "heap");
    if (status == DT_OK)
        status = DT_GROW(heap->block, heap->capacity, heap->blocks + 1);
    if (status != DT_OK) {
        free(bytes);
        return status;
    }
    heap->block[heap->blocks++] = (heap_block){.start = start, .size = size, .bytes = bytes};
    return DT_OK;
}

static uint64_t row_size(const fractal_heap *heap, uint64_t row)
{
    return row < 2 ? heap->first_size : heap->first_size << (row - 1);
}

/* Loads the direct blocks below an indirect block of `rows` rows, which starts at `start`. */
static dt_status load_indirect(fractal_heap *heap, uint64_t address, uint64_t start, uint64_t rows,
                               int depth)
{
    const uint64_t size = 13 + heap->offset_bytes + rows * heap->width * 8 + 4;
    unsigned char *bytes;
    if (rows == 0 || rows > 40 || depth > DEEPEST)
        return dt_hdf5_damaged(heap->file, "heap");
    DT_TRY(dt_hdf5_load_part(heap->file, address, size, "FHIB", true, &bytes, "heap"));
    dt_hdf5_cursor entries = {.at = bytes + 13 + heap->offset_bytes,
                              .left = (size_t)(rows * heap->width * 8)};
    dt_status status = bytes[4] == 0 ? DT_OK : dt_hdf5_damaged(heap->file, "heap");
    for (uint64_t i = 0; i < rows * heap->width && status == DT_OK; ++i) {
        const uint64_t row = i / heap->width;
        const uint64_t child = dt_hdf5_number(&entries, 8);
        if (child == DT_HDF5_UNDEFINED)
            ; /* not allocated */
        else if (row < heap->direct_rows)
            status = load_direct(heap, child, start, row_size(heap, row));
        else
            status = load_indirect(heap, child, start,
                                   dt_hdf5_log2(row_size(heap, row)) -
                                       dt_hdf5_log2(heap->first_size * heap->width) + 1,
                                   depth + 1);
        start += row_size(heap, row);
    }
    free(bytes);
    return status;
}

/* Fills `heap` from its header; what it contains is freed with free_heap(). */
static dt_status load_heap(fractal_heap *heap, dt_hdf5_file *file, uint64_t address)
{
    enum { HEADER = 146 };
    unsigned char *bytes;
    *heap = (fractal_heap){.file = file};
    DT_TRY(dt_hdf5_load_part(file, address, HEADER, "FRHP", true, &bytes, "heap"));
    dt_hdf5_cursor header = {.at = bytes + 4, .left = HEADER - 4};
    const uint64_t version = dt_hdf5_number(&header, 1);
    heap->id_bytes = dt_hdf5_number(&header, 2);
    const uint64_t filters = dt_hdf5_number(&header, 2);
    heap->checked = dt_hdf5_number(&header, 1) >> 1 & 1;
    const uint64_t longest = dt_hdf5_number(&header, 4);
    dt_hdf5_take(&header, 8); /* the next number of a huge object */
    heap->huge_tree = dt_hdf5_number(&header, 8);
    dt_hdf5_take(&header, (size_t)10 * 8); /* free space and statistics */
    heap->width = dt_hdf5_number(&header, 2);
    heap->first_size = dt_hdf5_number(&header, 8);
    const uint64_t largest = dt_hdf5_number(&header, 8);
    const uint64_t bits = dt_hdf5_number(&header, 2);
    dt_hdf5_take(&header, 2); /* rows of a new root */
    const uint64_t root = dt_hdf5_number(&header, 8);
    const uint64_t rows = dt_hdf5_number(&header, 2);
    free(bytes);
    if (version != 0 || filters != 0 || bits > 64 || !power_of_two(heap->width) ||
        !power_of_two(heap->first_size) || !power_of_two(largest) || largest < heap->first_size ||
        largest > 1u << 20 || heap->first_size * heap->width > 1u << 30)
        return dt_hdf5_damaged(file, "heap");
    heap->direct_rows = dt_hdf5_log2(largest) - dt_hdf5_log2(heap->first_size) + 2;
    heap->offset_bytes = (bits + 7) / 8;
    heap->length_bytes = (dt_hdf5_log2(largest) + 7) / 8;
    if (dt_hdf5_bytes_for(longest) < heap->length_bytes)
        heap->length_bytes = dt_hdf5_bytes_for(longest);
    if (root == DT_HDF5_UNDEFINED)
        return DT_OK;
    return rows ? load_indirect(heap, root, 0, rows, 0)
                : load_direct(heap, root, 0, heap->first_size);
}

/* ---- Objects of a heap ----------------------------------------------------------------------- */

/* Finds `length` bytes at `offset` of the heap. */
static dt_status find_managed(const fractal_heap *heap, uint64_t offset, uint64_t length,
                              dt_hdf5_cursor *object)
{
    size_t first = 0;
    for (size_t end = heap->blocks; first + 1 < end;) { /* the last block that starts before it */
        const size_t middle = first + (end - first) / 2;
        *(heap->block[middle].start <= offset ? &first : &end) = middle;
    }
    const heap_block *block = heap->blocks ? &heap->block[first] : NULL;
    if (!block || offset < block->start || offset - block->start > block->size ||
        length > block->size - (offset - block->start) || length > heap->file->left)
        return dt_hdf5_damaged(heap->file, "heap");
    heap->file->left -= length; /* records may refer to one object many times */
    *object =
        (dt_hdf5_cursor){.at = block->bytes + (offset - block->start), .left = (size_t)length};
    return DT_OK;
}

typedef struct {
    uint64_t number; /* of the wanted object */
    uint64_t address;
    uint64_t length;
    bool found;
} huge_search;

/* A record of huge objects: address, length, number. */
static dt_status match_huge(void *context, dt_hdf5_cursor record)
{
    huge_search *search = context;
    const uint64_t address = dt_hdf5_number(&record, 8);
    const uint64_t length = dt_hdf5_number(&record, 8);
    if (dt_hdf5_number(&record, 8) == search->number && !search->found)
        *search = (huge_search){search->number, address, length, true};
    return DT_OK;
}

/* Loads an object that is too long for the blocks; the caller frees *bytes. */
static dt_status load_huge(const fractal_heap *heap, uint64_t number, unsigned char **bytes,
                           dt_hdf5_cursor *object)
{
    enum { HUGE_OBJECTS = 1 };
    huge_search search = {.number = number};
    tree_walk tree = {
        .file = heap->file, .type = HUGE_OBJECTS, .visit = match_huge, .context = &search};
    DT_TRY(visit_tree(&tree, heap->huge_tree));
    if (!search.found)
        return dt_hdf5_damaged(heap->file, "heap");
    DT_TRY(dt_hdf5_load(heap->file, search.address, search.length, bytes, "heap"));
    *object = (dt_hdf5_cursor){.at = *bytes, .left = (size_t)search.length};
    return DT_OK;
}

/* ---- Both ------------------------------------------------------------------------------------ */

typedef struct {
    fractal_heap heap;
    dt_hdf5_records type;
    dt_hdf5_visit *visit;
    void *context;
} dense_walk;

/* Finds the message that a record refers to, and visits it. */
static dt_status visit_message(void *context, dt_hdf5_cursor record)
{
    enum { MANAGED = 0x00, HUGE_OBJECT = 0x10, SHARED = 2 };
    const dense_walk *dense = context;
    const fractal_heap *heap = &dense->heap;
    if (dense->type == DT_HDF5_LINKS_BY_NAME)
        dt_hdf5_take(&record, 4); /* hash of the name */
    const unsigned char *id_at = dt_hdf5_take(&record, (size_t)heap->id_bytes);
    const uint64_t flags = dense->type == DT_HDF5_LINKS_BY_NAME ? 0 : dt_hdf5_number(&record, 1);
    if (!id_at || record.failed || heap->id_bytes < 2)
        return dt_hdf5_damaged(heap->file, "B-tree");
    if (flags & SHARED)
        return dt_hdf5_refused(heap->file, "has shared messages");
    dt_hdf5_cursor id = {.at = id_at, .left = (size_t)heap->id_bytes};
    const uint64_t kind = dt_hdf5_number(&id, 1);
    dt_hdf5_cursor object;
    unsigned char *huge = NULL;
    if (kind == MANAGED) {
        const uint64_t offset = dt_hdf5_number(&id, heap->offset_bytes);
        const uint64_t length = dt_hdf5_number(&id, heap->length_bytes);
        DT_TRY(find_managed(heap, offset, length, &object));
    } else if (kind == HUGE_OBJECT) {
        const size_t size = id.left < 8 ? id.left : 8;
        DT_TRY(load_huge(heap, dt_hdf5_number(&id, size), &huge, &object));
    } else {
        return dt_hdf5_damaged(heap->file, "heap");
    }
    const dt_status status =
        id.failed ? dt_hdf5_damaged(heap->file, "heap") : dense->visit(dense->context, object);
    free(huge);
    return status;
}

dt_status dt_hdf5_visit_dense(dt_hdf5_file *file, uint64_t heap, uint64_t tree,
                              dt_hdf5_records type, dt_hdf5_visit *visit, void *context)
{
    dense_walk dense = {.type = type, .visit = visit, .context = context};
    tree_walk walk = {.file = file, .type = type, .visit = visit_message, .context = &dense};
    dt_status status = load_heap(&dense.heap, file, heap);
    if (status == DT_OK)
        status = visit_tree(&walk, tree);
    free_heap(&dense.heap);
    return status;
}
