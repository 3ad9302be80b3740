#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

void dt_dataset_free(dt_dataset *dataset)
{
    dt_stream_destroy(dataset->stream);
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

int32_t dt_dataset_length(const dt_dataset *dataset, int64_t i, int32_t max_length)
{
    const int64_t length = dataset->offsets[i + 1] - dataset->offsets[i];
    return length < max_length ? (int32_t)length : max_length;
}

int32_t dt_dataset_tokens(const dt_dataset *dataset, int64_t i, int32_t max_length, int32_t *out)
{
    const int32_t count = dt_dataset_length(dataset, i, max_length);
    const uint16_t *begin = dataset->stream ? dt_stream_tokens(dataset->stream, i)
                                            : dataset->tokens + dataset->offsets[i];
    const uint16_t *end = begin + (dataset->offsets[i + 1] - dataset->offsets[i]);
    const int32_t suffix = dataset->suffix_count < count ? dataset->suffix_count : count;
    for (int32_t t = 0; t < count - suffix; ++t)
        out[t] = begin[t];
    for (int32_t t = 0; t < suffix; ++t)
        out[count - suffix + t] = end[t - suffix];
    return count;
}

/* Returns the label of the first sequence that has one at this rank, or NULL. */
static const char *first_label(const dt_dataset *dataset, int32_t tax_rank)
{
    const dt_tax_rank *rank = &dataset->taxonomy.rank[tax_rank];
    const int32_t none = dt_taxonomy_class(&dataset->taxonomy, tax_rank, DT_UNCLASSIFIED);
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
