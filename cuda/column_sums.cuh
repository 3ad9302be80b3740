/* Sums over the rows of a matrix, column by column, in two stages of fixed shape: first within
 * blocks of rows, then over the blocks in order. The result is therefore deterministic.
 *
 * A Term defines the summands: `sums` values per column, and
 *   add(total, row, column): total[s][i] += value s of (row, column + i), i < W.
 *
 * The blocks depend on the number of rows, which the host knows. Of a token matrix only the rows of
 * the batch are summed; their number is in device memory.
 */
#ifndef DT_CUDA_COLUMN_SUMS_CUH
#define DT_CUDA_COLUMN_SUMS_CUH

#include "cuda/device.cuh"

#define DT_SUM_LANES 8        /* rows that a block of the first stage sums at a time */
#define DT_SUM_ROWS 64        /* rows of a block, at least */
#define DT_SUM_MAX_BLOCKS 128 /* blocks over the rows, at most */

/* The Term that sums the matrix itself: x (rows, stride), the first `columns` columns. */
template <typename T, bool ALIGNED> struct dt_rows_of_matrix {
    static constexpr int sums = 1;
    const T *x;
    int64_t columns, stride;
    template <int W> __device__ void add(float (&total)[1][W], int64_t row, int64_t column) const
    {
        float vec[W];
        dt_load<ALIGNED, W>(vec, x + row * stride, column, columns);
#pragma unroll
        for (int i = 0; i < W; ++i)
            total[0][i] += vec[i];
    }
};

/* partial (S, gridDim.y, columns) */
template <typename Term, int W>
__global__ void dt_column_sums_kernel(float *partial, Term term, int64_t rows, int64_t columns,
                                      int64_t rows_each, const int32_t *tokens)
{
    constexpr int S = Term::sums;
    __shared__ float part[DT_SUM_LANES][S][W][DT_WARP];
    const int64_t column = ((int64_t)blockIdx.x * DT_WARP + threadIdx.x) * W;
    const int64_t begin = (int64_t)blockIdx.y * rows_each;
    const int64_t all = tokens ? *tokens : rows;
    const int64_t end = begin + rows_each < all ? begin + rows_each : all;
    float total[S][W] = {};
    if (column < columns)
        for (int64_t row = begin + threadIdx.y; row < end; row += DT_SUM_LANES)
            term.add(total, row, column);
#pragma unroll
    for (int s = 0; s < S; ++s)
#pragma unroll
        for (int i = 0; i < W; ++i)
            part[threadIdx.y][s][i][threadIdx.x] = total[s][i];
    __syncthreads();
    const int thread = (int)(threadIdx.y * DT_WARP + threadIdx.x);
    for (int e = thread; e < S * W * DT_WARP; e += DT_WARP * DT_SUM_LANES) {
        const int s = e / (W * DT_WARP);
        const int within = e % (W * DT_WARP); /* column within the block */
        const int64_t to = (int64_t)blockIdx.x * DT_WARP * W + within;
        float sum = 0.0f;
        for (int lane = 0; lane < DT_SUM_LANES; ++lane)
            sum += part[lane][s][within % W][within / W];
        if (to < columns)
            partial[((int64_t)s * gridDim.y + blockIdx.y) * columns + to] = sum;
    }
}

/* out_s[c] += Σ blocks of partial[s][block][c], s = blockIdx.y */
static __global__ void dt_add_partials_kernel(float *out0, float *out1, const float *partial,
                                              int64_t blocks, int64_t columns)
{
    const int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns)
        return;
    const float *from = partial + (int64_t)blockIdx.y * blocks * columns + column;
    float sum = 0.0f;
    for (int64_t block = 0; block < blocks; ++block)
        sum += from[block * columns];
    float *out = blockIdx.y == 0 ? out0 : out1;
    out[column] += sum;
}

/* out0 (columns) += the first sum of the Term; out1 += the second, if it has two. tokens: device
 * address of the number of rows to sum; NULL: all rows. */
template <typename T, typename Term>
static void dt_cuda_column_sums(dt_cuda *cuda, float *out0, float *out1, const Term &term,
                                int64_t rows, int64_t columns, const int32_t *tokens)
{
    constexpr int W = dt_vec<T>::width;
    constexpr int S = Term::sums;
    int64_t blocks = dt_ceil_div(rows, DT_SUM_ROWS);
    if (blocks > DT_SUM_MAX_BLOCKS)
        blocks = DT_SUM_MAX_BLOCKS;
    if (blocks > DT_CUDA_SUMS / (S * columns))
        blocks = DT_CUDA_SUMS / (S * columns);
    if (blocks < 1) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "a matrix of %lld columns is too wide for column sums",
                     (long long)columns);
        return;
    }
    const int64_t rows_each = dt_ceil_div(rows, blocks);
    const dim3 grid((unsigned)dt_ceil_div(columns, DT_WARP * W), (unsigned)blocks);
    const dim3 block(DT_WARP, DT_SUM_LANES);
    dt_column_sums_kernel<Term, W>
        <<<grid, block, 0, cuda->stream>>>(cuda->sums, term, rows, columns, rows_each, tokens);
    dt_cuda_launched(cuda, "column sums");
    const dim3 second((unsigned)dt_ceil_div(columns, 128), S);
    dt_add_partials_kernel<<<second, 128, 0, cuda->stream>>>(out0, out1, cuda->sums, blocks,
                                                             columns);
    dt_cuda_launched(cuda, "column sums");
}

#endif
