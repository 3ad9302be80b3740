/* What cuBLASLt leaves to us: products of the rare shapes for which it has no algorithm, by tiles in
 * shared memory that are summed in float, in the order of k, without tensor cores; and biases that
 * are not aligned. */
#include "cuda/device.cuh"

#define SIDE 16 /* side of a tile, and of a block's result */

/* Element (row, column) of op(M); 0 outside. */
template <typename T>
__device__ static inline float element(const T *matrix, int64_t ld, bool transpose, int64_t row,
                                       int64_t column, int64_t rows, int64_t columns)
{
    if (row >= rows || column >= columns)
        return 0.0f;
    return dt_value(matrix[transpose ? column * ld + row : row * ld + column]);
}

/* Block (rows, columns) of (SIDE, SIDE) threads. */
template <typename IN, typename OUT> __global__ void plain_product_kernel(dt_product p)
{
    __shared__ float a[SIDE][SIDE + 1];
    __shared__ float b[SIDE][SIDE + 1];
    const int64_t x = threadIdx.x;
    const int64_t y = threadIdx.y;
    const int64_t first_row = (int64_t)blockIdx.x * SIDE;
    const int64_t first_column = (int64_t)blockIdx.y * SIDE;
    const int64_t row = first_row + y;
    const int64_t column = first_column + x;
    float sum = 0.0f;
    for (int64_t k = 0; k < p.k; k += SIDE) {
        __syncthreads();
        a[y][x] = element((const IN *)p.a, p.lda, p.transpose_a, row, k + x, p.m, p.k);
        b[y][x] = element((const IN *)p.b, p.ldb, p.transpose_b, k + y, column, p.k, p.n);
        __syncthreads();
        for (int i = 0; i < SIDE; ++i)
            sum += a[y][i] * b[i][x];
    }
    if (row >= p.m || column >= p.n)
        return;
    OUT *c = (OUT *)p.c + row * p.ldc + column;
    if (p.add)
        sum += dt_value(*c);
    if (p.bias)
        sum += dt_value(((const OUT *)p.bias)[column]);
    *c = dt_round<OUT>(sum);
}

template <typename IN, typename OUT> static void launch(dt_cuda *cuda, const dt_product *p)
{
    const dim3 grid((unsigned)dt_ceil_div(p->m, SIDE), (unsigned)dt_ceil_div(p->n, SIDE));
    plain_product_kernel<IN, OUT><<<grid, dim3(SIDE, SIDE), 0, cuda->stream>>>(*p);
    dt_cuda_launched(cuda, "a matrix product");
}

template <typename IN> static void launch_to(dt_cuda *cuda, const dt_product *p)
{
    if (p->output == DT_NUMBER_FLOAT)
        launch<IN, float>(cuda, p);
    else
        launch<IN, IN>(cuda, p);
}

void dt_cuda_plain_product(dt_cuda *cuda, const dt_product *p)
{
    if (p->inputs == DT_NUMBER_FLOAT)
        launch<float, float>(cuda, p);
    else if (p->inputs == DT_NUMBER_BF16)
        launch_to<__nv_bfloat16>(cuda, p);
    else
        launch_to<__half>(cuda, p);
}

/* ---- biases --------------------------------------------------------------------------------- */

#define BIAS_THREADS 256

/* Block (row, columns). */
template <typename T>
__global__ void bias_rows_kernel(T *c, const T *bias, int64_t columns, int64_t ldc)
{
    const int64_t column = (int64_t)blockIdx.y * BIAS_THREADS + threadIdx.x;
    if (column < columns)
        c[blockIdx.x * ldc + column] = bias[column];
}

template <typename T> static void launch_bias_rows(dt_cuda *cuda, const dt_product *p)
{
    const dim3 grid((unsigned)p->m, (unsigned)dt_ceil_div(p->n, BIAS_THREADS));
    bias_rows_kernel<T>
        <<<grid, BIAS_THREADS, 0, cuda->stream>>>((T *)p->c, (const T *)p->bias, p->n, p->ldc);
    dt_cuda_launched(cuda, "a bias");
}

void dt_cuda_bias_rows(dt_cuda *cuda, const dt_product *p)
{
    if (p->output == DT_NUMBER_FLOAT)
        launch_bias_rows<float>(cuda, p);
    else
        launch_bias_rows<uint16_t>(cuda, p); /* copied, whichever type of 2 bytes it is */
}
