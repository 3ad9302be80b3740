#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "neighbours/kmers.h"
#include "neighbours/references.h"

/* A sequence among those added; places in the builder's arrays. */
typedef struct {
    int64_t first_byte, first_break, first_name;
    int32_t leaf, copies, length, break_count;
} entry;

/* Sequences in the order in which they came; equal ones are united when they have doubled in
 * number, so that memory is proportional to the different ones. */
struct dt_reference_builder {
    entry *entries;
    uint8_t *bases;
    int32_t *break_at;
    char *names;
    size_t count, base_bytes, breaks, name_bytes;
    size_t entry_capacity, base_capacity, break_capacity, name_capacity;
    size_t unite_at; /* entries from which on equal ones are united */
};

enum { UNITE_FROM = 1 << 16 };

dt_status dt_reference_builder_create(dt_reference_builder **out)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->unite_at = UNITE_FROM;
    return DT_OK;
}

static void free_arrays(dt_reference_builder *b)
{
    free(b->entries);
    free(b->bases);
    free(b->break_at);
    free(b->names);
    *b = (dt_reference_builder){.unite_at = UNITE_FROM};
}

void dt_reference_builder_destroy(dt_reference_builder *builder)
{
    if (!builder)
        return;
    free_arrays(builder);
    free(builder);
}

/* Appends what an entry of `from` refers to, with room reserved. */
static void append(dt_reference_builder *to, const dt_reference_builder *from, const entry *e)
{
    const size_t bytes = (size_t)dt_packed_bytes(e->length);
    const size_t breaks = (size_t)e->break_count;
    const size_t name = strlen(from->names + e->first_name) + 1;
    entry *copy = &to->entries[to->count++];
    *copy = *e;
    copy->first_byte = (int64_t)to->base_bytes;
    copy->first_break = (int64_t)to->breaks;
    copy->first_name = (int64_t)to->name_bytes;
    memcpy(to->bases + to->base_bytes, from->bases + e->first_byte, bytes);
    if (breaks)
        memcpy(to->break_at + to->breaks, from->break_at + e->first_break,
               breaks * sizeof(int32_t));
    memcpy(to->names + to->name_bytes, from->names + e->first_name, name);
    to->base_bytes += bytes;
    to->breaks += breaks;
    to->name_bytes += name;
}

/* The order of references. */
static int compare(const entry *a, const entry *b, const dt_reference_builder *of)
{
    if (a->leaf != b->leaf)
        return a->leaf < b->leaf ? -1 : 1;
    const int64_t x_bytes = dt_packed_bytes(a->length);
    const int64_t y_bytes = dt_packed_bytes(b->length);
    const int bases = memcmp(of->bases + a->first_byte, of->bases + b->first_byte,
                             (size_t)(x_bytes < y_bytes ? x_bytes : y_bytes));
    if (bases)
        return bases;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    if (a->break_count != b->break_count)
        return a->break_count < b->break_count ? -1 : 1;
    for (int32_t i = 0; i < a->break_count; ++i) {
        const int32_t x = of->break_at[a->first_break + i];
        const int32_t y = of->break_at[b->first_break + i];
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* Of equal ones the first that came first. */
static int compare_entries(const void *a, const void *b, void *builder)
{
    const entry *x = a;
    const entry *y = b;
    const int order = compare(x, y, builder);
    return order ? order : (x->first_name > y->first_name) - (x->first_name < y->first_name);
}

/* Makes *to, an empty builder, the references in order. */
static dt_status unite_into(dt_reference_builder *to, dt_reference_builder *from)
{
    size_t kept = 0;
    if (from->count)
        qsort_r(from->entries, from->count, sizeof *from->entries, compare_entries, from);
    for (size_t i = 0; i < from->count; ++i) {
        if (kept && compare(&from->entries[kept - 1], &from->entries[i], from) == 0)
            from->entries[kept - 1].copies += from->entries[i].copies;
        else
            from->entries[kept++] = from->entries[i];
    }
    from->count = kept;
    DT_TRY(DT_GROW(to->entries, to->entry_capacity, kept));
    DT_TRY(DT_GROW(to->bases, to->base_capacity, from->base_bytes));
    DT_TRY(DT_GROW(to->break_at, to->break_capacity, from->breaks));
    DT_TRY(DT_GROW(to->names, to->name_capacity, from->name_bytes));
    for (size_t i = 0; i < kept; ++i)
        append(to, from, &from->entries[i]);
    return DT_OK;
}

static dt_status unite(dt_reference_builder *builder)
{
    dt_reference_builder united = {0};
    const dt_status status = unite_into(&united, builder);
    if (status != DT_OK) {
        free_arrays(&united);
        return status;
    }
    dt_reference_builder before = *builder;
    *builder = united;
    free_arrays(&before);
    builder->unite_at = 2 * united.count > UNITE_FROM ? 2 * united.count : UNITE_FROM;
    return DT_OK;
}

/* Packs the letters behind what is there, with room reserved. */
static void pack(dt_reference_builder *b, entry *e, const char *sequence, size_t length)
{
    uint8_t *bases = b->bases + b->base_bytes;
    bool after_break = false;
    for (size_t i = 0; i < length; ++i) {
        const int base = dt_base_of(sequence[i]);
        if (base < 0) {
            after_break = e->length > 0;
            continue;
        }
        if (after_break)
            b->break_at[b->breaks + (size_t)e->break_count++] = e->length;
        after_break = false;
        if (e->length % 4 == 0)
            bases[e->length / 4] = 0;
        bases[e->length / 4] |= (uint8_t)(base << 2 * (e->length % 4));
        ++e->length;
    }
}

dt_status dt_reference_builder_add(dt_reference_builder *builder, const char *name,
                                   const char *sequence, size_t length, int32_t leaf)
{
    dt_reference_builder *b = builder;
    const size_t name_length = strlen(name) + 1;
    if (b->count >= b->unite_at)
        DT_TRY(unite(b));
    if (b->count == INT32_MAX || length > INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "sequence '%s': more than %d reference sequences or letters",
                       name, INT32_MAX);
    DT_TRY(DT_GROW(b->entries, b->entry_capacity, b->count + 1));
    DT_TRY(DT_GROW(b->bases, b->base_capacity, b->base_bytes + length / 4 + 1));
    DT_TRY(DT_GROW(b->break_at, b->break_capacity, b->breaks + length / 2 + 1));
    DT_TRY(DT_GROW(b->names, b->name_capacity, b->name_bytes + name_length));
    entry *e = &b->entries[b->count];
    *e = (entry){.first_byte = (int64_t)b->base_bytes,
                 .first_break = (int64_t)b->breaks,
                 .first_name = (int64_t)b->name_bytes,
                 .leaf = leaf,
                 .copies = 1};
    pack(b, e, sequence, length);
    memcpy(b->names + b->name_bytes, name, name_length);
    b->base_bytes += (size_t)dt_packed_bytes(e->length);
    b->breaks += (size_t)e->break_count;
    b->name_bytes += name_length;
    ++b->count;
    return DT_OK;
}

static dt_status split(const dt_reference_builder *b, dt_references *out)
{
    DT_TRY(DT_NEW(out->leaf, b->count));
    DT_TRY(DT_NEW(out->copies, b->count));
    DT_TRY(DT_NEW(out->length, b->count));
    DT_TRY(DT_NEW(out->break_count, b->count));
    for (size_t i = 0; i < b->count; ++i) {
        out->leaf[i] = b->entries[i].leaf;
        out->copies[i] = b->entries[i].copies;
        out->length[i] = b->entries[i].length;
        out->break_count[i] = b->entries[i].break_count;
    }
    return DT_OK;
}

dt_status dt_reference_builder_finish(dt_reference_builder *builder, dt_references *out)
{
    *out = (dt_references){0};
    DT_TRY(unite(builder));
    dt_status status = split(builder, out);
    if (status == DT_OK) {
        out->count = (int32_t)builder->count;
        out->base_bytes = (int64_t)builder->base_bytes;
        out->breaks = (int64_t)builder->breaks;
        out->name_bytes = (int64_t)builder->name_bytes;
        out->bases = builder->bases;
        out->break_at = builder->break_at;
        out->names = builder->names;
        builder->bases = NULL;
        builder->break_at = NULL;
        builder->names = NULL;
        status = dt_references_complete(out, INT32_MAX, "the reference sequences in memory");
    }
    free_arrays(builder);
    if (status != DT_OK)
        dt_references_free(out);
    return status;
}
