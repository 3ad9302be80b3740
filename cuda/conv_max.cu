/* Embedding, convolutions of several widths, ReLU, dropout and the maximum over positions.
 *
 * The input at each position is a row of the embedding table, so the contribution of tap j of all
 * filters depends only on the token id. One matrix product computes the table of these
 * contributions, (ids, Σ width · F), for the distinct ids of the batch; the value at a position is
 * then the bias plus `width` rows of the table. This is never more work than convolving every
 * position.
 *
 * Backward, only the position of each maximum has a gradient. It is added to the entries of the
 * table that the maximum was the sum of; the gradient of the table, in the place of the table, is
 * then multiplied with the weights for the gradient of the embedding rows of the ids, and with
 * these rows for the gradient of the weights.
 */
#include "cuda/device.cuh"

extern "C" {
#include "core/convolution.h"
}

/* ---- plan ----------------------------------------------------------------------------------- */

/* The scratch memory: weights repacked so that each tap of a filter is contiguous and the input of
 * the table, which backward finds there, then the table and sums. Tap j of filter f of kernel i is
 * row column[i] + j · F + f of the weights and the column of that number in the table. */
typedef struct {
    dt_conv_max conv;
    const float *bias[DT_MAX_KERNELS];
    const void *weight[DT_MAX_KERNELS]; /* (F, E, width) of activations' type */
    const void *embedding;              /* (V, E) */
    int64_t column[DT_MAX_KERNELS];
    int64_t columns; /* Σ width · F */
    int64_t rows;    /* of the table: distinct ids, rounded up */
    int32_t widest;
    bool replace; /* the gradients of weights and biases */
    dt_drop drop;
    void *weights; /* (columns, E) */
    void *inputs;  /* (rows, E) */
    void *table;   /* (rows, columns); in backward its gradient */
    float *sums;   /* (max(rows, columns), E) float, in backward */
} conv_plan;

static conv_plan sizes_of(const dt_conv_max *conv)
{
    conv_plan plan = {};
    plan.conv = *conv;
    plan.columns = dt_conv_taps(plan.column, conv->width, conv->kernels, conv->filters);
    plan.widest = dt_conv_widest(conv->width, conv->kernels);
    return plan;
}

/* Returns the bytes of an array in the scratch memory, rounded up to keep the next one aligned. */
template <typename T> static int64_t part_bytes(int64_t count)
{
    return dt_ceil_div(count * (int64_t)sizeof(T), 256) * 256;
}

template <typename T>
static conv_plan plan_of(const dt_cuda *cuda, const dt_conv_max *conv, void *scratch,
                         const dt_cuda_batch *batch)
{
    conv_plan plan = sizes_of(conv);
    for (int32_t i = 0; i < conv->kernels; ++i) {
        plan.bias[i] = dt_cuda_param(cuda, conv->bias[i]);
        plan.weight[i] = dt_cuda_weight<T>(cuda, conv->weight[i]);
    }
    plan.embedding = dt_cuda_weight<T>(cuda, conv->embedding);
    plan.rows = batch->shape.groups;
    plan.replace = cuda->replace;
    plan.drop = dt_drop_of(&conv->dropout);
    plan.weights = scratch;
    plan.inputs = (char *)scratch + part_bytes<T>(plan.columns * conv->embed_dim);
    plan.table = (char *)plan.inputs + part_bytes<T>(plan.rows * conv->embed_dim);
    plan.sums = (float *)((char *)plan.table + part_bytes<T>(plan.rows * plan.columns));
    return plan;
}

template <typename T>
int64_t dt_cuda_conv_max_scratch(dt_backend *backend, const dt_conv_max *conv,
                                 int32_t max_sequences, int64_t max_tokens, bool training)
{
    (void)backend;
    (void)max_sequences;
    const conv_plan plan = sizes_of(conv);
    const int64_t groups = max_tokens < conv->vocabulary ? max_tokens : conv->vocabulary;
    const int64_t rows = dt_cuda_rounded_groups(groups);
    const int64_t longer = rows > plan.columns ? rows : plan.columns;
    return part_bytes<T>(plan.columns * conv->embed_dim) + part_bytes<T>(rows * conv->embed_dim) +
           part_bytes<T>(rows * plan.columns) +
           (training ? part_bytes<float>(longer * conv->embed_dim) : 0);
}

/* ---- the table ------------------------------------------------------------------------------ */

/* Block (filter, kernel): (F, E, width) becomes (width, F, E). */
template <typename T> __global__ void pack_weights_kernel(conv_plan plan)
{
    const int32_t kernel = (int32_t)blockIdx.y;
    const int64_t embed = plan.conv.embed_dim;
    const int64_t width = plan.conv.width[kernel];
    const int64_t f = blockIdx.x;
    const T *from = (const T *)plan.weight[kernel] + f * embed * width;
    for (int64_t j = 0; j < width; ++j) {
        T *to = (T *)plan.weights + (plan.column[kernel] + j * plan.conv.filters + f) * embed;
        for (int64_t e = threadIdx.x; e < embed; e += blockDim.x)
            to[e] = from[e * width + j];
    }
}

/* One block per distinct id: copies its embedding; zeros in the extra rows. */
template <typename T> __global__ void gather_ids_kernel(conv_plan plan, dt_batch_view batch)
{
    const int64_t embed = plan.conv.embed_dim;
    const int32_t group = (int32_t)blockIdx.x;
    const bool real = group < batch.facts->groups;
    const int64_t id = real ? batch.token_ids[batch.order[batch.group_first[group]]] : 0;
    const T *from = (const T *)plan.embedding + id * embed;
    T *to = (T *)plan.inputs + group * embed;
    for (int64_t e = threadIdx.x; e < embed; e += blockDim.x)
        to[e] = real ? from[e] : dt_round<T>(0.0f);
}

/* The operands of the products: packed weights, and the embedding rows of the ids. */
template <typename T>
static void make_operands(dt_cuda *cuda, const conv_plan &plan, const dt_batch_view &batch)
{
    const dim3 grid((unsigned)plan.conv.filters, (unsigned)plan.conv.kernels);
    pack_weights_kernel<T><<<grid, 128, 0, cuda->stream>>>(plan);
    dt_cuda_launched(cuda, "packing convolution weights");
    gather_ids_kernel<T><<<(unsigned)plan.rows, 128, 0, cuda->stream>>>(plan, batch);
    dt_cuda_launched(cuda, "gathering embeddings");
}

template <typename T> static void make_table(dt_cuda *cuda, const conv_plan &plan)
{
    dt_product p = {};
    p.m = plan.rows;
    p.n = plan.columns;
    p.k = plan.conv.embed_dim;
    p.a = plan.inputs;
    p.lda = plan.conv.embed_dim;
    p.b = plan.weights;
    p.ldb = plan.conv.embed_dim;
    p.transpose_b = true;
    p.c = plan.table;
    p.ldc = plan.columns;
    p.inputs = p.output = dt_number_of<T>();
    dt_cuda_product(cuda, &p);
}

/* ---- forward -------------------------------------------------------------------------------- */

#define CHANNELS 4 /* per thread: the draws of one Philox call */
#define LANES 8    /* positions that a block handles at a time */

/* The maximum so far of each of a thread's channels, and its position. */
typedef struct {
    float value[CHANNELS];
    int32_t where[CHANNELS];
} best_channels;

/* Among equal values the first is kept; NaN is kept so that it is noticed. */
__device__ static inline void join_value(best_channels *best, int c, float value, int32_t where)
{
    if (value > best->value[c] || value != value) {
        best->value[c] = value;
        best->where[c] = where;
    }
}

/* Returns the number of positions of a sequence that are computed. */
__device__ static inline int64_t positions_of(const conv_plan &plan, int64_t tokens)
{
    const int64_t past = tokens + plan.widest / 2;
    if (plan.conv.mask_padding)
        return tokens;
    return past < plan.conv.max_length ? past : plan.conv.max_length;
}

/* The convolution of filters f … f + 3 of a kernel at one position, with bias and ReLU. */
template <typename T, bool ALIGNED>
__device__ static inline void convolve(float (&value)[CHANNELS], const conv_plan &plan,
                                       const dt_batch_view &batch, int32_t kernel, int64_t f,
                                       int64_t first_row, int64_t tokens, int64_t position)
{
    const int64_t filters = plan.conv.filters;
    const int64_t width = plan.conv.width[kernel];
    const int64_t start = position - width / 2; /* token at tap 0 */
    const int64_t begin = start < 0 ? -start : 0;
    const int64_t end = start + width > tokens ? tokens - start : width;
    dt_load<false, CHANNELS>(value, plan.bias[kernel], f, filters);
    for (int64_t j = begin; j < end; ++j) {
        const T *row = (const T *)plan.table +
                       batch.group_of_row[first_row + start + j] * plan.columns +
                       plan.column[kernel] + j * filters;
        float tap[CHANNELS];
        dt_load<ALIGNED, CHANNELS>(tap, row, f, filters);
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c)
            value[c] += tap[c];
    }
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c)
        value[c] = value[c] < 0.0f ? 0.0f : value[c]; /* keeps NaN */
}

/* Includes the m padding positions that see no token in the maximum, in one step. */
__device__ static inline void join_padding(best_channels *best, const conv_plan &plan,
                                           const dt_batch_view &batch, int32_t kernel, int64_t f,
                                           int64_t sequence, int64_t positions)
{
    const int64_t left = plan.conv.max_length - positions;
    if (plan.conv.mask_padding || left <= 0)
        return;
    float factor[CHANNELS];
    const double all = plan.conv.dropout.p > 0.0 ? pow(plan.conv.dropout.p, (double)left) : 0.0;
    const dt_drop all_dropped = {plan.conv.padding_stream, dt_dropout_threshold(all),
                                 plan.drop.kept};
    dt_factors_anywhere(factor, dt_mask_of(batch.facts, all_dropped, sequence, 0),
                        kernel * (int64_t)plan.conv.filters + f);
    for (int c = 0; c < CHANNELS; ++c) {
        const float bias = f + c < plan.conv.filters ? plan.bias[kernel][f + c] : 0.0f;
        const float value = (bias < 0.0f ? 0.0f : bias) * factor[c];
        if (value > best->value[c]) {
            best->value[c] = value;
            best->where[c] = -1;
        }
    }
}

/* Combines the maxima of the lanes of a block in lane 0; among equal values the first position is
 * kept. */
__device__ static inline void join_lanes(best_channels *best)
{
    __shared__ best_channels part[LANES][DT_WARP];
    part[threadIdx.y][threadIdx.x] = *best;
    __syncthreads();
    if (threadIdx.y > 0)
        return;
    for (int lane = 1; lane < LANES; ++lane)
        for (int c = 0; c < CHANNELS; ++c) {
            const float value = part[lane][threadIdx.x].value[c];
            const int32_t where = part[lane][threadIdx.x].where[c];
            if (value == best->value[c] && where < best->where[c])
                best->where[c] = where;
            join_value(best, c, value, where);
        }
}

/* Block (channels, kernel, sequence) of (DT_WARP, LANES) threads. With three blocks on a
 * multiprocessor all blocks of a batch of 64 run at the same time on an H100. */
template <typename T, bool ALIGNED>
__global__ void __launch_bounds__(DT_WARP *LANES, 3)
    conv_max_kernel(T *y, int32_t *position, conv_plan plan, dt_batch_view batch)
{
    const int32_t kernel = (int32_t)blockIdx.y;
    const int64_t sequence = blockIdx.z;
    const int64_t filters = plan.conv.filters;
    const int64_t f = ((int64_t)blockIdx.x * DT_WARP + threadIdx.x) * CHANNELS;
    const int64_t first_row = batch.cu_seqlens[sequence];
    const int64_t tokens = batch.cu_seqlens[sequence + 1] - first_row;
    const int64_t positions = positions_of(plan, tokens);
    const int64_t channel = kernel * filters + f;
    best_channels best;
    for (int c = 0; c < CHANNELS; ++c) {
        best.value[c] = -1.0f;
        best.where[c] = 0;
    }
    for (int64_t t = threadIdx.y; f < filters && t < positions; t += LANES) {
        float value[CHANNELS];
        float factor[CHANNELS];
        convolve<T, ALIGNED>(value, plan, batch, kernel, f, first_row, tokens, t);
        const dt_mask mask = dt_mask_of(batch.facts, plan.drop, sequence, t);
        if (ALIGNED) /* the filters of a kernel are a multiple of 4 */
            dt_factors<CHANNELS>(factor, mask, channel);
        else
            dt_factors_anywhere(factor, mask, channel);
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c)
            join_value(&best, c, value[c] * factor[c], (int32_t)t);
    }
    join_lanes(&best);
    if (threadIdx.y > 0 || f >= filters)
        return;
    join_padding(&best, plan, batch, kernel, f, sequence, positions);
    const int64_t out = sequence * filters * plan.conv.kernels + channel;
    for (int c = 0; c < CHANNELS && f + c < filters; ++c) {
        y[out + c] = dt_round<T>(best.value[c]);
        position[out + c] = best.where[c];
    }
}

/* ---- backward ------------------------------------------------------------------------------- */

/* Inputs of the gradient of the table. */
template <typename T> struct conv_gradient {
    const T *dy, *y;
    const int32_t *position;
    float kept;
};

#define TILE_GROUPS 256 /* rows of the table's gradient that a block computes, of DT_WARP columns */
#define TILE_WARPS 4    /* warp w adds to the rows w, w + TILE_WARPS, … */
#define TILE_ROUND 16   /* sequences that a block looks up at a time */

/* What a column of the table contributed to the maximum in one sequence. */
typedef struct {
    float gradient;
    int32_t group; /* row of the table; -1: none */
} tap_hit;

/* What a column of the table belongs to. */
typedef struct {
    int32_t kernel, filter;
    int32_t offset; /* of the token that the tap sees, from the position */
    bool first;     /* tap of the filter */
} tap;

__device__ static inline tap tap_of(const conv_plan &plan, int32_t column)
{
    const int32_t filters = plan.conv.filters;
    int32_t kernel = 0;
    while (kernel + 1 < plan.conv.kernels && column >= plan.column[kernel + 1])
        ++kernel;
    const int32_t within = column - (int32_t)plan.column[kernel];
    const int32_t number = within / filters;
    return tap{kernel, within % filters, number - plan.conv.width[kernel] / 2, number == 0};
}

/* Loads without branches, so that a thread has several look-ups under way. */
template <typename T>
__device__ static inline tap_hit look_up(const conv_plan &plan, const dt_batch_view &batch,
                                         const conv_gradient<T> &in, const tap &tap, int32_t b)
{
    const int64_t filters = plan.conv.filters;
    const int64_t index = (b * (int64_t)plan.conv.kernels + tap.kernel) * filters + tap.filter;
    const int32_t where = in.position[index];
    const int32_t first = batch.cu_seqlens[b];
    const int32_t tokens = batch.cu_seqlens[b + 1] - first;
    const float gradient = dt_value(in.dy[index]) * in.kept;
    const float y = dt_value(in.y[index]);
    const int32_t token = where + tap.offset;
    const bool seen = (where >= 0) & (token >= 0) & (token < tokens);
    const int32_t group = batch.group_of_row[seen ? first + token : 0];
    /* before ReLU and dropout; 0 where the maximum was 0 */
    return tap_hit{y > 0.0f ? gradient : 0.0f, seen ? group : -1};
}

__device__ static inline void add_gradient(float *to, float gradient, bool replace)
{
    *to = replace ? gradient : *to + gradient;
}

/* Block (columns, groups) of (DT_WARP, TILE_WARPS) threads: a tile of the table's gradient, with
 * the sequences in order. The first block of a column also adds the gradient of its bias. */
template <typename T>
__global__ void table_gradient_kernel(dt_batch_view batch, conv_plan plan, conv_gradient<T> in,
                                      float *gradients)
{
    __shared__ float tile[TILE_GROUPS][DT_WARP];
    __shared__ tap_hit hits[TILE_ROUND][DT_WARP];
    const int32_t columns = (int32_t)plan.columns;
    const int32_t column = (int32_t)(blockIdx.x * DT_WARP + threadIdx.x);
    const bool real = column < columns;
    const tap tap = tap_of(plan, real ? column : columns - 1);
    const int32_t first_group = (int32_t)blockIdx.y * TILE_GROUPS;
    const int32_t sequences = batch.facts->sequences;
    float bias = 0.0f;
    for (int32_t g = (int32_t)threadIdx.y; g < TILE_GROUPS; g += TILE_WARPS)
        tile[g][threadIdx.x] = 0.0f;
    for (int32_t first = 0; first < sequences; first += TILE_ROUND) {
        tap_hit found[TILE_ROUND / TILE_WARPS];
#pragma unroll
        for (int k = 0; k < TILE_ROUND / TILE_WARPS; ++k) {
            const int32_t b = first + k * TILE_WARPS + (int32_t)threadIdx.y;
            found[k] = look_up(plan, batch, in, tap, b < sequences ? b : sequences - 1);
            if (b >= sequences)
                found[k] = tap_hit{0.0f, -1};
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE_ROUND / TILE_WARPS; ++k)
            hits[k * TILE_WARPS + threadIdx.y][threadIdx.x] = found[k];
        __syncthreads();
#pragma unroll
        for (int32_t s = 0; s < TILE_ROUND; ++s) {
            const tap_hit hit = hits[s][threadIdx.x];
            const uint32_t g = (uint32_t)(hit.group - first_group);
            if (g < TILE_GROUPS && g % TILE_WARPS == threadIdx.y)
                tile[g][threadIdx.x] += hit.gradient;
            bias += hit.gradient;
        }
    }
    for (int32_t g = (int32_t)threadIdx.y; g < TILE_GROUPS; g += TILE_WARPS)
        if (real && first_group + g < plan.rows)
            ((T *)plan.table)[(int64_t)(first_group + g) * columns + column] =
                dt_round<T>(tile[g][threadIdx.x]);
    if (real && tap.first && blockIdx.y == 0 && threadIdx.y == 0)
        add_gradient(&gradients[plan.conv.bias[tap.kernel] + tap.filter], bias, plan.replace);
}

/* One block per distinct id: adds its row of `sums` to the gradient of the embedding. */
static __global__ void add_id_rows_kernel(float *gradient, const float *sums, dt_batch_view batch,
                                          int64_t embed, int32_t frozen_row)
{
    const int64_t group = blockIdx.x;
    if (group >= batch.facts->groups)
        return;
    const int64_t id = batch.token_ids[batch.order[batch.group_first[group]]];
    if (id == frozen_row)
        return;
    for (int64_t e = threadIdx.x; e < embed; e += blockDim.x)
        gradient[id * embed + e] += sums[group * embed + e];
}

/* Block (filter, kernel): adds the gradient of the packed weights to that of (F, E, width). */
static __global__ void unpack_weights_kernel(float *gradients, conv_plan plan)
{
    const int32_t kernel = (int32_t)blockIdx.y;
    const int32_t embed = plan.conv.embed_dim;
    const int32_t width = plan.conv.width[kernel];
    const int64_t f = blockIdx.x;
    float *to = gradients + plan.conv.weight[kernel] + f * embed * width;
    for (int32_t i = (int32_t)threadIdx.x; i < embed * width; i += (int32_t)blockDim.x) {
        const int64_t from = plan.column[kernel] + i % width * (int64_t)plan.conv.filters + f;
        add_gradient(&to[i], plan.sums[from * embed + i / width], plan.replace);
    }
}

/* Adds the gradient of the table times the packed weights to the gradient of the embedding. */
template <typename T>
static void embedding_gradient(dt_cuda *cuda, const conv_plan &plan, const dt_batch_view &batch)
{
    const int64_t embed = plan.conv.embed_dim;
    dt_product p = {};
    p.m = plan.rows;
    p.n = embed;
    p.k = plan.columns;
    p.a = plan.table;
    p.lda = plan.columns;
    p.b = plan.weights;
    p.ldb = embed;
    p.c = plan.sums;
    p.ldc = embed;
    p.inputs = dt_number_of<T>();
    p.output = DT_NUMBER_FLOAT;
    dt_cuda_product(cuda, &p);
    add_id_rows_kernel<<<(unsigned)plan.rows, 128, 0, cuda->stream>>>(
        dt_cuda_gradient(cuda, plan.conv.embedding), plan.sums, batch, embed,
        plan.conv.frozen_row);
    dt_cuda_launched(cuda, "embedding gradients of the convolution");
}

/* Adds the transposed gradient of the table times its input to the gradient of the weights. */
template <typename T> static void weight_gradient(dt_cuda *cuda, const conv_plan &plan)
{
    const int64_t embed = plan.conv.embed_dim;
    dt_product p = {};
    p.m = plan.columns;
    p.n = embed;
    p.k = plan.rows;
    p.a = plan.table;
    p.lda = plan.columns;
    p.transpose_a = true;
    p.b = plan.inputs;
    p.ldb = embed;
    p.c = plan.sums;
    p.ldc = embed;
    p.inputs = dt_number_of<T>();
    p.output = DT_NUMBER_FLOAT;
    dt_cuda_product(cuda, &p);
    const dim3 filters((unsigned)plan.conv.filters, (unsigned)plan.conv.kernels);
    unpack_weights_kernel<<<filters, 256, 0, cuda->stream>>>(cuda->vector[DT_GRADIENTS], plan);
    dt_cuda_launched(cuda, "filter gradients");
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Returns false, with a sticky error, if the operation does not support this batch. */
static bool conv_fits(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_conv_max *conv)
{
    return dt_cuda_lengths_in(cuda, batch, conv->max_length) &&
           dt_cuda_ids_in(cuda, batch, conv->vocabulary);
}

/* The largest number of blocks in the second and third dimension of a grid. */
#define GRID_LIMIT 65535

template <typename T>
void dt_cuda_conv_max_forward(dt_backend *backend, void *y, int32_t *position, void *scratch,
                              const dt_device_batch *batch, const dt_conv_max *conv)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !conv_fits(cuda, b, conv))
        return;
    if (batch->size.sequences > GRID_LIMIT) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "more than %d sequences in a micro-batch", GRID_LIMIT);
        return;
    }
    const conv_plan plan = plan_of<T>(cuda, conv, scratch, b);
    make_operands<T>(cuda, plan, b->view);
    make_table<T>(cuda, plan);
    const dim3 grid((unsigned)dt_ceil_div(conv->filters, DT_WARP * CHANNELS),
                    (unsigned)conv->kernels, (unsigned)batch->size.sequences);
    const dim3 block(DT_WARP, LANES);
    if (conv->filters % CHANNELS == 0 && dt_is_aligned(scratch))
        conv_max_kernel<T, true><<<grid, block, 0, cuda->stream>>>((T *)y, position, plan, b->view);
    else
        conv_max_kernel<T, false>
            <<<grid, block, 0, cuda->stream>>>((T *)y, position, plan, b->view);
    dt_cuda_launched(cuda, "convolution");
}

template <typename T>
void dt_cuda_conv_max_backward(dt_backend *backend, const void *dy, const void *y,
                               const int32_t *position, void *scratch, const dt_device_batch *batch,
                               const dt_conv_max *conv)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !conv_fits(cuda, b, conv))
        return;
    const conv_plan plan = plan_of<T>(cuda, conv, scratch, b);
    const conv_gradient<T> in = {(const T *)dy, (const T *)y, position, plan.drop.kept};
    dt_cuda_gradients_start(cuda, conv->embedding, (int64_t)conv->vocabulary * conv->embed_dim);
    const dim3 tiles((unsigned)dt_ceil_div(plan.columns, DT_WARP),
                     (unsigned)dt_ceil_div(plan.rows, TILE_GROUPS));
    table_gradient_kernel<T><<<tiles, dim3(DT_WARP, TILE_WARPS), 0, cuda->stream>>>(
        b->view, plan, in, cuda->vector[DT_GRADIENTS]);
    dt_cuda_launched(cuda, "gradient of the convolution's table");
    embedding_gradient<T>(cuda, plan, b->view);
    weight_gradient<T>(cuda, plan);
}

DT_CUDA_OPERATION(conv_max_scratch);
DT_CUDA_OPERATION(conv_max_forward);
DT_CUDA_OPERATION(conv_max_backward);
