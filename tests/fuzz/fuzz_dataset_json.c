/* dataset.json of shards. An input whose only fault is its id is read again with the right one; every
 * 16th of them then beside a shard with that id too. */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "data/dataset_json.h"
#include "fuzz.h"
#include "hdf5_edits.h"
#include "small_set.h"

#define ID ((size_t)16) /* its characters */

/* Reads an input; returns whether it can be read, or could but for its id. Sets `id` to the right
 * one, and `was` to that of the file. */
static bool read_input(const uint8_t *bytes, size_t size, char id[32], char was[32])
{
    dt_dataset dataset = {0};
    dt_dataset_summary summary;
    const char *path = fuzz_file(SMALL_SET_DESCRIPTION, bytes, size);
    const bool read = fuzz_succeeded(dt_dataset_json_read(path, &dataset, &summary));
    const bool all = read || strstr(dt_error_message(), "its id does not match");
    if (all) {
        dt_dataset_json_id(&dataset, &summary, id);
        memcpy(was, summary.id, sizeof summary.id);
        FUZZ_CHECK(!read || strcmp(id, was) == 0);
    }
    dt_dataset_free(&dataset);
    return all;
}

/* Makes `id` the id of the file, where it stands there as it was read: without escapes. */
static bool put_id(const uint8_t *bytes, size_t size, const char *was, const char *id)
{
    const size_t length = strlen(was);
    const uint8_t *at = length ? memmem(bytes, size, was, length) : NULL;
    if (!at)
        return false;
    const size_t before = (size_t)(at - bytes);
    uint8_t *changed = malloc(size + ID);
    FUZZ_CHECK(changed != NULL);
    memcpy(changed, bytes, before);
    memcpy(changed + before, id, ID);
    memcpy(changed + before + ID, at + length, size - before - length);
    char now[32], was_then[32];
    const bool right = read_input(changed, size - length + ID, now, was_then) &&
                       strcmp(now, id) == 0 && strcmp(was_then, id) == 0;
    free(changed);
    return right;
}

static void put_shard(const char *id)
{
    static uint8_t *shard, *place;
    if (!shard) {
        char right[32], was[32];
        FUZZ_CHECK(read_input(small_set_description, small_set_description_size, right, was));
        shard = malloc(small_set_shard_size);
        FUZZ_CHECK(shard != NULL);
        memcpy(shard, small_set_shard, small_set_shard_size);
        place = memmem(shard, small_set_shard_size, right, ID);
        FUZZ_CHECK(place != NULL);
    }
    memcpy(place, id, ID);
    hdf5_seal(shard, small_set_shard_size);
    fuzz_file(SMALL_SET_SHARD, shard, small_set_shard_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char id[32], was[32];
    small_set_make();
    if (!read_input(bytes, size, id, was))
        return 0;
    const bool right = strcmp(id, was) == 0 || put_id(bytes, size, was, id);
    if (right && dt_hash_bytes(DT_HASH_START, bytes, size) % 16 == 0) {
        put_shard(id);
        small_set_use();
    }
    return 0;
}
