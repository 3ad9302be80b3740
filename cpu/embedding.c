#include <string.h>

#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/norm.h"

/* s = word[id] + position[t] + type[0] */
static void sum_row(const dt_cpu *cpu, dt_real *s, const dt_cpu_batch *batch, int64_t row,
                    const dt_embedding *embedding)
{
    const int64_t hidden = embedding->hidden;
    const int64_t position = row - batch->cu_seqlens[batch->sequence_of_row[row]];
    const dt_real *word = dt_cpu_param(cpu, embedding->word) + batch->token_ids[row] * hidden;
    const dt_real *place = dt_cpu_param(cpu, embedding->position) + position * hidden;
    const dt_real *type = dt_cpu_param(cpu, embedding->type);
    DT_SIMD
    for (int64_t i = 0; i < hidden; ++i)
        s[i] = word[i] + place[i] + type[i];
}

void dt_cpu_embedding_forward(dt_backend *backend, void *y, void *statistics,
                              const dt_device_batch *batch, const dt_embedding *embedding)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, embedding->hidden, "the hidden size") ||
        !dt_cpu_ids_in(cpu, b, embedding->vocabulary))
        return;
    const int64_t hidden = embedding->hidden;
    const dt_real *gamma = dt_cpu_param(cpu, embedding->gamma);
    const dt_real *beta = dt_cpu_param(cpu, embedding->beta);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < batch->size.tokens; ++row) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        dt_real *out = (dt_real *)y + row * hidden;
        sum_row(cpu, out, b, row, embedding);
        dt_norm_row(out, (dt_real *)statistics + 2 * row, out, gamma, beta, hidden, embedding->eps);
        const dt_mask mask = dt_cpu_row_mask(b, &embedding->dropout, DT_ROWS_TOKENS, row);
        dt_dropout_row(factor, &mask, 0, hidden);
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] *= factor[i];
    }
}

/* Accumulates the gradients of gamma and beta from `masked`, dy after the backward of dropout. */
static void scale_gradients(const dt_cpu *cpu, const dt_real *masked, const dt_real *statistics,
                            const dt_cpu_batch *batch, const dt_embedding *embedding)
{
    const int64_t hidden = embedding->hidden;
    const int64_t rows = batch->device.size.tokens;
    const dt_real *word = dt_cpu_param(cpu, embedding->word);
    const dt_real *place = dt_cpu_param(cpu, embedding->position);
    const dt_real *type = dt_cpu_param(cpu, embedding->type);
    dt_real *dgamma = dt_cpu_gradient(cpu, embedding->gamma);
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, embedding->beta), masked, rows, hidden, hidden);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < hidden; first += DT_SUM_COLUMNS) {
        const int64_t width = hidden - first < DT_SUM_COLUMNS ? hidden - first : DT_SUM_COLUMNS;
        for (int64_t block = 0; block < rows; block += DT_SUM_ROWS) {
            const int64_t end = rows - block < DT_SUM_ROWS ? rows : block + DT_SUM_ROWS;
            dt_real part[DT_SUM_COLUMNS] = {0};
            for (int64_t row = block; row < end; ++row) {
                const int64_t position = row - batch->cu_seqlens[batch->sequence_of_row[row]];
                const dt_real *dy = masked + row * hidden + first;
                const dt_real *w = word + batch->token_ids[row] * hidden + first;
                const dt_real *p = place + position * hidden + first;
                const dt_real mean = statistics[2 * row];
                const dt_real scale = statistics[2 * row + 1];
                for (int64_t c = 0; c < width; ++c)
                    part[c] += dy[c] * ((w[c] + p[c] + type[first + c] - mean) * scale);
            }
            for (int64_t c = 0; c < width; ++c)
                dgamma[first + c] += part[c];
        }
    }
}

/* Adds the rows of ds to the gradients of the words; each word is handled by one thread, in row
 * order. */
static void scatter_words(const dt_cpu *cpu, const dt_real *ds, const dt_cpu_batch *batch,
                          const dt_embedding *embedding)
{
    const int64_t hidden = embedding->hidden;
    dt_real *gradient = dt_cpu_gradient(cpu, embedding->word);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic, 8)
    for (int32_t group = 0; group < batch->groups; ++group) {
        const int32_t *row = batch->order + batch->group_first[group];
        const int32_t *end = batch->order + batch->group_first[group + 1];
        const int32_t id = batch->token_ids[*row];
        if (id == embedding->frozen_row)
            continue;
        dt_real *out = gradient + id * hidden;
        for (; row < end; ++row) {
            const dt_real *in = ds + *row * hidden;
            DT_SIMD
            for (int64_t i = 0; i < hidden; ++i)
                out[i] += in[i];
        }
    }
}

static void scatter_positions(const dt_cpu *cpu, const dt_real *ds, const dt_cpu_batch *batch,
                              const dt_embedding *embedding)
{
    const int64_t hidden = embedding->hidden;
    dt_real *gradient = dt_cpu_gradient(cpu, embedding->position);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic, 8)
    for (int32_t position = 0; position < batch->device.size.longest; ++position) {
        dt_real *out = gradient + position * hidden;
        for (int32_t b = 0; b < batch->device.size.sequences; ++b) {
            const int64_t row = (int64_t)batch->cu_seqlens[b] + position;
            if (row >= batch->cu_seqlens[b + 1])
                continue;
            const dt_real *in = ds + row * hidden;
            DT_SIMD
            for (int64_t i = 0; i < hidden; ++i)
                out[i] += in[i];
        }
    }
}

void dt_cpu_embedding_backward(dt_backend *backend, const void *dy, const void *statistics,
                               const dt_device_batch *batch, const dt_embedding *embedding,
                               void *scratch)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, embedding->hidden, "the hidden size"))
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    const int64_t hidden = embedding->hidden;
    const int64_t rows = batch->size.tokens;
    dt_real *ds = scratch;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = dt_cpu_row_mask(b, &embedding->dropout, DT_ROWS_TOKENS, row);
        dt_dropout_row(factor, &mask, 0, hidden);
        const dt_real *in = (const dt_real *)dy + row * hidden;
        dt_real *out = ds + row * hidden;
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] = in[i] * factor[i];
    }
    scale_gradients(cpu, ds, statistics, b, embedding);
    const dt_real *gamma = dt_cpu_param(cpu, embedding->gamma);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        dt_real *s = dt_cpu_scratch(cpu, 0);
        sum_row(cpu, s, b, row, embedding);
        dt_norm_row_backward(ds + row * hidden, ds + row * hidden, s,
                             (const dt_real *)statistics + 2 * row, gamma, hidden);
    }
    scatter_words(cpu, ds, b, embedding);
    scatter_positions(cpu, ds, b, embedding);
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, embedding->type), ds, rows, hidden, hidden);
}
