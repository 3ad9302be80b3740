/* Word + position + type embedding, LayerNorm, dropout. Recomputing the sum is cheaper than storing
 * it, so backward recomputes it. */
#include "cuda/norm.cuh"

typedef struct {
    const float *gamma, *beta;
    const void *word, *position, *type; /* of activations' type */
    int32_t hidden;
    float eps;
    int32_t frozen_row;
    dt_drop drop;
} embedding_task;

/* s = word[id] + position[t] + type[0] of a row */
template <typename T, bool ALIGNED, int W>
__device__ static inline void embedding_sum(float (&s)[W], const embedding_task &task,
                                            const dt_batch_view &batch, int64_t row,
                                            int32_t column)
{
    const int32_t hidden = task.hidden;
    const int64_t position = row - batch.cu_seqlens[batch.sequence_of_row[row]];
    dt_norm_load<ALIGNED, W>(s, (const T *)task.word + (int64_t)batch.token_ids[row] * hidden,
                             column, hidden);
    if (column >= hidden)
        return;
    dt_add_vec<ALIGNED, W>(s, (const T *)task.position + position * hidden, column, hidden);
    dt_add_vec<ALIGNED, W>(s, (const T *)task.type, column, hidden);
}

/* One block per row. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_NORM_THREADS)
    embedding_kernel(T *y, float *statistics, dt_batch_view batch, embedding_task task)
{
    constexpr int W = dt_norm_width<T, ALIGNED>;
    const int32_t hidden = task.hidden;
    const int64_t row = blockIdx.x;
    const int32_t column = (int32_t)threadIdx.x * W;
    if (row >= batch.facts->tokens) {
        dt_zero_row<ALIGNED>(y + row * hidden, hidden);
        if (threadIdx.x < 2)
            statistics[2 * row + threadIdx.x] = 0.0f;
        return;
    }
    float s[W];
    float factor[W];
    embedding_sum<T, ALIGNED>(s, task, batch, row, column);
    const dt_row_statistics found = dt_norm_statistics<W>(s, column, hidden, task.eps);
    dt_norm_scale<ALIGNED, W>(s, found, task.gamma, task.beta, column, hidden);
    dt_factors<W>(factor, dt_row_mask(batch, task.drop, DT_ROWS_TOKENS, row), column);
#pragma unroll
    for (int i = 0; i < W; ++i)
        s[i] *= factor[i];
    dt_norm_store<ALIGNED, W>(y + row * hidden, s, column, hidden);
    if (threadIdx.x == 0) {
        statistics[2 * row] = found.mean;
        statistics[2 * row + 1] = found.scale;
    }
}

#define SUMS 3 /* over rows: the gradients of gamma, beta and the only type in use */

/* Block i handles the rows i, i + blocks, … of the batch: ds is the gradient before the LayerNorm.
 * Stores its sums in `partial`. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_NORM_THREADS)
    embedding_backward_kernel(T *ds, float *partial, const T *dy, const float *statistics,
                              dt_batch_view batch, embedding_task task)
{
    constexpr int W = dt_norm_width<T, ALIGNED>;
    const int32_t hidden = task.hidden;
    const int32_t column = (int32_t)threadIdx.x * W;
    float total[SUMS][W] = {};
    for (int64_t row = blockIdx.x; row < batch.facts->tokens; row += gridDim.x) {
        const dt_row_statistics found = {statistics[2 * row], statistics[2 * row + 1]};
        float s[W];
        float g[W];
        float factor[W];
        dt_factors<W>(factor, dt_row_mask(batch, task.drop, DT_ROWS_TOKENS, row), column);
        dt_norm_load<ALIGNED, W>(g, dy + row * hidden, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            g[i] *= factor[i];
        embedding_sum<T, ALIGNED>(s, task, batch, row, column);
        dt_norm_gradient<ALIGNED, W>(g, s, total, found, task.gamma, column, hidden);
#pragma unroll
        for (int i = 0; i < W; ++i)
            total[2][i] += g[i];
        dt_norm_store<ALIGNED, W>(ds + row * hidden, g, column, hidden);
    }
    dt_norm_store_totals<ALIGNED, W>(partial, total, column, hidden);
}

#define LANES 8 /* sequences that a block of the next kernel sums at a time */

/* Block (position, columns): sums the rows at one position over the sequences that are long
 * enough. */
template <typename T, bool ALIGNED>
__global__ void position_gradient_kernel(float *gradient, const T *ds, dt_batch_view batch,
                                         int64_t hidden)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t position = blockIdx.x;
    const int64_t column = ((int64_t)blockIdx.y * DT_WARP + threadIdx.x) * W;
    if (position >= batch.facts->longest)
        return; /* the table may have no rows past the longest sequence */
    float sum[W] = {};
    if (column < hidden)
#pragma unroll 4
        for (int32_t b = (int32_t)threadIdx.y; b < batch.facts->sequences; b += LANES) {
            const int64_t row = batch.cu_seqlens[b] + position;
            if (row < batch.cu_seqlens[b + 1])
                dt_add_vec<ALIGNED, W>(sum, ds + row * hidden, column, hidden);
        }
    dt_lane_sum<LANES>(sum);
    if (threadIdx.y == 0 && column < hidden)
        dt_add_to_row<ALIGNED, W>(gradient + position * hidden, sum, column, hidden);
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
    const bool aligned = aligned_task<T>(&task) && dt_is_aligned(y);
    const unsigned threads = dt_norm_threads<T>(cuda, task.hidden, aligned);
    if (threads == 0)
        return;
    if (aligned)
        embedding_kernel<T, true><<<rows, threads, 0, cuda->stream>>>(
            (T *)y, (float *)statistics, b->view, task);
    else
        embedding_kernel<T, false><<<rows, threads, 0, cuda->stream>>>(
            (T *)y, (float *)statistics, b->view, task);
    dt_cuda_launched(cuda, "embedding");
}

template <typename T, bool ALIGNED>
static void backward(dt_cuda *cuda, const T *dy, const float *statistics,
                     const dt_device_batch *batch, const dt_embedding *embedding, T *ds)
{
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    const embedding_task task = task_of<T>(cuda, embedding);
    const int32_t hidden = task.hidden;
    const unsigned threads = dt_norm_threads<T>(cuda, hidden, ALIGNED);
    const unsigned blocks = dt_norm_blocks(cuda, batch->size.rows, SUMS, hidden);
    if (threads == 0 || blocks == 0)
        return;
    embedding_backward_kernel<T, ALIGNED><<<blocks, threads, 0, cuda->stream>>>(
        ds, cuda->sums, dy, statistics, b->view, task);
    dt_cuda_launched(cuda, "embedding backward");
    const dt_totals totals = {{dt_cuda_gradient(cuda, embedding->gamma),
                               dt_cuda_gradient(cuda, embedding->beta),
                               dt_cuda_gradient(cuda, embedding->type)}};
    dt_cuda_gradients_start(cuda, embedding->word, (int64_t)embedding->vocabulary * hidden);
    dt_cuda_gradients_start(cuda, embedding->position, (int64_t)embedding->max_length * hidden);
    dt_cuda_gradients_start(cuda, embedding->type + hidden, hidden); /* of the type not in use */
    dt_cuda_add_partials(cuda, totals, SUMS, blocks, hidden);
    dt_cuda_group_sums<T>(cuda, dt_cuda_gradient(cuda, embedding->word), ds, b, hidden, 0,
                          task.frozen_row);
    const dim3 positions((unsigned)b->shape.longest,
                         (unsigned)dt_ceil_div(hidden, DT_WARP * dt_vec<T>::width));
    position_gradient_kernel<T, ALIGNED><<<positions, dim3(DT_WARP, LANES), 0, cuda->stream>>>(
        dt_cuda_gradient(cuda, embedding->position), ds, b->view, hidden);
    dt_cuda_launched(cuda, "position gradients");
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
