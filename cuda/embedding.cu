/* Word + position + type embedding, LayerNorm, dropout. Recomputing the sum is cheaper than storing
 * it, so backward computes it twice. The gradient of a word is written by one block, which adds the
 * rows of the word in order; likewise that of a position. */
#include "cuda/column_sums.cuh"
#include "cuda/norm.cuh"

typedef struct {
    const float *gamma, *beta;
    const void *word, *position, *type; /* of activations' type */
    int64_t hidden;
    float eps;
    int32_t frozen_row;
    dt_drop drop;
} embedding_task;

/* word[id] + position[t] + type[0] of a row */
template <typename T, bool ALIGNED> struct embedding_sum_source {
    const T *word, *position, *type;
    int64_t hidden;
    template <int W> __device__ void load(float (&out)[W], int64_t column) const
    {
        float b[W];
        float c[W];
        dt_load<ALIGNED, W>(out, word, column, hidden);
        dt_load<ALIGNED, W>(b, position, column, hidden);
        dt_load<ALIGNED, W>(c, type, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            out[i] = out[i] + b[i] + c[i];
    }
};

/* dy after the backward of dropout */
template <typename T, bool ALIGNED> struct embedding_masked_source {
    const T *dy;
    dt_mask mask;
    int64_t hidden;
    template <int W> __device__ void load(float (&out)[W], int64_t column) const
    {
        float factor[W];
        dt_load<ALIGNED, W>(out, dy, column, hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            out[i] *= factor[i];
    }
};

template <typename T, bool ALIGNED>
__device__ static inline embedding_sum_source<T, ALIGNED>
sum_of(const embedding_task &task, const dt_batch_view &batch, int64_t row)
{
    const int64_t position = row - batch.cu_seqlens[batch.sequence_of_row[row]];
    return embedding_sum_source<T, ALIGNED>{
        (const T *)task.word + batch.token_ids[row] * task.hidden,
        (const T *)task.position + position * task.hidden, (const T *)task.type, task.hidden};
}

template <typename T, bool ALIGNED>
__device__ static inline embedding_masked_source<T, ALIGNED>
masked_of(const embedding_task &task, const dt_batch_view &batch, const T *dy, int64_t row)
{
    return embedding_masked_source<T, ALIGNED>{
        dy + row * task.hidden, dt_row_mask(batch, task.drop, DT_ROWS_TOKENS, row), task.hidden};
}

template <typename T, bool ALIGNED>
__global__ void embedding_kernel(T *y, float *statistics, dt_batch_view batch, embedding_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    const int64_t hidden = task.hidden;
    if (row >= batch.facts->tokens) {
        dt_zero_row<ALIGNED>(y + row * hidden, hidden);
        if (threadIdx.x < 2)
            statistics[2 * row + threadIdx.x] = 0.0f;
        return;
    }
    const embedding_sum_source<T, ALIGNED> source = sum_of<T, ALIGNED>(task, batch, row);
    const dt_row_statistics found = dt_norm_statistics<W>(source, hidden, task.eps);
    const dt_mask mask = dt_row_mask(batch, task.drop, DT_ROWS_TOKENS, row);
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float gamma[W];
        float beta[W];
        float factor[W];
        source.load(s, column);
        dt_load<ALIGNED, W>(gamma, task.gamma, column, hidden);
        dt_load<ALIGNED, W>(beta, task.beta, column, hidden);
        dt_factors<W>(factor, mask, column);
#pragma unroll
        for (int i = 0; i < W; ++i)
            s[i] = ((s[i] - found.mean) * found.scale * gamma[i] + beta[i]) * factor[i];
        dt_store<ALIGNED, W>(y + row * hidden, s, column, hidden);
    }
    if (threadIdx.x == 0) {
        statistics[2 * row] = found.mean;
        statistics[2 * row + 1] = found.scale;
    }
}

/* ds of every row, before the LayerNorm */
template <typename T, bool ALIGNED>
__global__ void embedding_backward_kernel(T *ds, const T *dy, const float *statistics,
                                          dt_batch_view batch, embedding_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t row = blockIdx.x;
    const int64_t hidden = task.hidden;
    if (row >= batch.facts->tokens)
        return; /* only rows of the batch are summed */
    const embedding_sum_source<T, ALIGNED> source = sum_of<T, ALIGNED>(task, batch, row);
    const embedding_masked_source<T, ALIGNED> gradient =
        masked_of<T, ALIGNED>(task, batch, dy, row);
    const dt_row_statistics found = {statistics[2 * row], statistics[2 * row + 1]};
    float mean[2];
    dt_norm_means<W, ALIGNED>(mean, source, gradient, found, task.gamma, hidden);
    for (int64_t column = (int64_t)threadIdx.x * W; column < hidden;
         column += (int64_t)DT_NORM_THREADS * W) {
        float s[W];
        float g[W];
        source.load(s, column);
        gradient.load(g, column);
        dt_norm_gradient<W, ALIGNED>(g, s, mean, found, task.gamma, column, hidden);
        dt_store<ALIGNED, W>(ds + row * hidden, g, column, hidden);
    }
}

/* The gradients of gamma and beta. */
template <typename T, bool ALIGNED> struct embedding_scale_terms {
    static constexpr int sums = 2;
    const T *dy;
    const float *statistics;
    dt_batch_view batch;
    embedding_task task;
    template <int W> __device__ void add(float (&total)[2][W], int64_t row, int64_t column) const
    {
        const float mean = statistics[2 * row];
        const float scale = statistics[2 * row + 1];
        float g[W];
        float s[W];
        masked_of<T, ALIGNED>(task, batch, dy, row).load(g, column);
        sum_of<T, ALIGNED>(task, batch, row).load(s, column);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            total[0][i] += g[i] * ((s[i] - mean) * scale);
            total[1][i] += g[i];
        }
    }
};

/* The gradient of the only type in use: the sum of all rows. */
template <typename T, bool ALIGNED> struct embedding_type_terms {
    static constexpr int sums = 1;
    const T *ds;
    int64_t hidden;
    template <int W> __device__ void add(float (&total)[1][W], int64_t row, int64_t column) const
    {
        float g[W];
        dt_load<ALIGNED, W>(g, ds + row * hidden, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            total[0][i] += g[i];
    }
};

/* Adds W sums to a row of a gradient. */
template <bool ALIGNED, int W>
__device__ static inline void add_vec(float *row, const float (&sum)[W], int64_t column,
                                      int64_t hidden)
{
    float before[W];
    dt_load<ALIGNED, W>(before, row, column, hidden);
#pragma unroll
    for (int i = 0; i < W; ++i)
        before[i] += sum[i];
    dt_store<ALIGNED, W>(row, before, column, hidden);
}

/* Block (group, columns): sums the rows of one word. */
template <typename T, bool ALIGNED>
__global__ void word_gradient_kernel(float *gradient, const T *ds, dt_batch_view batch,
                                     int64_t hidden, int32_t frozen_row)
{
    constexpr int W = dt_vec<T>::width;
    const int32_t group = (int32_t)blockIdx.x;
    const int64_t column = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (group >= batch.facts->groups || column >= hidden)
        return;
    const int32_t first = batch.group_first[group];
    const int32_t end = batch.group_first[group + 1];
    const int64_t id = batch.token_ids[batch.order[first]];
    if (id == frozen_row)
        return;
    float sum[W] = {};
    for (int32_t i = first; i < end; ++i) {
        float g[W];
        dt_load<ALIGNED, W>(g, ds + batch.order[i] * hidden, column, hidden);
#pragma unroll
        for (int w = 0; w < W; ++w)
            sum[w] += g[w];
    }
    add_vec<ALIGNED>(gradient + id * hidden, sum, column, hidden);
}

/* Block (position, columns): sums the rows at one position over the sequences that are long
 * enough. */
template <typename T, bool ALIGNED>
__global__ void position_gradient_kernel(float *gradient, const T *ds, dt_batch_view batch,
                                         int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t position = blockIdx.x;
    const int64_t column = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (position >= batch.facts->longest || column >= hidden)
        return; /* the table may have no rows past the longest sequence */
    float sum[W] = {};
    for (int32_t b = 0; b < batch.facts->sequences; ++b) {
        const int64_t row = batch.cu_seqlens[b] + position;
        if (row >= batch.cu_seqlens[b + 1])
            continue;
        float g[W];
        dt_load<ALIGNED, W>(g, ds + row * hidden, column, hidden);
#pragma unroll
        for (int w = 0; w < W; ++w)
            sum[w] += g[w];
    }
    add_vec<ALIGNED>(gradient + position * hidden, sum, column, hidden);
}

/* ---- host ----------------------------------------------------------------------------------- */

template <typename T>
static embedding_task task_of(const dt_cuda *cuda, const dt_embedding *embedding)
{
    embedding_task task;
    task.gamma = dt_cuda_param(cuda, embedding->gamma);
    task.beta = dt_cuda_param(cuda, embedding->beta);
    task.word = dt_cuda_weight<T>(cuda, embedding->word);
    task.position = dt_cuda_weight<T>(cuda, embedding->position);
    task.type = dt_cuda_weight<T>(cuda, embedding->type);
    task.hidden = embedding->hidden;
    task.eps = (float)embedding->eps;
    task.frozen_row = embedding->frozen_row;
    task.drop = dt_drop_of(&embedding->dropout);
    return task;
}

template <typename T> static bool aligned_task(const embedding_task *task)
{
    return task->hidden % dt_vec<T>::width == 0 && dt_is_aligned(task->gamma) &&
           dt_is_aligned(task->beta) && dt_is_aligned(task->word) &&
           dt_is_aligned(task->position) && dt_is_aligned(task->type);
}

template <typename T>
void dt_cuda_embedding_forward(dt_backend *backend, void *y, void *statistics,
                               const dt_device_batch *batch, const dt_embedding *embedding)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !dt_cuda_ids_in(cuda, b, embedding->vocabulary))
        return;
    const embedding_task task = task_of<T>(cuda, embedding);
    const unsigned rows = (unsigned)batch->size.rows;
    if (aligned_task<T>(&task) && dt_is_aligned(y))
        embedding_kernel<T, true><<<rows, DT_NORM_THREADS, 0, cuda->stream>>>(
            (T *)y, (float *)statistics, b->view, task);
    else
        embedding_kernel<T, false><<<rows, DT_NORM_THREADS, 0, cuda->stream>>>(
            (T *)y, (float *)statistics, b->view, task);
    dt_cuda_launched(cuda, "embedding");
}

template <typename T, bool ALIGNED>
static void backward(dt_cuda *cuda, const T *dy, const float *statistics,
                     const dt_device_batch *batch, const dt_embedding *embedding, T *ds)
{
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    const embedding_task task = task_of<T>(cuda, embedding);
    const int64_t hidden = task.hidden;
    const int64_t rows = batch->size.rows;
    const int32_t *tokens = &b->view.facts->tokens;
    const unsigned strips =
        (unsigned)dt_ceil_div(hidden, (int64_t)DT_NORM_THREADS * dt_vec<T>::width);
    dt_cuda_column_sums<T>(
        cuda, dt_cuda_gradient(cuda, embedding->gamma), dt_cuda_gradient(cuda, embedding->beta),
        embedding_scale_terms<T, ALIGNED>{dy, statistics, b->view, task}, rows, hidden, tokens);
    embedding_backward_kernel<T, ALIGNED>
        <<<(unsigned)rows, DT_NORM_THREADS, 0, cuda->stream>>>(ds, dy, statistics, b->view, task);
    dt_cuda_launched(cuda, "embedding backward");
    const dim3 words((unsigned)b->shape.groups, strips);
    word_gradient_kernel<T, ALIGNED><<<words, DT_NORM_THREADS, 0, cuda->stream>>>(
        dt_cuda_gradient(cuda, embedding->word), ds, b->view, hidden, task.frozen_row);
    dt_cuda_launched(cuda, "word gradients");
    const dim3 positions((unsigned)b->shape.longest, strips);
    position_gradient_kernel<T, ALIGNED><<<positions, DT_NORM_THREADS, 0, cuda->stream>>>(
        dt_cuda_gradient(cuda, embedding->position), ds, b->view, hidden);
    dt_cuda_launched(cuda, "position gradients");
    dt_cuda_column_sums<T>(cuda, dt_cuda_gradient(cuda, embedding->type), NULL,
                           embedding_type_terms<T, ALIGNED>{ds, hidden}, rows, hidden, tokens);
}

template <typename T>
void dt_cuda_embedding_backward(dt_backend *backend, const void *dy, const void *statistics,
                                const dt_device_batch *batch, const dt_embedding *embedding,
                                void *scratch)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const embedding_task task = task_of<T>(cuda, embedding);
    if (aligned_task<T>(&task) && dt_is_aligned(dy) && dt_is_aligned(scratch))
        backward<T, true>(cuda, (const T *)dy, (const float *)statistics, batch, embedding,
                          (T *)scratch);
    else
        backward<T, false>(cuda, (const T *)dy, (const float *)statistics, batch, embedding,
                           (T *)scratch);
}

DT_CUDA_OPERATION(embedding_forward);
DT_CUDA_OPERATION(embedding_backward);
