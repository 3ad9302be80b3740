#include "predict/job.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"
#include "layers.h"
#include "sequence/kmer.h"

/* ---- memory ---------------------------------------------------------------------------------- */

dt_status dt_result_rows_create(dt_result_rows *rows, const dt_job_sizes *sizes)
{
    const size_t most = (size_t)sizes->most;
    const size_t cells = most * (size_t)sizes->tax_ranks;
    DT_TRY(DT_NEW(rows->probability, most * (size_t)sizes->columns));
    if (sizes->features)
        DT_TRY(DT_NEW(rows->embedding, most * (size_t)sizes->features));
    if (sizes->independent)
        DT_TRY(DT_NEW(rows->independent, cells));
    if (sizes->neighbours)
        DT_TRY(DT_NEW(rows->nearest, most));
    return DT_NEW(rows->prediction, cells);
}

void dt_result_rows_free(dt_result_rows *rows)
{
    free(rows->prediction);
    free(rows->independent);
    free(rows->probability);
    free(rows->embedding);
    free(rows->nearest);
}

dt_status dt_job_create(dt_job *job, const dt_job_sizes *sizes)
{
    const size_t most = (size_t)sizes->most;
    const size_t cells = most * (size_t)sizes->tax_ranks;
    DT_TRY(DT_NEW(job->truth, cells));
    DT_TRY(DT_NEW(job->has_row, most));
    DT_TRY(DT_NEW(job->slot, most));
    DT_TRY(DT_NEW(job->repeated, most));
    DT_TRY(DT_NEW(job->source, most));
    DT_TRY(DT_NEW(job->cu_seqlens, most + 1));
    DT_TRY(DT_NEW(job->labels, cells));
    for (int32_t m = 0; sizes->logits.count && m < sizes->members; ++m)
        DT_TRY(dt_calloc(&job->logits[m], most * (size_t)sizes->logits.count,
                         (size_t)sizes->statistic_size, "logits"));
    if (sizes->features)
        DT_TRY(dt_calloc(&job->activations, most * (size_t)sizes->features,
                         (size_t)sizes->activation_size, "the sequence embeddings"));
    return dt_result_rows_create(&job->result, sizes);
}

void dt_job_free(dt_job *job, const dt_job_sizes *sizes)
{
    dt_sequence_block_free(&job->block, sizes->most);
    free(job->truth);
    free(job->has_row);
    free(job->slot);
    free(job->repeated);
    free(job->source);
    free(job->cu_seqlens);
    free(job->tokens);
    free(job->labels);
    for (int32_t m = 0; m < DT_MAX_MEMBERS; ++m)
        free(job->logits[m]);
    free(job->activations);
    dt_result_rows_free(&job->result);
}

/* ---- input of the device --------------------------------------------------------------------- */

/* Sets the truth of sequence i, and the labels of the next one to be computed. */
static void find_truth(dt_job *job, const dt_job_sizes *sizes, const dt_truth *truth, int32_t i)
{
    const dt_text *id = &job->block.record[i].id;
    int32_t *numbers = job->truth + (ptrdiff_t)i * sizes->tax_ranks;
    int32_t *labels = job->labels + (ptrdiff_t)job->computed * sizes->tax_ranks;
    job->has_row[i] = dt_truth_find(truth, id->data, id->length, numbers);
    for (int32_t r = 0; r < sizes->tax_ranks; ++r)
        labels[r] = dt_truth_class(truth, r, numbers[r]);
}

/* What neighbours see of a sequence beside its tokens, which may be truncated: a hash of the letters;
 * 0 without neighbours. */
static uint64_t letters_of(const dt_job_sizes *sizes, const dt_text *sequence)
{
    return sizes->neighbours ? dt_hash_bytes(DT_HASH_START, sequence->data, sequence->length) : 0;
}

dt_status dt_job_fill(dt_job *job, const dt_job_sizes *sizes, const dt_truth *truth,
                      dt_repeats *repeats)
{
    const dt_sequence_block *block = &job->block;
    size_t most_tokens = 0;
    for (int32_t i = 0; i < block->count; ++i)
        most_tokens += (size_t)block->token_count[i];
    DT_TRY(DT_GROW(job->tokens, job->token_capacity, most_tokens));
    job->computed = 0;
    job->cu_seqlens[0] = 0;
    for (int32_t i = 0; i < block->count; ++i) {
        const uint16_t *tokens = block->tokens + block->token_begin[i];
        const int32_t count = block->token_count[i];
        const int32_t *label = job->labels + (ptrdiff_t)job->computed * sizes->tax_ranks;
        const int32_t begin = job->cu_seqlens[job->computed];
        if (truth)
            find_truth(job, sizes, truth, i);
        job->repeated[i] = false;
        if (repeats)
            DT_TRY(dt_repeats_find(repeats, tokens, count, truth ? label : NULL,
                                   letters_of(sizes, &block->record[i].sequence), &job->slot[i],
                                   &job->repeated[i]));
        if (job->repeated[i])
            continue;
        job->source[job->computed] = i;
        for (int32_t t = 0; t < count; ++t)
            job->tokens[begin + t] = tokens[t];
        const int32_t used =
            sizes->kmer_size ? dt_kmer_bag(job->tokens + begin, count, sizes->kmer_size) : count;
        job->cu_seqlens[++job->computed] = begin + used;
    }
    return DT_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

enum { PARTS = 5 };

/* The parts of results, NULL where not needed, and the bytes of a row of each. */
typedef struct {
    char *part[PARTS];
    size_t bytes[PARTS];
} result_parts;

static result_parts parts_of(const dt_result_rows *rows, const dt_job_sizes *sizes)
{
    const size_t ranks = (size_t)sizes->tax_ranks;
    return (result_parts){.part = {(char *)rows->prediction, (char *)rows->independent,
                                   (char *)rows->probability, (char *)rows->embedding,
                                   (char *)rows->nearest},
                          .bytes = {ranks * sizeof *rows->prediction,
                                    sizes->independent ? ranks * sizeof *rows->independent : 0,
                                    (size_t)sizes->columns * sizeof *rows->probability,
                                    (size_t)sizes->features * sizeof *rows->embedding,
                                    sizes->neighbours ? sizeof *rows->nearest : 0}};
}

size_t dt_result_bytes(const dt_job_sizes *sizes)
{
    const result_parts parts = parts_of(&(dt_result_rows){0}, sizes);
    size_t bytes = 0;
    for (int k = 0; k < PARTS; ++k)
        bytes += parts.bytes[k];
    return bytes;
}

void dt_job_spread(const dt_job *job, const dt_job_sizes *sizes, dt_repeats *repeats,
                   dt_result_rows *all)
{
    const result_parts from = parts_of(&job->result, sizes);
    const result_parts to = parts_of(all, sizes);
    size_t computed = 0;
    for (int32_t i = 0; i < job->block.count; ++i) {
        char *stored = dt_repeats_row(repeats, job->slot[i]);
        for (int k = 0; k < PARTS; ++k) {
            const size_t bytes = from.bytes[k];
            if (bytes == 0)
                continue;
            if (!job->repeated[i])
                memcpy(stored, from.part[k] + computed * bytes, bytes);
            memcpy(to.part[k] + (size_t)i * bytes, stored, bytes);
            stored += bytes;
        }
        computed += !job->repeated[i];
    }
}
