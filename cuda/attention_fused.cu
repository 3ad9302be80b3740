/* Fused attention: bf16 and fp16 on tensor cores, heads of 64 and 128 elements, sums in float.
 *
 * Scores exist only in shared memory, in tiles of TILE by TILE. Forward keeps a running maximum and
 * sum (Milakov & Gimelshein 2018); backward recomputes them from the stored log-sums and obtains Σ
 * p·dp as dy · y (Dao et al., FlashAttention, 2022). The gradients of queries and those of keys and
 * values are computed by two kernels, so that each sum is owned by one warp and no atomics are
 * needed. One Philox call draws the dropout of four neighbouring keys of a query, as everywhere in
 * the project.
 *
 * A warp owns SIDE rows (queries; keys in the last kernel); the block shares the tile of other
 * rows. Tiles are filled with zeros past the last row of a matrix.
 */
#include <mma.h>

#include "cuda/attention.cuh"

namespace wmma = nvcuda::wmma;

#define SIDE 16 /* of a tensor core matrix */
#define WARPS 4
#define THREADS (WARPS * DT_WARP)
#define TILE 64 /* own rows of a block, and other rows at a time */
#define PAD 8   /* padding of rows of 2-byte elements: different banks, still 16-byte aligned */
#define FLOAT_PAD 4

template <typename T>
using fragment_a = wmma::fragment<wmma::matrix_a, SIDE, SIDE, SIDE, T, wmma::row_major>;
template <typename T>
using fragment_b = wmma::fragment<wmma::matrix_b, SIDE, SIDE, SIDE, T, wmma::row_major>;
template <typename T>
using fragment_b_transposed = wmma::fragment<wmma::matrix_b, SIDE, SIDE, SIDE, T, wmma::col_major>;
using fragment_sum = wmma::fragment<wmma::accumulator, SIDE, SIDE, SIDE, float>;

/* Row strides in shared memory, in elements. */
template <int D> struct row_step {
    static constexpr int vector = D + PAD;       /* of T, vectors of a head */
    static constexpr int score = TILE + PAD;     /* of T, probabilities and their gradients */
    static constexpr int sum = TILE + FLOAT_PAD; /* of float, scores */
    static constexpr int output = D + FLOAT_PAD; /* of float, outputs */
};

/* Loads rows first … first + TILE - 1; zeros from `rows` on. */
template <typename T, int D>
__device__ static inline void load_tile(T *tile, const T *matrix, int64_t stride, int32_t first,
                                        int32_t rows)
{
    constexpr int W = dt_vec<T>::width;
    const uint4 zero = {0, 0, 0, 0};
    for (int e = (int)threadIdx.x; e < TILE * (D / W); e += THREADS) {
        const int r = e / (D / W);
        const int c = e % (D / W) * W;
        uint4 *to = reinterpret_cast<uint4 *>(tile + r * row_step<D>::vector + c);
        if (first + r < rows)
            *to = *reinterpret_cast<const uint4 *>(matrix + (first + r) * stride + c);
        else
            *to = zero;
    }
}

/* out (SIDE, TILE) = own (SIDE, D) · other (TILE, D)ᵀ, by one warp. */
template <typename T, int D>
__device__ static inline void product_transposed(float *out, const T *own, const T *other)
{
    constexpr int step = row_step<D>::vector;
    for (int t = 0; t < TILE / SIDE; ++t) {
        fragment_sum sum;
        wmma::fill_fragment(sum, 0.0f);
        for (int c = 0; c < D; c += SIDE) {
            fragment_a<T> a;
            fragment_b_transposed<T> b;
            wmma::load_matrix_sync(a, own + c, step);
            wmma::load_matrix_sync(b, other + t * SIDE * step + c, step);
            wmma::mma_sync(sum, a, b, sum);
        }
        wmma::store_matrix_sync(out + t * SIDE, sum, row_step<D>::sum, wmma::mem_row_major);
    }
}

/* sums (SIDE, D) += weights (SIDE, TILE) · other (TILE, D), in a warp's registers. */
template <typename T, int D>
__device__ static inline void add_product(fragment_sum (&sums)[D / SIDE], const T *weights,
                                          const T *other)
{
    for (int t = 0; t < TILE; t += SIDE) {
        fragment_a<T> a;
        wmma::load_matrix_sync(a, weights + t, row_step<D>::score);
#pragma unroll
        for (int c = 0; c < D / SIDE; ++c) {
            fragment_b<T> b;
            wmma::load_matrix_sync(b, other + t * row_step<D>::vector + c * SIDE,
                                   row_step<D>::vector);
            wmma::mma_sync(sums[c], a, b, sums[c]);
        }
    }
}

/* Stores the outputs (SIDE, D) of a warp from registers, through shared memory, in rows first … of
 * a matrix; rows from `rows` on are skipped. */
template <typename T, int D>
__device__ static inline void store_rows(T *matrix, int64_t stride, int32_t first, int32_t rows,
                                         float *shared, const fragment_sum (&sums)[D / SIDE])
{
    constexpr int W = dt_vec<T>::width;
    constexpr int step = row_step<D>::output;
#pragma unroll
    for (int c = 0; c < D / SIDE; ++c)
        wmma::store_matrix_sync(shared + c * SIDE, sums[c], step, wmma::mem_row_major);
    __syncwarp();
    for (int e = (int)threadIdx.x % DT_WARP; e < SIDE * (D / W); e += DT_WARP) {
        const int r = e / (D / W);
        const int c = e % (D / W) * W;
        if (first + r >= rows)
            continue;
        float vec[W];
#pragma unroll
        for (int i = 0; i < W; ++i)
            vec[i] = shared[r * step + c + i];
        dt_store<true, W>(matrix + (first + r) * stride, vec, c, D);
    }
    __syncwarp();
}

/* Shared memory of a block of the forward kernel. Every array starts at a multiple of 32 bytes, as
 * tensor core loads require. */
template <typename T, int D> struct forward_memory {
    T own[TILE * row_step<D>::vector];
    T keys[TILE * row_step<D>::vector];
    T values[TILE * row_step<D>::vector];
    T probabilities[WARPS][SIDE * row_step<D>::score];
    float scores[WARPS][SIDE * row_step<D>::sum];
    float outputs[WARPS][SIDE * row_step<D>::output];
};

/* Processes one tile of keys for the two lanes of a query: turns scores into probabilities after
 * dropout and updates `largest` and `total`. Returns the factor for the sums of earlier tiles. */
template <typename T, int D>
__device__ static inline float softmax_tile(T *probabilities, const float *scores,
                                            const dt_mask &mask, float scale, int32_t key,
                                            int32_t keys, float *largest, float *total)
{
    const int lane = (int)threadIdx.x % DT_WARP;
    const int column = lane % 2 * (TILE / 2); /* this lane's half of the tile */
    const float *score = scores + lane / 2 * row_step<D>::sum + column;
    T *out = probabilities + lane / 2 * row_step<D>::score + column;
    const int32_t first = key + column;
    float most = *largest;
    for (int i = 0; i < TILE / 2 && first + i < keys; ++i)
        most = fmaxf(most, score[i] * scale);
    most = fmaxf(most, __shfl_xor_sync(DT_FULL_WARP, most, 1));
    const float shrink = expf(*largest - most);
    float sum = 0.0f;
    for (int i = 0; i < TILE / 2; i += 4) {
        float factor[4];
        dt_factors<4>(factor, mask, first + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const float e = first + i + j < keys ? expf(score[i + j] * scale - most) : 0.0f;
            sum += e;
            out[i + j] = dt_round<T>(e * factor[j]);
        }
    }
    sum += __shfl_xor_sync(DT_FULL_WARP, sum, 1);
    *largest = most;
    *total = *total * shrink + sum;
    return shrink;
}

/* outputs (SIDE, D) = outputs · shrink of each row + probabilities · values. Goes through shared
 * memory, because it is unspecified which rows the registers of a tensor core matrix hold. */
template <typename T, int D>
__device__ static inline void add_values(float *outputs, float shrink, const T *probabilities,
                                         const T *values)
{
    constexpr int step = row_step<D>::output;
    const int lane = (int)threadIdx.x % DT_WARP;
    fragment_sum sums[D / SIDE];
    for (int c = 0; c < D / 2; ++c)
        outputs[lane / 2 * step + lane % 2 * (D / 2) + c] *= shrink;
    __syncwarp();
#pragma unroll
    for (int c = 0; c < D / SIDE; ++c)
        wmma::load_matrix_sync(sums[c], outputs + c * SIDE, step, wmma::mem_row_major);
    add_product<T, D>(sums, probabilities, values);
    __syncwarp();
#pragma unroll
    for (int c = 0; c < D / SIDE; ++c)
        wmma::store_matrix_sync(outputs + c * SIDE, sums[c], step, wmma::mem_row_major);
    __syncwarp();
}

/* Block (queries, head, sequence). */
template <typename T, int D>
__global__ void fused_attention_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ __align__(128) unsigned char fused_memory[];
    forward_memory<T, D> &memory = *reinterpret_cast<forward_memory<T, D> *>(fused_memory);
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * TILE;
    if (block_first >= pair.queries)
        return;
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = block_first + warp * SIDE; /* the warp's first query */
    const int32_t query = first + lane / 2;          /* the lane's query */
    const int64_t hidden = (int64_t)task.heads * D;
    const T *own = memory.own + warp * SIDE * row_step<D>::vector;
    float *outputs = memory.outputs[warp];
    load_tile<T, D>(memory.own, task.q + pair.at_query, task.query_stride, block_first,
                    pair.queries);
    for (int e = lane; e < SIDE * row_step<D>::output; e += DT_WARP)
        outputs[e] = 0.0f;
    const dt_mask mask = dt_query_mask(task, batch, pair, query);
    float largest = -INFINITY;
    float total = 0.0f;
    for (int32_t key = 0; key < pair.keys; key += TILE) {
        __syncthreads();
        load_tile<T, D>(memory.keys, task.k + pair.at_key, task.key_stride, key, pair.keys);
        load_tile<T, D>(memory.values, task.v + pair.at_key, task.key_stride, key, pair.keys);
        __syncthreads();
        if (first >= pair.queries)
            continue; /* uniform within the warp */
        product_transposed<T, D>(memory.scores[warp], own, memory.keys);
        __syncwarp();
        const float shrink = softmax_tile<T, D>(memory.probabilities[warp], memory.scores[warp],
                                                mask, task.scale, key, pair.keys, &largest, &total);
        __syncwarp();
        add_values<T, D>(outputs, shrink, memory.probabilities[warp], memory.values);
    }
    if (query >= pair.queries)
        return;
    T *out = task.out + pair.at_output + query * hidden;
    constexpr int W = dt_vec<T>::width;
    for (int c = lane % 2 * (D / 2); c < (lane % 2 + 1) * (D / 2); c += W) {
        float vec[W];
#pragma unroll
        for (int i = 0; i < W; ++i)
            vec[i] = outputs[lane / 2 * row_step<D>::output + c + i] / total;
        dt_store<true, W>(out, vec, c, D);
    }
    if (lane % 2 == 0)
        task.log_sum[dt_query_item(task, pair, query)] = largest + logf(total);
}

/* ---- backward ------------------------------------------------------------------------------- */

template <typename T, int D> struct query_memory {
    T own[TILE * row_step<D>::vector]; /* queries */
    T dy[TILE * row_step<D>::vector];
    T keys[TILE * row_step<D>::vector];
    T values[TILE * row_step<D>::vector];
    T gradients[WARPS][SIDE * row_step<D>::score]; /* of scores */
    union {
        struct {
            float scores[SIDE * row_step<D>::sum];
            float products[SIDE * row_step<D>::sum]; /* dy · v */
        } tile;
        float outputs[SIDE * row_step<D>::output];
    } warp[WARPS];
};

/* Block (queries, head, sequence): the gradients of queries. */
template <typename T, int D>
__global__ void fused_query_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ __align__(128) unsigned char fused_memory[];
    query_memory<T, D> &memory = *reinterpret_cast<query_memory<T, D> *>(fused_memory);
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * TILE;
    if (block_first >= pair.queries)
        return;
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = block_first + warp * SIDE;
    const int32_t query = first + lane / 2;
    const int64_t hidden = (int64_t)task.heads * D;
    const int64_t item = dt_query_item(task, pair, query);
    const bool real = query < pair.queries;
    const float log_sum = real ? task.log_sum[item] : 0.0f;
    const float product = real ? task.product[item] : 0.0f;
    const dt_mask mask = dt_query_mask(task, batch, pair, query);
    const int half = lane % 2 * (TILE / 2);
    const float *score = memory.warp[warp].tile.scores + lane / 2 * row_step<D>::sum + half;
    const float *dp = memory.warp[warp].tile.products + lane / 2 * row_step<D>::sum + half;
    T *ds = memory.gradients[warp] + lane / 2 * row_step<D>::score + half;
    fragment_sum dq[D / SIDE];
#pragma unroll
    for (int c = 0; c < D / SIDE; ++c)
        wmma::fill_fragment(dq[c], 0.0f);
    load_tile<T, D>(memory.own, task.q + pair.at_query, task.query_stride, block_first,
                    pair.queries);
    load_tile<T, D>(memory.dy, task.dy + pair.at_output, hidden, block_first, pair.queries);
    for (int32_t key = 0; key < pair.keys; key += TILE) {
        __syncthreads();
        load_tile<T, D>(memory.keys, task.k + pair.at_key, task.key_stride, key, pair.keys);
        load_tile<T, D>(memory.values, task.v + pair.at_key, task.key_stride, key, pair.keys);
        __syncthreads();
        if (first >= pair.queries)
            continue;
        product_transposed<T, D>(memory.warp[warp].tile.scores,
                                 memory.own + warp * SIDE * row_step<D>::vector, memory.keys);
        product_transposed<T, D>(memory.warp[warp].tile.products,
                                 memory.dy + warp * SIDE * row_step<D>::vector, memory.values);
        __syncwarp();
        for (int i = 0; i < TILE / 2; i += 4) {
            float factor[4];
            dt_factors<4>(factor, mask, key + half + i);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const bool inside = real && key + half + i + j < pair.keys;
                const float p = inside ? expf(score[i + j] * task.scale - log_sum) : 0.0f;
                ds[i + j] =
                    dt_round<T>(inside ? p * (dp[i + j] * factor[j] - product) * task.scale : 0.0f);
            }
        }
        __syncwarp();
        add_product<T, D>(dq, memory.gradients[warp], memory.keys);
    }
    __syncwarp();
    if (first < pair.queries)
        store_rows<T, D>(task.dq + pair.at_query, task.query_stride, first, pair.queries,
                         memory.warp[warp].outputs, dq);
}

template <typename T, int D> struct key_memory {
    T keys[TILE * row_step<D>::vector]; /* the block's own */
    T values[TILE * row_step<D>::vector];
    T queries[TILE * row_step<D>::vector];
    T dy[TILE * row_step<D>::vector];
    T probabilities[WARPS][SIDE * row_step<D>::score]; /* (keys, queries), after dropout */
    T gradients[WARPS][SIDE * row_step<D>::score];     /* of scores */
    union {
        struct {
            float scores[SIDE * row_step<D>::sum];
            float products[SIDE * row_step<D>::sum];
        } tile;
        float outputs[SIDE * row_step<D>::output];
    } warp[WARPS];
};

/* Processes one tile of queries for a warp's keys: turns scores (keys, queries) and dy · v into
 * probabilities after dropout and the gradients of the scores. A lane handles four keys, whose
 * draws come from one Philox call, for every eighth query. */
template <typename T, int D>
__device__ static inline void key_tile(key_memory<T, D> &memory, const dt_attention_task<T> &task,
                                       const dt_batch_view &batch, const dt_attention_pair &pair,
                                       int32_t first, int32_t query)
{
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int own = lane % 4 * 4;
    for (int q = lane / 4; q < TILE; q += DT_WARP / 4) {
        const bool real = query + q < pair.queries;
        const int64_t item = dt_query_item(task, pair, query + q);
        const float log_sum = real ? task.log_sum[item] : 0.0f;
        const float product = real ? task.product[item] : 0.0f;
        float factor[4];
        dt_factors<4>(factor, dt_query_mask(task, batch, pair, query + q), first + own);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int at = (own + j) * row_step<D>::sum + q;
            const int to = (own + j) * row_step<D>::score + q;
            const bool inside = real && first + own + j < pair.keys;
            const float p =
                inside ? expf(memory.warp[warp].tile.scores[at] * task.scale - log_sum) : 0.0f;
            const float dp =
                inside ? memory.warp[warp].tile.products[at] * factor[j] - product : 0.0f;
            memory.probabilities[warp][to] = dt_round<T>(p * factor[j]);
            memory.gradients[warp][to] = dt_round<T>(p * dp * task.scale);
        }
    }
}

/* Block (keys, head, sequence): the gradients of keys and values. */
template <typename T, int D>
__global__ void fused_key_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    extern __shared__ __align__(128) unsigned char fused_memory[];
    key_memory<T, D> &memory = *reinterpret_cast<key_memory<T, D> *>(fused_memory);
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * TILE;
    if (block_first >= pair.keys)
        return;
    const int warp = (int)threadIdx.x / DT_WARP;
    const int32_t first = block_first + warp * SIDE; /* the warp's first key */
    const int64_t hidden = (int64_t)task.heads * D;
    fragment_sum dk[D / SIDE];
    fragment_sum dv[D / SIDE];
#pragma unroll
    for (int c = 0; c < D / SIDE; ++c) {
        wmma::fill_fragment(dk[c], 0.0f);
        wmma::fill_fragment(dv[c], 0.0f);
    }
    load_tile<T, D>(memory.keys, task.k + pair.at_key, task.key_stride, block_first, pair.keys);
    load_tile<T, D>(memory.values, task.v + pair.at_key, task.key_stride, block_first, pair.keys);
    for (int32_t query = 0; query < pair.queries; query += TILE) {
        __syncthreads();
        load_tile<T, D>(memory.queries, task.q + pair.at_query, task.query_stride, query,
                        pair.queries);
        load_tile<T, D>(memory.dy, task.dy + pair.at_output, hidden, query, pair.queries);
        __syncthreads();
        if (first >= pair.keys)
            continue;
        product_transposed<T, D>(memory.warp[warp].tile.scores,
                                 memory.keys + warp * SIDE * row_step<D>::vector, memory.queries);
        product_transposed<T, D>(memory.warp[warp].tile.products,
                                 memory.values + warp * SIDE * row_step<D>::vector, memory.dy);
        __syncwarp();
        key_tile<T, D>(memory, task, batch, pair, first, query);
        __syncwarp();
        add_product<T, D>(dv, memory.probabilities[warp], memory.dy);
        add_product<T, D>(dk, memory.gradients[warp], memory.queries);
        __syncwarp();
    }
    if (first >= pair.keys)
        return;
    store_rows<T, D>(task.dk + pair.at_key, task.key_stride, first, pair.keys,
                     memory.warp[warp].outputs, dk);
    store_rows<T, D>(task.dv + pair.at_key, task.key_stride, first, pair.keys,
                     memory.warp[warp].outputs, dv);
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Returns the maximum shared memory per block. */
static size_t most_shared(const dt_cuda *cuda)
{
    int most = 0;
    const cudaError_t code =
        cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda->device);
    return code == cudaSuccess ? (size_t)most : 0;
}

/* Allows a kernel to use `bytes` of shared memory; returns false if the GPU has less. */
template <typename Kernel> static bool allow_shared(dt_cuda *cuda, Kernel kernel, size_t bytes)
{
    if (bytes > most_shared(cuda))
        return false;
    return dt_cuda_ok(
        cuda, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
        "reserving shared memory");
}

/* Returns whether all matrices of the task are aligned for 16-byte accesses. */
template <typename T> static bool aligned_task(const dt_attention_task<T> &task)
{
    constexpr int W = dt_vec<T>::width;
    return task.query_stride % W == 0 && task.key_stride % W == 0 && dt_is_aligned(task.q) &&
           dt_is_aligned(task.k) && dt_is_aligned(task.v) && dt_is_aligned(task.y) &&
           dt_is_aligned(task.dy) && dt_is_aligned(task.out) && dt_is_aligned(task.dq) &&
           dt_is_aligned(task.dk) && dt_is_aligned(task.dv);
}

/* With one query per sequence the tiles would be almost empty; plain attention handles this
 * case. */
template <typename T> static bool can_fuse(const dt_attention_task<T> &task)
{
    return (task.d == 64 || task.d == 128) && task.queries == DT_ROWS_TOKENS && aligned_task(task);
}

static dim3 grid_for(int32_t heads, const dt_device_batch *batch)
{
    return dim3((unsigned)dt_ceil_div(dt_cuda_batch_of(batch)->shape.longest, TILE),
                (unsigned)heads, (unsigned)batch->size.sequences);
}

template <typename T, int D>
static bool forward(dt_cuda *cuda, const dt_attention_task<T> &task, const dt_device_batch *batch)
{
    const size_t bytes = sizeof(forward_memory<T, D>);
    if (!allow_shared(cuda, fused_attention_kernel<T, D>, bytes))
        return false;
    fused_attention_kernel<T, D><<<grid_for(task.heads, batch), THREADS, bytes, cuda->stream>>>(
        task, dt_cuda_batch_of(batch)->view);
    dt_cuda_launched(cuda, "fused attention");
    return true;
}

template <typename T, int D>
static bool backward(dt_cuda *cuda, const dt_attention_task<T> &task, const dt_device_batch *batch)
{
    const size_t query_bytes = sizeof(query_memory<T, D>);
    const size_t key_bytes = sizeof(key_memory<T, D>);
    if (!allow_shared(cuda, fused_query_gradient_kernel<T, D>, query_bytes) ||
        !allow_shared(cuda, fused_key_gradient_kernel<T, D>, key_bytes))
        return false;
    const dim3 grid = grid_for(task.heads, batch);
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    fused_query_gradient_kernel<T, D><<<grid, THREADS, query_bytes, cuda->stream>>>(task, view);
    dt_cuda_launched(cuda, "gradients of queries");
    fused_key_gradient_kernel<T, D><<<grid, THREADS, key_bytes, cuda->stream>>>(task, view);
    dt_cuda_launched(cuda, "gradients of keys");
    return true;
}

/* Returns the shared memory of the most demanding of the three kernels. */
template <typename T, int D> static size_t shared_bytes()
{
    const size_t gradient = sizeof(query_memory<T, D>) > sizeof(key_memory<T, D>)
                                ? sizeof(query_memory<T, D>)
                                : sizeof(key_memory<T, D>);
    return gradient > sizeof(forward_memory<T, D>) ? gradient : sizeof(forward_memory<T, D>);
}

template <typename T> bool dt_cuda_fuses(const dt_cuda *cuda, int32_t head_size)
{
    return head_size == 64    ? shared_bytes<T, 64>() <= most_shared(cuda)
           : head_size == 128 ? shared_bytes<T, 128>() <= most_shared(cuda)
                              : false;
}

template <typename T>
bool dt_cuda_fused_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch)
{
    if (!can_fuse(task))
        return false;
    return task.d == 64 ? forward<T, 64>(cuda, task, batch) : forward<T, 128>(cuda, task, batch);
}

template <typename T>
bool dt_cuda_fused_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch)
{
    if (!can_fuse(task))
        return false;
    return task.d == 64 ? backward<T, 64>(cuda, task, batch) : backward<T, 128>(cuda, task, batch);
}

/* In fp32, tensor cores would lose precision. */
template <> bool dt_cuda_fuses<float>(const dt_cuda *, int32_t)
{
    return false;
}

template <>
bool dt_cuda_fused_forward<float>(dt_cuda *, const dt_attention_task<float> &,
                                  const dt_device_batch *)
{
    return false;
}

template <>
bool dt_cuda_fused_backward<float>(dt_cuda *, const dt_attention_task<float> &,
                                   const dt_device_batch *)
{
    return false;
}

#define INSTANTIATE(T)                                                                             \
    template bool dt_cuda_fuses<T>(const dt_cuda *, int32_t);                                      \
    template bool dt_cuda_fused_forward<T>(dt_cuda *, const dt_attention_task<T> &,                \
                                           const dt_device_batch *);                               \
    template bool dt_cuda_fused_backward<T>(dt_cuda *, const dt_attention_task<T> &,               \
                                            const dt_device_batch *);
INSTANTIATE(__nv_bfloat16)
INSTANTIATE(__half)
