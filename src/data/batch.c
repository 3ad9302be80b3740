#include "data/batch.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/sampler.h"
#include "data/survey.h"
#include "sequence/kmer.h"

dt_status dt_batch_memory_create(dt_batch_memory *memory, int32_t max_sequences, int64_t max_tokens,
                                 int32_t tax_ranks)
{
    *memory = (dt_batch_memory){
        .max_sequences = max_sequences, .max_tokens = max_tokens, .tax_ranks = tax_ranks};
    dt_status status = DT_NEW(memory->token_ids, (size_t)max_tokens);
    if (status == DT_OK)
        status = DT_NEW(memory->cu_seqlens, (size_t)max_sequences + 1);
    if (status == DT_OK)
        status = DT_NEW(memory->labels, (size_t)max_sequences * (size_t)tax_ranks);
    if (status != DT_OK)
        dt_batch_memory_free(memory);
    return status;
}

void dt_batch_memory_free(dt_batch_memory *memory)
{
    free(memory->token_ids);
    free(memory->cu_seqlens);
    free(memory->labels);
    *memory = (dt_batch_memory){0};
}

dt_batch dt_batch_pack(dt_batch_memory *memory, const dt_dataset *dataset, const int64_t *indices,
                       int32_t count, int32_t max_length, dt_batch_edit edit, void *context)
{
    const int32_t tax_ranks = memory->tax_ranks;
    int32_t used = 0;
    for (int32_t b = 0; b < count; ++b) {
        int32_t *tokens = memory->token_ids + used;
        const int32_t length = dt_dataset_tokens(dataset, indices[b], max_length, tokens);
        if (edit)
            edit(context, b, tokens);
        memory->cu_seqlens[b] = used;
        used += memory->kmer_size ? dt_kmer_bag(tokens, length, memory->kmer_size) : length;
        memcpy(memory->labels + (int64_t)b * tax_ranks, dt_dataset_labels(dataset, indices[b]),
               (size_t)tax_ranks * sizeof *memory->labels);
    }
    memory->cu_seqlens[count] = used;
    return (dt_batch){.sequences = count,
                      .tax_ranks = tax_ranks,
                      .token_ids = memory->token_ids,
                      .cu_seqlens = memory->cu_seqlens,
                      .labels = memory->labels};
}

void dt_batch_share(const dt_dataset *dataset, const int64_t *indices, int64_t total,
                    int32_t max_length, int64_t parts, int64_t index, int64_t *begin,
                    int64_t *count)
{
    if (total < parts) {
        dt_share(total, parts, index, begin, count);
        return;
    }
    int64_t tokens = 0;
    for (int64_t i = 0; i < total; ++i)
        tokens += dt_dataset_length(dataset, indices[i], max_length);
    int64_t end = 0;    /* of the share, in sequences */
    int64_t before = 0; /* tokens of these sequences */
    for (int64_t part = 0; part <= index; ++part) {
        const int64_t last = total - (parts - 1 - part); /* leaves one per later part */
        *begin = end;
        while (end < last) {
            const int64_t length = dt_dataset_length(dataset, indices[end], max_length);
            /* cut at whichever side is nearer, but take at least one sequence */
            if (end > *begin && part < parts - 1 &&
                (2 * before + length) * parts > 2 * tokens * (part + 1))
                break;
            before += length;
            ++end;
        }
    }
    *count = end - *begin;
}

/* Returns the tokens of the `count` longest sequences. */
static int64_t longest(const int64_t *with_length, int32_t max_length, int64_t count)
{
    int64_t tokens = 0;
    for (int32_t length = max_length; length > 0 && count > 0; --length) {
        const int64_t taken = with_length[length] < count ? with_length[length] : count;
        tokens += taken * length;
        count -= taken;
    }
    return tokens;
}

dt_status dt_batch_max_tokens(const dt_dataset *dataset, int32_t max_length, int32_t micro_batch,
                              int64_t *tokens)
{
    int64_t *with_length; /* (max_length + 1) sequences of each length */
    if (dataset->survey) {
        *tokens = longest(dataset->survey->with_length, max_length, micro_batch);
        return DT_OK;
    }
    DT_TRY(DT_NEW(with_length, (size_t)max_length + 1));
    for (int64_t i = 0; i < dataset->count; ++i)
        with_length[dt_dataset_length(dataset, i, max_length)]++;
    *tokens = longest(with_length, max_length, micro_batch);
    free(with_length);
    return DT_OK;
}
