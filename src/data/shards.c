#include "data/shards.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "io/container.h"
#include "data/dataset_check.h"
#include "data/shard_folder.h"
#include "data/shard_tokens.h"
#include "sequence/primer_array.h"
#include "sequence/strand_array.h"

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
        return dt_dataset_refuse(path, "its offsets do not increase to the number of tokens");
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
                return dt_dataset_refuse(path, "a label is not in dataset.json");
    return DT_OK;
}

/* A token stands for one letter or more, a base for one. */
static dt_status get_lengths(dt_container *file, const char *path, const dt_shard_folder *from,
                             int64_t count, const int64_t *offsets, int32_t *bases)
{
    const bool onehot = from->encoding == DT_ENCODING_ONEHOT;
    DT_TRY(dt_container_get_array(file, "lengths", DT_ELEMENT_INT32, 1, &count, bases));
    for (int64_t i = 0; i < count; ++i) {
        const int64_t tokens = offsets[i + 1] - offsets[i];
        if (bases[i] < 0)
            return dt_dataset_refuse(path, "a sequence has a negative length");
        if (onehot ? bases[i] != tokens : bases[i] < tokens - from->special)
            return dt_dataset_refuse(path,
                                     "the length of a sequence does not agree with its tokens");
    }
    return DT_OK;
}

/* Shards of older versions have no lengths; a set has them in all shards or in none. */
static dt_status read_lengths(dt_container *file, const char *path, const dt_shard_folder *from,
                              int64_t count, int64_t first, dt_dataset *dataset)
{
    bool there;
    DT_TRY(dt_container_has(file, "lengths", &there));
    if (first == 0 && there)
        DT_TRY(DT_NEW(dataset->bases, (size_t)dataset->count));
    if (there != (dataset->bases != NULL))
        return dt_dataset_refuse(path, "made by a different version than the first shard");
    return there ? get_lengths(file, path, from, count, dataset->offsets + first,
                               dataset->bases + first)
                 : DT_OK;
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
        return dt_dataset_refuse(path, "made by a different version than the first shard");
    return there ? dt_container_get_array(file, "token_hashes", DT_ELEMENT_INT32, 1, &count,
                                          dataset->token_hashes + first)
                 : DT_OK;
}

/* Finds the beginnings of the ids, and adds `at`; each id is followed by '\0'. */
static dt_status find_ids(const char *path, int64_t count, int64_t bytes, int64_t at,
                          const char *ids, int64_t *id_offsets)
{
    if (dt_utf8_valid(ids, (size_t)bytes) < (size_t)bytes)
        return dt_dataset_refuse(path, "an id is not UTF-8: convert the FASTA file");
    const char *next = ids;
    for (int64_t i = 0; i < count; ++i) {
        id_offsets[i] = at + (next - ids);
        const char *end = memchr(next, '\0', (size_t)(bytes - (next - ids)));
        if (!end)
            return dt_dataset_refuse(path, "it has fewer ids than sequences");
        if (next[strcspn(next, " \t\n")])
            return dt_dataset_refuse(path, "an id contains a blank or the end of a line");
        next = end + 1;
    }
    id_offsets[count] = at + bytes;
    return next - ids == bytes ? DT_OK : dt_dataset_refuse(path, "it has more ids than sequences");
}

/* Reads what the first shard says of the sequences of all. */
static dt_status read_origin(dt_container *file, const char *path, dt_dataset *dataset)
{
    DT_TRY(dt_strand_get(file, path, &dataset->strand));
    return dt_primers_get(file, path, &dataset->primers);
}

/* ---- The whole set --------------------------------------------------------------------------- */

/* A set that is being read into memory. */
typedef struct {
    dt_shard_folder from;
    dt_dataset *dataset;
    int64_t *tokens;       /* (shards) of each, as measured */
    dt_shard_position sum; /* of all, as measured */
    dt_shard_position at;  /* of the next shard */
} reading;

/* Reads the arrays of a shard, but no tokens if the dataset has no memory for them. */
static dt_status read_arrays(reading *r, dt_container *file, const char *path, int64_t shard)
{
    dt_dataset *dataset = r->dataset;
    dt_shard_position *at = &r->at;
    const int64_t count = dt_shard_sequences(&r->from, shard);
    const int64_t tokens = r->tokens[shard];
    int64_t id_bytes = 0;
    DT_TRY(dt_shard_array_length(file, path, "ids", &id_bytes));
    if (id_bytes > r->sum.id_bytes - at->id_bytes)
        return dt_dataset_refuse(path, "it was changed while it was read");
    if (dataset->tokens)
        DT_TRY(dt_shard_get_tokens(file, path, r->from.encoding, r->from.vocabulary, tokens,
                                   dataset->tokens + at->tokens));
    else
        DT_TRY(read_token_hashes(file, path, count, at->sequences, dataset));
    DT_TRY(read_offsets(file, path, count, tokens, at->tokens, dataset->offsets + at->sequences));
    DT_TRY(read_labels(file, path, count, &dataset->taxonomy,
                       dataset->labels + at->sequences * dataset->taxonomy.tax_ranks));
    DT_TRY(read_lengths(file, path, &r->from, count, at->sequences, dataset));
    char *ids = dataset->ids + at->id_bytes;
    DT_TRY(dt_container_get_array(file, "ids", DT_ELEMENT_UINT8, 1, &id_bytes, ids));
    DT_TRY(find_ids(path, count, id_bytes, at->id_bytes, ids, dataset->id_offsets + at->sequences));
    at->sequences += count;
    at->tokens += tokens;
    at->id_bytes += id_bytes;
    return DT_OK;
}

static dt_status read_shard(reading *r, int64_t shard)
{
    char path[PATH_MAX];
    dt_container *file;
    DT_TRY(dt_shard_open(&r->from, shard, path, &file));
    dt_status status = read_arrays(r, file, path, shard);
    if (status == DT_OK && shard == 0)
        status = read_origin(file, path, r->dataset);
    dt_container_close(file);
    return status;
}

static dt_status take_memory(const reading *r, bool with_tokens)
{
    dt_dataset *dataset = r->dataset;
    const size_t count = (size_t)r->sum.sequences;
    if (with_tokens)
        DT_TRY(DT_NEW(dataset->tokens, (size_t)r->sum.tokens));
    DT_TRY(DT_NEW(dataset->offsets, count + 1));
    DT_TRY(DT_NEW(dataset->labels, count * (size_t)dataset->taxonomy.tax_ranks));
    DT_TRY(DT_NEW(dataset->ids, (size_t)r->sum.id_bytes));
    DT_TRY(DT_NEW(dataset->id_offsets, count + 1));
    dataset->count = r->sum.sequences;
    return DT_OK;
}

static dt_status read_all(reading *r, const char *folder, bool with_tokens)
{
    DT_TRY(dt_shard_folder_read(folder, r->dataset, &r->from));
    DT_TRY(dt_shard_folder_measure(&r->from, &r->sum, &r->tokens));
    DT_TRY(take_memory(r, with_tokens));
    for (int64_t shard = 0; shard < r->from.summary.shards; ++shard)
        DT_TRY(read_shard(r, shard));
    return DT_OK;
}

/* Reads the set, with or without tokens. */
static dt_status read_set(const char *folder, bool with_tokens, dt_dataset *dataset)
{
    reading r = {.dataset = dataset};
    *dataset = (dt_dataset){0};
    const dt_status status = read_all(&r, folder, with_tokens);
    free(r.tokens);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    return status;
}

dt_status dt_shards_read(const char *folder, dt_dataset *dataset)
{
    return read_set(folder, true, dataset);
}

dt_status dt_shards_read_index(const char *folder, dt_dataset *dataset)
{
    return read_set(folder, false, dataset);
}

/* ---- Streaming ------------------------------------------------------------------------------ */

/* Sets the letters of each sequence; bases are their own. */
static dt_status load_bases(dt_container *file, const char *path, const dt_shard_folder *from,
                            dt_shard *to)
{
    bool there;
    DT_TRY(dt_container_has(file, "lengths", &there));
    if (there)
        return get_lengths(file, path, from, to->count, to->offsets, to->bases);
    const bool own = from->encoding == DT_ENCODING_ONEHOT;
    for (int64_t i = 0; i < to->count; ++i)
        to->bases[i] = own ? (int32_t)(to->offsets[i + 1] - to->offsets[i]) : -1;
    return DT_OK;
}

/* A caller that wants the letters wants the offsets too. */
static dt_status load_arrays(dt_container *file, const char *path, const dt_shard_folder *from,
                             dt_shard *to)
{
    if (to->tokens)
        DT_TRY(dt_shard_get_tokens(file, path, from->encoding, from->vocabulary, to->token_count,
                                   to->tokens));
    if (to->offsets)
        DT_TRY(read_offsets(file, path, to->count, to->token_count, 0, to->offsets));
    if (to->labels)
        DT_TRY(read_labels(file, path, to->count, &from->taxonomy, to->labels));
    return to->bases && to->offsets ? load_bases(file, path, from, to) : DT_OK;
}

static dt_status load_shard(void *context, int64_t shard, dt_shard *to)
{
    const dt_shard_folder *from = context;
    dt_container *file;
    char path[PATH_MAX];
    DT_TRY(dt_shard_open(from, shard, path, &file));
    const dt_status status = load_arrays(file, path, from, to);
    dt_container_close(file);
    return status;
}

static dt_status load_ids(void *context, int64_t shard, char **ids)
{
    const dt_shard_folder *from = context;
    const int64_t count = dt_shard_sequences(from, shard);
    dt_container *file;
    char path[PATH_MAX];
    int64_t bytes;
    DT_TRY(dt_shard_open(from, shard, path, &file));
    char *read = NULL;
    int64_t *offsets = NULL;
    dt_status status =
        dt_container_load_vector(file, "ids", DT_ELEMENT_UINT8, (void **)&read, &bytes);
    dt_container_close(file);
    if (status == DT_OK)
        status = DT_NEW(offsets, (size_t)count + 1);
    if (status == DT_OK)
        status = find_ids(path, count, bytes, 0, read, offsets);
    free(offsets);
    if (status == DT_OK)
        *ids = read;
    else
        free(read);
    return status;
}

static dt_status read_first_shard(const dt_shard_folder *from, dt_dataset *dataset)
{
    char path[PATH_MAX];
    dt_container *file;
    DT_TRY(dt_shard_open(from, 0, path, &file));
    const dt_status status = read_origin(file, path, dataset);
    dt_container_close(file);
    return status;
}

/* Reads what a stream has of the set at once. *tokens: as of dt_shard_folder_measure(). */
static dt_status begin_stream(const char *folder, dt_dataset *dataset, dt_shard_folder *from,
                              int64_t **tokens)
{
    dt_shard_position sum;
    DT_TRY(dt_shard_folder_read(folder, dataset, from));
    if (from->summary.sequences == 0)
        return dt_dataset_refuse(folder, "the shards have no sequences");
    DT_TRY(dt_shard_folder_measure(from, &sum, tokens));
    DT_TRY(read_first_shard(from, dataset));
    dataset->count = sum.sequences;
    memcpy(dataset->checksum, from->summary.data_checksum, sizeof dataset->checksum);
    return DT_OK;
}

static dt_status stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                        int64_t *sequences_per_shard)
{
    dt_shard_folder *from;
    int64_t *tokens = NULL;
    DT_TRY(DT_NEW(from, 1));
    const dt_status status = begin_stream(folder, dataset, from, &tokens);
    if (status != DT_OK) {
        free(tokens);
        free(from);
        return status;
    }
    *sequences_per_shard = from->summary.sequences_per_shard;
    const dt_shard_source source = {.sequences = from->summary.sequences,
                                    .sequences_per_shard = from->summary.sequences_per_shard,
                                    .tax_ranks = dataset->taxonomy.tax_ranks,
                                    .tokens = tokens,
                                    .load = load_shard,
                                    .load_ids = load_ids,
                                    .release = free,
                                    .context = from};
    return dt_stream_create(&dataset->stream, &source, max_shards);
}

dt_status dt_shards_stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                           int64_t *sequences_per_shard)
{
    *dataset = (dt_dataset){0};
    const dt_status status = stream(folder, max_shards, dataset, sequences_per_shard);
    if (status != DT_OK)
        dt_dataset_free(dataset);
    return status;
}
