/* Attention of a single query per sequence, that of the first token: any precision and head size.
 *
 * A block handles one sequence and head and reads its keys and values once (keys twice backward),
 * from which it can do nothing but wait for memory: groups of lanes read neighbouring 16-byte
 * vectors of a row, several rows at a time. Keys are taken in pieces, whose weights are in shared
 * memory; forward keeps a running maximum and sum over the pieces (Milakov & Gimelshein 2018).
 */
#include "cuda/attention.cuh"

#define WARPS 4
#define THREADS (WARPS * DT_WARP)
#define PIECE 512 /* keys; a multiple of 4 */
#define BLOCKS 8  /* that share a multiprocessor at least: 64 registers a thread */

/* The lanes that share a row; each reads W columns at a time. */
typedef struct {
    int size;   /* a power of 2 */
    int lane;   /* of this thread in its group */
    int number; /* of this group in the block */
    int count;  /* of groups */
} lane_group;

__device__ static inline lane_group group_of_thread(int32_t d, int width)
{
    int size = 1;
    while (size < DT_WARP && size * width < d)
        size *= 2;
    const int thread = (int)threadIdx.x;
    return {size, thread % size, thread / size, THREADS / size};
}

/* The columns `column` … of a row; zeros past d. */
template <bool ALIGNED, int W, typename T>
__device__ static inline void load_columns(float (&x)[W], const T *row, int32_t column, int32_t d)
{
    if (column < d) {
        dt_load<ALIGNED, W>(x, row, column, d);
        return;
    }
#pragma unroll
    for (int i = 0; i < W; ++i)
        x[i] = 0.0f;
}

/* dots[j] = vector · row j, for `count` rows. */
template <bool ALIGNED, typename T>
__device__ static inline void dot_rows(float *dots, const T *rows, int64_t stride, int32_t count,
                                       const T *vector, int32_t d)
{
    constexpr int W = dt_vec<T>::width;
    const lane_group group = group_of_thread(d, W);
    for (int32_t first = 0; first < d; first += group.size * W) {
        const int32_t column = first + group.lane * W;
        float own[W];
        load_columns<ALIGNED>(own, vector, column, d);
#pragma unroll 4
        for (int32_t base = 0; base < count; base += group.count) {
            const int32_t j = base + group.number;
            float x[W];
            float sum = 0.0f;
            load_columns<ALIGNED>(x, rows + j * stride, j < count ? column : d, d);
#pragma unroll
            for (int i = 0; i < W; ++i)
                sum += own[i] * x[i];
            for (int offset = group.size / 2; offset > 0; offset /= 2)
                sum += __shfl_xor_sync(DT_FULL_WARP, sum, offset);
            if (group.lane == 0 && j < count)
                dots[j] = first == 0 ? sum : dots[j] + sum;
        }
    }
}

/* sum[c] = sum[c] · shrink + Σ weight[j] · row j; `parts` is (WARPS, d). Contains block barriers. */
template <bool ALIGNED, typename T>
__device__ static inline void add_rows(float *sum, float shrink, float *parts, const float *weight,
                                       const T *rows, int64_t stride, int32_t count, int32_t d)
{
    constexpr int W = dt_vec<T>::width;
    const lane_group group = group_of_thread(d, W);
    for (int32_t first = 0; first < d; first += group.size * W) {
        const int32_t column = first + group.lane * W;
        float total[W] = {};
#pragma unroll 4
        for (int32_t j = group.number; j < count; j += group.count) {
            float x[W];
            load_columns<ALIGNED>(x, rows + j * stride, column, d);
#pragma unroll
            for (int i = 0; i < W; ++i)
                total[i] += weight[j] * x[i];
        }
        for (int offset = group.size; offset < DT_WARP; offset *= 2)
#pragma unroll
            for (int i = 0; i < W; ++i)
                total[i] += __shfl_xor_sync(DT_FULL_WARP, total[i], offset);
        if ((int)threadIdx.x % DT_WARP < group.size)
#pragma unroll
            for (int i = 0; i < W; ++i)
                if (column + i < d)
                    parts[(int)threadIdx.x / DT_WARP * d + column + i] = total[i];
    }
    __syncthreads();
    for (int32_t c = (int32_t)threadIdx.x; c < d; c += THREADS) {
        float total = 0.0f;
        for (int w = 0; w < WARPS; ++w)
            total += parts[w * d + c];
        sum[c] = sum[c] * shrink + total;
    }
    __syncthreads();
}

/* The row of `wide` of a sequence and head: the head's vector, zeros in the columns of others. */
template <typename T>
__device__ static inline void store_wide(const dt_attention_task<T> &task, int part, int64_t row,
                                         const T *vector)
{
    const int64_t hidden = (int64_t)task.heads * task.d;
    const int64_t rows = (int64_t)gridDim.z * task.heads;
    const int64_t first = row % task.heads * task.d;
    T *to = task.wide + (part * rows + row) * hidden;
    for (int64_t c = threadIdx.x; c < hidden; c += THREADS)
        to[c] = c >= first && c < first + task.d ? vector[c - first] : dt_round<T>(0.0f);
}

__device__ static inline float block_max(float x)
{
    __shared__ float part[WARPS];
    x = dt_warp_max(x);
    if (threadIdx.x % DT_WARP == 0)
        part[threadIdx.x / DT_WARP] = x;
    __syncthreads();
    for (int w = 0; w < WARPS; ++w)
        x = fmaxf(x, part[w]);
    __syncthreads();
    return x;
}

__device__ static inline float block_sum(float x)
{
    float sum[1] = {x};
    dt_block_sum(sum);
    return sum[0];
}

/* The block's sequence and head: the grid is (1, heads, sequences). */
template <typename T> struct single_pair {
    int32_t keys;
    int64_t first;     /* row of the first key */
    int64_t row;       /* of query, output and log-sum: sequence · heads + head */
    int64_t at_query;  /* in q and dq */
    int64_t at_key;    /* in k and v */
    int64_t at_output; /* in y, dy and out */
    dt_mask mask;
    __device__ single_pair(const dt_attention_task<T> &task, const dt_batch_view &batch)
    {
        const int32_t head = (int32_t)blockIdx.y;
        const int32_t sequence = (int32_t)blockIdx.z;
        first = batch.cu_seqlens[sequence];
        dt_drop drop = task.drop;
        drop.stream += (uint32_t)head;
        keys = batch.cu_seqlens[sequence + 1] - (int32_t)first;
        row = (int64_t)sequence * task.heads + head;
        at_query = sequence * task.query_stride + (int64_t)head * task.d;
        at_key = first * task.key_stride + (int64_t)head * task.d;
        at_output = row * task.d;
        mask = dt_mask_of(batch.facts, drop, sequence, 0);
    }
};

/* Dynamic shared memory: output (d), parts (WARPS, d). */
template <bool ALIGNED, typename T>
__global__ void __launch_bounds__(THREADS, BLOCKS)
    single_attention_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ float output[];
    __shared__ float weight[PIECE];
    const single_pair<T> pair(task, batch);
    const int32_t d = task.d;
    float largest = -INFINITY;
    float total = 0.0f;
    for (int32_t c = (int32_t)threadIdx.x; c < d; c += THREADS)
        output[c] = 0.0f;
    for (int32_t first = 0; first < pair.keys; first += PIECE) {
        const int32_t count = min(pair.keys - first, PIECE);
        const int64_t at = pair.at_key + first * task.key_stride;
        dot_rows<ALIGNED>(weight, task.k + at, task.key_stride, count, task.q + pair.at_query, d);
        __syncthreads();
        float most = largest;
        for (int32_t j = (int32_t)threadIdx.x; j < count; j += THREADS)
            most = fmaxf(most, weight[j] * task.scale);
        most = block_max(most);
        float sum = 0.0f;
        for (int32_t j = (int32_t)threadIdx.x * 4; j < count; j += THREADS * 4) {
            float factor[4];
            dt_factors<4>(factor, pair.mask, first + j);
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (j + i < count) {
                    const float p = expf(weight[j + i] * task.scale - most);
                    sum += p;
                    weight[j + i] = p * factor[i];
                }
        }
        const float shrink = expf(largest - most);
        total = total * shrink + block_sum(sum);
        largest = most;
        add_rows<ALIGNED>(output, shrink, output + d, weight, task.v + at, task.key_stride, count,
                          d);
    }
    for (int32_t c = (int32_t)threadIdx.x; c < d; c += THREADS)
        task.out[pair.at_output + c] = dt_round<T>(output[c] / total);
    if (threadIdx.x == 0)
        task.log_sum[pair.row] = largest + logf(total);
}

/* Stores the sequence's sums of dq, dk and dv (before rounding: the rows of dk are multiples of q,
 * those of dv of dy). `factors`: this thread's sums of these multiples. */
template <typename T>
__device__ static inline void store_sums(const dt_attention_task<T> &task, float (&factors)[2],
                                         const float *dq, const T *q, const T *dy)
{
    const int64_t hidden = (int64_t)task.heads * task.d;
    float *sums = task.sums + blockIdx.z * 3 * hidden + blockIdx.y * task.d;
    dt_block_sum(factors);
    for (int32_t c = (int32_t)threadIdx.x; c < task.d; c += THREADS) {
        sums[c] = dq[c];
        sums[hidden + c] = factors[0] * dt_value(q[c]);
        sums[2 * hidden + c] = factors[1] * dt_value(dy[c]);
    }
}

/* Dynamic shared memory: dq (d), parts (WARPS, d). */
template <bool ALIGNED, typename T>
__global__ void __launch_bounds__(THREADS, BLOCKS)
    single_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ float dq[];
    __shared__ __align__(16) float p[PIECE];  /* first the scores; then p after dropout */
    __shared__ __align__(16) float ds[PIECE]; /* first dp; then the gradients of the scores */
    const single_pair<T> pair(task, batch);
    const int32_t d = task.d;
    const T *q = task.q + pair.at_query;
    const T *dy = task.dy + pair.at_output;
    const float log_sum = task.log_sum[pair.row];
    float product = 0.0f; /* dy · y = Σ p·dp */
    store_wide(task, 0, pair.row, q);
    store_wide(task, 1, pair.row, dy);
    for (int32_t c = (int32_t)threadIdx.x; c < d; c += THREADS) {
        product += dt_value(dy[c]) * dt_value(task.y[pair.at_output + c]);
        dq[c] = 0.0f;
    }
    product = block_sum(product);
    float factors[2] = {}; /* Σ ds and Σ p of this thread's keys */
    for (int32_t first = 0; first < pair.keys; first += PIECE) {
        const int32_t count = min(pair.keys - first, PIECE);
        const int64_t at = pair.at_key + first * task.key_stride;
        float *out = task.factors + 2 * (pair.first + first) * task.heads + blockIdx.y;
        dot_rows<ALIGNED>(p, task.k + at, task.key_stride, count, q, d);
        dot_rows<ALIGNED>(ds, task.v + at, task.key_stride, count, dy, d);
        __syncthreads();
        for (int32_t j = (int32_t)threadIdx.x * 4; j < count; j += THREADS * 4) {
            float factor[4];
            dt_factors<4>(factor, pair.mask, first + j);
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (j + i < count) {
                    const float e = expf(p[j + i] * task.scale - log_sum);
                    ds[j + i] = e * (ds[j + i] * factor[i] - product) * task.scale;
                    p[j + i] = e * factor[i];
                    out[2 * (j + i) * task.heads] = ds[j + i];
                    out[(2 * (j + i) + 1) * task.heads] = p[j + i];
                    factors[0] += ds[j + i];
                    factors[1] += p[j + i];
                }
        }
        __syncthreads();
        add_rows<ALIGNED>(dq, 1.0f, dq + d, ds, task.k + at, task.key_stride, count, d);
    }
    for (int32_t c = (int32_t)threadIdx.x; c < d; c += THREADS)
        task.dq[pair.at_query + c] = dt_round<T>(dq[c]);
    store_sums(task, factors, dq, q, dy);
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Returns whether all rows of a task can be read and written in 16-byte vectors. */
template <typename T> static bool aligned_task(const dt_attention_task<T> &task)
{
    constexpr int W = dt_vec<T>::width;
    return task.d % W == 0 && task.query_stride % W == 0 && task.key_stride % W == 0 &&
           dt_is_aligned(task.q) && dt_is_aligned(task.k) && dt_is_aligned(task.v) &&
           dt_is_aligned(task.dy);
}

template <typename T, typename Kernel>
static void launch(dt_cuda *cuda, Kernel aligned, Kernel any, const dt_attention_task<T> &task,
                   const dt_device_batch *batch)
{
    const Kernel kernel = aligned_task(task) ? aligned : any;
    const dim3 grid(1, (unsigned)task.heads, (unsigned)batch->size.sequences);
    const size_t bytes = (size_t)(WARPS + 1) * (size_t)task.d * sizeof(float);
    kernel<<<grid, THREADS, bytes, cuda->stream>>>(task, dt_cuda_batch_of(batch)->view);
    dt_cuda_launched(cuda, "attention of a single query");
}

template <typename T>
void dt_cuda_single_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch)
{
    launch(cuda, single_attention_kernel<true, T>, single_attention_kernel<false, T>, task, batch);
}

template <typename T>
void dt_cuda_single_gradients(dt_cuda *cuda, const dt_attention_task<T> &task,
                              const dt_device_batch *batch)
{
    launch(cuda, single_gradient_kernel<true, T>, single_gradient_kernel<false, T>, task, batch);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_single_forward<T>(dt_cuda *, const dt_attention_task<T> &,               \
                                            const dt_device_batch *);                              \
    template void dt_cuda_single_gradients<T>(dt_cuda *, const dt_attention_task<T> &,             \
                                             const dt_device_batch *);
INSTANTIATE(float)
INSTANTIATE(__nv_bfloat16)
INSTANTIATE(__half)
