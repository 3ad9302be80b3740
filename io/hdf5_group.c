#include "io/hdf5_group.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define DEEPEST_TREE 16

/* ---- Messages and dense storage -------------------------------------------------------------- */

static dt_status add_link(void *context, dt_hdf5_cursor message)
{
    dt_hdf5_links *links = context;
    DT_TRY(DT_GROW(links->link, links->capacity, links->count + 1));
    DT_TRY(dt_hdf5_decode_link(links->file, message, &links->link[links->count]));
    links->count++;
    return DT_OK;
}

/* Many links are stored outside of the header (Link Info Message). */
static dt_status add_dense_links(dt_hdf5_links *links, dt_hdf5_cursor data)
{
    enum { HAS_ORDER = 1 };
    const uint64_t version = dt_hdf5_number(&data, 1);
    const uint64_t flags = dt_hdf5_number(&data, 1);
    if (flags & HAS_ORDER)
        dt_hdf5_take(&data, 8);
    const uint64_t heap = dt_hdf5_number(&data, 8);
    const uint64_t tree = dt_hdf5_number(&data, 8);
    if (data.failed || version != 0)
        return dt_hdf5_damaged(links->file, "list of links");
    if (heap == DT_HDF5_UNDEFINED)
        return DT_OK;
    return dt_hdf5_visit_dense(links->file, heap, tree, DT_HDF5_LINKS_BY_NAME, add_link, links);
}

/* ---- Symbol tables --------------------------------------------------------------------------- */

/* The names of a symbol table. */
typedef struct {
    dt_hdf5_links *links;
    unsigned char *names;
    uint64_t size;
} symbol_table;

static dt_status invalid(const symbol_table *table)
{
    return dt_hdf5_damaged(table->links->file, "symbol table");
}

static dt_status add_symbol(symbol_table *table, dt_hdf5_cursor *entries)
{
    enum { NOTHING = 0, GROUP = 1, SOFT_LINK = 2 };
    dt_hdf5_links *links = table->links;
    const uint64_t name = dt_hdf5_number(entries, 8);
    const uint64_t address = dt_hdf5_number(entries, 8);
    const uint64_t kind = dt_hdf5_number(entries, 4);
    dt_hdf5_take(entries, 20);
    if (entries->failed || name >= table->size || kind > SOFT_LINK)
        return invalid(table);
    const unsigned char *start = table->names + name;
    const unsigned char *end = memchr(start, '\0', (size_t)(table->size - name));
    if (!end || (size_t)(end - start) > links->file->left)
        return invalid(table);
    links->file->left -= (uint64_t)(end - start); /* symbols may have one name */
    DT_TRY(DT_GROW(links->link, links->capacity, links->count + 1));
    dt_hdf5_link *link = &links->link[links->count];
    *link = (dt_hdf5_link){.address = address, .hard = kind != SOFT_LINK};
    DT_TRY(dt_hdf5_copy_name(links->file, start, (size_t)(end - start), &link->name));
    links->count++;
    return DT_OK;
}

/* Adds the symbols of one node, 40 bytes each. */
static dt_status add_symbols(symbol_table *table, uint64_t address)
{
    dt_hdf5_file *file = table->links->file;
    unsigned char start[8];
    unsigned char *bytes;
    DT_TRY(dt_hdf5_read(file, address, sizeof start, start, "symbol table"));
    dt_hdf5_cursor fields = {.at = start + 6, .left = 2};
    const uint64_t count = dt_hdf5_number(&fields, 2);
    const uint64_t size = 8 + 40 * count;
    DT_TRY(dt_hdf5_load_part(file, address, size, "SNOD", false, &bytes, "symbol table"));
    dt_hdf5_cursor entries = {.at = bytes + 8, .left = (size_t)(size - 8)};
    dt_status status = bytes[4] == 1 ? DT_OK : invalid(table);
    for (uint64_t i = 0; i < count && status == DT_OK; ++i)
        status = add_symbol(table, &entries);
    free(bytes);
    return status;
}

/* Adds the symbols below a node of the B-tree. */
static dt_status add_tree(symbol_table *table, uint64_t address, int depth)
{
    enum { GROUPS = 0, START = 24 };
    dt_hdf5_file *file = table->links->file;
    unsigned char start[START];
    unsigned char *bytes;
    DT_TRY(dt_hdf5_read(file, address, sizeof start, start, "symbol table"));
    dt_hdf5_cursor fields = {.at = start + 4, .left = START - 4};
    const uint64_t type = dt_hdf5_number(&fields, 1);
    const uint64_t level = dt_hdf5_number(&fields, 1);
    const uint64_t count = dt_hdf5_number(&fields, 2);
    if (type != GROUPS || depth > DEEPEST_TREE)
        return invalid(table);
    const uint64_t size = START + 16 * count;
    DT_TRY(dt_hdf5_load_part(file, address, size, "TREE", false, &bytes, "symbol table"));
    dt_hdf5_cursor entries = {.at = bytes + START, .left = (size_t)(size - START)};
    dt_status status = DT_OK;
    for (uint64_t i = 0; i < count && status == DT_OK; ++i) {
        dt_hdf5_take(&entries, 8); /* where the first name is */
        const uint64_t child = dt_hdf5_number(&entries, 8);
        status = level ? add_tree(table, child, depth + 1) : add_symbols(table, child);
    }
    free(bytes);
    return status;
}

/* The links of a group of older versions (Symbol Table Message, Local Heap). */
static dt_status add_symbol_table(dt_hdf5_links *links, dt_hdf5_cursor data)
{
    enum { HEAP_BYTES = 32 };
    symbol_table table = {.links = links};
    const uint64_t tree = dt_hdf5_number(&data, 8);
    const uint64_t heap = dt_hdf5_number(&data, 8);
    unsigned char *bytes;
    if (data.failed)
        return invalid(&table);
    DT_TRY(dt_hdf5_load_part(links->file, heap, HEAP_BYTES, "HEAP", false, &bytes, "symbol table"));
    dt_hdf5_cursor fields = {.at = bytes + 8, .left = HEAP_BYTES - 8};
    table.size = dt_hdf5_number(&fields, 8);
    dt_hdf5_take(&fields, 8); /* free space */
    const uint64_t names = dt_hdf5_number(&fields, 8);
    free(bytes);
    DT_TRY(dt_hdf5_load(links->file, names, table.size, &table.names, "symbol table"));
    const dt_status status = add_tree(&table, tree, 0);
    free(table.names);
    return status;
}

/* ---- All ------------------------------------------------------------------------------------- */

bool dt_hdf5_is_group(const dt_hdf5_header *header)
{
    return dt_hdf5_header_find(header, DT_HDF5_SYMBOL_TABLE) ||
           dt_hdf5_header_find(header, DT_HDF5_LINK_INFO) ||
           dt_hdf5_header_find(header, DT_HDF5_LINK);
}

static int compare_links(const void *a, const void *b)
{
    const dt_hdf5_link *x = a;
    const dt_hdf5_link *y = b;
    return x->order != y->order ? (x->order < y->order ? -1 : 1) : strcmp(x->name, y->name);
}

dt_status dt_hdf5_links_load(dt_hdf5_links *links, dt_hdf5_file *file, const dt_hdf5_header *header)
{
    *links = (dt_hdf5_links){.file = file};
    dt_status status = DT_OK;
    for (size_t i = 0; i < header->messages && status == DT_OK; ++i) {
        const dt_hdf5_message *message = &header->message[i];
        if (message->type == DT_HDF5_LINK)
            status = add_link(links, message->data);
        else if (message->type == DT_HDF5_LINK_INFO)
            status = add_dense_links(links, message->data);
        else if (message->type == DT_HDF5_SYMBOL_TABLE)
            status = add_symbol_table(links, message->data);
    }
    if (status != DT_OK)
        dt_hdf5_links_free(links);
    else if (links->count > 1)
        qsort(links->link, links->count, sizeof *links->link, compare_links);
    return status;
}

void dt_hdf5_links_free(dt_hdf5_links *links)
{
    for (size_t i = 0; i < links->count; ++i)
        free(links->link[i].name);
    free(links->link);
    *links = (dt_hdf5_links){0};
}
