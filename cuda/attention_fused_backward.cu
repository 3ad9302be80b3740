/* Fused attention, backward: bf16 and fp16 on tensor cores, sums in float; see attention_tiles.cuh.
 *
 * Probabilities are recomputed from the stored log-sums, and Σ p·dp is obtained as dy · y (Dao et
 * al., FlashAttention, 2022). Two kernels: the first owns queries and sums dq over the keys, the
 * second owns keys and sums dk and dv over the queries. So each sum is one warp's, in a fixed order,
 * without atomics. Both compute scores and dp: 7 products instead of the 5 of a single kernel, which
 * would have to add dq in memory, tile by tile: more traffic than the two products take (docs/gpu.md).
 *
 * In both kernels a warp has its 16 rows of two matrices (q and dy, or k and v) in registers, except
 * a part of v, and the tile of other rows is copied to the other half of shared memory while one is
 * computed.
 * `scale` and 1/(1-p) are applied to the sums.
 */
#include "cuda/attention_tiles.cuh"

/* Blocks that share a multiprocessor: 255 registers a thread and 48 KB of shared memory at most. */
template <int D> constexpr int blocks = D == 128 ? 2 : 3;

/* A block's shared memory: two halves, each a tile of two matrices, and the block's own rows of its
 * second matrix; those of the first go to registers through the second half. */
template <int D> struct places {
    static constexpr int tile = dt_tile_bytes<D>(DT_TILE_ROWS);
    static constexpr int half = 2 * tile;
    static constexpr int own = half; /* DT_TILE_OWN rows fill a half */
    static constexpr int own_second = 2 * half;
    static constexpr int all = 2 * half + dt_tile_bytes<D>(DT_TILE_OWN);
};

/* product[r] = dy · y of the lane's queries `query` and `query` + 8. */
template <typename T, int D>
__device__ static inline void row_products(float (&product)[2], const uint32_t (&dy)[D / 16][4],
                                           const T *y, int64_t stride, int32_t query,
                                           int32_t tokens)
{
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        float sum = 0.0f;
        const T *row = y + (query + 8 * r) * stride + (int)threadIdx.x % 4 * 2;
        if (query + 8 * r < tokens)
#pragma unroll
            for (int c = 0; c < D / 8; ++c) {
                const float2 a = dt_unpack<T>(dy[c / 2][c % 2 * 2 + r]);
                const float2 b = dt_unpack<T>(*reinterpret_cast<const uint32_t *>(row + 8 * c));
                sum += a.x * b.x + a.y * b.y;
            }
        sum += __shfl_xor_sync(DT_FULL_WARP, sum, 1);
        product[r] = sum + __shfl_xor_sync(DT_FULL_WARP, sum, 2);
    }
}

/* The sums of a block that has no rows. */
template <typename T>
__device__ static inline void store_no_sums(const dt_attention_task<T> &task)
{
    if (task.sums && (int)threadIdx.x < task.d)
        for (int matrix = 0; matrix < 3; ++matrix)
            dt_block_sums(task, matrix)[threadIdx.x] = 0.0f;
}

/* Block (queries, head, sequence): dq, and `product` for the other kernel. */
template <typename T, int D>
__global__ void __launch_bounds__(DT_TILE_THREADS, blocks<D>)
    fused_query_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    typedef places<D> at;
    extern __shared__ __align__(128) unsigned char fused_memory[];
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * DT_TILE_OWN;
    /* for the other kernel too, which would need more registers */
    dt_clear_excess(task, batch, task.dq, task.query_stride);
    dt_clear_excess(task, batch, task.dk, task.key_stride);
    dt_clear_excess(task, batch, task.dv, task.key_stride);
    if (block_first >= pair.tokens) {
        store_no_sums(task);
        return;
    }
    const dt_shared_address memory = dt_shared_address_of(fused_memory);
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = block_first + warp * 16; /* the warp's first query */
    const int32_t query = first + lane / 4;        /* the lane's first */
    const bool idle = first >= pair.tokens;
    const int32_t hidden = task.heads * D;
    const int32_t query_stride = (int32_t)task.query_stride;
    const int32_t stride = (int32_t)task.key_stride;
    const T *k = task.k + pair.at_key;
    const T *v = task.v + pair.at_key;
    const dt_mask mask = dt_query_mask(task, batch, pair, query);
    const float scale = task.scale * DT_LOG2E;

    dt_tile_load<DT_TILE_OWN, D, DT_TILE_IN_ORDER>(
        memory + at::own, task.q + pair.at_query, query_stride, block_first, pair.tokens);
    dt_tile_load<DT_TILE_OWN, D, DT_TILE_IN_ORDER>(
        memory + at::own_second, task.dy + pair.at_output, hidden, block_first, pair.tokens);
    dt_copy_group();
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(memory, k, stride, 0, pair.tokens);
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(memory + at::tile, v, stride, 0,
                                                pair.tokens);
    dt_copy_group();
    dt_copy_wait<1>();
    __syncthreads();
    dt_tile_own<D / 16> q, dy;
    dt_tile_load_own<D>(q, memory + at::own, warp * 16);
    dt_tile_load_own<D>(dy, memory + at::own_second, warp * 16);
    float product[2];
    float log_sum[2];
    row_products<T, D>(product, dy.part, task.y + pair.at_output, hidden, query, pair.tokens);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const bool real = query + 8 * r < pair.tokens;
        const int64_t item = dt_query_item(task, pair, query + 8 * r);
        log_sum[r] = real ? task.log_sum[item] * DT_LOG2E : 0.0f;
        if (real && lane % 4 == 0)
            task.product[item] = product[r];
    }

    float dq[D / 8][4] = {};
    int32_t key = 0; /* first of the tile */
    for (; key < pair.tokens; key += DT_TILE_ROWS) {
        const int half = key / DT_TILE_ROWS % 2;
        const dt_shared_address keys = memory + half * at::half;
        const dt_shared_address values = keys + at::tile;
        const uint32_t kept = idle ? 0 : dt_tile_kept<DT_TILE_ROWS / 8>(mask, key);
        dt_copy_wait<0>();
        __syncthreads(); /* this tile has arrived, and nobody reads the other half */
        if (key + DT_TILE_ROWS < pair.tokens) {
            const dt_shared_address next = memory + (half ^ 1) * at::half;
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(next, k, stride,
                                                        key + DT_TILE_ROWS, pair.tokens);
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(next + at::tile, v, stride,
                                                        key + DT_TILE_ROWS, pair.tokens);
            dt_copy_group();
        }
        if (idle)
            continue;
        float score[DT_TILE_ROWS / 8][4] = {}; /* later its gradient */
        float dp[DT_TILE_ROWS / 8][4] = {};
        dt_tile_scores<T, D>(score, q, keys, 0);
        dt_tile_scores<T, D>(dp, dy, values, 0);
        if (key + DT_TILE_ROWS > pair.tokens)
            dt_tile_tail(score, key, pair.tokens);
        if (mask.threshold != 0)
            dt_tile_drop(dp, kept);
#pragma unroll
        for (int j = 0; j < DT_TILE_ROWS / 8; ++j)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                score[j][i] = dt_exp2(score[j][i] * scale - log_sum[i / 2]) *
                              (dp[j][i] * mask.kept - product[i / 2]);
#pragma unroll
        for (int i = 0; i < DT_TILE_ROWS / 16; ++i) {
            uint32_t weights[4];
            dt_tile_weights<T>(weights, score[2 * i], score[2 * i + 1]);
            dt_tile_add<T, D>(dq, weights, keys, 16 * i);
        }
    }
    const int free_half = key / DT_TILE_ROWS % 2 * at::half;
    const float factor[2] = {task.scale, task.scale};
    dt_tile_store<DT_TILE_IN_ORDER, true, T, D>(
        task.dq + pair.at_query, task.query_stride, first, pair.tokens,
        fused_memory + free_half + warp * dt_tile_bytes<D>(16), dq, factor);
    if (task.sums) {
        __syncthreads();
        dt_tile_column_sums<T, D>(dt_block_sums(task, 0), memory + free_half);
    }
}

/* Stores dk and dv, and the block's sums of them; each of `memory` and `second` has room for the
 * block's rows, of which a warp may overwrite its own. */
template <typename T, int D>
__device__ static inline void
store_key_gradients(const dt_attention_task<T> &task, const dt_attention_pair &pair,
                    unsigned char *memory, unsigned char *second, const float (&dk)[D / 8][4],
                    const float (&dv)[D / 8][4])
{
    const int warp = (int)threadIdx.x / DT_WARP;
    const int32_t first = (int32_t)blockIdx.x * DT_TILE_OWN + warp * 16;
    const int own = warp * dt_tile_bytes<D>(16);
    const float dk_factor[2] = {task.scale, task.scale};
    const float dv_factor[2] = {task.drop.kept, task.drop.kept};
    dt_tile_store<DT_TILE_KEYS, true, T, D>(task.dk + pair.at_key, task.key_stride, first, pair.tokens,
                                      memory + own, dk, dk_factor);
    dt_tile_store<DT_TILE_KEYS, true, T, D>(task.dv + pair.at_key, task.key_stride, first, pair.tokens,
                                      second + own, dv, dv_factor);
    if (!task.sums)
        return;
    __syncthreads();
    dt_tile_column_sums<T, D>(dt_block_sums(task, 1), dt_shared_address_of(memory));
    dt_tile_column_sums<T, D>(dt_block_sums(task, 2), dt_shared_address_of(second));
}

/* Block (keys, head, sequence): dk and dv. Scores have a row for each of the warp's keys, in the
 * order of a tile, and a column for each query. */
template <typename T, int D>
__global__ void __launch_bounds__(DT_TILE_THREADS, blocks<D>)
    fused_key_gradient_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    typedef places<D> at;
    extern __shared__ __align__(128) unsigned char fused_memory[];
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * DT_TILE_OWN;
    if (block_first >= pair.tokens)
        return;
    const dt_shared_address memory = dt_shared_address_of(fused_memory);
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = block_first + warp * 16; /* the warp's first key */
    const bool idle = first >= pair.tokens;
    const int32_t hidden = task.heads * D;
    const int32_t query_stride = (int32_t)task.query_stride;
    const int32_t stride = (int32_t)task.key_stride;
    const T *q = task.q + pair.at_query;
    const T *dy = task.dy + pair.at_output;
    const float *log_sums = task.log_sum + dt_query_item(task, pair, 0);
    const float *products = task.product + dt_query_item(task, pair, 0);
    dt_mask mask = dt_query_mask(task, batch, pair, 0);
    const float scale = task.scale * DT_LOG2E;

    dt_tile_load<DT_TILE_OWN, D, DT_TILE_KEYS>(memory + at::own, task.k + pair.at_key,
                                               stride, block_first, pair.tokens);
    dt_tile_load<DT_TILE_OWN, D, DT_TILE_KEYS>(memory + at::own_second, task.v + pair.at_key,
                                               stride, block_first, pair.tokens);
    dt_copy_group();
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_IN_ORDER>(memory, q, query_stride, 0,
                                                    pair.tokens);
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_IN_ORDER>(memory + at::tile, dy, hidden, 0,
                                                    pair.tokens);
    dt_copy_group();
    dt_copy_wait<1>();
    __syncthreads();
    dt_tile_own<D / 16> k;
    dt_tile_own<D == 128 ? 4 : D / 16> v; /* all of it would not fit */
    dt_tile_load_own<D>(k, memory + at::own, warp * 16);
    dt_tile_load_own<D>(v, memory + at::own_second, warp * 16);

    float dk[D / 8][4] = {};
    float dv[D / 8][4] = {};
    int32_t query = 0; /* first of the tile */
    for (; query < pair.tokens; query += DT_TILE_ROWS) {
        const int half = query / DT_TILE_ROWS % 2;
        const dt_shared_address queries = memory + half * at::half;
        const dt_shared_address gradients = queries + at::tile;
        mask.position = (uint32_t)query;
        const uint32_t kept = idle ? 0 : dt_tile_kept_of_keys<DT_TILE_ROWS / 8>(mask, first);
        /* each lane those of one query */
        const bool real = query + lane < pair.tokens;
        const int32_t item = (query + lane) * task.heads;
        const float log_sum = real ? log_sums[item] * DT_LOG2E : 0.0f;
        const float product = real ? products[item] : 0.0f;
        dt_copy_wait<0>();
        __syncthreads(); /* this tile has arrived, and nobody reads the other half */
        if (query + DT_TILE_ROWS < pair.tokens) {
            const dt_shared_address next = memory + (half ^ 1) * at::half;
            /* addresses are computed again, since there are no registers to keep them */
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_IN_ORDER>(next, q, dt_unknown(query_stride),
                                                            query + DT_TILE_ROWS, pair.tokens);
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_IN_ORDER>(next + at::tile, dy, dt_unknown(hidden),
                                                            query + DT_TILE_ROWS, pair.tokens);
            dt_copy_group();
        }
        if (idle)
            continue;
#pragma unroll 1
        for (int part = 0; part < DT_TILE_ROWS; part += 16) {
            float p[2][4] = {};  /* first the scores */
            float ds[2][4] = {}; /* first dp */
            dt_tile_scores<T, D>(p, k, queries, part);
            dt_tile_scores<T, D>(ds, v, gradients, part);
            if (mask.threshold != 0)
                dt_tile_drop(ds, kept >> part / 2);
#pragma unroll
            for (int j = 0; j < 2; ++j)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int source = part + 8 * j + lane % 4 * 2 + i % 2;
                    p[j][i] = dt_exp2(p[j][i] * scale -
                                      __shfl_sync(DT_FULL_WARP, log_sum, source));
                    ds[j][i] = p[j][i] * (ds[j][i] * mask.kept -
                                          __shfl_sync(DT_FULL_WARP, product, source));
                }
            if (mask.threshold != 0)
                dt_tile_drop(p, kept >> part / 2);
            uint32_t weights[4];
            dt_tile_weights<T>(weights, p[0], p[1]);
            dt_tile_add<T, D>(dv, weights, gradients, part);
            dt_tile_weights<T>(weights, ds[0], ds[1]);
            dt_tile_add<T, D>(dk, weights, queries, part);
        }
    }
    store_key_gradients<T, D>(task, dt_pair_of_block(task, batch) /* again, to need no registers above */,
                              fused_memory + query / DT_TILE_ROWS % 2 * at::half,
                              fused_memory + at::own_second, dk, dv);
}

/* ---- host ----------------------------------------------------------------------------------- */

template <typename T, int D>
static void backward(dt_cuda *cuda, dt_attention_task<T> task, const dt_device_batch *batch)
{
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    const dim3 grid((unsigned)dt_ceil_div(b->shape.longest, DT_TILE_OWN), (unsigned)task.heads,
                    (unsigned)batch->size.sequences);
    const int64_t blocks = (int64_t)grid.x * grid.z;
    task.sums = dt_cuda_attention_sums(cuda, task, blocks);
    fused_query_gradient_kernel<T, D>
        <<<grid, DT_TILE_THREADS, places<D>::all, cuda->stream>>>(task, b->view);
    dt_cuda_launched(cuda, "gradients of queries");
    fused_key_gradient_kernel<T, D>
        <<<grid, DT_TILE_THREADS, places<D>::all, cuda->stream>>>(task, b->view);
    dt_cuda_launched(cuda, "gradients of keys");
    dt_cuda_attention_bias(cuda, task, batch, blocks);
}

template <typename T>
bool dt_cuda_fused_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch)
{
    if constexpr (sizeof(T) == 2) {
        if (!dt_cuda_can_fuse(task, dt_cuda_batch_of(batch)->shape.longest))
            return false;
        if (task.d == 32)
            backward<T, 32>(cuda, task, batch);
        else if (task.d == 64)
            backward<T, 64>(cuda, task, batch);
        else
            backward<T, 128>(cuda, task, batch);
        return true;
    }
    return false;
}

#define INSTANTIATE(T)                                                                             \
    template bool dt_cuda_fused_backward<T>(dt_cuda *, const dt_attention_task<T> &,               \
                                            const dt_device_batch *);
INSTANTIATE(float)
INSTANTIATE(__nv_bfloat16)
INSTANTIATE(__half)
