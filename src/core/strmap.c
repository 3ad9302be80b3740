#include "core/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

typedef struct {
    uint64_t hash;   /* 0: the slot is free */
    size_t offset;   /* of the key in `keys` */
    uint32_t length; /* of the key */
    int32_t value;
} slot;

struct dt_strmap {
    slot *slots;
    size_t slot_count; /* a power of two */
    size_t used;
    dt_text keys;
};

/* FNV-1a, with a final mix so that the low bits depend on every byte. */
static uint64_t hash_bytes(const char *key, size_t length)
{
    uint64_t hash = dt_hash_bytes(DT_HASH_START, key, length);
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

static slot *find_slot(const dt_strmap *map, uint64_t hash, const char *key, size_t length)
{
    size_t i = hash & (map->slot_count - 1);
    for (;; i = (i + 1) & (map->slot_count - 1)) {
        slot *s = &map->slots[i];
        if (!s->hash || (s->hash == hash && s->length == length &&
                         memcmp(map->keys.data + s->offset, key, length) == 0))
            return s;
    }
}

dt_status dt_strmap_create(dt_strmap **out)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->slot_count = 64;
    dt_status status = DT_NEW((*out)->slots, (*out)->slot_count);
    if (status == DT_OK)
        status = dt_text_add(&(*out)->keys, "", 0);
    if (status != DT_OK) {
        dt_strmap_destroy(*out);
        *out = NULL;
    }
    return status;
}

void dt_strmap_destroy(dt_strmap *map)
{
    if (!map)
        return;
    free(map->slots);
    dt_text_free(&map->keys);
    free(map);
}

static dt_status double_slots(dt_strmap *map)
{
    slot *old = map->slots;
    const size_t old_count = map->slot_count;
    slot *slots;
    DT_TRY(DT_NEW(slots, old_count * 2));
    map->slots = slots;
    map->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; ++i) {
        if (!old[i].hash)
            continue;
        size_t j = old[i].hash & (map->slot_count - 1);
        while (map->slots[j].hash)
            j = (j + 1) & (map->slot_count - 1);
        map->slots[j] = old[i];
    }
    free(old);
    return DT_OK;
}

dt_status dt_strmap_add(dt_strmap *map, const char *key, size_t length, int32_t value,
                        int32_t *found, int *added)
{
    if (map->used * 2 >= map->slot_count)
        DT_TRY(double_slots(map));
    const uint64_t hash = hash_bytes(key, length);
    slot *s = find_slot(map, hash, key, length);
    const int is_new = !s->hash;
    if (is_new) {
        const size_t offset = map->keys.length;
        DT_TRY(dt_text_add(&map->keys, key, length));
        *s = (slot){.hash = hash, .offset = offset, .length = (uint32_t)length, .value = value};
        map->used++;
    }
    if (found)
        *found = s->value;
    if (added)
        *added = is_new;
    return DT_OK;
}

int32_t dt_strmap_find(const dt_strmap *map, const char *key, size_t length)
{
    const slot *s = find_slot(map, hash_bytes(key, length), key, length);
    return s->hash ? s->value : -1;
}
