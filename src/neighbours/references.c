#include "neighbours/references.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "neighbours/kmers.h"

void dt_references_free(dt_references *references)
{
    free(references->leaf);
    free(references->copies);
    free(references->length);
    free(references->break_count);
    free(references->bases);
    free(references->break_at);
    free(references->names);
    free(references->first_byte);
    free(references->first_break);
    free(references->first_name);
    *references = (dt_references){0};
}

/* Checks the numbers of one reference; the arrays' sizes are checked by who adds them up. */
static bool numbers_fit(const dt_references *r, int32_t i, int32_t leaves)
{
    return r->leaf[i] >= (i ? r->leaf[i - 1] : 0) && r->leaf[i] < leaves && r->copies[i] >= 1 &&
           r->length[i] >= 0 && r->break_count[i] >= 0;
}

/* Each break lies within the sequence, after the one before. */
static bool breaks_fit(const dt_references *r, int32_t i)
{
    int32_t before = 0;
    for (int64_t b = r->first_break[i]; b < r->first_break[i + 1]; ++b) {
        if (r->break_at[b] <= before || r->break_at[b] >= r->length[i])
            return false;
        before = r->break_at[b];
    }
    return true;
}

static bool add_up(dt_references *r, int32_t leaves)
{
    const char *name = r->names;
    for (int32_t i = 0; i < r->count; ++i) {
        const char *end = memchr(name, '\0', (size_t)(r->names + r->name_bytes - name));
        if (!numbers_fit(r, i, leaves) || !end)
            return false;
        name = end + 1;
        r->first_name[i + 1] = name - r->names;
        r->first_byte[i + 1] = r->first_byte[i] + dt_packed_bytes(r->length[i]);
        r->first_break[i + 1] = r->first_break[i] + r->break_count[i];
        if (r->first_break[i + 1] > r->breaks || !breaks_fit(r, i))
            return false;
    }
    return r->first_byte[r->count] == r->base_bytes && r->first_break[r->count] == r->breaks &&
           r->first_name[r->count] == r->name_bytes;
}

dt_status dt_references_complete(dt_references *references, int32_t leaves, const char *path)
{
    const size_t ends = (size_t)references->count + 1;
    DT_TRY(DT_NEW(references->first_byte, ends));
    DT_TRY(DT_NEW(references->first_break, ends));
    DT_TRY(DT_NEW(references->first_name, ends));
    if (add_up(references, leaves))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: its reference sequences contradict each other; the file is damaged", path);
}

void dt_reference_text(const dt_references *references, int32_t reference, char *out)
{
    const uint8_t *bases = references->bases + references->first_byte[reference];
    const int32_t *next_break = references->break_at + references->first_break[reference];
    const int32_t *end = references->break_at + references->first_break[reference + 1];
    for (int32_t i = 0; i < references->length[reference]; ++i) {
        if (next_break < end && *next_break == i) {
            *out++ = 'N';
            ++next_break;
        }
        *out++ = "ACGT"[dt_packed_base(bases, i)];
    }
}

static bool equals_text(const dt_references *r, int32_t reference, const char *text, size_t length)
{
    const uint8_t *bases = r->bases + r->first_byte[reference];
    const int32_t *next_break = r->break_at + r->first_break[reference];
    const int32_t *end = r->break_at + r->first_break[reference + 1];
    int32_t count = 0;
    bool after_break = false;
    for (size_t i = 0; i < length; ++i) {
        const int base = dt_base_of(text[i]);
        if (base < 0) {
            after_break = count > 0;
            continue;
        }
        if (count == r->length[reference] || base != dt_packed_base(bases, count) ||
            after_break != (next_break < end && *next_break == count))
            return false;
        next_break += after_break;
        after_break = false;
        ++count;
    }
    return count == r->length[reference];
}

/* Returns the first reference whose leaf is not less. */
static int32_t first_of_leaf(const dt_references *r, int32_t leaf)
{
    int32_t low = 0;
    int32_t high = r->count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (r->leaf[middle] < leaf)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t dt_references_find(const dt_references *references, const char *sequence, size_t length,
                           int32_t leaf)
{
    for (int32_t i = first_of_leaf(references, leaf);
         i < references->count && references->leaf[i] == leaf; ++i)
        if ((size_t)references->length[i] <= length && equals_text(references, i, sequence, length))
            return i;
    return -1;
}
