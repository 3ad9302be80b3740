#include "cuda/device.cuh"

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
    p.add = !cuda->replace;
    dt_cuda_product(cuda, &p);
    if (bias != DT_NO_PARAM)
        dt_cuda_column_sums<T>(cuda, dt_cuda_gradient(cuda, bias), (const T *)dy, rows, out, out);
}

/* ---- heads: logits are float --------------------------------------------------------------- */

template <typename T>
void dt_cuda_heads_forward(dt_backend *backend, void *logits, const void *x, int32_t sequences,
                           const dt_heads *heads)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_product p = {};
    p.m = sequences;
    p.n = heads->classes;
    p.k = heads->hidden;
    p.a = x;
    p.lda = heads->x_stride;
    p.b = dt_cuda_weight<T>(cuda, heads->weight);
    p.ldb = heads->hidden;
    p.transpose_b = true;
    p.c = logits;
    p.ldc = heads->logit_stride;
    p.bias = dt_cuda_param(cuda, heads->bias);
    p.inputs = dt_number_of<T>();
    p.output = DT_NUMBER_FLOAT;
    dt_cuda_product(cuda, &p);
}

/* Block (columns, row): copies rows of `columns` numbers with stride `stride` to rows with stride
 * `step`, and fills the gaps with zeros. */
template <typename T>
__global__ void round_kernel(T *out, const float *in, int64_t columns, int64_t stride, int64_t step)
{
    const int64_t row = blockIdx.y;
    const int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column < step)
        out[row * step + column] =
            dt_round<T>(column < columns ? in[row * stride + column] : 0.0f);
}

/* Computes the backward products for some sequences, whose dlogits have the type of activations and
 * the row stride `step`. `add`: to the gradient of the weights. */
template <typename T>
static void heads_products(dt_cuda *cuda, T *dx, const T *dlogits, int64_t step, const T *x,
                           int64_t sequences, bool add, const dt_heads *heads)
{
    dt_product p = {};
    p.inputs = p.output = dt_number_of<T>();
    p.m = sequences;
    p.n = heads->hidden;
    p.k = heads->classes;
    p.a = dlogits;
    p.lda = step;
    p.b = dt_cuda_weight<T>(cuda, heads->weight);
    p.ldb = heads->hidden;
    p.c = dx;
    p.ldc = heads->x_stride;
    dt_cuda_product(cuda, &p);
    p.m = heads->classes;
    p.k = sequences;
    p.transpose_a = true;
    p.b = x;
    p.ldb = heads->x_stride;
    p.c = dt_cuda_gradient(cuda, heads->weight);
    p.ldc = heads->hidden;
    p.output = DT_NUMBER_FLOAT;
    p.add = add;
    dt_cuda_product(cuda, &p);
}

/* Rounded dlogits are stored in the memory for sums, for as many sequences at a time as fit. Their
 * rows begin at multiples of 16 bytes whatever the number of classes, as tensor core loads
 * require. */
template <typename T>
static void heads_in_pieces(dt_cuda *cuda, T *dx, const float *dlogits, const T *x,
                            int64_t sequences, const dt_heads *heads)
{
    constexpr int W = dt_vec<T>::width;
    const int64_t step = dt_ceil_div(heads->classes, W) * W;
    const int64_t fit = DT_CUDA_SUMS * (int64_t)sizeof(float) / (int64_t)sizeof(T) / step;
    if (fit < 1)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "%d classes are more than the CUDA backend supports",
                     heads->classes);
    T *rounded = (T *)(void *)cuda->sums;
    for (int64_t first = 0; fit > 0 && first < sequences; first += fit) {
        const int64_t some = sequences - first < fit ? sequences - first : fit;
        const dim3 grid((unsigned)dt_ceil_div(step, 256), (unsigned)some);
        round_kernel<T><<<grid, 256, 0, cuda->stream>>>(
            rounded, dlogits + first * heads->logit_stride, heads->classes, heads->logit_stride,
            step);
        dt_cuda_launched(cuda, "rounding logits");
        heads_products<T>(cuda, dx + first * heads->x_stride, rounded, step,
                          x + first * heads->x_stride, some, !cuda->replace || first > 0, heads);
    }
}

template <typename T>
void dt_cuda_heads_backward(dt_backend *backend, void *dx, const void *dlogits, const void *x,
                            int32_t sequences, const dt_heads *heads)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    if constexpr (sizeof(T) == sizeof(float))
        heads_products<T>(cuda, (T *)dx, (const T *)dlogits, heads->logit_stride, (const T *)x,
                          sequences, !cuda->replace, heads);
    else
        heads_in_pieces<T>(cuda, (T *)dx, (const float *)dlogits, (const T *)x, sequences, heads);
    dt_cuda_column_sums<float>(cuda, dt_cuda_gradient(cuda, heads->bias), (const float *)dlogits,
                               sequences, heads->classes, heads->logit_stride);
}

DT_CUDA_OPERATION(linear_forward);
DT_CUDA_OPERATION(linear_gelu_forward);
DT_CUDA_OPERATION(linear_backward);
DT_CUDA_OPERATION(heads_forward);
DT_CUDA_OPERATION(heads_backward);
