#include "predict/unique_ids.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "data/sequence_reader.h"

#define FIRST_SLOTS 1024 /* the number of slots is always a power of two */

typedef struct {
    uint32_t word[4]; /* all 0: empty */
} id_hash;

struct dt_unique_ids {
    id_hash *slot; /* (slots) open addressing, linear probing */
    size_t slots;
    size_t used;
    const char *reader;
};

/* Hashes sixteen bytes at a time with Philox4x32-10, a bijection on 128 bits, chained as in
 * CBC-MAC; the length is part of the key. */
static id_hash hash_of(const char *id, size_t length)
{
    id_hash hash = {{0}};
    for (size_t at = 0; at < length; at += sizeof hash.word) {
        uint32_t block[4] = {0};
        memcpy(block, id + at, length - at < sizeof block ? length - at : sizeof block);
        dt_philox((uint32_t)length, 0, hash.word[0] ^ block[0], hash.word[1] ^ block[1],
                  hash.word[2] ^ block[2], hash.word[3] ^ block[3], hash.word);
    }
    if (!(hash.word[0] | hash.word[1] | hash.word[2] | hash.word[3]))
        hash.word[0] = 1;
    return hash;
}

static bool is_empty(const id_hash *hash)
{
    return !(hash->word[0] | hash->word[1] | hash->word[2] | hash->word[3]);
}

/* Returns the slot of `hash`, or the empty slot where it belongs. */
static id_hash *find(const dt_unique_ids *ids, const id_hash *hash)
{
    const size_t mask = ids->slots - 1;
    size_t at = (hash->word[0] | (uint64_t)hash->word[1] << 32) & mask;
    while (!is_empty(&ids->slot[at]) && memcmp(&ids->slot[at], hash, sizeof *hash) != 0)
        at = (at + 1) & mask;
    return &ids->slot[at];
}

static dt_status grow(dt_unique_ids *ids)
{
    dt_unique_ids larger = {.slots = 2 * ids->slots, .used = ids->used, .reader = ids->reader};
    DT_TRY(DT_NEW(larger.slot, larger.slots));
    for (size_t i = 0; i < ids->slots; ++i)
        if (!is_empty(&ids->slot[i]))
            *find(&larger, &ids->slot[i]) = ids->slot[i];
    free(ids->slot);
    *ids = larger;
    return DT_OK;
}

dt_status dt_unique_ids_create(dt_unique_ids **out, const char *reader)
{
    dt_unique_ids *ids;
    *out = NULL;
    DT_TRY(DT_NEW(ids, 1));
    ids->slots = FIRST_SLOTS;
    ids->reader = reader;
    const dt_status status = DT_NEW(ids->slot, ids->slots);
    if (status == DT_OK)
        *out = ids;
    else
        free(ids);
    return status;
}

void dt_unique_ids_destroy(dt_unique_ids *ids)
{
    if (ids)
        free(ids->slot);
    free(ids);
}

dt_status dt_unique_ids_add(dt_unique_ids *ids, const dt_fasta_record *record, const char *file)
{
    const id_hash hash = hash_of(record->id.data, record->id.length);
    if (2 * ids->used >= ids->slots)
        DT_TRY(grow(ids));
    id_hash *slot = find(ids, &hash);
    if (!is_empty(slot) && !ids->reader)
        return dt_fail(DT_ERR_INPUT, "%s: line %lld: duplicate id '%.100s'; ids must be unique",
                       file, (long long)record->line, record->id.data);
    if (!is_empty(slot))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: duplicate id '%.100s', which %s does not accept: make "
                       "the ids unique, or omit that --format",
                       file, (long long)record->line, record->id.data, ids->reader);
    *slot = hash;
    ids->used++;
    return DT_OK;
}

/* ---- a whole file -------------------------------------------------------------------------------
 */

typedef struct {
    dt_unique_ids *ids;
    const char *path;
} checked_file;

static dt_status add_block(void *context, dt_sequence_block *block)
{
    const checked_file *file = context;
    for (int32_t i = 0; i < block->count; ++i)
        DT_TRY(dt_unique_ids_add(file->ids, &block->record[i], file->path));
    return DT_OK;
}

dt_status dt_unique_ids_check(const char *path, const char *reader, bool normalize,
                              int64_t min_length)
{
    checked_file file = {.path = path};
    const dt_reading reading = {.normalize = normalize,
                                .min_length = min_length,
                                .block_size = DT_BLOCK_SEQUENCES,
                                .threads = 1};
    dt_fasta *input;
    DT_TRY(dt_fasta_open_reads(&input, path));
    dt_status status = dt_unique_ids_create(&file.ids, reader);
    if (status == DT_OK)
        status = dt_read_sequences(input, &reading, NULL, add_block, &file);
    dt_unique_ids_destroy(file.ids);
    dt_fasta_close(input);
    return status;
}
