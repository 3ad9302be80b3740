#include "cuda/column_sums.cuh"

/* One number a column: x itself. */
template <typename T, bool ALIGNED> struct rows_of_x {
    static constexpr int sums = 1;
    const T *x;
    int64_t columns;
    template <int W> __device__ void add(float (&total)[1][W], int64_t row, int64_t column) const
    {
        float piece[W];
        dt_load<ALIGNED, W>(piece, x + row * columns, column, columns);
#pragma unroll
        for (int i = 0; i < W; ++i)
            total[0][i] += piece[i];
    }
};

template <typename T>
static void bias_gradient(dt_cuda *cuda, float *out, const T *dy, int64_t rows, int64_t columns)
{
    if (dt_is_aligned(dy) && columns % dt_piece<T>::width == 0)
        dt_cuda_column_sums<T>(cuda, out, NULL, rows_of_x<T, true>{dy, columns}, rows, columns,
                               NULL);
    else
        dt_cuda_column_sums<T>(cuda, out, NULL, rows_of_x<T, false>{dy, columns}, rows, columns,
                               NULL);
}

/* y (rows, out) = x · Wᵀ + b, W and b in the type of activations. */
template <typename T>
static void forward(dt_cuda *cuda, void *y, const void *x, dt_param weight, dt_param bias,
                    int64_t rows, int32_t in, int32_t out)
{
    dt_product p = {};
    p.m = rows;
    p.n = out;
    p.k = in;
    p.a = x;
    p.lda = in;
    p.b = dt_cuda_weight<T>(cuda, weight);
    p.ldb = in;
    p.transpose_b = true;
    p.c = y;
    p.ldc = out;
    p.bias = dt_cuda_weight<T>(cuda, bias);
    p.inputs = p.output = dt_number_of<T>();
    dt_cuda_product(cuda, &p);
}

template <typename T>
void dt_cuda_linear_forward(dt_backend *backend, void *y, const void *x, dt_param weight,
                            dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        forward<T>(cuda, y, x, weight, bias, rows, in, out);
}

template <typename T>
void dt_cuda_linear_gelu_forward(dt_backend *backend, void *y, void *u, const void *x,
                                 dt_param weight, dt_param bias, int64_t rows, int32_t in,
                                 int32_t out)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    forward<T>(cuda, u ? u : y, x, weight, bias, rows, in, out);
    if (y)
        dt_cuda_gelu_forward<T>(cuda, y, u ? u : y, rows * out);
}

template <typename T>
void dt_cuda_linear_backward(dt_backend *backend, void *dx, bool add_dx, const void *dy,
                             const void *x, dt_param weight, dt_param bias, int64_t rows,
                             int32_t in, int32_t out)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_product p = {};
    p.inputs = p.output = dt_number_of<T>();
    if (dx) {
        p.m = rows;
        p.n = in;
        p.k = out;
        p.a = dy;
        p.lda = out;
        p.b = dt_cuda_weight<T>(cuda, weight);
        p.ldb = in;
        p.c = dx;
        p.ldc = in;
        p.add = add_dx;
        dt_cuda_product(cuda, &p);
    }
    p.m = out; /* dW += dyᵀ · x, in float */
    p.n = in;
    p.k = rows;
    p.a = dy;
    p.lda = out;
    p.transpose_a = true;
    p.b = x;
    p.ldb = in;
    p.c = dt_cuda_gradient(cuda, weight);
    p.ldc = in;
    p.output = DT_NUMBER_FLOAT;
    p.add = true;
    dt_cuda_product(cuda, &p);
    bias_gradient<T>(cuda, dt_cuda_gradient(cuda, bias), (const T *)dy, rows, out);
}

/* ---- heads: logits are float --------------------------------------------------------------- */

template <typename T>
void dt_cuda_heads_forward(dt_backend *backend, void *logits, const void *x, dt_param weight,
                           dt_param bias, int32_t sequences, int32_t hidden, int32_t classes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_product p = {};
    p.m = sequences;
    p.n = classes;
    p.k = hidden;
    p.a = x;
    p.lda = hidden;
    p.b = dt_cuda_weight<T>(cuda, weight);
    p.ldb = hidden;
    p.transpose_b = true;
    p.c = logits;
    p.ldc = classes;
    p.bias = dt_cuda_param(cuda, bias);
    p.inputs = dt_number_of<T>();
    p.output = DT_NUMBER_FLOAT;
    dt_cuda_product(cuda, &p);
}

/* Rows of `columns` numbers become rows that are `step` apart, with zeros between. */
template <typename T>
__global__ void round_kernel(T *out, const float *in, int64_t columns, int64_t step, int64_t count)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count)
        return;
    const int64_t column = i % step;
    out[i] = dt_round<T>(column < columns ? in[i / step * columns + column] : 0.0f);
}

/* The backward products of some sequences, whose dlogits have the type of activations, in rows
 * `step` apart. */
template <typename T>
static void heads_products(dt_cuda *cuda, T *dx, const T *dlogits, int64_t step, const T *x,
                           dt_param weight, int64_t sequences, int32_t hidden, int32_t classes)
{
    dt_product p = {};
    p.inputs = p.output = dt_number_of<T>();
    p.m = sequences;
    p.n = hidden;
    p.k = classes;
    p.a = dlogits;
    p.lda = step;
    p.b = dt_cuda_weight<T>(cuda, weight);
    p.ldb = hidden;
    p.c = dx;
    p.ldc = hidden;
    dt_cuda_product(cuda, &p);
    p.m = classes;
    p.k = sequences;
    p.transpose_a = true;
    p.b = x;
    p.c = dt_cuda_gradient(cuda, weight);
    p.output = DT_NUMBER_FLOAT;
    p.add = true;
    dt_cuda_product(cuda, &p);
}

/* Rounded dlogits stand in the memory for sums: as many sequences at a time as it holds. Their rows
 * begin at multiples of 16 bytes, whatever the number of classes, as tensor cores' loads want. */
template <typename T>
static void heads_in_pieces(dt_cuda *cuda, T *dx, const float *dlogits, const T *x, dt_param weight,
                            int64_t sequences, int32_t hidden, int32_t classes)
{
    constexpr int W = dt_piece<T>::width;
    const int64_t step = dt_ceil_div(classes, W) * W;
    const int64_t fit = DT_CUDA_SUMS * (int64_t)sizeof(float) / (int64_t)sizeof(T) / step;
    if (fit < 1)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "%d classes are more than the CUDA backend takes",
                     classes);
    T *rounded = (T *)(void *)cuda->sums;
    for (int64_t first = 0; fit > 0 && first < sequences; first += fit) {
        const int64_t some = sequences - first < fit ? sequences - first : fit;
        const int64_t count = some * step;
        round_kernel<T><<<(unsigned)dt_ceil_div(count, 256), 256, 0, cuda->stream>>>(
            rounded, dlogits + first * classes, classes, step, count);
        dt_cuda_launched(cuda, "rounding logits");
        heads_products<T>(cuda, dx + first * hidden, rounded, step, x + first * hidden, weight,
                          some, hidden, classes);
    }
}

template <typename T>
void dt_cuda_heads_backward(dt_backend *backend, void *dx, const void *dlogits, const void *x,
                            dt_param weight, dt_param bias, int32_t sequences, int32_t hidden,
                            int32_t classes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    if constexpr (sizeof(T) == sizeof(float))
        heads_products<T>(cuda, (T *)dx, (const T *)dlogits, classes, (const T *)x, weight,
                          sequences, hidden, classes);
    else
        heads_in_pieces<T>(cuda, (T *)dx, (const float *)dlogits, (const T *)x, weight, sequences,
                           hidden, classes);
    bias_gradient<float>(cuda, dt_cuda_gradient(cuda, bias), (const float *)dlogits, sequences,
                         classes);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_linear_forward<T>(dt_backend *, void *, const void *, dt_param,          \
                                            dt_param, int64_t, int32_t, int32_t);                  \
    template void dt_cuda_linear_gelu_forward<T>(dt_backend *, void *, void *, const void *,       \
                                                 dt_param, dt_param, int64_t, int32_t, int32_t);   \
    template void dt_cuda_linear_backward<T>(dt_backend *, void *, bool, const void *,             \
                                             const void *, dt_param, dt_param, int64_t, int32_t,   \
                                             int32_t);                                             \
    template void dt_cuda_heads_forward<T>(dt_backend *, void *, const void *, dt_param, dt_param, \
                                           int32_t, int32_t, int32_t);                             \
    template void dt_cuda_heads_backward<T>(dt_backend *, void *, const void *, const void *,      \
                                            dt_param, dt_param, int32_t, int32_t, int32_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
