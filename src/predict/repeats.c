#include "predict/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"

enum { WAYS = 8 }; /* slots that share a hash */

typedef struct {
    uint64_t hash;
    int64_t used; /* call that found it last; 0: empty */
    char *key;    /* (length) */
    size_t length, capacity;
} entry;

struct dt_repeats {
    entry *entries; /* (sets, WAYS) */
    char *rows;     /* (sets, WAYS, row_bytes) */
    size_t row_bytes;
    int32_t sets, labels;
    char *key; /* of the sequence that is looked for */
    int64_t calls;
};

dt_status dt_repeats_create(dt_repeats **out, int64_t memory, size_t row_bytes, int32_t max_length,
                            int32_t labels)
{
    const size_t key =
        (size_t)max_length * sizeof(uint16_t) + (size_t)labels * sizeof(int32_t) + sizeof(uint64_t);
    const size_t set = WAYS * (sizeof(entry) + key + row_bytes);
    const int64_t sets = memory / (int64_t)set;
    dt_repeats *repeats;
    DT_TRY(DT_NEW(repeats, 1));
    repeats->sets = sets < 1 ? 1 : sets < INT32_MAX / WAYS ? (int32_t)sets : INT32_MAX / WAYS;
    repeats->row_bytes = row_bytes;
    repeats->labels = labels;
    const size_t slots = (size_t)repeats->sets * WAYS;
    dt_status status = DT_NEW(repeats->entries, slots);
    if (status == DT_OK)
        status = dt_calloc((void **)&repeats->rows, slots, row_bytes, "results");
    if (status == DT_OK)
        status = DT_NEW(repeats->key, key);
    if (status == DT_OK)
        *out = repeats;
    else
        dt_repeats_destroy(repeats);
    return status;
}

void dt_repeats_destroy(dt_repeats *repeats)
{
    if (!repeats)
        return;
    for (int32_t i = 0; repeats->entries && i < repeats->sets * WAYS; ++i)
        free(repeats->entries[i].key);
    free(repeats->entries);
    free(repeats->rows);
    free(repeats->key);
    free(repeats);
}

/* Returns the length of the key, in repeats->key. */
static size_t set_key(dt_repeats *repeats, const uint16_t *tokens, int32_t count,
                      const int32_t *label, uint64_t more)
{
    const size_t length = (size_t)count * sizeof *tokens;
    const size_t labels = label ? (size_t)repeats->labels * sizeof *label : 0;
    memcpy(repeats->key, tokens, length);
    if (labels > 0)
        memcpy(repeats->key + length, label, labels);
    memcpy(repeats->key + length + labels, &more, sizeof more);
    return length + labels + sizeof more;
}

static dt_status replace(entry *e, uint64_t hash, const char *key, size_t length)
{
    if (length > e->capacity) {
        free(e->key);
        e->key = NULL;
        e->capacity = 0;
        DT_TRY(DT_NEW(e->key, length));
        e->capacity = length;
    }
    memcpy(e->key, key, length);
    e->hash = hash;
    e->length = length;
    return DT_OK;
}

dt_status dt_repeats_find(dt_repeats *repeats, const uint16_t *tokens, int32_t count,
                          const int32_t *label, uint64_t more, int32_t *slot, bool *found)
{
    const size_t length = set_key(repeats, tokens, count, label, more);
    const uint64_t hash = dt_hash_bytes(DT_HASH_START, repeats->key, length);
    entry *set = repeats->entries + (size_t)(dt_hash_fold(hash) % (uint32_t)repeats->sets) * WAYS;
    entry *chosen = set;
    *found = false;
    for (entry *e = set; e < set + WAYS && !*found; ++e) {
        *found = e->used && e->hash == hash && e->length == length &&
                 memcmp(e->key, repeats->key, length) == 0;
        if (*found || e->used < chosen->used)
            chosen = e;
    }
    if (!*found)
        DT_TRY(replace(chosen, hash, repeats->key, length));
    chosen->used = ++repeats->calls;
    *slot = (int32_t)(chosen - repeats->entries);
    return DT_OK;
}

void *dt_repeats_row(const dt_repeats *repeats, int32_t slot)
{
    return repeats->rows + (size_t)slot * repeats->row_bytes;
}
