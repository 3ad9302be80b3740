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
#include "io/container.h"
#include "data/dataset_json.h"
#include "data/shard_file.h"
#include "data/shard_tokens.h"
#include "sequence/primer_array.h"
#include "sequence/strand_array.h"

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
    DT_TRY(dt_shard_path(path, folder, shard, ""));
    DT_TRY(dt_container_open(&file, path, DT_SHARD_FORMAT, DT_SHARDS_VERSION, NULL));
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

/* Determines the total size of the shards, before memory is allocated for them, and, unless NULL,
 * the tokens of each. */
static dt_status measure(const char *folder, const dt_dataset_summary *summary,
                         dt_encoding encoding, position *sum, int64_t *shard_tokens)
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
        if (shard_tokens)
            shard_tokens[shard] = tokens;
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

static dt_status get_lengths(dt_container *file, const char *path, int64_t count, int32_t *bases)
{
    DT_TRY(dt_container_get_array(file, "lengths", DT_ELEMENT_INT32, 1, &count, bases));
    for (int64_t i = 0; i < count; ++i)
        if (bases[i] < 0)
            return refuse(path, "a sequence has a negative length");
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
    return there ? get_lengths(file, path, count, dataset->bases + first) : DT_OK;
}

/* Needed by an index, which has no tokens. Shards of older versions have none. */
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

/* Finds the beginnings of the ids, and adds `at`; each id is followed by '\0'. */
static dt_status find_ids(const char *path, int64_t count, int64_t bytes, int64_t at,
                          const char *ids, int64_t *id_offsets)
{
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
    char *ids = dataset->ids + at->id_bytes;
    DT_TRY(dt_container_get_array(file, "ids", DT_ELEMENT_UINT8, 1, &id_bytes, ids));
    DT_TRY(find_ids(path, count, id_bytes, at->id_bytes, ids, dataset->id_offsets + at->sequences));
    at->sequences += count;
    at->tokens += tokens;
    at->id_bytes += id_bytes;
    return DT_OK;
}

/* Reads what is not in the shards. */
static dt_status read_description(const char *folder, dt_dataset *dataset,
                                  dt_dataset_summary *summary)
{
    char path[PATH_MAX];
    DT_TRY(check_finished(folder));
    DT_TRY(dt_path(path, sizeof path, "%s/dataset.json", folder));
    DT_TRY(dt_dataset_json_read(path, dataset, summary));
    return read_tokenizer(folder, summary, dataset);
}
/* Reads what the first shard says of the sequences of all. */
static dt_status read_origin(dt_container *file, const char *path, dt_dataset *dataset)
{
    DT_TRY(dt_strand_get(file, path, &dataset->strand));
    return dt_primers_get(file, path, &dataset->primers);
}

/* Reads the set, with or without tokens. */
static dt_status read_all(const char *folder, bool with_tokens, dt_dataset *dataset)
{
    char path[PATH_MAX];
    position sum;
    position at = {0};
    dt_dataset_summary read;
    const dt_dataset_summary *summary = &read;
    DT_TRY(read_description(folder, dataset, &read));
    DT_TRY(measure(folder, summary, dataset->encoding, &sum, NULL));
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
        DT_TRY(dt_shard_path(path, folder, shard, ""));
        DT_TRY(open_shard(folder, summary, shard, &file));
        dt_status status = read_shard(file, path, dataset, &at);
        if (status == DT_OK && shard == 0)
            status = read_origin(file, path, dataset);
        dt_container_close(file);
        DT_TRY(status);
    }
    return DT_OK;
}

static dt_status read_or_free(const char *folder, bool with_tokens, dt_dataset *dataset)
{
    *dataset = (dt_dataset){0};
    const dt_status status = read_all(folder, with_tokens, dataset);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    return status;
}

dt_status dt_shards_read(const char *folder, dt_dataset *dataset)
{
    return read_or_free(folder, true, dataset);
}

dt_status dt_shards_read_index(const char *folder, dt_dataset *dataset)
{
    return read_or_free(folder, false, dataset);
}

/* ---- Streaming ------------------------------------------------------------------------------ */

/* Context of a stream: where its shards are. */
typedef struct {
    char folder[PATH_MAX];
    dt_dataset_summary summary;
    dt_encoding encoding;
    dt_taxonomy taxonomy; /* the dataset's: only numbers are used */
} shard_folder;

/* Sets the letters of each sequence; bases are their own. */
static dt_status load_bases(dt_container *file, const char *path, const shard_folder *from,
                            dt_shard *to)
{
    bool there;
    DT_TRY(dt_container_has(file, "lengths", &there));
    if (there)
        return get_lengths(file, path, to->count, to->bases);
    const bool own = from->encoding == DT_ENCODING_ONEHOT && to->offsets;
    for (int64_t i = 0; i < to->count; ++i)
        to->bases[i] = own ? (int32_t)(to->offsets[i + 1] - to->offsets[i]) : -1;
    return DT_OK;
}

static dt_status load_arrays(dt_container *file, const char *path, const shard_folder *from,
                             dt_shard *to)
{
    if (to->tokens)
        DT_TRY(dt_shard_get_tokens(file, path, from->encoding, to->token_count, to->tokens));
    if (to->offsets)
        DT_TRY(read_offsets(file, path, to->count, to->token_count, 0, to->offsets));
    if (to->labels)
        DT_TRY(read_labels(file, path, to->count, &from->taxonomy, to->labels));
    return to->bases ? load_bases(file, path, from, to) : DT_OK;
}

static dt_status load_shard(void *context, int64_t shard, dt_shard *to)
{
    const shard_folder *from = context;
    dt_container *file;
    char path[PATH_MAX];
    DT_TRY(dt_shard_path(path, from->folder, shard, ""));
    DT_TRY(open_shard(from->folder, &from->summary, shard, &file));
    const dt_status status = load_arrays(file, path, from, to);
    dt_container_close(file);
    return status;
}

static dt_status load_ids(void *context, int64_t shard, char **ids)
{
    const shard_folder *from = context;
    dt_container *file;
    char path[PATH_MAX];
    int64_t bytes;
    DT_TRY(dt_shard_path(path, from->folder, shard, ""));
    DT_TRY(open_shard(from->folder, &from->summary, shard, &file));
    dt_status status =
        dt_container_load_vector(file, "ids", DT_ELEMENT_UINT8, (void **)ids, &bytes);
    dt_container_close(file);
    DT_TRY(status);
    const int64_t left = from->summary.sequences - shard * from->summary.sequences_per_shard;
    const int64_t count =
        left < from->summary.sequences_per_shard ? left : from->summary.sequences_per_shard;
    int64_t *offsets = NULL;
    status = DT_NEW(offsets, (size_t)count + 1);
    if (status == DT_OK)
        status = find_ids(path, count, bytes, 0, *ids, offsets);
    free(offsets);
    if (status != DT_OK)
        free(*ids);
    return status;
}

/* Takes `tokens`, also on failure. */
static dt_status open_stream(const char *folder, const dt_dataset_summary *summary,
                             int64_t max_shards, dt_dataset *dataset, int64_t *tokens)
{
    shard_folder *from;
    const dt_status status = DT_NEW(from, 1);
    if (status != DT_OK) {
        free(tokens);
        return status;
    }
    snprintf(from->folder, sizeof from->folder, "%s", folder);
    from->summary = *summary;
    from->encoding = dataset->encoding;
    from->taxonomy = dataset->taxonomy;
    const dt_shard_source source = {.sequences = summary->sequences,
                                    .sequences_per_shard = summary->sequences_per_shard,
                                    .tax_ranks = dataset->taxonomy.tax_ranks,
                                    .tokens = tokens,
                                    .load = load_shard,
                                    .load_ids = load_ids,
                                    .release = free,
                                    .context = from};
    return dt_stream_create(&dataset->stream, &source, max_shards);
}

static dt_status read_first_shard(const char *folder, const dt_dataset_summary *summary,
                                  dt_dataset *dataset)
{
    char path[PATH_MAX];
    dt_container *file;
    DT_TRY(dt_shard_path(path, folder, 0, ""));
    DT_TRY(open_shard(folder, summary, 0, &file));
    const dt_status status = read_origin(file, path, dataset);
    dt_container_close(file);
    return status;
}

static dt_status stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                        dt_dataset_summary *summary)
{
    position sum;
    int64_t *tokens;
    DT_TRY(read_description(folder, dataset, summary));
    DT_TRY(DT_NEW(tokens, (size_t)summary->shards));
    dt_status status = measure(folder, summary, dataset->encoding, &sum, tokens);
    if (status == DT_OK)
        status = read_first_shard(folder, summary, dataset);
    if (status != DT_OK) {
        free(tokens);
        return status;
    }
    dataset->count = sum.sequences;
    memcpy(dataset->checksum, summary->data_checksum, sizeof dataset->checksum);
    return open_stream(folder, summary, max_shards, dataset, tokens);
}

dt_status dt_shards_stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                           int64_t *sequences_per_shard)
{
    dt_dataset_summary summary;
    *dataset = (dt_dataset){0};
    const dt_status status = stream(folder, max_shards, dataset, &summary);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    else
        *sequences_per_shard = summary.sequences_per_shard;
    return status;
}
