#include "data/shards.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/stop.h"
#include "data/dataset_json.h"
#include "data/fingerprints.h"
#include "data/shard_file.h"
#include "data/shard_tokens.h"
#include "io/container.h"
#include "sequence/primer_array.h"
#include "sequence/strand_array.h"

#define NEW ".new" /* suffix of a complete file that is not in place yet */

static dt_status put_attributes(dt_container *file, const dt_dataset_summary *summary,
                                int64_t shard, int64_t first, int64_t count)
{
    DT_TRY(dt_container_put_attribute_text(file, "", "dataset_id", summary->id));
    DT_TRY(dt_container_put_attribute_text(file, "", "tokenizer_hash", summary->tokenizer_hash));
    DT_TRY(dt_container_put_attribute_int(file, "", "shard", shard));
    DT_TRY(dt_container_put_attribute_int(file, "", "first_sequence", first));
    return dt_container_put_attribute_int(file, "", "sequences", count);
}

static dt_status put_offsets(dt_container *file, const int64_t *offsets, int64_t count)
{
    const int64_t entries = count + 1;
    int64_t *own;
    DT_TRY(DT_NEW(own, (size_t)entries));
    for (int64_t i = 0; i < entries; ++i)
        own[i] = offsets[i] - offsets[0];
    const dt_status status =
        dt_container_put_array(file, "offsets", DT_ELEMENT_INT64, 1, &entries, own);
    free(own);
    return status;
}

static dt_status put_token_hashes(dt_container *file, const dt_dataset *part)
{
    const int64_t *offsets = part->offsets;
    uint32_t *hashes;
    DT_TRY(DT_NEW(hashes, (size_t)part->count));
    for (int64_t i = 0; i < part->count; ++i)
        hashes[i] = dt_token_hash(part->tokens + offsets[i], offsets[i + 1] - offsets[i]);
    const dt_status status =
        dt_container_put_array(file, "token_hashes", DT_ELEMENT_INT32, 1, &part->count, hashes);
    free(hashes);
    return status;
}

static dt_status put_sequences(dt_container *file, const dt_dataset *part)
{
    const int64_t count = part->count;
    const int64_t tokens = part->offsets[count] - part->offsets[0];
    const int64_t id_bytes = part->id_offsets[count] - part->id_offsets[0];
    const int64_t labels[2] = {count, part->taxonomy.tax_ranks};
    DT_TRY(dt_shard_put_tokens(file, part->encoding, tokens, part->tokens + part->offsets[0]));
    DT_TRY(put_token_hashes(file, part));
    DT_TRY(put_offsets(file, part->offsets, count));
    DT_TRY(dt_container_put_array(file, "labels", DT_ELEMENT_INT32, 2, labels, part->labels));
    if (part->bases)
        DT_TRY(dt_container_put_array(file, "lengths", DT_ELEMENT_INT32, 1, &count, part->bases));
    return dt_container_put_array(file, "ids", DT_ELEMENT_UINT8, 1, &id_bytes,
                                  part->ids + part->id_offsets[0]);
}

static dt_status write_shard(const char *folder, const dt_dataset *part,
                             const dt_dataset_summary *summary, int64_t shard)
{
    char path[PATH_MAX];
    dt_container *file;
    const int64_t first = shard * summary->sequences_per_shard;
    DT_TRY(dt_shard_path(path, folder, shard, NEW));
    DT_TRY(dt_container_create(&file, path, DT_SHARD_FORMAT, dt_shards_version(part->encoding)));
    dt_status status = put_attributes(file, summary, shard, first, part->count);
    if (status == DT_OK)
        status = put_sequences(file, part);
    if (status == DT_OK && shard == 0)
        status = dt_strand_put(file, &part->strand);
    if (status == DT_OK && shard == 0)
        status = dt_primers_put(file, &part->primers);
    if (status == DT_OK)
        return dt_container_commit(file);
    dt_container_discard(file);
    return status;
}

/* A set in memory, perhaps without its tokens, and memory for the tokens of a part. */
typedef struct {
    const dt_dataset *whole;
    uint16_t *tokens;
    int64_t *offsets; /* of the part, from 0 */
    size_t token_capacity, offset_capacity;
} kept_set;

/* Reads the tokens of a part from the set's file. */
static dt_status read_tokens(kept_set *set, int64_t first, dt_dataset *part)
{
    FILE *file = part->token_file;
    const int64_t begin = part->offsets[0];
    const size_t tokens = (size_t)(part->offsets[part->count] - begin);
    DT_TRY(DT_GROW(set->tokens, set->token_capacity, tokens));
    DT_TRY(DT_GROW(set->offsets, set->offset_capacity, (size_t)part->count + 1));
    for (int64_t i = 0; i <= part->count; ++i)
        set->offsets[i] = part->offsets[i] - begin;
    part->tokens = set->tokens;
    part->offsets = set->offsets;
    if (fseeko(file, begin * (off_t)sizeof *set->tokens, SEEK_SET) != 0 ||
        fread(set->tokens, sizeof *set->tokens, tokens, file) != tokens)
        return dt_fail(DT_ERR_IO,
                       "cannot read the tokens from sequence %lld on from a temporary "
                       "file: %s",
                       (long long)first, strerror(errno));
    return DT_OK;
}

static dt_status part_of(void *context, int64_t first, int64_t count, dt_dataset *part)
{
    kept_set *set = context;
    const dt_dataset *whole = set->whole;
    *part = *whole;
    part->count = count;
    part->offsets = whole->offsets + first;
    part->id_offsets = whole->id_offsets + first;
    part->labels = whole->labels + first * whole->taxonomy.tax_ranks;
    part->bases = whole->bases ? whole->bases + first : NULL;
    return whole->token_file ? read_tokens(set, first, part) : DT_OK;
}

/* Makes the part of a shard. */
static dt_status make_part(const dt_shard_parts *parts, int64_t sequences_per_shard, int64_t shard,
                           dt_dataset *part)
{
    const int64_t first = shard * sequences_per_shard;
    const int64_t left = parts->count - first;
    return parts->make(parts->context, first,
                       left < sequences_per_shard ? left : sequences_per_shard, part);
}

static dt_status summarise(const dt_dataset *dataset, const dt_shard_parts *parts,
                           int64_t sequences_per_shard, dt_dataset_summary *summary)
{
    dt_dataset_sums sums = {0};
    for (int64_t shard = 0; shard * sequences_per_shard < parts->count; ++shard) {
        dt_dataset part;
        DT_TRY(make_part(parts, sequences_per_shard, shard, &part));
        dt_dataset_sums_add(&sums, &part);
    }
    dt_dataset_summarise(dataset, &sums, sequences_per_shard, summary);
    return DT_OK;
}

/* Writes all files under temporary names. */
static dt_status write_all(const char *folder, const dt_dataset *dataset,
                           const dt_shard_parts *parts, const dt_dataset_summary *summary)
{
    char path[PATH_MAX];
    for (int64_t shard = 0; shard < summary->shards; ++shard) {
        dt_dataset part;
        if (atomic_load(&dt_stop_signal))
            return dt_fail(DT_STOPPED, "stopped by a signal");
        DT_TRY(make_part(parts, summary->sequences_per_shard, shard, &part));
        DT_TRY(write_shard(folder, &part, summary, shard));
    }
    DT_TRY(dt_path(path, sizeof path, "%s/tokenizer.json" NEW, folder));
    if (dataset->tokenizer_json)
        DT_TRY(dt_write_file(path, dataset->tokenizer_json, strlen(dataset->tokenizer_json)));
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json" NEW, folder));
    return dt_dataset_json_write(path, dataset, summary);
}

/* Renames a complete file to its final name, durably. */
static dt_status put_in_place(const char *folder, const char *name)
{
    dt_new_file file = {.lock = -1}; /* that of the folder is held */
    char temporary[PATH_MAX];
    DT_TRY(dt_path(file.path, sizeof file.path, "%s/%s", folder, name));
    DT_TRY(dt_path(temporary, sizeof temporary, "%s/%s" NEW, folder, name));
    memcpy(file.temporary, temporary, sizeof temporary);
    return dt_new_file_commit(&file);
}

static dt_status remove_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/%s", folder, name));
    if (unlink(path) != 0 && errno != ENOENT)
        return dt_fail(DT_ERR_IO, "%s: cannot replace: %s", path, strerror(errno));
    return DT_OK;
}

/* Removes dataset.json first, so that the folder is incomplete until the new one is there. */
static dt_status exchange(const char *folder, const dt_dataset *dataset,
                          const dt_dataset_summary *summary)
{
    char name[40];
    DT_TRY(remove_file(folder, "dataset.json"));
    for (int64_t shard = 0; shard < summary->shards; ++shard) {
        snprintf(name, sizeof name, "shard_%05" PRId64 ".h5", shard);
        DT_TRY(put_in_place(folder, name));
    }
    DT_TRY((dataset->tokenizer_json ? put_in_place : remove_file)(folder, "tokenizer.json"));
    return put_in_place(folder, "dataset.json");
}

/* Returns true for a leftover file of a killed call or of an earlier one with more shards. */
static bool is_left_over(const char *name, int64_t shards)
{
    long long number = -1;
    int end = 0;
    if (sscanf(name, "shard_%lld.h5%n", &number, &end) == 1 && end > 0) {
        if (name[end] == '\0')
            return number >= shards;
    } else if (strncmp(name, "tokenizer.json", 14) == 0) {
        end = 14;
    } else if (strncmp(name, "dataset.json", 12) == 0) {
        end = 12;
    }
    return end > 0 && strncmp(name + end, NEW, strlen(NEW)) == 0;
}

/* Removes leftover files; failures do no harm. */
static void remove_left_over(const char *folder, int64_t shards)
{
    char path[PATH_MAX];
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (is_left_over(entry->d_name, shards) &&
            dt_path(path, sizeof path, "%s/%s", folder, entry->d_name) == DT_OK)
            unlink(path);
    closedir(dir);
}

dt_status dt_shards_write_parts(const char *folder, const dt_dataset *dataset,
                                int64_t sequences_per_shard, const dt_shard_parts *parts)
{
    dt_dataset_summary summary;
    if (sequences_per_shard < 1)
        return dt_fail(DT_ERR_INTERNAL, "a shard must have at least one sequence");
    DT_TRY(dt_make_folder(folder));
    DT_TRY(summarise(dataset, parts, sequences_per_shard, &summary));
    dt_status status = write_all(folder, dataset, parts, &summary);
    if (status == DT_OK)
        status = exchange(folder, dataset, &summary);
    remove_left_over(folder, status == DT_OK ? summary.shards : INT64_MAX);
    return status;
}

dt_status dt_shards_write(const char *folder, const dt_dataset *dataset,
                          int64_t sequences_per_shard)
{
    kept_set set = {.whole = dataset};
    const dt_shard_parts parts = {.count = dataset->count, .make = part_of, .context = &set};
    const dt_status status = dt_shards_write_parts(folder, dataset, sequences_per_shard, &parts);
    free(set.tokens);
    free(set.offsets);
    return status;
}
