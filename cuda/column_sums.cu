/* Sums over the rows of a matrix, column by column, in two stages of fixed shape: first within
 * blocks of rows, then over the blocks. The result is therefore deterministic. */
#include "cuda/device.cuh"

#define BLOCK_ROWS 16  /* rows of a block, at least */
#define MAX_BLOCKS 256 /* blocks over the rows, at most */

template <typename T, bool ALIGNED>
__global__ void column_sums_kernel(float *partial, const T *x, int64_t rows, int64_t columns,
                                   int64_t stride, int64_t rows_each)
{
    constexpr int W = dt_vec<T>::width;
    dt_sum_rows<ALIGNED, 4, W>(partial, rows, columns, rows_each,
                               [&](float (&values)[W], int64_t row, int64_t column) {
                                   dt_load<ALIGNED, W>(values, x + row * stride, column, columns);
                               });
}

/* Block (columns, s) of (DT_WARP, lanes) threads: lane l sums the blocks l, l + lanes, …; then the
 * lanes are summed in order. */
static __global__ void add_partials_kernel(dt_totals totals, const float *partial, int64_t blocks,
                                           int64_t columns, bool replace)
{
    const int64_t column = (int64_t)blockIdx.x * DT_WARP + threadIdx.x;
    const float *from = partial + blockIdx.y * blocks * columns + column;
    float sum[1] = {0.0f};
    if (column < columns)
#pragma unroll 8
        for (int64_t block = threadIdx.y; block < blocks; block += blockDim.y)
            sum[0] += from[block * columns];
    dt_lane_sum<DT_MAX_WARPS>(sum);
    const unsigned s = blockIdx.y; /* as an index, it would put `totals` into local memory */
    float *total = (s == 0 ? totals.of[0] : s == 1 ? totals.of[1] : totals.of[2]) + column;
    if (threadIdx.y == 0 && column < columns)
        *total = replace ? sum[0] : *total + sum[0];
}

void dt_cuda_add_partials(dt_cuda *cuda, const dt_totals &totals, int sums, int64_t blocks,
                          int64_t columns)
{
    const dim3 grid((unsigned)dt_ceil_div(columns, DT_WARP), (unsigned)sums);
    const dim3 block(DT_WARP, (unsigned)(blocks < DT_MAX_WARPS ? blocks : DT_MAX_WARPS));
    add_partials_kernel<<<grid, block, 0, cuda->stream>>>(totals, cuda->sums, blocks, columns,
                                                          cuda->replace);
    dt_cuda_launched(cuda, "sums of partial sums");
}

int64_t dt_cuda_partial_blocks(dt_cuda *cuda, int64_t most, int sums, int64_t columns)
{
    const int64_t fit = DT_CUDA_SUMS / (sums * columns);
    if (fit < 1)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "a matrix of %lld columns is too wide for column sums",
                     (long long)columns);
    return most < fit ? most : fit;
}

dt_row_sums dt_cuda_row_sums(dt_cuda *cuda, int64_t rows, int64_t columns, int width)
{
    const int64_t wanted = dt_ceil_div(rows, BLOCK_ROWS);
    const int64_t blocks =
        dt_cuda_partial_blocks(cuda, wanted < MAX_BLOCKS ? wanted : MAX_BLOCKS, 1, columns);
    return dt_row_sums{blocks, blocks ? dt_ceil_div(rows, blocks) : 0,
                       dim3((unsigned)dt_ceil_div(columns, DT_WARP * width), (unsigned)blocks),
                       dim3(DT_WARP, DT_SUM_LANES)};
}

template <typename T>
void dt_cuda_column_sums(dt_cuda *cuda, float *out, const T *x, int64_t rows, int64_t columns,
                         int64_t stride)
{
    constexpr int W = dt_vec<T>::width;
    const dt_row_sums sums = dt_cuda_row_sums(cuda, rows, columns, W);
    if (sums.blocks == 0)
        return;
    if (dt_is_aligned(x) && columns % W == 0 && stride % W == 0)
        column_sums_kernel<T, true><<<sums.grid, sums.threads, 0, cuda->stream>>>(
            cuda->sums, x, rows, columns, stride, sums.rows_each);
    else
        column_sums_kernel<T, false><<<sums.grid, sums.threads, 0, cuda->stream>>>(
            cuda->sums, x, rows, columns, stride, sums.rows_each);
    dt_cuda_launched(cuda, "column sums");
    dt_cuda_add_partials(cuda, dt_totals{{out}}, 1, sums.blocks, columns);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_column_sums<T>(dt_cuda *, float *, const T *, int64_t, int64_t, int64_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
