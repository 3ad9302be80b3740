#include "data/shards.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/utf8.h"
#include "data/fingerprints.h"
#include "io/container.h"
#include "data/dataset_json.h"
#include "data/shard_tokens.h"
#include "sequence/strand_array.h"

#define FORMAT "deeptaxa-shard"
#define NEW ".new" /* suffix of a complete file that is not in place yet */

static dt_status shard_path(char out[PATH_MAX], const char *folder, int64_t shard, const char *end)
{
    return dt_path(out, PATH_MAX, "%s/shard_%05" PRId64 ".h5%s", folder, shard, end);
}

/* ---- Writing -------------------------------------------------------------------------------- */

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

static dt_status put_token_hashes(dt_container *file, const dt_dataset *dataset, int64_t first,
                                  int64_t count)
{
    const int64_t *offsets = dataset->offsets + first;
    uint32_t *hashes;
    DT_TRY(DT_NEW(hashes, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        hashes[i] = dt_token_hash(dataset->tokens + offsets[i], offsets[i + 1] - offsets[i]);
    const dt_status status =
        dt_container_put_array(file, "token_hashes", DT_ELEMENT_INT32, 1, &count, hashes);
    free(hashes);
    return status;
}

/* Writes the shard of sequences first … first + count - 1. */
static dt_status put_sequences(dt_container *file, const dt_dataset *dataset, int64_t first,
                               int64_t count)
{
    const int64_t *offsets = dataset->offsets + first;
    const int64_t *id_offsets = dataset->id_offsets + first;
    const int64_t tokens = offsets[count] - offsets[0];
    const int64_t id_bytes = id_offsets[count] - id_offsets[0];
    const int64_t labels[2] = {count, dataset->taxonomy.tax_ranks};
    DT_TRY(dt_shard_put_tokens(file, dataset->encoding, tokens, dataset->tokens + offsets[0]));
    DT_TRY(put_token_hashes(file, dataset, first, count));
    DT_TRY(put_offsets(file, offsets, count));
    DT_TRY(dt_container_put_array(file, "labels", DT_ELEMENT_INT32, 2, labels,
                                  dataset->labels + first * labels[1]));
    if (dataset->bases)
        DT_TRY(dt_container_put_array(file, "lengths", DT_ELEMENT_INT32, 1, &count,
                                      dataset->bases + first));
    return dt_container_put_array(file, "ids", DT_ELEMENT_UINT8, 1, &id_bytes,
                                  dataset->ids + id_offsets[0]);
}

static dt_status write_shard(const char *folder, const dt_dataset *dataset,
                             const dt_dataset_summary *summary, int64_t shard)
{
    char path[PATH_MAX];
    dt_container *file;
    const int64_t first = shard * summary->sequences_per_shard;
    const int64_t left = dataset->count - first;
    const int64_t count = left < summary->sequences_per_shard ? left : summary->sequences_per_shard;
    DT_TRY(shard_path(path, folder, shard, NEW));
    DT_TRY(dt_container_create(&file, path, FORMAT, dt_shards_version(dataset->encoding)));
    dt_status status = put_attributes(file, summary, shard, first, count);
    if (status == DT_OK)
        status = put_sequences(file, dataset, first, count);
    if (status == DT_OK && shard == 0)
        status = dt_strand_put(file, &dataset->strand);
    if (status == DT_OK)
        return dt_container_commit(file);
    dt_container_discard(file);
    return status;
}

/* Writes all files under temporary names. */
static dt_status write_all(const char *folder, const dt_dataset *dataset,
                           const dt_dataset_summary *summary)
{
    char path[PATH_MAX];
    for (int64_t shard = 0; shard < summary->shards; ++shard)
        DT_TRY(write_shard(folder, dataset, summary, shard));
    DT_TRY(dt_path(path, sizeof path, "%s/tokenizer.json" NEW, folder));
    if (dataset->tokenizer_json)
        DT_TRY(dt_write_file(path, dataset->tokenizer_json, strlen(dataset->tokenizer_json)));
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json" NEW, folder));
    return dt_dataset_json_write(path, dataset, summary);
}

/* Renames a complete file to its final name, durably. */
static dt_status put_in_place(const char *folder, const char *name)
{
    dt_new_file file;
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

dt_status dt_shards_write(const char *folder, const dt_dataset *dataset,
                          int64_t sequences_per_shard)
{
    dt_dataset_summary summary;
    if (sequences_per_shard < 1)
        return dt_fail(DT_ERR_INTERNAL, "a shard must have at least one sequence");
    DT_TRY(dt_make_folder(folder));
    dt_dataset_summarise(dataset, sequences_per_shard, &summary);
    const dt_status status = write_all(folder, dataset, &summary);
    if (status != DT_OK) {
        remove_left_over(folder, INT64_MAX);
        return status;
    }
    DT_TRY(exchange(folder, dataset, &summary));
    remove_left_over(folder, summary.shards);
    return DT_OK;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Position of the next shard's data, in sequences, tokens and bytes of ids. */
typedef struct {
    int64_t sequences;
    int64_t tokens;
    int64_t id_bytes;
} position;

static dt_status refuse(const char *path, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: %s; run `deeptaxa prepare` again", path, what);
}

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
        return refuse(folder, "the shards are incomplete");
    return dt_fail(
        DT_ERR_INPUT,
        "%s: no shards (dataset.json) in this folder; create them with `deeptaxa prepare`", folder);
}

static dt_status read_tokenizer(const char *folder, const dt_dataset_summary *summary,
                                dt_dataset *dataset)
{
    char path[PATH_MAX];
    char hash[32];
    size_t length;
    if (dataset->encoding == DT_ENCODING_ONEHOT)
        return DT_OK;
    DT_TRY(dt_path(path, sizeof path, "%s/tokenizer.json", folder));
    DT_TRY(dt_read_file(path, &dataset->tokenizer_json, &length));
    dt_text_hash(dataset->tokenizer_json, hash);
    if (strlen(dataset->tokenizer_json) != length || strcmp(hash, summary->tokenizer_hash) != 0)
        return refuse(path, "not the tokenizer that these shards were made with");
    return DT_OK;
}

static dt_status check_text(dt_container *file, const char *path, const char *key,
                            const char *expected, const char *message)
{
    char *found;
    DT_TRY(dt_container_get_attribute_text(file, "", key, &found));
    const bool same = strcmp(found, expected) == 0;
    free(found);
    return same ? DT_OK : refuse(path, message);
}

static dt_status check_number(dt_container *file, const char *path, const char *key,
                              int64_t expected)
{
    int64_t found = 0;
    DT_TRY(dt_container_get_attribute_int(file, "", key, &found));
    if (found == expected)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: its %s is %" PRId64 ", but dataset.json says %" PRId64
                   "; run `deeptaxa prepare` again",
                   path, key, found, expected);
}

/* Opens shard number `shard` and checks that it matches dataset.json. */
static dt_status open_shard(const char *folder, const dt_dataset_summary *summary, int64_t shard,
                            dt_container **out)
{
    char path[PATH_MAX];
    dt_container *file;
    const int64_t n = summary->sequences_per_shard;
    const int64_t left = summary->sequences - shard * n;
    dt_status status;
    DT_TRY(shard_path(path, folder, shard, ""));
    DT_TRY(dt_container_open(&file, path, FORMAT, DT_SHARDS_VERSION, NULL));
    DT_TRY_OR(fail, check_text(file, path, "tokenizer_hash", summary->tokenizer_hash,
                               "made with a different tokenizer than dataset.json says"));
    DT_TRY_OR(fail, check_text(file, path, "dataset_id", summary->id,
                               "a shard of a different set than dataset.json describes"));
    DT_TRY_OR(fail, check_number(file, path, "shard", shard));
    DT_TRY_OR(fail, check_number(file, path, "first_sequence", shard * n));
    DT_TRY_OR(fail, check_number(file, path, "sequences", left < n ? left : n));
    *out = file;
    return DT_OK;
fail:
    dt_container_close(file);
    return status;
}

static dt_status array_length(dt_container *file, const char *name, int64_t *length)
{
    dt_array_info info;
    DT_TRY(dt_container_info(file, name, &info));
    *length = info.shape[0];
    return DT_OK;
}

/* Determines the total size of the shards, before memory is allocated for them. */
static dt_status measure(const char *folder, const dt_dataset_summary *summary,
                         dt_encoding encoding, position *sum)
{
    *sum = (position){0};
    for (int64_t shard = 0; shard < summary->shards; ++shard) {
        dt_container *file;
        int64_t tokens = 0;
        int64_t entries = 1;
        int64_t id_bytes = 0;
        DT_TRY(open_shard(folder, summary, shard, &file));
        dt_status status = array_length(file, dt_shard_tokens_name(encoding), &tokens);
        if (status == DT_OK)
            status = array_length(file, "offsets", &entries);
        if (status == DT_OK)
            status = array_length(file, "ids", &id_bytes);
        dt_container_close(file);
        DT_TRY(status);
        sum->tokens += tokens;
        sum->sequences += entries - 1;
        sum->id_bytes += id_bytes;
    }
    if (sum->sequences != summary->sequences || sum->tokens != summary->tokens)
        return refuse(folder, "the number of sequences or tokens in the shards differs from "
                              "dataset.json");
    return DT_OK;
}

/* Reads `offsets`, which must increase from 0 to `tokens`, and adds `at`. */
static dt_status read_offsets(dt_container *file, const char *path, int64_t count, int64_t tokens,
                              int64_t at, int64_t *out)
{
    const int64_t entries = count + 1;
    DT_TRY(dt_container_get_array(file, "offsets", DT_ELEMENT_INT64, 1, &entries, out));
    bool ok = out[0] == 0 && out[count] == tokens;
    for (int64_t i = 0; i < count && ok; ++i)
        ok = out[i] <= out[i + 1] && out[i + 1] - out[i] <= INT32_MAX;
    if (!ok)
        return refuse(path, "its offsets do not increase to the number of tokens");
    for (int64_t i = 0; i < entries; ++i)
        out[i] += at;
    return DT_OK;
}

static dt_status read_labels(dt_container *file, const char *path, int64_t count,
                             const dt_taxonomy *taxonomy, int32_t *out)
{
    const int64_t shape[2] = {count, taxonomy->tax_ranks};
    DT_TRY(dt_container_get_array(file, "labels", DT_ELEMENT_INT32, 2, shape, out));
    for (int64_t i = 0; i < count; ++i)
        for (int32_t r = 0; r < taxonomy->tax_ranks; ++r, ++out)
            if (*out < 0 || *out >= taxonomy->rank[r].classes)
                return refuse(path, "a label is not in dataset.json");
    return DT_OK;
}

/* Shards of older versions have no lengths; a set has them in all shards or in none. */
static dt_status read_lengths(dt_container *file, const char *path, int64_t count, int64_t first,
                              dt_dataset *dataset)
{
    bool there;
    DT_TRY(dt_container_has(file, "lengths", &there));
    if (first == 0 && there)
        DT_TRY(DT_NEW(dataset->bases, (size_t)dataset->count));
    if (there != (dataset->bases != NULL))
        return refuse(path, "made by a different version than the first shard");
    if (!there)
        return DT_OK;
    int32_t *bases = dataset->bases + first;
    DT_TRY(dt_container_get_array(file, "lengths", DT_ELEMENT_INT32, 1, &count, bases));
    for (int64_t i = 0; i < count; ++i)
        if (bases[i] < 0)
            return refuse(path, "a sequence has a negative length");
    return DT_OK;
}

/* Needed by streams, which do not have all tokens in memory. Shards of older versions have none. */
static dt_status read_token_hashes(dt_container *file, const char *path, int64_t count,
                                   int64_t first, dt_dataset *dataset)
{
    bool there;
    DT_TRY(dt_container_has(file, "token_hashes", &there));
    if (first == 0 && there)
        DT_TRY(DT_NEW(dataset->token_hashes, (size_t)dataset->count));
    if (there != (dataset->token_hashes != NULL))
        return refuse(path, "made by a different version than the first shard");
    return there ? dt_container_get_array(file, "token_hashes", DT_ELEMENT_INT32, 1, &count,
                                          dataset->token_hashes + first)
                 : DT_OK;
}

/* Reads the ids and finds their beginnings; each id is followed by '\0'. */
static dt_status read_ids(dt_container *file, const char *path, int64_t count, int64_t bytes,
                          int64_t at, char *ids, int64_t *id_offsets)
{
    DT_TRY(dt_container_get_array(file, "ids", DT_ELEMENT_UINT8, 1, &bytes, ids));
    if (dt_utf8_valid(ids, (size_t)bytes) < (size_t)bytes)
        return refuse(path, "an id is not UTF-8: convert the FASTA file");
    const char *next = ids;
    for (int64_t i = 0; i < count; ++i) {
        id_offsets[i] = at + (next - ids);
        const char *end = memchr(next, '\0', (size_t)(bytes - (next - ids)));
        if (!end)
            return refuse(path, "it has fewer ids than sequences");
        next = end + 1;
    }
    id_offsets[count] = at + bytes;
    return next - ids == bytes ? DT_OK : refuse(path, "it has more ids than sequences");
}

/* Reads a shard, without its tokens if the dataset has no memory for them. */
static dt_status read_shard(dt_container *file, const char *path, dt_dataset *dataset, position *at)
{
    int64_t count = 0;
    int64_t tokens = 0;
    int64_t id_bytes = 0;
    DT_TRY(array_length(file, "offsets", &count));
    DT_TRY(array_length(file, dt_shard_tokens_name(dataset->encoding), &tokens));
    DT_TRY(array_length(file, "ids", &id_bytes));
    count -= 1;
    if (dataset->tokens)
        DT_TRY(dt_shard_get_tokens(file, path, dataset->encoding, tokens,
                                   dataset->tokens + at->tokens));
    else
        DT_TRY(read_token_hashes(file, path, count, at->sequences, dataset));
    DT_TRY(read_offsets(file, path, count, tokens, at->tokens, dataset->offsets + at->sequences));
    DT_TRY(read_labels(file, path, count, &dataset->taxonomy,
                       dataset->labels + at->sequences * dataset->taxonomy.tax_ranks));
    DT_TRY(read_lengths(file, path, count, at->sequences, dataset));
    DT_TRY(read_ids(file, path, count, id_bytes, at->id_bytes, dataset->ids + at->id_bytes,
                    dataset->id_offsets + at->sequences));
    at->sequences += count;
    at->tokens += tokens;
    at->id_bytes += id_bytes;
    return DT_OK;
}

/* Reads the set, with or without tokens. */
static dt_status read_all(const char *folder, bool with_tokens, dt_dataset *dataset,
                          dt_dataset_summary *summary)
{
    char path[PATH_MAX];
    position sum;
    position at = {0};
    DT_TRY(check_finished(folder));
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json", folder));
    DT_TRY(dt_dataset_json_read(path, dataset, summary));
    DT_TRY(read_tokenizer(folder, summary, dataset));
    DT_TRY(measure(folder, summary, dataset->encoding, &sum));
    const size_t count = (size_t)sum.sequences;
    if (with_tokens)
        DT_TRY(DT_NEW(dataset->tokens, (size_t)sum.tokens));
    DT_TRY(DT_NEW(dataset->offsets, count + 1));
    DT_TRY(DT_NEW(dataset->labels, count * (size_t)dataset->taxonomy.tax_ranks));
    DT_TRY(DT_NEW(dataset->ids, (size_t)sum.id_bytes));
    DT_TRY(DT_NEW(dataset->id_offsets, count + 1));
    dataset->count = sum.sequences;
    for (int64_t shard = 0; shard < summary->shards; ++shard) {
        dt_container *file;
        DT_TRY(shard_path(path, folder, shard, ""));
        DT_TRY(open_shard(folder, summary, shard, &file));
        dt_status status = read_shard(file, path, dataset, &at);
        if (status == DT_OK && shard == 0)
            status = dt_strand_get(file, path, &dataset->strand);
        dt_container_close(file);
        DT_TRY(status);
    }
    return DT_OK;
}

dt_status dt_shards_read(const char *folder, dt_dataset *dataset)
{
    dt_dataset_summary summary;
    *dataset = (dt_dataset){0};
    const dt_status status = read_all(folder, true, dataset, &summary);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    return status;
}

/* ---- Streaming ------------------------------------------------------------------------------ */

/* Context of a stream: where its shards are. */
typedef struct {
    char folder[PATH_MAX];
    dt_dataset_summary summary;
    dt_encoding encoding;
} shard_folder;

static dt_status load_tokens(void *context, int64_t shard, uint16_t *tokens, int64_t count)
{
    const shard_folder *from = context;
    dt_container *file;
    char path[PATH_MAX];
    DT_TRY(shard_path(path, from->folder, shard, ""));
    DT_TRY(open_shard(from->folder, &from->summary, shard, &file));
    const dt_status status = dt_shard_get_tokens(file, path, from->encoding, count, tokens);
    dt_container_close(file);
    return status;
}

static dt_status open_stream(const char *folder, const dt_dataset_summary *summary,
                             int64_t max_shards, dt_dataset *dataset)
{
    shard_folder *from;
    DT_TRY(DT_NEW(from, 1));
    snprintf(from->folder, sizeof from->folder, "%s", folder);
    from->summary = *summary;
    from->encoding = dataset->encoding;
    const dt_shard_source source = {.sequences_per_shard = summary->sequences_per_shard,
                                    .load = load_tokens,
                                    .release = free,
                                    .context = from};
    return dt_stream_create(&dataset->stream, &source, dataset->offsets, dataset->count,
                            max_shards);
}

dt_status dt_shards_stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                           int64_t *sequences_per_shard)
{
    dt_dataset_summary summary;
    *dataset = (dt_dataset){0};
    dt_status status = read_all(folder, false, dataset, &summary);
    if (status == DT_OK)
        status = open_stream(folder, &summary, max_shards, dataset);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    else
        *sequences_per_shard = summary.sequences_per_shard;
    return status;
}
