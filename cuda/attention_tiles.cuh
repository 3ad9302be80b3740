/* Fused attention's parts: tiles of a head's vectors in shared memory, and their products on tensor
 * cores. T is __nv_bfloat16 or __half, D the head size: 32, 64 or 128.
 *
 * A block has DT_TILE_WARPS warps, each of which owns 16 rows (queries, or keys), so the block has
 * DT_TILE_OWN. It walks over the other rows (keys, or queries) in tiles of DT_TILE_ROWS. Products
 * have the layouts of cuda/ptx.cuh: lane (g, t) holds columns 8j + 2t and 8j + 2t + 1 of the rows g
 * and g + 8 of its warp as sum[j][0], sum[j][1] and sum[j][2], sum[j][3].
 *
 * Tiles of keys (and values) are stored with the keys of each group of 16 in the order
 *
 *     0 1  4 5  8 9  12 13    2 3  6 7  10 11  14 15
 *
 * so that scores[2i] and scores[2i + 1] of lane (g, t) are the keys 16i + 4t … + 3 of a query: those
 * whose dropout one Philox call draws. Sums over keys are the same in any order.
 *
 * Rows of D elements are stored without gaps, 16-byte chunks exchanged within a row so that eight
 * consecutive rows have a given chunk in different banks.
 */
#ifndef DT_CUDA_ATTENTION_TILES_CUH
#define DT_CUDA_ATTENTION_TILES_CUH

#include "cuda/attention.cuh"
#include "cuda/ptx.cuh"

#define DT_TILE_WARPS 4
#define DT_TILE_THREADS (DT_TILE_WARPS * DT_WARP)
#define DT_TILE_OWN (DT_TILE_WARPS * 16)
#define DT_TILE_ROWS 32

#define DT_LOG2E 1.4426950408889634f
#define DT_LN2 0.6931471805599453f

/* Which row of a matrix is stored at a position of a tile. */
typedef enum { DT_TILE_IN_ORDER, DT_TILE_KEYS } dt_tile_order;

template <dt_tile_order ORDER> __device__ inline int dt_tile_row(int position)
{
    return ORDER == DT_TILE_IN_ORDER ? position
                                     : (position & ~15) | (position & 6) << 1 |
                                           (position & 8) >> 2 | (position & 1);
}

/* Bytes of `rows` rows. */
template <int D> __host__ __device__ constexpr int dt_tile_bytes(int rows)
{
    return rows * D * 2;
}

/* Offset in bytes of chunk `chunk` at `position`. */
template <int D> __device__ inline int dt_tile_at(int position, int chunk)
{
    static_assert(D == 32 || D == 64 || D == 128, "head sizes of fused attention");
    const int exchange = D == 32 ? position / 2 % 4 : position % 8;
    return position * D * 2 + (chunk ^ exchange) * 16;
}

/* Starts copying ROWS rows of a sequence's matrix from row `first` on; rows from `rows` on are zeros.
 * Offsets within a sequence have 32 bits; the host checks the limit. A thread copies the same chunk
 * of every `step`-th position. */
template <int ROWS, int D, dt_tile_order ORDER, typename T>
__device__ inline void dt_tile_load(dt_shared_address tile, const T *matrix, int32_t stride,
                                    int32_t first, int32_t rows)
{
    constexpr int chunks = D / 8;
    constexpr int step = DT_TILE_THREADS / chunks;
    const int position = (int)threadIdx.x / chunks;
    const int chunk = (int)threadIdx.x % chunks;
    const dt_shared_address to = tile + dt_tile_at<D>(position, chunk);
    const int32_t row = first + dt_tile_row<ORDER>(position);
    const T *from = matrix + (row * stride + chunk * 8);
#pragma unroll
    for (int i = 0; i < ROWS / step; ++i) {
        const int32_t further = dt_tile_row<ORDER>(i * step);
        dt_copy_start(to + dt_tile_bytes<D>(i * step), from + further * stride,
                      row + further < rows);
    }
}

/* Addresses that a lane gives to load 16 by 16 elements of a tile as four matrices: upper left,
 * lower left, upper right, lower right (`down` = 1), or upper left, upper right, lower left, lower
 * right (`down` = 2). dt_tile_lane() is the address for the first rows and chunks, dt_tile_move()
 * that for others: only bits within a row change, so a loop needs few registers. */
template <int D> __device__ inline dt_shared_address dt_tile_lane(dt_shared_address tile, int down)
{
    const int matrix = (int)threadIdx.x % DT_WARP / 8;
    const int lower = down == 1 ? matrix % 2 : matrix / 2;
    const int right = down == 1 ? matrix / 2 : matrix % 2;
    return tile + dt_tile_at<D>(lower * 8 + (int)threadIdx.x % 8, right);
}
template <int D>
__device__ inline dt_shared_address dt_tile_move(dt_shared_address lane, int position, int chunk)
{
    constexpr int exchanged = D == 32 ? 4 : 8; /* chunks, of which tiles are a multiple */
    return (lane ^ (chunk % exchanged * 16)) + chunk / exchanged * exchanged * 16 +
           dt_tile_bytes<D>(position);
}

/* A warp's own 16 rows as the left factor of products: K of their D / 16 parts in registers, the
 * others in shared memory, which they must not leave. */
template <int K> struct dt_tile_own {
    uint32_t part[K][4];
    dt_shared_address lane;
};

/* Loads the 16 rows at `position` of a tile. */
template <int D, int K>
__device__ inline void dt_tile_load_own(dt_tile_own<K> &own, dt_shared_address tile, int position)
{
    own.lane = dt_tile_lane<D>(tile + dt_tile_bytes<D>(position), 1);
#pragma unroll
    for (int k = 0; k < K; ++k)
        dt_load_matrices(own.part[k], dt_tile_move<D>(own.lane, 0, 2 * k));
}

/* sum (16, 8N) += own (16, D) · rᵀ, where r (8N, D) are the rows at `position` … of a tile. */
template <typename T, int D, int K, int N>
__device__ inline void dt_tile_scores(float (&sum)[N][4], const dt_tile_own<K> &own,
                                      dt_shared_address tile, int position)
{
    const dt_shared_address lane = dt_tile_lane<D>(tile, 2);
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
        uint32_t a[4];
        if (k >= K)
            dt_load_matrices(a, dt_tile_move<D>(own.lane, 0, 2 * k));
        else
            memcpy(a, own.part[k % K], sizeof a);
#pragma unroll
        for (int j = 0; j < N; j += 2) {
            uint32_t b[4];
            dt_load_matrices(b, dt_tile_move<D>(lane, position + j * 8, 2 * k));
            dt_multiply_add<T>(sum[j], a, b[0], b[1]);
            dt_multiply_add<T>(sum[j + 1], a, b[2], b[3]);
        }
    }
}

/* sum (16, D) += weights (16, 16) · the 16 rows at `position` … of a tile. */
template <typename T, int D>
__device__ inline void dt_tile_add(float (&sum)[D / 8][4], const uint32_t (&weights)[4],
                                   dt_shared_address tile, int position)
{
    const dt_shared_address lane = dt_tile_lane<D>(tile, 1);
#pragma unroll
    for (int c = 0; c < D / 16; ++c) {
        uint32_t b[4];
        dt_load_transposed(b, dt_tile_move<D>(lane, position, 2 * c));
        dt_multiply_add<T>(sum[2 * c], weights, b[0], b[1]);
        dt_multiply_add<T>(sum[2 * c + 1], weights, b[2], b[3]);
    }
}

/* Two neighbouring products (16, 16) as the left factor of the next. */
template <typename T>
__device__ inline void dt_tile_weights(uint32_t (&weights)[4], const float (&left)[4],
                                       const float (&right)[4])
{
    weights[0] = dt_pack<T>(left[0], left[1]);
    weights[1] = dt_pack<T>(left[2], left[3]);
    weights[2] = dt_pack<T>(right[0], right[1]);
    weights[3] = dt_pack<T>(right[2], right[3]);
}

/* The lane's scores (16, 8N) of keys from `keys` on become −∞; `key` is the tile's first. */
template <int N>
__device__ inline void dt_tile_tail(float (&score)[N][4], int32_t key, int32_t keys)
{
    const int32_t own = key + (int)threadIdx.x % 4 * 4;
#pragma unroll
    for (int j = 0; j < N; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (own + j / 2 * 16 + j % 2 * 2 + i % 2 >= keys)
                score[j][i] = -INFINITY;
}

/* ---- dropout -------------------------------------------------------------------------------- */

/* Returns which of a lane's scores (16, 8N) dropout keeps: bit 4j + i is set for score[j][i]. `mask` is
 * that of the lane's first query, `key` the tile's first key. Called before the tile is needed:
 * drawing takes long, and many registers. */
template <int N> __device__ inline uint32_t dt_tile_kept(dt_mask mask, int32_t key)
{
    uint32_t kept = 0;
    const uint32_t first = mask.position;
    if (mask.threshold == 0)
        return kept;
#pragma unroll 1 /* two calls at a time */
    for (int j = 0; j < N; j += 2)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            uint32_t draw[4];
            mask.position = first + 8 * (uint32_t)r;
            dt_draw_four(draw, mask, key / 4 + j * 2 + (int)threadIdx.x % 4);
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (draw[i] >= mask.threshold)
                    kept |= 1u << (i / 2 * 4 + 2 * r + i % 2) << 4 * j;
        }
    return kept;
}

/* The same for scores whose rows are the 16 keys from `key` on, in the order of a tile, and whose
 * columns are the queries from `mask`'s on. Two lanes share the draws of a query's four keys. */
template <int N> __device__ inline uint32_t dt_tile_kept_of_keys(dt_mask mask, int32_t key)
{
    const int lane = (int)threadIdx.x % DT_WARP;
    const int half = lane / 4 % 2; /* the lane's keys are 4n + half and 4n + half + 2 */
    uint32_t own = 0;              /* draws of queries 8j + 2t + half */
    if (mask.threshold == 0)
        return own;
    mask.position += (uint32_t)(lane % 4 * 2 + half);
#pragma unroll 2
    for (int j = 0; j < N; ++j, mask.position += 8) {
        uint32_t draw[4];
        dt_draw_four(draw, mask, key / 4 + lane / 8);
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (draw[i] >= mask.threshold)
                own |= 1u << i << 4 * j;
    }
    const uint32_t other = __shfl_xor_sync(DT_FULL_WARP, own, 4);
    const uint32_t even = (half ? other : own) >> half & 0x55555555u;
    const uint32_t odd = (half ? own : other) >> half & 0x55555555u;
    return even | odd << 1;
}

/* Sets what is not kept to 0. */
template <int N> __device__ inline void dt_tile_drop(float (&score)[N][4], uint32_t kept)
{
#pragma unroll
    for (int j = 0; j < N; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i)
            score[j][i] = kept >> (4 * j + i) & 1 ? score[j][i] : 0.0f;
}

/* ---- output --------------------------------------------------------------------------------- */

/* Stores a warp's sums, row r times factor[r / 8], to the rows from `first` on of a matrix, and as a
 * tile in `memory`, the warp's own (16 rows). Rows from `rows` on are left out; in `memory` they are
 * zeros if CLEAR. */
template <dt_tile_order ORDER, bool CLEAR, typename T, int D>
__device__ inline void dt_tile_store(T *matrix, int64_t stride, int32_t first, int32_t rows,
                                     unsigned char *memory, const float (&sum)[D / 8][4],
                                     const float (&factor)[2])
{
    const int lane = (int)threadIdx.x % DT_WARP;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const bool clear = CLEAR && first + dt_tile_row<ORDER>(lane / 4 + 8 * r) >= rows;
#pragma unroll
        for (int j = 0; j < D / 8; ++j)
            *reinterpret_cast<uint32_t *>(memory + dt_tile_at<D>(lane / 4 + 8 * r, j) +
                                          lane % 4 * 4) =
                clear ? 0 : dt_pack<T>(sum[j][2 * r] * factor[r], sum[j][2 * r + 1] * factor[r]);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < D / 16; ++i) {
        const int e = i * DT_WARP + lane;
        const int position = e / (D / 8);
        const int chunk = e % (D / 8);
        const int32_t row = first + dt_tile_row<ORDER>(position);
        if (row < rows)
            *reinterpret_cast<uint4 *>(matrix + row * stride + chunk * 8) =
                *reinterpret_cast<const uint4 *>(memory + dt_tile_at<D>(position, chunk));
    }
    __syncwarp();
}

/* columns (D) = the sums over the rows of a tile of DT_TILE_OWN rows, which all warps have written
 * before a block barrier: a product with ones on tensor cores. Each warp sums some of the columns. */
template <typename T, int D>
__device__ inline void dt_tile_column_sums(float *columns, dt_shared_address tile)
{
    const int lane = (int)threadIdx.x % DT_WARP;
    const uint32_t one = dt_pack<T>(1.0f, 1.0f);
    const uint32_t ones[4] = {one, one, one, one};
    const dt_shared_address rows = dt_tile_lane<D>(tile, 1);
#pragma unroll 1 /* to need no more registers than the loops before */
    for (int c = (int)threadIdx.x / DT_WARP; c < D / 16; c += DT_TILE_WARPS) {
        float sum[2][4] = {}; /* whose rows are all the same */
#pragma unroll
        for (int position = 0; position < DT_TILE_OWN; position += 16) {
            uint32_t b[4];
            dt_load_transposed(b, dt_tile_move<D>(rows, position, 2 * c));
            dt_multiply_add<T>(sum[0], ones, b[0], b[1]);
            dt_multiply_add<T>(sum[1], ones, b[2], b[3]);
        }
        if (lane < 4)
#pragma unroll
            for (int j = 0; j < 2; ++j)
                *reinterpret_cast<float2 *>(columns + c * 16 + j * 8 + lane * 2) =
                    float2{sum[j][0], sum[j][1]};
    }
}

#endif
