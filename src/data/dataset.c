#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

void dt_dataset_free(dt_dataset *dataset)
{
    dt_stream_destroy(dataset->stream);
    dt_survey_free(dataset->survey);
    if (dataset->token_file)
        fclose(dataset->token_file);
    free(dataset->tokens);
    free(dataset->token_hashes);
    free(dataset->offsets);
    free(dataset->bases);
    free(dataset->labels);
    free(dataset->ids);
    free(dataset->id_offsets);
    dt_taxonomy_free(&dataset->taxonomy);
    free(dataset->tokenizer_json);
    free(dataset->tokenizer_name);
    dt_strand_info_free(&dataset->strand);
    free(dataset->fasta_file);
    free(dataset->taxonomy_file);
    *dataset = (dt_dataset){0};
}

dt_status dt_dataset_begin(const dt_dataset *dataset, const int64_t *order, int64_t count,
                           int64_t first)
{
    return dataset->stream ? dt_stream_begin(dataset->stream, order, count, first) : DT_OK;
}

dt_status dt_dataset_hold(const dt_dataset *dataset, int64_t first, int64_t count)
{
    return dataset->stream ? dt_stream_hold(dataset->stream, first, count) : DT_OK;
}

int64_t dt_dataset_token_count(const dt_dataset *dataset)
{
    return dataset->stream ? dt_stream_tokens(dataset->stream) : dataset->offsets[dataset->count];
}

int64_t dt_dataset_token_bytes(const dt_dataset *dataset)
{
    return dataset->stream ? dt_stream_bytes(dataset->stream)
                           : dataset->offsets[dataset->count] * (int64_t)sizeof *dataset->tokens;
}

int64_t dt_dataset_bases(const dt_dataset *dataset, int64_t i)
{
    if (dataset->bases)
        return dataset->bases[i];
    return dataset->encoding == DT_ENCODING_ONEHOT ? dataset->offsets[i + 1] - dataset->offsets[i]
                                                   : -1;
}

int64_t dt_dataset_all_tokens(const dt_dataset *dataset, int64_t i, const uint16_t **begin)
{
    const uint16_t *tokens = dataset->tokens;
    const int64_t *offsets = dataset->offsets;
    int64_t place = i;
    if (dataset->stream) {
        const dt_shard *shard = dt_stream_shard(dataset->stream, i, &place);
        tokens = shard->tokens;
        offsets = shard->offsets;
    }
    const int64_t *offset = offsets + place;
    if (begin)
        *begin = tokens + offset[0];
    return offset[1] - offset[0];
}

int32_t dt_dataset_length(const dt_dataset *dataset, int64_t i, int32_t max_length)
{
    const int64_t length = dt_dataset_all_tokens(dataset, i, NULL);
    return length < max_length ? (int32_t)length : max_length;
}

int32_t dt_dataset_tokens(const dt_dataset *dataset, int64_t i, int32_t max_length, int32_t *out)
{
    const uint16_t *begin;
    const int64_t length = dt_dataset_all_tokens(dataset, i, &begin);
    const uint16_t *end = begin + length;
    const int32_t count = length < max_length ? (int32_t)length : max_length;
    const int32_t suffix = dataset->suffix_count < count ? dataset->suffix_count : count;
    for (int32_t t = 0; t < count - suffix; ++t)
        out[t] = begin[t];
    for (int32_t t = 0; t < suffix; ++t)
        out[count - suffix + t] = end[t - suffix];
    return count;
}

const int32_t *dt_dataset_labels(const dt_dataset *dataset, int64_t i)
{
    int64_t place = i;
    const int32_t *labels =
        dataset->stream ? dt_stream_shard(dataset->stream, i, &place)->labels : dataset->labels;
    return labels + place * dataset->taxonomy.tax_ranks;
}

/* Appends the ids, each followed by '\0'. */
static dt_status collect_ids(const dt_dataset *dataset, const int64_t *items, int64_t count,
                             dt_text *out)
{
    const int64_t per_shard = dataset->stream ? dt_stream_sequences_per_shard(dataset->stream) : 1;
    int64_t loaded = -1; /* shard */
    int64_t place = 0;   /* of the sequence at `id` in it */
    char *ids = NULL;
    const char *id = NULL;
    dt_status status = DT_OK;
    for (int64_t k = 0; k < count && status == DT_OK; ++k) {
        if (dataset->stream && (!ids || items[k] / per_shard != loaded)) {
            loaded = items[k] / per_shard;
            place = 0;
            free(ids);
            ids = NULL;
            DT_TRY_OR(done, dt_stream_ids(dataset->stream, loaded, &ids));
            id = ids;
        }
        for (; dataset->stream && place < items[k] % per_shard; ++place)
            id += strlen(id) + 1;
        if (!dataset->stream)
            id = dt_dataset_id(dataset, items[k]);
        status = dt_text_add(out, id, strlen(id) + 1);
    }
done:
    free(ids);
    return status;
}

dt_status dt_dataset_ids(const dt_dataset *dataset, const int64_t *items, int64_t count,
                         const char ***ids)
{
    const size_t pointers = (size_t)count * sizeof **ids;
    dt_text text = {0};
    dt_status status = collect_ids(dataset, items, count, &text);
    if (status == DT_OK)
        status = dt_calloc((void **)ids, pointers + text.length, 1, "ids");
    if (status == DT_OK && text.length > 0) {
        char *id = (char *)*ids + pointers;
        memcpy(id, text.data, text.length);
        for (int64_t k = 0; k < count; ++k, id += strlen(id) + 1)
            (*ids)[k] = id;
    }
    dt_text_free(&text);
    return status;
}

/* Returns the label of the first sequence that has one at this rank, or NULL. */
static const char *first_label(const dt_dataset *dataset, int32_t tax_rank)
{
    const dt_tax_rank *rank = &dataset->taxonomy.rank[tax_rank];
    const int32_t none = dt_taxonomy_class(&dataset->taxonomy, tax_rank, DT_UNCLASSIFIED);
    if (dataset->survey)
        return dataset->survey->example[tax_rank] < 0
                   ? NULL
                   : rank->label[dataset->survey->example[tax_rank]];
    for (int64_t i = 0; i < dataset->count; ++i) {
        const int32_t label = dataset->labels[i * dataset->taxonomy.tax_ranks + tax_rank];
        if (label != none)
            return rank->label[label];
    }
    return NULL;
}

dt_status dt_dataset_show_ranks(dt_text *out, const dt_dataset *dataset)
{
    for (int32_t r = 0; r < dataset->taxonomy.tax_ranks; ++r) {
        const dt_tax_rank *rank = &dataset->taxonomy.rank[r];
        const char *example = first_label(dataset, r);
        DT_TRY(dt_text_addf(out, "Level %d - %s: %d labels", r, rank->name, rank->classes));
        DT_TRY(example ? dt_text_addf(out, ", such as '%s'\n", example)
                       : dt_text_addf(out, ", but no sequence has one\n"));
    }
    return DT_OK;
}
