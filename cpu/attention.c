#include <math.h>

#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"

/* A (sequence, head) pair: the unit of work of a thread. */
typedef struct {
    int64_t sequence;
    int32_t head;
    int64_t first_key; /* row of the sequence's first token in k and v */
    int64_t keys;      /* n */
    int64_t first_row; /* row of its first query in q, y and log_sum */
    int64_t queries;   /* n or 1 */
    int64_t block;     /* number of queries whose scores fit into the scratch memory */
} dt_pair;

static dt_pair pair_of(const dt_cpu *cpu, const dt_cpu_batch *batch, const dt_attention *attention,
                       int64_t item)
{
    const int64_t b = item / attention->heads;
    const int64_t first = batch->cu_seqlens[b];
    const int64_t keys = batch->cu_seqlens[b + 1] - first;
    const bool one = attention->queries == DT_ROWS_SEQUENCES;
    const int64_t fit = cpu->scratch_row / keys;
    const int64_t queries = one ? 1 : keys;
    return (dt_pair){
        .sequence = b,
        .head = (int32_t)(item % attention->heads),
        .first_key = first,
        .keys = keys,
        .first_row = one ? b : first,
        .queries = queries,
        .block = fit < queries ? fit : queries,
    };
}

/* Computes the dropout factors of the probabilities of the query at token `position`. */
static void draw_row(dt_real *factor, const dt_cpu_batch *batch, const dt_attention *attention,
                     const dt_pair *pair, int64_t position)
{
    const dt_dropout dropout = {.p = attention->dropout.p,
                                .stream = attention->dropout.stream + (uint32_t)pair->head};
    const dt_mask mask = dt_cpu_mask(batch, &dropout, pair->sequence, position);
    dt_dropout_row(factor, &mask, 0, pair->keys);
}

/* Replaces the scores of a query with dropout(softmax(scores)); returns the log of the
 * denominator. */
static dt_real softmax_row(dt_real *score, const dt_real *factor, int64_t keys)
{
    dt_real largest = score[0];
    DT_SIMD_MAX(largest)
    for (int64_t j = 0; j < keys; ++j)
        largest = score[j] > largest ? score[j] : largest;
    dt_real sum = 0;
    DT_SIMD_SUM(sum)
    for (int64_t j = 0; j < keys; ++j) {
        score[j] = dt_exp(score[j] - largest);
        sum += score[j];
    }
    const dt_real inverse = 1 / sum;
    DT_SIMD
    for (int64_t j = 0; j < keys; ++j)
        score[j] *= inverse * factor[j];
    return largest + (dt_real)log((double)sum);
}

static dt_real scale_of(const dt_attention *attention)
{
    return (dt_real)(1.0 / sqrt((double)attention->head_size));
}

void dt_cpu_attention_forward(dt_backend *backend, void *y, void *log_sum, const void *q,
                              const void *k, const void *v, const dt_device_batch *batch,
                              const dt_attention *attention)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    const int64_t heads = attention->heads;
    const int64_t d = attention->head_size;
    const int64_t qs = attention->query_stride;
    const int64_t ks = attention->key_stride;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t item = 0; item < batch->size.sequences * heads; ++item) {
        dt_real *packed = dt_gemm_scratch(&cpu->gemm);
        dt_real *score = dt_cpu_scratch(cpu, 0);
        dt_real *factor = dt_cpu_scratch(cpu, 2);
        const dt_pair pair = pair_of(cpu, b, attention, item);
        const int64_t column = pair.head * d;
        const dt_real *keys = (const dt_real *)k + pair.first_key * ks + column;
        const dt_real *values = (const dt_real *)v + pair.first_key * ks + column;
        for (int64_t first = 0; first < pair.queries; first += pair.block) {
            const int64_t left = pair.queries - first;
            const int64_t rows = left < pair.block ? left : pair.block;
            const int64_t row = pair.first_row + first;
            dt_gemm_tile(packed, false, true, rows, pair.keys, d, scale_of(attention),
                         (const dt_real *)q + row * qs + column, qs, keys, ks, false, score,
                         pair.keys);
            for (int64_t i = 0; i < rows; ++i) {
                draw_row(factor, b, attention, &pair, first + i);
                ((dt_real *)log_sum)[(row + i) * heads + pair.head] =
                    softmax_row(score + i * pair.keys, factor, pair.keys);
            }
            dt_gemm_tile(packed, false, false, rows, d, pair.keys, 1, score, pair.keys, values, ks,
                         false, (dt_real *)y + row * heads * d + column, heads * d);
        }
    }
}

/* Backward pass of one query. On entry: scores, and the gradients of the probabilities after
 * dropout. On return: these probabilities in `score`, and the gradients of the scores in
 * `gradient`: p · (dp - Σ p·dp), where the sum equals dy · y (Dao et al., FlashAttention, 2022). */
static void softmax_row_backward(dt_real *score, dt_real *gradient, const dt_real *factor,
                                 dt_real log_sum, const dt_real *dy, const dt_real *y, int64_t keys,
                                 int64_t d)
{
    dt_real product = 0;
    DT_SIMD_SUM(product)
    for (int64_t i = 0; i < d; ++i)
        product += dy[i] * y[i];
    DT_SIMD
    for (int64_t j = 0; j < keys; ++j) {
        const dt_real p = dt_exp(score[j] - log_sum);
        score[j] = p * factor[j];
        gradient[j] = p * (gradient[j] * factor[j] - product);
    }
}

/* db += (Σ rows dq, Σ rows dk, Σ rows dv) */
static void add_bias_gradients(const dt_cpu *cpu, dt_real *db, const dt_real *dq, const dt_real *dk,
                               const dt_real *dv, const dt_batch_size *size,
                               const dt_attention *attention)
{
    const int64_t hidden = (int64_t)attention->heads * attention->head_size;
    const int64_t queries = attention->queries == DT_ROWS_SEQUENCES ? size->sequences : size->rows;
    dt_cpu_column_sums(cpu, db, dq, queries, hidden, attention->query_stride);
    dt_cpu_column_sums(cpu, db + hidden, dk, size->rows, hidden, attention->key_stride);
    dt_cpu_column_sums(cpu, db + 2 * hidden, dv, size->rows, hidden, attention->key_stride);
}

void dt_cpu_attention_backward(dt_backend *backend, void *dq, void *dk, void *dv, void *dy,
                               const void *y, const void *log_sum, const void *q, const void *k,
                               const void *v, dt_param bias, const dt_device_batch *batch,
                               const dt_attention *attention, void *scratch)
{
    (void)scratch;
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    const int64_t heads = attention->heads;
    const int64_t d = attention->head_size;
    const int64_t hidden = heads * d;
    const int64_t qs = attention->query_stride;
    const int64_t ks = attention->key_stride;
    const dt_real scale = scale_of(attention);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t item = 0; item < batch->size.sequences * heads; ++item) {
        dt_real *packed = dt_gemm_scratch(&cpu->gemm);
        dt_real *score = dt_cpu_scratch(cpu, 0);
        dt_real *gradient = dt_cpu_scratch(cpu, 1);
        dt_real *factor = dt_cpu_scratch(cpu, 2);
        const dt_pair pair = pair_of(cpu, b, attention, item);
        const int64_t n = pair.keys;
        const int64_t column = pair.head * d;
        const int64_t key_start = pair.first_key * ks + column;
        const dt_real *keys = (const dt_real *)k + key_start;
        const dt_real *values = (const dt_real *)v + key_start;
        for (int64_t first = 0; first < pair.queries; first += pair.block) {
            const int64_t left = pair.queries - first;
            const int64_t rows = left < pair.block ? left : pair.block;
            const int64_t row = pair.first_row + first;
            const dt_real *query = (const dt_real *)q + row * qs + column;
            const dt_real *dy_start = (const dt_real *)dy + row * hidden + column;
            const dt_real *y_start = (const dt_real *)y + row * hidden + column;
            dt_gemm_tile(packed, false, true, rows, n, d, scale, query, qs, keys, ks, false, score,
                         n);
            dt_gemm_tile(packed, false, true, rows, n, d, 1, dy_start, hidden, values, ks, false,
                         gradient, n);
            for (int64_t i = 0; i < rows; ++i) {
                draw_row(factor, b, attention, &pair, first + i);
                softmax_row_backward(score + i * n, gradient + i * n, factor,
                                     ((const dt_real *)log_sum)[(row + i) * heads + pair.head],
                                     dy_start + i * hidden, y_start + i * hidden, n, d);
            }
            dt_gemm_tile(packed, true, false, n, d, rows, 1, score, n, dy_start, hidden, first > 0,
                         (dt_real *)dv + key_start, ks);
            dt_gemm_tile(packed, false, false, rows, d, n, scale, gradient, n, keys, ks, false,
                         (dt_real *)dq + row * qs + column, qs);
            dt_gemm_tile(packed, true, false, n, d, rows, scale, gradient, n, query, qs, first > 0,
                         (dt_real *)dk + key_start, ks);
        }
    }
    if (bias != DT_NO_PARAM)
        add_bias_gradients(cpu, dt_cpu_gradient(cpu, bias), dq, dk, dv, &batch->size, attention);
}

/* The only implementation supports every head size; other methods are refused when the backend is
 * opened. */
dt_status dt_cpu_attention_check(dt_backend *backend, int32_t head_size, bool training)
{
    (void)backend;
    (void)head_size;
    (void)training;
    return DT_OK;
}

int64_t dt_cpu_single_attention_scratch(dt_backend *backend, const dt_attention *attention,
                                        int32_t max_sequences, int64_t max_rows)
{
    (void)backend;
    (void)max_sequences;
    return max_rows * 2 * attention->heads * attention->head_size * (int64_t)sizeof(dt_real);
}

void dt_cpu_single_attention_backward(dt_backend *backend, void *dq, void *dx, void *dy,
                                      const void *y, const void *log_sum, const void *q,
                                      const void *k, const void *v, const void *x, dt_param weight,
                                      dt_param bias, const dt_device_batch *batch,
                                      const dt_attention *attention, void *scratch)
{
    const int32_t hidden = attention->heads * attention->head_size;
    dt_real *dk = scratch; /* beside dv, as k beside v */
    dt_cpu_attention_backward(backend, dq, dk, dk + hidden, dy, y, log_sum, q, k, v, bias, batch,
                              attention, NULL);
    dt_cpu_linear_backward(backend, dx, false, dk, x, weight, DT_NO_PARAM, batch->size.rows, hidden,
                           2 * hidden);
}
