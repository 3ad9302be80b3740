/* The gradient of an embedding table: the rows of each token id are added to the row of the id.
 *
 * Ids differ much in how often they occur, so the list of tokens in the order of their ids
 * (dt_batch_view) is divided into pieces of equal length, one per block. A piece adds the sums of
 * the ids that begin in it to the table, and stores that of an id that began in an earlier piece
 * as a partial sum; a second stage adds these, in order. */
#include "cuda/device.cuh"

#define THREADS 128
#define PIECE_ROWS 16 /* of a piece, at least */

/* What both stages know. */
typedef struct {
    float *gradient; /* (ids, columns) */
    int64_t columns;
    int64_t length; /* as in dt_cuda_group_sums() */
    int32_t piece;  /* rows */
    int32_t frozen_row;
} group_task;

__device__ static inline int64_t row_of(const group_task &task, const dt_batch_view &batch,
                                        int32_t token)
{
    if (task.length == 0)
        return token;
    const int64_t sequence = batch.sequence_of_row[token];
    if (task.length == DT_ROW_PER_BAG)
        return sequence;
    return sequence * task.length + token - batch.cu_seqlens[sequence];
}

/* Returns the factor of the row of a token. */
__device__ static inline float weight_of(const group_task &task, const dt_batch_view &batch,
                                         int32_t token)
{
    if (task.length != DT_ROW_PER_BAG)
        return 1.0f;
    const int32_t *begin = batch.cu_seqlens + batch.sequence_of_row[token];
    return dt_bag_share(begin[1] - begin[0]);
}

template <bool ALIGNED, int W>
__device__ static inline void add_to_id(const group_task &task, const dt_batch_view &batch,
                                        int32_t first, float (&sum)[W], int64_t column)
{
    const int64_t id = batch.token_ids[batch.order[first]];
    if (id != task.frozen_row)
        dt_add_to_row<ALIGNED, W>(task.gradient + id * task.columns, sum, column, task.columns);
}

/* Block (piece, columns). partial (pieces, columns) */
template <typename T, bool ALIGNED>
__global__ void group_sums_kernel(float *partial, const T *dy, dt_batch_view batch, group_task task)
{
    constexpr int W = dt_vec<T>::width;
    const int32_t begin = (int32_t)blockIdx.x * task.piece;
    const int32_t tokens = batch.facts->tokens;
    const int32_t end = begin + task.piece < tokens ? begin + task.piece : tokens;
    const int64_t column = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * W;
    if (column >= task.columns)
        return;
    for (int32_t i = begin; i < end;) {
        const int32_t group = batch.group_of_row[batch.order[i]];
        const int32_t first = batch.group_first[group];
        const int32_t past = batch.group_first[group + 1];
        const int32_t stop = past < end ? past : end;
        float sum[W] = {};
#pragma unroll 4
        for (; i < stop; ++i) {
            const int32_t token = batch.order[i];
            const float weight = weight_of(task, batch, token);
            float vec[W];
            dt_load<ALIGNED, W>(vec, dy + row_of(task, batch, token) * task.columns, column,
                                task.columns);
#pragma unroll
            for (int k = 0; k < W; ++k)
                sum[k] += weight * vec[k];
        }
        if (first < begin)
            dt_store<ALIGNED, W>(partial + blockIdx.x * task.columns, sum, column, task.columns);
        else
            add_to_id<ALIGNED>(task, batch, first, sum, column);
    }
}

/* Block (piece, columns): if an id continues from the piece before, in which it began, adds its
 * partial sums, from this piece to the one in which it ends. */
template <bool ALIGNED, int W>
__global__ void add_group_partials_kernel(const float *partial, dt_batch_view batch,
                                          group_task task)
{
    const int32_t begin = (int32_t)blockIdx.x * task.piece;
    const int64_t column = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * W;
    if (begin >= batch.facts->tokens || column >= task.columns)
        return;
    const int32_t group = batch.group_of_row[batch.order[begin]];
    const int32_t first = batch.group_first[group];
    if (first >= begin || first < begin - task.piece)
        return;
    const int32_t last = (batch.group_first[group + 1] - 1) / task.piece;
    float sum[W] = {};
#pragma unroll 4
    for (int32_t piece = (int32_t)blockIdx.x; piece <= last; ++piece)
        dt_add_vec<ALIGNED, W>(sum, partial + piece * task.columns, column, task.columns);
    add_to_id<ALIGNED>(task, batch, first, sum, column);
}

template <typename T, bool ALIGNED>
static void launch(dt_cuda *cuda, const T *dy, const dt_cuda_batch *batch, const group_task &task)
{
    constexpr int W = dt_vec<T>::width;
    const dim3 grid((unsigned)dt_ceil_div(batch->shape.rows, task.piece),
                    (unsigned)dt_ceil_div(task.columns, THREADS * W));
    group_sums_kernel<T, ALIGNED>
        <<<grid, THREADS, 0, cuda->stream>>>(cuda->sums, dy, batch->view, task);
    dt_cuda_launched(cuda, "sums over token ids");
    add_group_partials_kernel<ALIGNED, W>
        <<<grid, THREADS, 0, cuda->stream>>>(cuda->sums, batch->view, task);
    dt_cuda_launched(cuda, "sums over token ids");
}

template <typename T>
void dt_cuda_group_sums(dt_cuda *cuda, float *gradient, const T *dy, const dt_cuda_batch *batch,
                        int64_t columns, int64_t length, int32_t frozen_row)
{
    const int64_t rows = batch->shape.rows;
    const int64_t pieces =
        dt_cuda_partial_blocks(cuda, dt_ceil_div(rows, PIECE_ROWS), 1, columns);
    if (pieces < 1)
        return;
    const group_task task = {gradient, columns, length, (int32_t)dt_ceil_div(rows, pieces),
                             frozen_row};
    if (columns % dt_vec<T>::width == 0 && dt_is_aligned(dy) && dt_is_aligned(gradient))
        launch<T, true>(cuda, dy, batch, task);
    else
        launch<T, false>(cuda, dy, batch, task);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_group_sums<T>(dt_cuda *, float *, const T *, const dt_cuda_batch *,      \
                                        int64_t, int64_t, int32_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
