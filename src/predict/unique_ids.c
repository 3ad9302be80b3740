#include "predict/unique_ids.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "sequence/normalize.h"

#define FIRST_SLOTS 1024 /* a power of two, as all numbers of slots are */

typedef struct {
    uint32_t word[4]; /* all 0: empty */
} id_hash;

struct dt_unique_ids {
    id_hash *slot; /* (slots) open addressing, linear probing */
    size_t slots;
    size_t used;
};

/* Sixteen bytes at a time go through Philox4x32-10, which maps 128 bits one to one, chained as in
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

/* The slot that holds `hash`, or the empty one where it belongs. */
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
    dt_unique_ids larger = {.slots = 2 * ids->slots, .used = ids->used};
    DT_TRY(DT_NEW(larger.slot, larger.slots));
    for (size_t i = 0; i < ids->slots; ++i)
        if (!is_empty(&ids->slot[i]))
            *find(&larger, &ids->slot[i]) = ids->slot[i];
    free(ids->slot);
    *ids = larger;
    return DT_OK;
}

dt_status dt_unique_ids_create(dt_unique_ids **out)
{
    dt_unique_ids *ids;
    *out = NULL;
    DT_TRY(DT_NEW(ids, 1));
    ids->slots = FIRST_SLOTS;
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
    if (!is_empty(slot))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the id '%.100s' came before, and QIIME 2 takes each id "
                       "once: make the ids unique, or leave --format qiime2 out",
                       file, (long long)record->line, record->id.data);
    *slot = hash;
    ids->used++;
    return DT_OK;
}

/* ---- a whole file -------------------------------------------------------------------------------
 */

static dt_status check_records(dt_unique_ids *ids, dt_fasta *fasta, bool normalize,
                               int64_t min_length)
{
    dt_fasta_record record = {0};
    dt_status status;
    bool found;
    while ((status = dt_fasta_next(fasta, &record, &found)) == DT_OK && found) {
        size_t length = record.sequence.length;
        if (normalize && min_length > 0)
            length = dt_normalize(record.sequence.data, length);
        if ((int64_t)length >= min_length)
            status = dt_unique_ids_add(ids, &record, dt_fasta_name(fasta));
        if (status != DT_OK)
            break;
    }
    dt_fasta_record_free(&record);
    return status;
}

dt_status dt_unique_ids_check(const char *path, bool normalize, int64_t min_length)
{
    dt_unique_ids *ids;
    dt_fasta *fasta = NULL;
    DT_TRY(dt_unique_ids_create(&ids));
    dt_status status = dt_fasta_open(&fasta, path);
    if (status == DT_OK)
        status = check_records(ids, fasta, normalize, min_length);
    dt_fasta_close(fasta);
    dt_unique_ids_destroy(ids);
    return status;
}
