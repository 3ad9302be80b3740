/* Embedding, convolutions of several widths, ReLU, dropout and the maximum over positions.
 *
 * The input at each position is a row of the embedding table, so the contribution of tap j of all
 * filters depends only on the token id. One matrix product computes the table of these
 * contributions, (ids, Σ width · F), for the distinct ids of the batch; the value at a position is
 * then the bias plus `width` rows of the table. This is never more work than convolving every
 * position, and many times less for a batch of 16S sequences.
 *
 * Backward, only the position of each maximum has a gradient: `width` embedding rows per (sequence,
 * channel) are multiplied and added, and no matrix product is needed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/convolution.h"
#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"

/* Channels of a kernel that a thread handles over all positions. */
#define CHANNELS 256

/* The scratch memory: weights repacked so that each tap of a filter is contiguous, then either the
 * table and its input (forward) or a filter's gradient for each thread (backward). */
typedef struct {
    int64_t columns; /* Σ width · F: columns of the table, rows of the weights; tap j of filter f of
                        kernel i is number column[i] + j · F + f */
    int64_t column[DT_MAX_KERNELS];
    int32_t widest;
    dt_real *weights; /* (columns, E) */
    dt_real *rows;    /* (groups, E): the embedding of each distinct id */
    dt_real *table;   /* (groups, columns) */
    dt_real *filter;  /* (threads, widest, E) */
} dt_conv_plan;

/* The sizes of the plan, without its memory. */
static dt_conv_plan sizes_of(const dt_conv_max *conv)
{
    dt_conv_plan plan = {.widest = dt_conv_widest(conv->width, conv->kernels)};
    plan.columns = dt_conv_taps(plan.column, conv->width, conv->kernels, conv->filters);
    return plan;
}

/* The plan with its arrays in `scratch`, which has the bytes of dt_cpu_conv_max_scratch(). */
static dt_conv_plan plan_of(const dt_conv_max *conv, void *scratch, int64_t groups)
{
    dt_conv_plan plan = sizes_of(conv);
    plan.weights = scratch;
    plan.rows = plan.weights + plan.columns * conv->embed_dim;
    plan.table = plan.rows + groups * conv->embed_dim;
    plan.filter = plan.rows;
    return plan;
}

int64_t dt_cpu_conv_max_scratch(dt_backend *backend, const dt_conv_max *conv, int32_t max_sequences,
                                int64_t max_tokens, bool training)
{
    (void)max_sequences;
    const dt_conv_plan plan = sizes_of(conv);
    const int64_t groups = max_tokens < conv->vocabulary ? max_tokens : conv->vocabulary;
    const int64_t forward = groups * (conv->embed_dim + plan.columns);
    const int64_t backward =
        training ? (int64_t)dt_cpu_of(backend)->threads * plan.widest * conv->embed_dim : 0;
    const int64_t larger = forward > backward ? forward : backward;
    return (plan.columns * conv->embed_dim + larger) * (int64_t)sizeof(dt_real);
}

/* (F, E, width) of each kernel becomes (width, F, E). */
static void pack_weights(const dt_cpu *cpu, const dt_conv_plan *plan, const dt_conv_max *conv)
{
    const int64_t filters = conv->filters;
    const int64_t embed = conv->embed_dim;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t item = 0; item < conv->kernels * filters; ++item) {
        const int64_t i = item / filters;
        const int64_t f = item % filters;
        const int64_t width = conv->width[i];
        const dt_real *from = dt_cpu_param(cpu, conv->weight[i]) + f * embed * width;
        for (int64_t j = 0; j < width; ++j) {
            dt_real *to = plan->weights + (plan->column[i] + j * filters + f) * embed;
            for (int64_t e = 0; e < embed; ++e)
                to[e] = from[e * width + j];
        }
    }
}

static void make_table(const dt_cpu *cpu, const dt_conv_plan *plan, const dt_cpu_batch *batch,
                       const dt_conv_max *conv)
{
    const int64_t embed = conv->embed_dim;
    const dt_real *embedding = dt_cpu_param(cpu, conv->embedding);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int32_t group = 0; group < batch->groups; ++group) {
        const int64_t id = batch->token_ids[batch->order[batch->group_first[group]]];
        memcpy(plan->rows + group * embed, embedding + id * embed, (size_t)embed * sizeof(dt_real));
    }
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = batch->groups,
                            .n = plan->columns,
                            .k = embed,
                            .a = plan->rows,
                            .lda = embed,
                            .b = plan->weights,
                            .ldb = embed,
                            .transpose_b = true,
                            .c = plan->table,
                            .ldc = plan->columns,
                        });
}

/* The unit of work of a thread: some channels of one kernel for one sequence. */
typedef struct {
    int64_t sequence;
    int32_t kernel;
    int64_t first; /* first channel in the kernel */
    int64_t count;
    int64_t tokens;    /* n */
    int64_t positions; /* number of positions that are computed */
} dt_strip;

static dt_strip strip_of(const dt_cpu_batch *batch, const dt_conv_max *conv,
                         const dt_conv_plan *plan, int64_t item)
{
    const int64_t strips = (conv->filters + CHANNELS - 1) / CHANNELS;
    dt_strip strip = {.sequence = item / strips / conv->kernels,
                      .kernel = (int32_t)(item / strips % conv->kernels),
                      .first = item % strips * CHANNELS};
    const int64_t left = conv->filters - strip.first;
    strip.count = left < CHANNELS ? left : CHANNELS;
    strip.tokens = batch->cu_seqlens[strip.sequence + 1] - batch->cu_seqlens[strip.sequence];
    const int64_t past = strip.tokens + plan->widest / 2;
    strip.positions = past < conv->max_length ? past : conv->max_length;
    if (conv->mask_padding)
        strip.positions = strip.tokens;
    return strip;
}

/* Computes the convolution of a strip at one position. */
static void convolve(dt_real *out, const dt_real *bias, const dt_conv_plan *plan,
                     const dt_cpu_batch *batch, const dt_conv_max *conv, const dt_strip *strip,
                     int64_t position)
{
    const int64_t width = conv->width[strip->kernel];
    const int64_t start = position - width / 2; /* token at tap 0 */
    const int64_t first = start < 0 ? -start : 0;
    const int64_t end = start + width > strip->tokens ? strip->tokens - start : width;
    const int32_t *group = batch->group_of_row + batch->cu_seqlens[strip->sequence] + start;
    memcpy(out, bias, (size_t)strip->count * sizeof *out);
    for (int64_t j = first; j < end; ++j) {
        const dt_real *row = plan->table + group[j] * plan->columns + plan->column[strip->kernel] +
                             j * conv->filters + strip->first;
        DT_SIMD
        for (int64_t c = 0; c < strip->count; ++c)
            out[c] += row[c];
    }
}

/* Includes the m padding positions that see no token in the maximum, in one step. */
static void join_padding(dt_real *best, int32_t *where, const dt_real *bias,
                         const dt_cpu_batch *batch, const dt_conv_max *conv, const dt_strip *strip)
{
    const int64_t left = conv->max_length - strip->positions;
    if (conv->mask_padding || left <= 0)
        return;
    dt_real factor[CHANNELS];
    const dt_dropout all_dropped = {.p = pow(conv->dropout.p, (double)left),
                                    .stream = conv->padding_stream};
    dt_mask mask = dt_cpu_mask(batch, &all_dropped, strip->sequence, 0);
    mask.kept = (dt_real)(1.0 / (1.0 - conv->dropout.p));
    dt_dropout_row(factor, &mask, (int64_t)strip->kernel * conv->filters + strip->first,
                   strip->count);
    for (int64_t c = 0; c < strip->count; ++c) {
        const dt_real value = (bias[c] < 0 ? 0 : bias[c]) * factor[c];
        if (value > best[c]) {
            best[c] = value;
            where[c] = -1;
        }
    }
}

static void strip_maximum(dt_real *y, int32_t *position, const dt_cpu *cpu,
                          const dt_conv_plan *plan, const dt_cpu_batch *batch,
                          const dt_conv_max *conv, const dt_strip *strip)
{
    dt_real value[CHANNELS];
    dt_real factor[CHANNELS];
    dt_real best[CHANNELS];
    int32_t where[CHANNELS];
    const int64_t channel = (int64_t)strip->kernel * conv->filters + strip->first;
    const dt_real *bias = dt_cpu_param(cpu, conv->bias[strip->kernel]) + strip->first;
    for (int64_t c = 0; c < strip->count; ++c) {
        best[c] = -1;
        where[c] = 0;
    }
    for (int64_t t = 0; t < strip->positions; ++t) {
        const dt_mask mask = dt_cpu_mask(batch, &conv->dropout, strip->sequence, t);
        convolve(value, bias, plan, batch, conv, strip, t);
        dt_dropout_row(factor, &mask, channel, strip->count);
        DT_SIMD
        for (int64_t c = 0; c < strip->count; ++c) {
            const dt_real v = (value[c] < 0 ? 0 : value[c]) * factor[c];
            const bool better = (v > best[c]) | (v != v); /* NaN is kept so that it is noticed */
            best[c] = better ? v : best[c];
            where[c] = better ? (int32_t)t : where[c];
        }
    }
    join_padding(best, where, bias, batch, conv, strip);
    const int64_t out = strip->sequence * conv->filters * conv->kernels + channel;
    memcpy(y + out, best, (size_t)strip->count * sizeof *best);
    memcpy(position + out, where, (size_t)strip->count * sizeof *where);
}

/* Returns false, with a sticky error, if the operation does not support this batch. */
static bool conv_fits(dt_cpu *cpu, const dt_cpu_batch *batch, const dt_conv_max *conv)
{
    if (batch->device.size.longest > conv->max_length) {
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "a sequence of %d tokens is longer than %d",
                    batch->device.size.longest, conv->max_length);
        return false;
    }
    return dt_cpu_ids_in(cpu, batch, conv->vocabulary);
}

void dt_cpu_conv_max_forward(dt_backend *backend, void *y, int32_t *position, void *scratch,
                             const dt_device_batch *batch, const dt_conv_max *conv)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !conv_fits(cpu, b, conv))
        return;
    const dt_conv_plan plan = plan_of(conv, scratch, b->groups);
    pack_weights(cpu, &plan, conv);
    make_table(cpu, &plan, b, conv);
    const int64_t strips = (conv->filters + CHANNELS - 1) / CHANNELS;
    const int64_t items = (int64_t)batch->size.sequences * conv->kernels * strips;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t item = 0; item < items; ++item) {
        const dt_strip strip = strip_of(b, conv, &plan, item);
        strip_maximum(y, position, cpu, &plan, b, conv, &strip);
    }
}

/* Returns the gradient of a (sequence, channel) before ReLU and dropout: 0 if the maximum was 0. */
static dt_real gradient_before(const dt_real *dy, const dt_real *y, int64_t index, dt_real kept)
{
    return y[index] > 0 ? dy[index] * kept : 0;
}

/* Accumulates the gradients of a filter and its bias. */
static void filter_gradient(dt_real *filter, const dt_cpu *cpu, const dt_cpu_batch *batch,
                            const dt_conv_max *conv, int64_t channel, const dt_real *dy,
                            const dt_real *y, const int32_t *position, dt_real kept)
{
    const int64_t kernel = channel / conv->filters;
    const int64_t f = channel % conv->filters;
    const int64_t embed = conv->embed_dim;
    const int64_t width = conv->width[kernel];
    const dt_real *embedding = dt_cpu_param(cpu, conv->embedding);
    memset(filter, 0, (size_t)(width * embed) * sizeof *filter);
    dt_real bias = 0;
    for (int64_t b = 0; b < batch->device.size.sequences; ++b) {
        const int64_t index = b * conv->filters * conv->kernels + channel;
        const dt_real g = gradient_before(dy, y, index, kept);
        if (g == 0)
            continue;
        bias += g;
        const int64_t tokens = batch->cu_seqlens[b + 1] - batch->cu_seqlens[b];
        const int64_t start = position[index] - width / 2;
        for (int64_t j = 0; j < width && position[index] >= 0; ++j) {
            if (start + j < 0 || start + j >= tokens)
                continue;
            const int64_t id = batch->token_ids[batch->cu_seqlens[b] + start + j];
            const dt_real *in = embedding + id * embed;
            dt_real *out = filter + j * embed;
            DT_SIMD
            for (int64_t e = 0; e < embed; ++e)
                out[e] += g * in[e];
        }
    }
    dt_real *gradient = dt_cpu_gradient(cpu, conv->weight[kernel]) + f * embed * width;
    for (int64_t e = 0; e < embed; ++e)
        for (int64_t j = 0; j < width; ++j)
            gradient[e * width + j] += filter[j * embed + e];
    dt_cpu_gradient(cpu, conv->bias[kernel])[f] += bias;
}

/* Adds the contributions of all channels of all sequences, in that order, to columns first …
 * first+count-1 of the embedding's gradient. */
static void embedding_gradient(const dt_cpu *cpu, const dt_conv_plan *plan,
                               const dt_cpu_batch *batch, const dt_conv_max *conv,
                               const dt_real *dy, const dt_real *y, const int32_t *position,
                               dt_real kept, int64_t first, int64_t count)
{
    const int64_t embed = conv->embed_dim;
    const int64_t channels = (int64_t)conv->filters * conv->kernels;
    dt_real *gradient = dt_cpu_gradient(cpu, conv->embedding) + first;
    for (int64_t channel = 0; channel < channels; ++channel) {
        const int64_t kernel = channel / conv->filters;
        const int64_t width = conv->width[kernel];
        const dt_real *weights =
            plan->weights + (plan->column[kernel] + channel % conv->filters) * embed + first;
        for (int64_t b = 0; b < batch->device.size.sequences; ++b) {
            const int64_t index = b * channels + channel;
            const dt_real g = gradient_before(dy, y, index, kept);
            if (g == 0 || position[index] < 0)
                continue;
            const int64_t tokens = batch->cu_seqlens[b + 1] - batch->cu_seqlens[b];
            const int64_t start = position[index] - width / 2;
            for (int64_t j = 0; j < width; ++j) {
                if (start + j < 0 || start + j >= tokens)
                    continue;
                const int64_t id = batch->token_ids[batch->cu_seqlens[b] + start + j];
                if (id == conv->frozen_row)
                    continue;
                const dt_real *in = weights + j * conv->filters * embed;
                dt_real *out = gradient + id * embed;
                DT_SIMD
                for (int64_t e = 0; e < count; ++e)
                    out[e] += g * in[e];
            }
        }
    }
}

/* Columns of the embedding that a thread handles at a time. */
#define EMBEDDING_COLUMNS 64

void dt_cpu_conv_max_backward(dt_backend *backend, const void *dy, const void *y,
                              const int32_t *position, void *scratch, const dt_device_batch *batch,
                              const dt_conv_max *conv)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !conv_fits(cpu, b, conv))
        return;
    const dt_conv_plan plan = plan_of(conv, scratch, b->groups);
    const dt_real kept = (dt_real)(1.0 / (1.0 - conv->dropout.p));
    const int64_t channels = (int64_t)conv->filters * conv->kernels;
    const int64_t embed = conv->embed_dim;
    pack_weights(cpu, &plan, conv);
#pragma omp parallel num_threads(cpu->threads)
    {
        dt_real *filter = plan.filter + dt_cpu_thread() * plan.widest * embed;
#pragma omp for schedule(dynamic, 4)
        for (int64_t channel = 0; channel < channels; ++channel)
            filter_gradient(filter, cpu, b, conv, channel, dy, y, position, kept);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < embed; first += EMBEDDING_COLUMNS) {
            const int64_t left = embed - first;
            embedding_gradient(cpu, &plan, b, conv, dy, y, position, kept, first,
                               left < EMBEDDING_COLUMNS ? left : EMBEDDING_COLUMNS);
        }
    }
}
