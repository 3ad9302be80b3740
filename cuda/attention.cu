/* Attention: the operations, and the plain kernels, for any head size and precision. They compute
 * scores in tiles of 32 keys (32 queries for the gradients of keys and values), one per lane, and
 * never store them. Forward keeps a running maximum and sum (Milakov & Gimelshein 2018); backward
 * recomputes the scores and obtains Σ p·dp as dy · y (Dao et al., FlashAttention, 2022).
 *
 * A warp works on a few rows of one sequence and head, its "own" rows; the block shares the tile of
 * "other" rows. Vectors of d elements are in shared memory, tiles are loaded in strips of STRIP
 * columns.
 */
#include "cuda/attention.cuh"

extern "C" {
#include "core/log.h"
}

#define WARPS 4
#define THREADS (WARPS * DT_WARP)
#define OWN 4 /* rows per warp */
#define BLOCK_ROWS (WARPS * OWN)
#define TILE DT_WARP /* other rows at a time: one per lane */
#define STRIP 32     /* columns of a tile at a time */

typedef float strip_t[TILE][STRIP + 1]; /* the pad keeps lanes in different banks */

/* Loads strip `column` of rows first … first + TILE - 1 of a matrix; zeros past `rows` and d. */
template <typename T>
__device__ static inline void load_strip(strip_t &strip, const T *matrix, int64_t stride,
                                         int32_t first, int32_t rows, int32_t column, int32_t d)
{
    for (int e = (int)threadIdx.x; e < TILE * STRIP; e += THREADS) {
        const int r = e / STRIP;
        const int c = e % STRIP;
        const bool inside = first + r < rows && column + c < d;
        strip[r][c] = inside ? dt_value(matrix[(first + r) * stride + column + c]) : 0.0f;
    }
}

/* Loads the block's own rows, BLOCK_ROWS vectors of d. */
template <typename T>
__device__ static inline void load_own(float *own, const T *matrix, int64_t stride, int32_t first,
                                       int32_t rows, int32_t d)
{
    for (int e = (int)threadIdx.x; e < BLOCK_ROWS * d; e += THREADS) {
        const int r = e / d;
        own[e] = first + r < rows ? dt_value(matrix[(first + r) * stride + e % d]) : 0.0f;
    }
}

/* dots[i] += own row i of the warp · this lane's row, over one strip. */
__device__ static inline void add_dots(float (&dots)[OWN], const float *own, const strip_t &strip,
                                       int32_t column, int32_t d)
{
    const int lane = (int)threadIdx.x % DT_WARP;
    for (int c = 0; c < STRIP && column + c < d; ++c) {
        const float other = strip[lane][c];
#pragma unroll
        for (int i = 0; i < OWN; ++i)
            dots[i] += own[i * d + column + c] * other;
    }
}

/* sums[i][column + lane] += Σ rows r of the tile of weight[i] of lane r · strip[r][lane] */
__device__ static inline void add_weighted(float *sums, const float (&weight)[OWN],
                                           const strip_t &strip, int32_t column, int32_t d)
{
    const int lane = (int)threadIdx.x % DT_WARP;
    float total[OWN] = {};
    for (int r = 0; r < TILE; ++r) {
        const float value = strip[r][lane];
#pragma unroll
        for (int i = 0; i < OWN; ++i)
            total[i] += __shfl_sync(DT_FULL_WARP, weight[i], r) * value;
    }
    if (column + lane < d)
#pragma unroll
        for (int i = 0; i < OWN; ++i)
            sums[i * d + column + lane] += total[i];
}

/* Computes the dot products of all own rows of the warp with this lane's row of a tile. Contains
 * block barriers. */
template <typename T>
__device__ static inline void tile_dots(float (&dots)[OWN], const float *own, strip_t &strip,
                                        const T *matrix, int64_t stride, int32_t first,
                                        int32_t rows, int32_t d)
{
#pragma unroll
    for (int i = 0; i < OWN; ++i)
        dots[i] = 0.0f;
    for (int32_t column = 0; column < d; column += STRIP) {
        __syncthreads();
        load_strip(strip, matrix, stride, first, rows, column, d);
        __syncthreads();
        add_dots(dots, own, strip, column, d);
    }
}

template <typename T>
__device__ static inline void tile_weighted(float *sums, const float (&weight)[OWN], strip_t &strip,
                                            const T *matrix, int64_t stride, int32_t first,
                                            int32_t rows, int32_t d)
{
    for (int32_t column = 0; column < d; column += STRIP) {
        __syncthreads();
        load_strip(strip, matrix, stride, first, rows, column, d);
        __syncthreads();
        add_weighted(sums, weight, strip, column, d);
    }
}

/* The dropout factor of the probability of key `key`. */
__device__ static inline float key_factor(const dt_mask &mask, int32_t key)
{
    if (mask.threshold == 0)
        return mask.kept;
    uint32_t draw[4];
    dt_draw_four(draw, mask, key / 4);
    const uint32_t mine = key % 4 == 0   ? draw[0]
                          : key % 4 == 1 ? draw[1]
                          : key % 4 == 2 ? draw[2]
                                         : draw[3];
    return mine >= mask.threshold ? mask.kept : 0.0f;
}

/* Block (queries, head, sequence). Shared: q (BLOCK_ROWS, d), sums (BLOCK_ROWS, d). */
template <typename T>
__global__ void attention_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ float shared_rows[];
    __shared__ strip_t strip;
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t first = (int32_t)blockIdx.x * BLOCK_ROWS;
    dt_clear_excess(task, batch, task.out, (int64_t)task.heads * task.d);
    if (first >= pair.tokens)
        return;
    const int32_t d = task.d;
    const int64_t hidden = (int64_t)task.heads * d;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t own_first = (int32_t)threadIdx.x / DT_WARP * OWN; /* within the block */
    const T *k = task.k + pair.at_key;
    const T *v = task.v + pair.at_key;
    float *q = shared_rows + own_first * d;
    float *sums = shared_rows + BLOCK_ROWS * d + own_first * d;
    load_own(shared_rows, task.q + pair.at_query, task.query_stride, first, pair.tokens, d);
    for (int e = (int)threadIdx.x; e < BLOCK_ROWS * d; e += THREADS)
        shared_rows[BLOCK_ROWS * d + e] = 0.0f;
    float largest[OWN];
    float total[OWN] = {};
    for (int i = 0; i < OWN; ++i)
        largest[i] = -INFINITY;
    for (int32_t key = 0; key < pair.tokens; key += TILE) {
        float score[OWN];
        tile_dots(score, q, strip, k, task.key_stride, key, pair.tokens, d);
#pragma unroll
        for (int i = 0; i < OWN; ++i) {
            const bool inside = key + lane < pair.tokens;
            const float s = inside ? score[i] * task.scale : -INFINITY;
            const float most = fmaxf(largest[i], dt_warp_max(s));
            const float shrink = expf(largest[i] - most);
            const float e = inside ? expf(s - most) : 0.0f;
            const dt_mask mask = dt_query_mask(task, batch, pair, first + own_first + i);
            total[i] = total[i] * shrink + dt_warp_sum(e);
            largest[i] = most;
            score[i] = inside ? e * key_factor(mask, key + lane) : 0.0f;
            for (int32_t c = lane; c < d; c += DT_WARP)
                sums[i * d + c] *= shrink;
        }
        __syncwarp();
        tile_weighted(sums, score, strip, v, task.key_stride, key, pair.tokens, d);
    }
    for (int i = 0; i < OWN && first + own_first + i < pair.tokens; ++i) {
        const int32_t query = first + own_first + i;
        T *out = task.out + pair.at_output + query * hidden;
        for (int32_t c = lane; c < d; c += DT_WARP)
            out[c] = dt_round<T>(sums[i * d + c] / total[i]);
        if (lane == 0)
            task.log_sum[dt_query_item(task, pair, query)] = largest[i] + logf(total[i]);
    }
}

/* product[row][head] = dy · y; one warp per row and head. */
template <typename T>
__global__ void attention_product_kernel(dt_attention_task<T> task, int64_t rows)
{
    const int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / DT_WARP;
    if (item >= rows * task.heads)
        return; /* uniform within a warp */
    const int lane = (int)threadIdx.x % DT_WARP;
    float sum = 0.0f;
    for (int32_t c = lane; c < task.d; c += DT_WARP)
        sum += dt_value(task.dy[item * task.d + c]) * dt_value(task.y[item * task.d + c]);
    sum = dt_warp_sum(sum);
    if (lane == 0)
        task.product[item] = sum;
}

/* Block (queries, head, sequence). Shared: q, dy and dq, (BLOCK_ROWS, d) each. */
template <typename T>
__global__ void query_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ float shared_rows[];
    __shared__ strip_t strip;
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t first = (int32_t)blockIdx.x * BLOCK_ROWS;
    dt_clear_excess(task, batch, task.dq, task.query_stride);
    if (first >= pair.tokens)
        return;
    const int32_t d = task.d;
    const int64_t hidden = (int64_t)task.heads * d;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t own_first = (int32_t)threadIdx.x / DT_WARP * OWN;
    const T *k = task.k + pair.at_key;
    const T *v = task.v + pair.at_key;
    float *q = shared_rows + own_first * d;
    float *dy = shared_rows + (BLOCK_ROWS + own_first) * d;
    float *dq = shared_rows + (2 * BLOCK_ROWS + own_first) * d;
    load_own(shared_rows, task.q + pair.at_query, task.query_stride, first, pair.tokens, d);
    load_own(shared_rows + BLOCK_ROWS * d, task.dy + pair.at_output, hidden, first, pair.tokens,
             d);
    for (int e = (int)threadIdx.x; e < BLOCK_ROWS * d; e += THREADS)
        shared_rows[2 * BLOCK_ROWS * d + e] = 0.0f;
    for (int32_t key = 0; key < pair.tokens; key += TILE) {
        float score[OWN];
        float gradient[OWN];
        tile_dots(score, q, strip, k, task.key_stride, key, pair.tokens, d);
        tile_dots(gradient, dy, strip, v, task.key_stride, key, pair.tokens, d);
#pragma unroll
        for (int i = 0; i < OWN; ++i) {
            const int32_t query = first + own_first + i;
            const int64_t item = dt_query_item(task, pair, query);
            const bool inside = query < pair.tokens && key + lane < pair.tokens;
            float ds = 0.0f;
            if (inside) {
                const float p = expf(score[i] * task.scale - task.log_sum[item]);
                const dt_mask mask = dt_query_mask(task, batch, pair, query);
                ds = p * (gradient[i] * key_factor(mask, key + lane) - task.product[item]);
            }
            score[i] = ds * task.scale;
        }
        __syncwarp();
        tile_weighted(dq, score, strip, k, task.key_stride, key, pair.tokens, d);
    }
    __syncwarp();
    for (int i = 0; i < OWN && first + own_first + i < pair.tokens; ++i) {
        T *out = task.dq + pair.at_query + (first + own_first + i) * task.query_stride;
        for (int32_t c = lane; c < d; c += DT_WARP)
            out[c] = dt_round<T>(dq[i * d + c]);
    }
}

/* Block (keys, head, sequence). The own rows are keys, OWN per warp, whose draws come from one
 * Philox call. Shared: k, v, dk and dv, (BLOCK_ROWS, d) each. */
template <typename T>
__global__ void key_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ float shared_rows[];
    __shared__ strip_t strip;
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t first = (int32_t)blockIdx.x * BLOCK_ROWS;
    dt_clear_excess(task, batch, task.dk, task.key_stride);
    dt_clear_excess(task, batch, task.dv, task.key_stride);
    if (first >= pair.tokens)
        return;
    const int32_t d = task.d;
    const int64_t hidden = (int64_t)task.heads * d;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t own_first = (int32_t)threadIdx.x / DT_WARP * OWN;
    const T *q_rows = task.q + pair.at_query;
    const T *dy_rows = task.dy + pair.at_output;
    float *k = shared_rows + own_first * d;
    float *v = shared_rows + (BLOCK_ROWS + own_first) * d;
    float *dk = shared_rows + (2 * BLOCK_ROWS + own_first) * d;
    float *dv = shared_rows + (3 * BLOCK_ROWS + own_first) * d;
    load_own(shared_rows, task.k + pair.at_key, task.key_stride, first, pair.tokens, d);
    load_own(shared_rows + BLOCK_ROWS * d, task.v + pair.at_key, task.key_stride, first, pair.tokens,
             d);
    for (int e = (int)threadIdx.x; e < 2 * BLOCK_ROWS * d; e += THREADS)
        shared_rows[2 * BLOCK_ROWS * d + e] = 0.0f;
    for (int32_t query = 0; query < pair.tokens; query += TILE) {
        float score[OWN];    /* later the probability after dropout */
        float gradient[OWN]; /* later the gradient of the score */
        float factor[OWN];
        const int32_t mine = query + lane;
        const int64_t item = dt_query_item(task, pair, mine);
        tile_dots(score, k, strip, q_rows, task.query_stride, query, pair.tokens, d);
        tile_dots(gradient, v, strip, dy_rows, hidden, query, pair.tokens, d);
        dt_factors<OWN>(factor, dt_query_mask(task, batch, pair, mine), first + own_first);
#pragma unroll
        for (int i = 0; i < OWN; ++i) {
            const bool inside = mine < pair.tokens && first + own_first + i < pair.tokens;
            const float p = inside ? expf(score[i] * task.scale - task.log_sum[item]) : 0.0f;
            const float dp = inside ? gradient[i] * factor[i] - task.product[item] : 0.0f;
            score[i] = p * factor[i];
            gradient[i] = p * dp * task.scale;
        }
        tile_weighted(dv, score, strip, dy_rows, hidden, query, pair.tokens, d);
        tile_weighted(dk, gradient, strip, q_rows, task.query_stride, query, pair.tokens, d);
    }
    __syncwarp();
    for (int i = 0; i < OWN && first + own_first + i < pair.tokens; ++i) {
        const int64_t row = pair.at_key + (first + own_first + i) * task.key_stride;
        for (int32_t c = lane; c < d; c += DT_WARP) {
            task.dk[row + c] = dt_round<T>(dk[i * d + c]);
            task.dv[row + c] = dt_round<T>(dv[i * d + c]);
        }
    }
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Returns the bytes of shared memory for `vectors` vectors per row of a block; 0, with a sticky
 * error, if they exceed the limit per block. */
template <typename T, typename Kernel>
static size_t shared_for(dt_cuda *cuda, Kernel kernel, int vectors, int32_t d)
{
    const size_t bytes = (size_t)vectors * BLOCK_ROWS * (size_t)d * sizeof(float);
    const size_t usual = (size_t)48 << 10;
    int most = 0;
    if (bytes + sizeof(strip_t) <= usual)
        return bytes;
    if (!dt_cuda_ok(
            cuda,
            cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda->device),
            "querying shared memory"))
        return 0;
    if (bytes + sizeof(strip_t) > (size_t)most) {
        dt_cuda_fail(cuda, DT_ERR_USAGE,
                     "attention heads of %d elements are too large for this GPU: use more heads",
                     d);
        return 0;
    }
    return dt_cuda_ok(cuda,
                      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           (int)bytes),
                      "reserving shared memory")
               ? bytes
               : 0;
}

/* The grid over blocks of rows of every head and sequence. */
static dim3 grid_for(const dt_attention *attention, const dt_device_batch *batch)
{
    return dim3((unsigned)dt_ceil_div(dt_cuda_batch_of(batch)->shape.longest, BLOCK_ROWS),
                (unsigned)attention->heads, (unsigned)batch->size.sequences);
}

/* Returns the largest head size that this GPU supports with plain kernels; the most demanding
 * kernel keeps `vectors` vectors per row of a block. */
static int32_t largest_plain_head(const dt_cuda *cuda, int vectors)
{
    int most = 0;
    if (cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda->device) !=
        cudaSuccess)
        return 0;
    return (int32_t)(((size_t)most - sizeof(strip_t)) /
                     ((size_t)vectors * BLOCK_ROWS * sizeof(float)));
}

/* Says once in a run that `auto` means plain attention. */
static void notice_plain(dt_cuda *cuda, int32_t head_size)
{
    if (!cuda->plain_noticed)
        dt_notice("attention with heads of %d elements uses slower kernels: fused attention "
                  "supports heads of 32, 64 and 128 elements, aligned to 16 bytes",
                  head_size);
    cuda->plain_noticed = true;
}

template <typename T>
dt_status dt_cuda_attention_check(dt_backend *backend, int32_t head_size, bool training)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const int32_t largest = largest_plain_head(cuda, training ? 4 : 2);
    if (cuda->attention == DT_ATTENTION_CUDNN)
        DT_TRY(dt_cuda_cudnn_check(cuda, head_size, training));
    if (cuda->attention == DT_ATTENTION_FUSED && !dt_cuda_fuses<T>(head_size))
        return dt_fail(DT_ERR_USAGE,
                       "--attention fused: supports heads of 32, 64 or 128 elements in bf16 or "
                       "fp16, but this model has heads of %d in %s: use --attention auto or plain",
                       head_size, dt_precision_name(backend->precision));
    if (head_size > largest)
        return dt_fail(DT_ERR_USAGE,
                       "attention heads of %d elements are too large for this GPU (at most %d): "
                       "the model needs more heads (--num-attention-heads)",
                       head_size, largest);
    if (cuda->attention == DT_ATTENTION_AUTO && sizeof(T) == 2 && !dt_cuda_fuses<T>(head_size))
        notice_plain(cuda, head_size);
    return DT_OK;
}

template <typename T>
using dt_attention_way = bool (*)(dt_cuda *, const dt_attention_task<T> &, const dt_device_batch *);

/* Selects the implementation: returns true if fused or cuDNN attention did the work. */
template <typename T>
static bool done_otherwise(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch, dt_attention_way<T> fused,
                           dt_attention_way<T> cudnn)
{
    if (cuda->attention == DT_ATTENTION_PLAIN)
        return false;
    if (cuda->attention == DT_ATTENTION_CUDNN)
        return cudnn(cuda, task, batch);
    if (fused(cuda, task, batch))
        return true;
    if (cuda->attention != DT_ATTENTION_AUTO) /* reported earlier by dt_cuda_attention_check() */
        dt_cuda_fail(cuda, DT_ERR_USAGE,
                     "the method of --attention does not support heads of %d elements", task.d);
    else if (sizeof(T) == 2)
        notice_plain(cuda, task.d);
    return false;
}

template <typename T>
void dt_cuda_attention_forward(dt_backend *backend, void *y, void *log_sum, const void *q,
                               const void *k, const void *v, const dt_device_batch *batch,
                               const dt_attention *attention)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_attention_task<T> task = dt_attention_task_of<T>(attention, q, k, v, log_sum, batch);
    task.out = (T *)y;
    if (attention->queries == DT_ROWS_SEQUENCES) {
        dt_cuda_single_forward(cuda, task, batch);
        return;
    }
    if (done_otherwise(cuda, task, batch, dt_cuda_fused_forward<T>,
                       dt_cuda_attention_cudnn_forward<T>) ||
        cuda->error)
        return;
    const size_t shared = shared_for<T>(cuda, attention_kernel<T>, 2, task.d);
    if (!shared || cuda->error)
        return;
    attention_kernel<T><<<grid_for(attention, batch), THREADS,
                          shared, cuda->stream>>>(task, dt_cuda_batch_of(batch)->view);
    dt_cuda_launched(cuda, "attention");
}

template <typename T>
void dt_cuda_attention_bias(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch, int64_t blocks)
{
    const int64_t hidden = (int64_t)task.heads * task.d;
    const int64_t rows = batch->size.rows;
    const int64_t queries = task.queries == DT_ROWS_TOKENS ? rows : batch->size.sequences;
    float *const bias = task.bias;
    if (task.sums) {
        dt_cuda_add_partials(cuda, dt_totals{{bias, bias + hidden, bias + 2 * hidden}}, 3, blocks,
                             hidden);
    } else if (bias) {
        dt_cuda_column_sums(cuda, bias, task.dq, queries, hidden, task.query_stride);
        dt_cuda_column_sums(cuda, bias + hidden, task.dk, rows, hidden, task.key_stride);
        dt_cuda_column_sums(cuda, bias + 2 * hidden, task.dv, rows, hidden, task.key_stride);
    }
}

template <typename T>
static void plain_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_attention *attention, const dt_device_batch *batch)
{
    const size_t shared3 = shared_for<T>(cuda, query_gradient_kernel<T>, 3, task.d);
    const size_t shared4 = shared_for<T>(cuda, key_gradient_kernel<T>, 4, task.d);
    if (!shared3 || !shared4 || cuda->error)
        return;
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    const int64_t rows = batch->size.rows;
    attention_product_kernel<T>
        <<<(unsigned)dt_ceil_div(rows * task.heads, WARPS), THREADS, 0, cuda->stream>>>(task, rows);
    dt_cuda_launched(cuda, "attention backward");
    query_gradient_kernel<T><<<grid_for(attention, batch), THREADS,
                               shared3, cuda->stream>>>(task, view);
    dt_cuda_launched(cuda, "gradients of queries");
    key_gradient_kernel<T><<<grid_for(attention, batch),
                             THREADS, shared4, cuda->stream>>>(task, view);
    dt_cuda_launched(cuda, "gradients of keys");
}

template <typename T>
void dt_cuda_attention_backward(dt_backend *backend, void *dq, void *dk, void *dv, void *dy,
                                const void *y, const void *log_sum, const void *q, const void *k,
                                const void *v, dt_param bias, const dt_device_batch *batch,
                                const dt_attention *attention, void *scratch)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_attention_task<T> task = dt_attention_task_of<T>(attention, q, k, v, log_sum, batch);
    task.product = (float *)scratch;
    task.y = (const T *)y;
    task.dy = (const T *)dy;
    task.dq = (T *)dq;
    task.dk = (T *)dk;
    task.dv = (T *)dv;
    task.bias = bias == DT_NO_PARAM ? NULL : dt_cuda_gradient(cuda, bias);
    if (done_otherwise(cuda, task, batch, dt_cuda_fused_backward<T>,
                       dt_cuda_attention_cudnn_backward<T>) ||
        cuda->error)
        return;
    plain_backward(cuda, task, attention, batch);
    dt_cuda_attention_bias(cuda, task, batch, 0);
}

#define INSTANTIATE(T)                                                                             \
    template void dt_cuda_attention_bias<T>(dt_cuda *, const dt_attention_task<T> &,               \
                                            const dt_device_batch *, int64_t);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
DT_CUDA_OPERATION(attention_check);
DT_CUDA_OPERATION(attention_forward);
DT_CUDA_OPERATION(attention_backward);
