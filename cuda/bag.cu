/* The bag of embeddings: a sum of rows of a table for each sequence. */
#include "cuda/device.cuh"

#define LANES 8 /* rows that a block reads at a time */

/* Columns per block. */
template <typename T> constexpr int64_t bag_columns()
{
    return DT_WARP * dt_vec<T>::width;
}

/* Block (sequence, columns). Lane l sums the tokens l, l + LANES, …; then the lanes are summed in
 * order. */
template <typename T, bool ALIGNED>
__global__ void bag_kernel(T *y, const T *table, dt_batch_view batch, int32_t rows, int64_t dim)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t column = ((int64_t)blockIdx.y * DT_WARP + threadIdx.x) * W;
    const int32_t begin = batch.cu_seqlens[blockIdx.x];
    const int32_t end = batch.cu_seqlens[blockIdx.x + 1];
    float total[W] = {};
    if (column < dim)
#pragma unroll 4
        for (int32_t row = begin + (int32_t)threadIdx.y; row < end; row += LANES) {
            const int64_t id = batch.token_ids[row];
            if (id < rows)
                dt_add_vec<ALIGNED, W>(total, table + id * dim, column, dim);
        }
    dt_lane_sum<LANES>(total);
    if (threadIdx.y > 0 || column >= dim)
        return;
    const float share = dt_bag_share(end - begin);
#pragma unroll
    for (int i = 0; i < W; ++i)
        total[i] *= share;
    dt_store<ALIGNED, W>(y + blockIdx.x * dim, total, column, dim);
}

template <typename T>
void dt_cuda_bag_forward(dt_backend *backend, void *y, const dt_device_batch *batch,
                         const dt_bag *bag)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !dt_cuda_ids_in(cuda, b, bag->rows + 1))
        return;
    const int64_t dim = bag->dim;
    const T *table = dt_cuda_weight<T>(cuda, bag->table);
    const dim3 grid((unsigned)batch->size.sequences,
                    (unsigned)dt_ceil_div(dim, bag_columns<T>()));
    const dim3 block(DT_WARP, LANES);
    if (dim % dt_vec<T>::width == 0 && dt_is_aligned(y) && dt_is_aligned(table))
        bag_kernel<T, true>
            <<<grid, block, 0, cuda->stream>>>((T *)y, table, b->view, bag->rows, dim);
    else
        bag_kernel<T, false>
            <<<grid, block, 0, cuda->stream>>>((T *)y, table, b->view, bag->rows, dim);
    dt_cuda_launched(cuda, "bag of embeddings");
}

template <typename T>
void dt_cuda_bag_backward(dt_backend *backend, const void *dy, const dt_device_batch *batch,
                          const dt_bag *bag)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_cuda_gradients_start(cuda, bag->table, (int64_t)bag->rows * bag->dim);
    dt_cuda_group_sums<T>(cuda, dt_cuda_gradient(cuda, bag->table), (const T *)dy,
                          dt_cuda_batch_of(batch), bag->dim, DT_ROW_PER_BAG, bag->rows);
}

DT_CUDA_OPERATION(bag_forward);
DT_CUDA_OPERATION(bag_backward);
