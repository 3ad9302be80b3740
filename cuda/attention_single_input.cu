/* Backward of attention with a single query per sequence, up to the input x of the linear layer that
 * computes keys and values.
 *
 * The rows of dk of a sequence and head are multiples ds of q, those of dv multiples p of dy. So the
 * products of dk and dv with weights and with x, of all rows, become products of one row per
 * sequence and head, and a pass over x (N, H):
 *
 *     dx  = Σ heads  ds · (q Wk) + p · (dy Wv)
 *     dWk = Σ sequences, heads  qᵀ · (Σ keys ds · x),   dWv = Σ sequences, heads  dyᵀ · (Σ keys p · x)
 *
 * where q and dy have zeros outside the head's columns ("wide" rows).
 */
#include "cuda/attention.cuh"

#define LANES 8 /* keys at a time: warps of a block */
#define WIDTH 2 /* columns of a thread */
#define HEADS 8 /* of a launch */
#define PAIRS (2 * HEADS)
#define PIECE 64 /* keys whose factors are in shared memory */

typedef struct {
    int64_t hidden, rows;
    int32_t heads, first; /* the launch handles the heads from `first` on */
} input_task;

/* Block (columns, sequence) of (DT_WARP, LANES) threads. factors (N, 2, heads): ds and p; folded (2,
 * B · heads, H): q Wk and dy Wv; sums, the same shape: Σ keys ds · x and Σ keys p · x. dx is set, or
 * added to if `first` is not 0. */
template <bool ALIGNED, typename T>
__global__ void __launch_bounds__(DT_WARP *LANES, 2)
    single_input_kernel(T *dx, T *sums, const T *x, const T *folded, const float *factors,
                        dt_batch_view batch, input_task task)
{
    __shared__ __align__(16) float factor[PIECE][PAIRS];
    const int64_t hidden = task.hidden;
    const int64_t column = ((int64_t)blockIdx.x * DT_WARP + threadIdx.x) * WIDTH;
    const int64_t sequence = blockIdx.y;
    const int64_t begin = batch.cu_seqlens[sequence];
    const int64_t end = batch.cu_seqlens[sequence + 1];
    const int32_t heads = min(task.heads - task.first, HEADS);
    const int thread = (int)(threadIdx.y * DT_WARP + threadIdx.x);
    float vector[PAIRS][WIDTH] = {};
    float total[PAIRS * WIDTH] = {};
    const auto row_of = [&](int pair) { /* in `folded` and `sums` */
        return (pair / HEADS * gridDim.y + sequence) * task.heads + task.first + pair % HEADS;
    };
    if (column < hidden)
#pragma unroll
        for (int pair = 0; pair < PAIRS; ++pair)
            if (pair % HEADS < heads)
                dt_load<ALIGNED, WIDTH>(vector[pair], folded + row_of(pair) * hidden, column,
                                        hidden);
    for (int64_t first = begin; first < end; first += PIECE) {
        const int32_t count = (int32_t)(end - first < PIECE ? end - first : PIECE);
        __syncthreads();
        for (int i = thread; i < count * PAIRS; i += DT_WARP * LANES) {
            const int pair = i % PAIRS;
            const int64_t at = (2 * (first + i / PAIRS) + pair / HEADS) * task.heads + task.first;
            factor[i / PAIRS][pair] = pair % HEADS < heads ? factors[at + pair % HEADS] : 0.0f;
        }
        __syncthreads();
        if (column < hidden)
#pragma unroll 2
            for (int32_t key = (int32_t)threadIdx.y; key < count; key += LANES) {
                const int64_t at = (first + key) * hidden;
                float own[WIDTH];
                float out[WIDTH] = {};
                dt_load<ALIGNED, WIDTH>(own, x + at, column, hidden);
                if (task.first > 0)
                    dt_load<ALIGNED, WIDTH>(out, dx + at, column, hidden);
#pragma unroll
                for (int pair = 0; pair < PAIRS; ++pair)
#pragma unroll
                    for (int i = 0; i < WIDTH; ++i) {
                        out[i] += factor[key][pair] * vector[pair][i];
                        total[pair * WIDTH + i] += factor[key][pair] * own[i];
                    }
                dt_store<ALIGNED, WIDTH>(dx + at, out, column, hidden);
            }
    }
    if (column < hidden && threadIdx.y == 0) { /* rows that belong to no sequence */
        const float zero[WIDTH] = {};
        for (int64_t row = batch.facts->tokens + sequence; row < task.rows; row += gridDim.y)
            dt_store<ALIGNED, WIDTH>(dx + row * hidden, zero, column, hidden);
    }
    dt_lane_sum<LANES>(total);
    if (column < hidden && threadIdx.y == 0)
#pragma unroll
        for (int pair = 0; pair < PAIRS; ++pair) {
            const float sum[WIDTH] = {total[pair * WIDTH], total[pair * WIDTH + 1]};
            if (pair % HEADS < heads)
                dt_store<ALIGNED, WIDTH>(sums + row_of(pair) * hidden, sum, column, hidden);
        }
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Parts of the scratch memory. */
template <typename T> struct input_scratch {
    T *wide, *folded, *sums; /* (2, B · heads, H) each */
    float *bias_sums;        /* (B, 3, H) */
    float *factors;          /* (N, 2, heads) */
    int64_t bytes;
};

template <typename T>
static input_scratch<T> parts_of(void *memory, const dt_attention *a, int64_t sequences,
                                 int64_t rows)
{
    const int64_t hidden = (int64_t)a->heads * a->head_size;
    int64_t bytes = 0;
    const auto part = [&](int64_t count, size_t size) {
        char *start = (char *)memory + bytes;
        bytes += (count * (int64_t)size + 255) / 256 * 256;
        return (void *)start;
    };
    input_scratch<T> s;
    s.wide = (T *)part(2 * sequences * a->heads * hidden, sizeof(T));
    s.folded = (T *)part(2 * sequences * a->heads * hidden, sizeof(T));
    s.sums = (T *)part(2 * sequences * a->heads * hidden, sizeof(T));
    s.bias_sums = (float *)part(sequences * 3 * hidden, sizeof(float));
    s.factors = (float *)part(rows * 2 * a->heads, sizeof(float));
    s.bytes = bytes;
    return s;
}

template <typename T>
int64_t dt_cuda_single_attention_scratch(dt_backend *backend, const dt_attention *attention,
                                         int32_t max_sequences, int64_t max_rows)
{
    (void)backend;
    return parts_of<T>(NULL, attention, max_sequences, max_rows).bytes;
}

/* folded = wide · W, for the weights of the keys (`part` 0) or values (1); (rows, H). */
template <typename T>
static void fold(dt_cuda *cuda, const input_scratch<T> &s, int part, dt_param weight, int64_t rows,
                 int64_t hidden)
{
    dt_product p = {};
    p.inputs = p.output = dt_number_of<T>();
    p.m = rows;
    p.n = p.k = p.lda = p.ldb = p.ldc = hidden;
    p.a = s.wide + part * rows * hidden;
    p.b = dt_cuda_weight<T>(cuda, weight + part * hidden * hidden);
    p.c = s.folded + part * rows * hidden;
    dt_cuda_product(cuda, &p);
}

/* dW += wideᵀ · sums */
template <typename T>
static void weight_gradient(dt_cuda *cuda, const input_scratch<T> &s, int part, dt_param weight,
                            int64_t rows, int64_t hidden)
{
    dt_product p = {};
    p.inputs = dt_number_of<T>();
    p.output = DT_NUMBER_FLOAT;
    p.m = p.n = p.lda = p.ldb = p.ldc = hidden;
    p.k = rows;
    p.transpose_a = true;
    p.a = s.wide + part * rows * hidden;
    p.b = s.sums + part * rows * hidden;
    p.c = dt_cuda_gradient(cuda, weight + part * hidden * hidden);
    p.add = !cuda->replace;
    dt_cuda_product(cuda, &p);
}

template <typename T>
static void pass_over_input(dt_cuda *cuda, T *dx, const T *x, const input_scratch<T> &s,
                            const dt_device_batch *batch, int32_t heads, int64_t hidden)
{
    const bool aligned = hidden % WIDTH == 0 && dt_is_aligned(x) && dt_is_aligned(dx);
    const dim3 grid((unsigned)dt_ceil_div(hidden, DT_WARP * WIDTH),
                    (unsigned)batch->size.sequences);
    const dim3 block(DT_WARP, LANES);
    const auto kernel = aligned ? single_input_kernel<true, T> : single_input_kernel<false, T>;
    for (int32_t first = 0; first < heads; first += HEADS) {
        kernel<<<grid, block, 0, cuda->stream>>>(dx, s.sums, x, s.folded, s.factors,
                                                 dt_cuda_batch_of(batch)->view,
                                                 input_task{hidden, batch->size.rows, heads,
                                                            first});
        dt_cuda_launched(cuda, "gradient of the input of keys and values");
    }
}

template <typename T>
void dt_cuda_single_attention_backward(dt_backend *backend, void *dq, void *dx, void *dy,
                                       const void *y, const void *log_sum, const void *q,
                                       const void *k, const void *v, const void *x,
                                       dt_param weight, dt_param bias,
                                       const dt_device_batch *batch, const dt_attention *attention,
                                       void *scratch)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t sequences = batch->size.sequences;
    const int64_t hidden = (int64_t)attention->heads * attention->head_size;
    const int64_t pairs = sequences * attention->heads;
    const input_scratch<T> s = parts_of<T>(scratch, attention, sequences, batch->size.rows);
    dt_attention_task<T> task = dt_attention_task_of<T>(attention, q, k, v, log_sum, batch);
    task.y = (const T *)y;
    task.dy = (const T *)dy;
    task.dq = (T *)dq;
    task.wide = s.wide;
    task.factors = s.factors;
    task.sums = s.bias_sums;
    dt_cuda_single_gradients(cuda, task, batch);
    for (int part = 0; part < 2; ++part)
        fold(cuda, s, part, weight, pairs, hidden);
    pass_over_input(cuda, (T *)dx, (const T *)x, s, batch, attention->heads, hidden);
    for (int part = 0; part < 2; ++part)
        weight_gradient(cuda, s, part, weight, pairs, hidden);
    dt_cuda_column_sums(cuda, dt_cuda_gradient(cuda, bias), s.bias_sums, sequences, 3 * hidden,
                        3 * hidden);
}

DT_CUDA_OPERATION(single_attention_scratch);
DT_CUDA_OPERATION(single_attention_backward);
