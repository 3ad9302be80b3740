#include "data/dataset_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/memory.h"
#include "data/dataset_check.h"
#include "sequence/tokenizer.h"

#define FORMAT "deeptaxa-dataset"
#define MOST_SEQUENCES ((int64_t)1 << 48)
#define MOST_TOKENS ((int64_t)1 << 56)

/* ---- Hashes --------------------------------------------------------------------------------- */

static uint64_t hash_number(uint64_t hash, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    return dt_hash_text(hash, text);
}

void dt_text_hash(const char *text, char out[32])
{
    snprintf(out, 32, "fnv1a64:%016" PRIx64, dt_hash_bytes(DT_HASH_START, text, strlen(text)));
}

void dt_dataset_json_id(const dt_dataset *dataset, const dt_dataset_summary *summary, char out[32])
{
    uint64_t hash = hash_number(DT_HASH_START, dt_shards_version(dataset->encoding));
    if (dataset->encoding != DT_ENCODING_DNABERT)
        hash = dt_hash_text(hash, dt_encoding_name(dataset->encoding));
    hash = hash_number(hash, summary->sequences);
    hash = hash_number(hash, summary->tokens);
    hash = hash_number(hash, summary->sequences_per_shard);
    hash = hash_number(hash, summary->shards);
    hash = dt_hash_text(hash, summary->data_checksum);
    hash = dt_hash_text(hash, summary->tokenizer_hash);
    hash = dt_hash_text(hash, dataset->tokenizer_name);
    hash = hash_number(hash, dataset->suffix_count);
    hash = hash_number(hash, dataset->normalized);
    hash = dt_hash_text(hash, dataset->fasta_file);
    hash = dt_hash_text(hash, dataset->taxonomy_file);
    for (int32_t r = 0; r < dataset->taxonomy.tax_ranks; ++r) {
        const dt_tax_rank *rank = &dataset->taxonomy.rank[r];
        hash = dt_hash_text(hash, rank->name);
        hash = hash_number(hash, rank->classes);
        for (int32_t i = 0; i < rank->classes; ++i)
            hash = dt_hash_text(hash, rank->label[i]);
    }
    snprintf(out, 32, "%016" PRIx64, hash);
}

static unsigned long add_crc(unsigned long crc, const void *bytes, size_t count, size_t size)
{
    return crc32_z(crc, bytes, count * size);
}

void dt_dataset_sums_add(dt_dataset_sums *sums, const dt_dataset *part)
{
    const size_t count = (size_t)part->count;
    const size_t tokens = (size_t)(part->offsets[count] - part->offsets[0]);
    if (sums->sequences == 0) /* the first of count + 1 offsets */
        sums->offsets = add_crc(0, &sums->tokens_count, 1, sizeof sums->tokens_count);
    for (size_t i = 1; i <= count; ++i) {
        const int64_t end = sums->tokens_count + part->offsets[i] - part->offsets[0];
        sums->offsets = add_crc(sums->offsets, &end, 1, sizeof end);
    }
    sums->tokens =
        add_crc(sums->tokens, part->tokens + part->offsets[0], tokens, sizeof *part->tokens);
    sums->labels = add_crc(sums->labels, part->labels, count * (size_t)part->taxonomy.tax_ranks,
                           sizeof *part->labels);
    sums->ids = add_crc(sums->ids, part->ids + part->id_offsets[0],
                        (size_t)(part->id_offsets[count] - part->id_offsets[0]), 1);
    sums->id_bytes += part->id_offsets[count] - part->id_offsets[0];
    sums->sequences += part->count;
    sums->tokens_count += (int64_t)tokens;
}

void dt_dataset_summarise(const dt_dataset *dataset, const dt_dataset_sums *sums,
                          int64_t sequences_per_shard, dt_dataset_summary *summary)
{
    const int64_t offsets = (sums->sequences + 1) * (int64_t)sizeof(int64_t);
    *summary = (dt_dataset_summary){
        .sequences = sums->sequences,
        .tokens = sums->tokens_count,
        .sequences_per_shard = sequences_per_shard,
        .shards = (sums->sequences + sequences_per_shard - 1) / sequences_per_shard,
    };
    snprintf(summary->data_checksum, sizeof summary->data_checksum, "crc32:%08lx%08lx",
             crc32_combine(sums->tokens, sums->offsets, offsets),
             crc32_combine(sums->labels, sums->ids, sums->id_bytes));
    if (dataset->tokenizer_json)
        dt_text_hash(dataset->tokenizer_json, summary->tokenizer_hash);
    else
        snprintf(summary->tokenizer_hash, sizeof summary->tokenizer_hash, "none");
    dt_dataset_json_id(dataset, summary, summary->id);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Adds a text to an object; the message names the key if the text is not UTF-8. */
static dt_status add_text(json_t *object, const char *key, const char *text)
{
    json_t *value = json_string(text);
    if (!value)
        return dt_fail(DT_ERR_INPUT, "the %s '%s' is not UTF-8: convert it (iconv -t UTF-8)", key,
                       text);
    if (json_object_set_new(object, key, value) != 0)
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    return DT_OK;
}

static dt_status add_rank(json_t *ranks, const dt_dataset *dataset, const dt_tax_rank *rank)
{
    json_t *object = json_object();
    json_t *labels = json_array();
    dt_status status = add_text(object, "name", rank->name);
    for (int32_t i = 0; i < rank->classes && status == DT_OK; ++i) {
        json_t *label = json_string(rank->label[i]);
        if (!label)
            status = dt_fail(DT_ERR_INPUT,
                             "%s: the label '%s' of rank %s is not UTF-8: convert the file (iconv "
                             "-t UTF-8)",
                             dataset->taxonomy_file, rank->label[i], rank->name);
        else
            json_array_append_new(labels, label);
    }
    json_object_set_new(object, "labels", labels);
    json_array_append_new(ranks, object);
    return status;
}

static dt_status add_fields(json_t *root, const dt_dataset *dataset,
                            const dt_dataset_summary *summary)
{
    DT_TRY(add_text(root, "format", FORMAT));
    json_object_set_new(root, "format_version", json_integer(dt_shards_version(dataset->encoding)));
    if (dataset->encoding != DT_ENCODING_DNABERT)
        DT_TRY(add_text(root, "encoding", dt_encoding_name(dataset->encoding)));
    DT_TRY(add_text(root, "id", summary->id));
    json_object_set_new(root, "sequences", json_integer(summary->sequences));
    json_object_set_new(root, "tokens", json_integer(summary->tokens));
    json_object_set_new(root, "sequences_per_shard", json_integer(summary->sequences_per_shard));
    json_object_set_new(root, "shards", json_integer(summary->shards));
    DT_TRY(add_text(root, "data_checksum", summary->data_checksum));
    DT_TRY(add_text(root, "tokenizer_hash", summary->tokenizer_hash));
    DT_TRY(add_text(root, "tokenizer_name", dataset->tokenizer_name));
    json_object_set_new(root, "suffix_count", json_integer(dataset->suffix_count));
    json_object_set_new(root, "normalized", json_boolean(dataset->normalized));
    DT_TRY(add_text(root, "fasta_file", dataset->fasta_file));
    DT_TRY(add_text(root, "taxonomy_file", dataset->taxonomy_file));
    json_t *ranks = json_array();
    json_object_set_new(root, "ranks", ranks);
    for (int32_t r = 0; r < dataset->taxonomy.tax_ranks; ++r)
        DT_TRY(add_rank(ranks, dataset, &dataset->taxonomy.rank[r]));
    return DT_OK;
}

dt_status dt_dataset_json_write(const char *path, const dt_dataset *dataset,
                                const dt_dataset_summary *summary)
{
    json_t *root = json_object();
    dt_status status = add_fields(root, dataset, summary);
    char *text = status == DT_OK ? json_dumps(root, JSON_INDENT(1)) : NULL;
    if (text)
        status = dt_write_file(path, text, strlen(text));
    else if (status == DT_OK)
        status = dt_fail(DT_ERR_MEMORY, "out of memory");
    free(text);
    json_decref(root);
    return status;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static dt_status copy_text(const json_t *root, const char *path, const char *key, char **out)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || !text[0])
        return dt_dataset_damaged(path, "it has no text '%s'", key);
    return dt_copy_text(out, text);
}

static dt_status copy_short_text(const json_t *root, const char *path, const char *key,
                                 char out[32])
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || strlen(text) >= 32)
        return dt_dataset_damaged(path, "it has no '%s' of at most 31 bytes", key);
    memcpy(out, text, strlen(text) + 1);
    return DT_OK;
}

static dt_status get_number(const json_t *root, const char *path, const char *key, int64_t most,
                            int64_t *out)
{
    const json_t *value = json_object_get(root, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > most)
        return dt_dataset_damaged(path, "'%s' is not a whole number from 0 to %" PRId64, key, most);
    *out = json_integer_value(value);
    return DT_OK;
}

static dt_status get_bool(const json_t *root, const char *path, const char *key, bool *out)
{
    const json_t *value = json_object_get(root, key);
    if (!json_is_boolean(value))
        return dt_dataset_damaged(path, "'%s' is neither true nor false", key);
    *out = json_is_true(value);
    return DT_OK;
}

static dt_status read_rank(const json_t *object, const char *path, dt_taxonomy *taxonomy)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const json_t *labels = json_object_get(object, "labels");
    const size_t count = json_array_size(labels);
    if (!name || !json_is_array(labels) || count > INT32_MAX)
        return dt_dataset_damaged(path, "rank %d has no name or no labels",
                                  (int)taxonomy->tax_ranks);
    const char **texts;
    DT_TRY(DT_NEW(texts, count));
    dt_status status = DT_OK;
    for (size_t i = 0; i < count && status == DT_OK; ++i) {
        texts[i] = json_string_value(json_array_get(labels, i));
        if (!texts[i])
            status = dt_dataset_damaged(path, "label %zu of rank '%.100s' is no text", i, name);
    }
    if (status == DT_OK) {
        status = dt_taxonomy_add_rank(taxonomy, name, (int32_t)count, texts);
        if (status == DT_ERR_INPUT)
            status = dt_dataset_damaged(path, "%s", dt_error_message());
    }
    free(texts);
    return status;
}

/* Version 1 always has tokens, and no key `encoding`. */
static dt_status read_version(const json_t *root, const char *path, dt_encoding *encoding)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *name = json_string_value(json_object_get(root, "encoding"));
    int64_t version = 0;
    if (!format || strcmp(format, FORMAT) != 0)
        return dt_fail(DT_ERR_INPUT, "%s: not a dataset.json of DeepTaxa-MPI", path);
    DT_TRY(get_number(root, path, "format_version", INT64_MAX, &version));
    if (version > DT_SHARDS_VERSION)
        return dt_fail(DT_ERR_INPUT,
                       "%s: shards of format version %" PRId64 "; this program reads up to %d: use "
                       "a newer DeepTaxa-MPI or run `deeptaxa prepare` again",
                       path, version, DT_SHARDS_VERSION);
    if (name && !dt_encoding_named(name, encoding))
        return dt_dataset_damaged(path, "the encoding '%.100s' is unknown", name);
    if (version != dt_shards_version(*encoding))
        return dt_dataset_damaged(path, "format_version is %" PRId64 " with encoding %s", version,
                                  dt_encoding_name(*encoding));
    return DT_OK;
}

static dt_status read_fields(const json_t *root, const char *path, dt_dataset *dataset,
                             dt_dataset_summary *summary)
{
    int64_t suffix = 0;
    DT_TRY(read_version(root, path, &dataset->encoding));
    DT_TRY(copy_short_text(root, path, "id", summary->id));
    DT_TRY(get_number(root, path, "sequences", MOST_SEQUENCES, &summary->sequences));
    DT_TRY(get_number(root, path, "tokens", MOST_TOKENS, &summary->tokens));
    DT_TRY(get_number(root, path, "sequences_per_shard", DT_MOST_PER_SHARD,
                      &summary->sequences_per_shard));
    DT_TRY(get_number(root, path, "shards", INT32_MAX, &summary->shards));
    DT_TRY(copy_short_text(root, path, "data_checksum", summary->data_checksum));
    DT_TRY(copy_short_text(root, path, "tokenizer_hash", summary->tokenizer_hash));
    DT_TRY(copy_text(root, path, "tokenizer_name", &dataset->tokenizer_name));
    DT_TRY(get_number(root, path, "suffix_count", DT_MAX_AFFIX, &suffix));
    dataset->suffix_count = (int32_t)suffix;
    DT_TRY(get_bool(root, path, "normalized", &dataset->normalized));
    DT_TRY(copy_text(root, path, "fasta_file", &dataset->fasta_file));
    DT_TRY(copy_text(root, path, "taxonomy_file", &dataset->taxonomy_file));
    const json_t *ranks = json_object_get(root, "ranks");
    if (!json_is_array(ranks))
        return dt_dataset_damaged(path, "it has no 'ranks'");
    for (size_t r = 0; r < json_array_size(ranks); ++r)
        DT_TRY(read_rank(json_array_get(ranks, r), path, &dataset->taxonomy));
    char id[32];
    dt_dataset_json_id(dataset, summary, id);
    if (strcmp(id, summary->id) != 0)
        return dt_dataset_damaged(path, "its id does not match its content");
    return dt_dataset_check(dataset, summary, path);
}

dt_status dt_dataset_json_read(const char *path, dt_dataset *dataset, dt_dataset_summary *summary)
{
    char *text;
    size_t length;
    json_error_t error;
    DT_TRY(dt_read_file(path, &text, &length));
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!root)
        return dt_fail(DT_ERR_INPUT, "%s: line %d: %s; run `deeptaxa prepare` again", path,
                       error.line, error.text);
    *summary = (dt_dataset_summary){0};
    const dt_status status = read_fields(root, path, dataset, summary);
    json_decref(root);
    return status;
}
