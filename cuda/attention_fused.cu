/* Fused attention, forward: bf16 and fp16 on tensor cores, sums in float; see attention_tiles.cuh.
 *
 * Scores, probabilities and outputs stay in a warp's registers. Over the tiles of keys it keeps a
 * running maximum and sum (Milakov & Gimelshein 2018; Dao et al., FlashAttention, 2022), in powers
 * of 2: p = 2^(log2(e) · scale · q·k − maximum). While a tile is computed, the next is copied to
 * the other half of shared memory; before, that half holds the block's queries, which go to
 * registers.
 *
 * With dropout, a Philox call draws for four neighbouring keys of a query; the three kernels of
 * forward and backward each draw again, since that is hidden behind the tensor cores and shared
 * memory (docs/gpu.md). 1/(1-p) is applied once, to the output.
 */
#include "cuda/attention_tiles.cuh"

/* Blocks that share a multiprocessor: 32 KB of shared memory at most, and for heads of 128 elements
 * 168 registers a thread, with which nvcc 13.0 would spill from compute capability 10 on. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
template <int D> constexpr int blocks = D == 128 ? 2 : 4;
#else
template <int D> constexpr int blocks = D == 128 ? 3 : 4;
#endif

/* A lane's state of its two queries: rows g and g + 8 of its warp. */
template <int D> struct outputs {
    float largest[2]; /* of the scores so far, in powers of 2 */
    float total[2];   /* Σ p over this lane's keys */
    float sum[D / 8][4];
};

/* Turns scores into probabilities relative to the largest score so far, whose change rescales
 * earlier sums. */
template <int D, int N>
__device__ static inline void softmax_tile(float (&score)[N][4], outputs<D> &out, float scale)
{
    float shrink[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        float most = score[0][2 * r];
#pragma unroll
        for (int j = 0; j < N; ++j)
            most = fmaxf(most, fmaxf(score[j][2 * r], score[j][2 * r + 1]));
        most = fmaxf(most, __shfl_xor_sync(DT_FULL_WARP, most, 1));
        most = fmaxf(most, __shfl_xor_sync(DT_FULL_WARP, most, 2));
        most = fmaxf(out.largest[r], most * scale);
        shrink[r] = dt_exp2(out.largest[r] - most);
        out.largest[r] = most;
        out.total[r] *= shrink[r];
#pragma unroll
        for (int j = 0; j < N; ++j)
#pragma unroll
            for (int i = 2 * r; i < 2 * r + 2; ++i) {
                score[j][i] = dt_exp2(score[j][i] * scale - most);
                out.total[r] += score[j][i];
            }
    }
    if (!__any_sync(DT_FULL_WARP, shrink[0] != 1.0f || shrink[1] != 1.0f))
        return;
#pragma unroll
    for (int j = 0; j < D / 8; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i)
            out.sum[j][i] *= shrink[i / 2];
}

/* Stores what a warp has computed; `memory` has room for the outputs of the block. */
template <typename T, int D>
__device__ static inline void store_outputs(const dt_attention_task<T> &task,
                                            const dt_attention_pair &pair, unsigned char *memory,
                                            outputs<D> &out, float kept)
{
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = (int32_t)blockIdx.x * DT_TILE_OWN + warp * 16;
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const int32_t query = first + lane / 4 + 8 * r;
        out.total[r] += __shfl_xor_sync(DT_FULL_WARP, out.total[r], 1);
        out.total[r] += __shfl_xor_sync(DT_FULL_WARP, out.total[r], 2);
        factor[r] = kept / out.total[r];
        if (lane % 4 == 0 && query < pair.tokens)
            task.log_sum[dt_query_item(task, pair, query)] =
                (out.largest[r] + log2f(out.total[r])) * DT_LN2;
    }
    dt_tile_store<DT_TILE_IN_ORDER, false, T, D>(task.out + pair.at_output, (int64_t)task.heads * D, first,
                                          pair.tokens, memory + warp * dt_tile_bytes<D>(16),
                                          out.sum, factor);
}

/* Block (queries, head, sequence). */
template <typename T, int D>
__global__ void __launch_bounds__(DT_TILE_THREADS, blocks<D>)
    fused_attention_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    constexpr int tile_bytes = dt_tile_bytes<D>(DT_TILE_ROWS);
    extern __shared__ __align__(128) unsigned char fused_memory[]; /* 2 × (keys, values) */
    const dt_attention_pair pair = dt_pair_of_block(task, batch);
    const int32_t block_first = (int32_t)blockIdx.x * DT_TILE_OWN;
    dt_clear_excess(task, batch, task.out, (int64_t)task.heads * D);
    if (block_first >= pair.tokens)
        return;
    const dt_shared_address memory = dt_shared_address_of(fused_memory);
    const int warp = (int)threadIdx.x / DT_WARP;
    const int lane = (int)threadIdx.x % DT_WARP;
    const int32_t first = block_first + warp * 16; /* the warp's first query */
    const bool idle = first >= pair.tokens;
    const T *k = task.k + pair.at_key;
    const T *v = task.v + pair.at_key;
    const int32_t stride = (int32_t)task.key_stride;
    const dt_mask mask = dt_query_mask(task, batch, pair, first + lane / 4);
    const float scale = task.scale * DT_LOG2E;
    dt_tile_own<D / 16> own;
    outputs<D> out = {{-INFINITY, -INFINITY}, {}, {}};

    dt_tile_load<DT_TILE_OWN, D, DT_TILE_IN_ORDER>(
        memory + 2 * tile_bytes, task.q + pair.at_query, (int32_t)task.query_stride, block_first, pair.tokens);
    dt_copy_group();
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(memory, k, stride, 0, pair.tokens);
    dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(memory + tile_bytes, v, stride, 0,
                                                pair.tokens);
    dt_copy_group();
    dt_copy_wait<1>();
    __syncthreads();
    dt_tile_load_own<D>(own, memory + 2 * tile_bytes, warp * 16);

    int32_t key = 0; /* first of the tile */
    for (; key < pair.tokens; key += DT_TILE_ROWS) {
        const int half = key / DT_TILE_ROWS % 2;
        const dt_shared_address keys = memory + half * 2 * tile_bytes;
        const dt_shared_address values = keys + tile_bytes;
        const uint32_t kept = idle ? 0 : dt_tile_kept<DT_TILE_ROWS / 8>(mask, key);
        dt_copy_wait<0>();
        __syncthreads(); /* this tile has arrived, and nobody reads the other half */
        if (key + DT_TILE_ROWS < pair.tokens) {
            const dt_shared_address next = memory + (half ^ 1) * 2 * tile_bytes;
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(next, k, stride,
                                                        key + DT_TILE_ROWS, pair.tokens);
            dt_tile_load<DT_TILE_ROWS, D, DT_TILE_KEYS>(next + tile_bytes, v,
                                                        stride, key + DT_TILE_ROWS,
                                                        pair.tokens);
            dt_copy_group();
        }
        if (idle)
            continue;
        float score[DT_TILE_ROWS / 8][4] = {};
        dt_tile_scores<T, D>(score, own, keys, 0);
        if (key + DT_TILE_ROWS > pair.tokens)
            dt_tile_tail(score, key, pair.tokens);
        softmax_tile<D>(score, out, scale);
        if (mask.threshold != 0)
            dt_tile_drop(score, kept);
#pragma unroll
        for (int i = 0; i < DT_TILE_ROWS / 16; ++i) {
            uint32_t weights[4];
            dt_tile_weights<T>(weights, score[2 * i], score[2 * i + 1]);
            dt_tile_add<T, D>(out.sum, weights, values, 16 * i);
        }
    }
    if (!idle)
        store_outputs(task, dt_pair_of_block(task, batch) /* again, to need no registers above */,
                      fused_memory + key / DT_TILE_ROWS % 2 * 2 * tile_bytes, out, mask.kept);
}

/* ---- host ----------------------------------------------------------------------------------- */

/* In fp32, tensor cores would lose precision. */
template <typename T> bool dt_cuda_fuses(int32_t head_size)
{
    return sizeof(T) == 2 && (head_size == 32 || head_size == 64 || head_size == 128);
}

template <typename T> bool dt_cuda_can_fuse(const dt_attention_task<T> &task, int32_t longest)
{
    const int64_t stride =
        task.query_stride > task.key_stride ? task.query_stride : task.key_stride;
    return dt_cuda_fuses<T>(task.d) && (longest + DT_TILE_OWN) * stride <= INT32_MAX &&
           dt_is_aligned_task(task);
}

template <typename T, int D>
static void forward(dt_cuda *cuda, const dt_attention_task<T> &task, const dt_device_batch *batch)
{
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    const dim3 grid((unsigned)dt_ceil_div(b->shape.longest, DT_TILE_OWN), (unsigned)task.heads,
                    (unsigned)batch->size.sequences);
    fused_attention_kernel<T, D>
        <<<grid, DT_TILE_THREADS, 4 * dt_tile_bytes<D>(DT_TILE_ROWS), cuda->stream>>>(task,
                                                                                      b->view);
    dt_cuda_launched(cuda, "fused attention");
}

template <typename T>
bool dt_cuda_fused_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch)
{
    if constexpr (sizeof(T) == 2) {
        if (!dt_cuda_can_fuse(task, dt_cuda_batch_of(batch)->shape.longest))
            return false;
        if (task.d == 32)
            forward<T, 32>(cuda, task, batch);
        else if (task.d == 64)
            forward<T, 64>(cuda, task, batch);
        else
            forward<T, 128>(cuda, task, batch);
        return true;
    }
    return false;
}

#define INSTANTIATE(T)                                                                             \
    template bool dt_cuda_fuses<T>(int32_t);                                                       \
    template bool dt_cuda_can_fuse<T>(const dt_attention_task<T> &, int32_t);                      \
    template bool dt_cuda_fused_forward<T>(dt_cuda *, const dt_attention_task<T> &,                \
                                           const dt_device_batch *);
INSTANTIATE(float)
INSTANTIATE(__nv_bfloat16)
INSTANTIATE(__half)
