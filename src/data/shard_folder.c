#include "data/shard_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/dataset_check.h"
#include "data/shard_file.h"
#include "data/shard_tokens.h"
#include "sequence/tokenizer_json.h"

/* Reports a folder without dataset.json. */
static dt_status check_finished(const char *folder)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json", folder));
    if (access(path, F_OK) == 0)
        return DT_OK;
    if (access(folder, F_OK) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", folder, strerror(errno));
    bool begun = false;
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir))
        begun = begun || strncmp(entry->d_name, "shard_", 6) == 0;
    if (dir)
        closedir(dir);
    if (begun)
        return dt_dataset_refuse(folder, "the shards are incomplete");
    return dt_fail(
        DT_ERR_INPUT,
        "%s: no shards (dataset.json) in this folder; create them with `deeptaxa prepare`", folder);
}

/* The tokenizer's numbers: how many ids there are, and the special tokens of a sequence. */
static dt_status check_tokenizer(const char *path, const dt_dataset *dataset, dt_shard_folder *from)
{
    dt_tokenizer *tokenizer;
    DT_TRY(dataset->tokenizer_json
               ? dt_tokenizer_from_json(dataset->tokenizer_json, strlen(dataset->tokenizer_json),
                                        path, &tokenizer)
               : dt_tokenizer_create_onehot(&tokenizer));
    const int32_t suffix = dt_tokenizer_suffix_count(tokenizer);
    from->vocabulary = dt_tokenizer_vocabulary_size(tokenizer);
    from->special = dt_tokenizer_prefix_count(tokenizer) + suffix;
    dt_tokenizer_destroy(tokenizer);
    if (suffix == dataset->suffix_count)
        return DT_OK;
    return dt_dataset_refuse(path, "ends a sequence with %d tokens, but dataset.json says %d",
                             (int)suffix, (int)dataset->suffix_count);
}

static dt_status read_tokenizer(dt_dataset *dataset, dt_shard_folder *from)
{
    char path[PATH_MAX];
    char hash[32];
    size_t length;
    DT_TRY(dt_path(path, sizeof path, "%s/tokenizer.json", from->folder));
    if (dataset->encoding != DT_ENCODING_ONEHOT) {
        DT_TRY(dt_read_file(path, &dataset->tokenizer_json, &length));
        dt_text_hash(dataset->tokenizer_json, hash);
        if (strlen(dataset->tokenizer_json) != length ||
            strcmp(hash, from->summary.tokenizer_hash) != 0)
            return dt_dataset_refuse(path, "not the tokenizer that these shards were made with");
    }
    return check_tokenizer(path, dataset, from);
}

dt_status dt_shard_folder_read(const char *folder, dt_dataset *dataset, dt_shard_folder *from)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(from->folder, sizeof from->folder, "%s", folder));
    DT_TRY(check_finished(folder));
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json", folder));
    DT_TRY(dt_dataset_json_read(path, dataset, &from->summary));
    from->encoding = dataset->encoding;
    from->taxonomy = dataset->taxonomy;
    return read_tokenizer(dataset, from);
}

/* ---- A shard ---------------------------------------------------------------------------------- */

static dt_status check_text(dt_container *file, const char *path, const char *key,
                            const char *expected, const char *message)
{
    char *found;
    DT_TRY(dt_container_get_attribute_text(file, "", key, &found));
    const bool same = strcmp(found, expected) == 0;
    free(found);
    return same ? DT_OK : dt_dataset_refuse(path, "%s", message);
}

static dt_status check_number(dt_container *file, const char *path, const char *key,
                              int64_t expected)
{
    int64_t found = 0;
    DT_TRY(dt_container_get_attribute_int(file, "", key, &found));
    if (found == expected)
        return DT_OK;
    return dt_dataset_refuse(path, "its %s is %" PRId64 ", but dataset.json says %" PRId64, key,
                             found, expected);
}

int64_t dt_shard_sequences(const dt_shard_folder *from, int64_t shard)
{
    const int64_t n = from->summary.sequences_per_shard;
    const int64_t left = from->summary.sequences - shard * n;
    return left < n ? left : n;
}

static dt_status check_shape(dt_container *file, const char *path, const char *name,
                             int32_t dimensions, int64_t rows, int64_t columns)
{
    dt_array_info info;
    DT_TRY(dt_container_info(file, name, &info));
    if (info.dimensions == dimensions && info.shape[0] == rows &&
        (dimensions < 2 || info.shape[1] == columns))
        return DT_OK;
    return dt_dataset_refuse(path, "the shape of '%s' is not that of %" PRId64 " sequences", name,
                             rows);
}

static dt_status check_optional(dt_container *file, const char *path, const char *name,
                                int64_t count)
{
    bool there;
    DT_TRY(dt_container_has(file, name, &there));
    return there ? check_shape(file, path, name, 1, count, 0) : DT_OK;
}

/* Before memory is allocated for them. */
static dt_status check_shapes(dt_container *file, const char *path, const dt_shard_folder *from,
                              int64_t count)
{
    DT_TRY(check_shape(file, path, "offsets", 1, count + 1, 0));
    DT_TRY(check_shape(file, path, "labels", 2, count, from->taxonomy.tax_ranks));
    DT_TRY(check_optional(file, path, "lengths", count));
    return check_optional(file, path, "token_hashes", count);
}

dt_status dt_shard_open(const dt_shard_folder *from, int64_t shard, char path[PATH_MAX],
                        dt_container **out)
{
    const dt_dataset_summary *summary = &from->summary;
    const int64_t count = dt_shard_sequences(from, shard);
    const int64_t first = shard * summary->sequences_per_shard;
    dt_container *file;
    dt_status status;
    DT_TRY(dt_shard_path(path, from->folder, shard, ""));
    DT_TRY(dt_container_open(&file, path, DT_SHARD_FORMAT, DT_SHARDS_VERSION, NULL));
    DT_TRY_OR(fail, check_text(file, path, "tokenizer_hash", summary->tokenizer_hash,
                               "made with a different tokenizer than dataset.json says"));
    DT_TRY_OR(fail, check_text(file, path, "dataset_id", summary->id,
                               "a shard of a different set than dataset.json describes"));
    DT_TRY_OR(fail, check_number(file, path, "shard", shard));
    DT_TRY_OR(fail, check_number(file, path, "first_sequence", first));
    DT_TRY_OR(fail, check_number(file, path, "sequences", count));
    DT_TRY_OR(fail, check_shapes(file, path, from, count));
    *out = file;
    return DT_OK;
fail:
    dt_container_close(file);
    return status;
}

dt_status dt_shard_array_length(dt_container *file, const char *path, const char *name,
                                int64_t *length)
{
    dt_array_info info;
    DT_TRY(dt_container_info(file, name, &info));
    *length = info.shape[0];
    return check_shape(file, path, name, 1, *length, 0);
}

/* Adds a shard's tokens and ids to the sizes. */
static dt_status measure_shard(const dt_shard_folder *from, int64_t shard, int64_t *tokens,
                               dt_shard_position *sum)
{
    char path[PATH_MAX];
    dt_container *file;
    int64_t id_bytes = 0;
    DT_TRY(dt_shard_open(from, shard, path, &file));
    dt_status status =
        dt_shard_array_length(file, path, dt_shard_tokens_name(from->encoding), tokens);
    if (status == DT_OK)
        status = dt_shard_array_length(file, path, "ids", &id_bytes);
    dt_container_close(file);
    DT_TRY(status);
    sum->sequences += dt_shard_sequences(from, shard);
    sum->tokens += *tokens;
    sum->id_bytes += id_bytes;
    return DT_OK;
}

dt_status dt_shard_folder_measure(const dt_shard_folder *from, dt_shard_position *sum,
                                  int64_t **shard_tokens)
{
    size_t capacity = 0;
    *sum = (dt_shard_position){0};
    *shard_tokens = NULL;
    for (int64_t shard = 0; shard < from->summary.shards; ++shard) {
        DT_TRY(DT_GROW(*shard_tokens, capacity, (size_t)shard + 1));
        DT_TRY(measure_shard(from, shard, *shard_tokens + shard, sum));
    }
    if (sum->tokens != from->summary.tokens)
        return dt_dataset_refuse(from->folder,
                                 "the number of tokens in the shards differs from dataset.json");
    return DT_OK;
}
