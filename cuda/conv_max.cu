/* Embedding, convolutions of several widths, ReLU, dropout and the maximum over positions.
 *
 * The input at each position is a row of the embedding table, so the contribution of tap j of all
 * filters depends only on the token id. One matrix product computes the table of these
 * contributions, (ids, Σ width · F), for the distinct ids of the batch; the value at a position is
 * then the bias plus `width` rows of the table. This is never more work than convolving every
 * position.
 *
 * Backward, only the position of each maximum has a gradient: `width` embedding rows per (sequence,
 * channel) are multiplied and added, and no matrix product is needed. The gradient of each filter
 * is computed by one block, as is that of the embedding row of each id; both add in a fixed order.
 */
#include "cuda/device.cuh"

extern "C" {
#include "core/convolution.h"
}

/* ---- plan ----------------------------------------------------------------------------------- */

/* The scratch memory: weights repacked so that each tap of a filter is contiguous, then the table
 * and its input. Tap j of filter f of kernel i is row column[i] + j · F + f of the weights and the
 * column of that number in the table. */
typedef struct {
    dt_conv_max conv;
    const float *bias[DT_MAX_KERNELS];
    const void *weight[DT_MAX_KERNELS]; /* (F, E, width) of activations' type */
    const void *embedding;              /* (V, E) */
    int64_t column[DT_MAX_KERNELS];
    int64_t columns; /* Σ width · F */
    int64_t rows;    /* of the table: distinct ids, rounded up */
    int32_t widest;
    dt_drop drop;
    void *weights; /* (columns, E) */
    void *inputs;  /* (rows, E) */
    void *table;   /* (rows, columns) */
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
    plan.drop = dt_drop_of(&conv->dropout);
    plan.weights = scratch;
    plan.inputs = (char *)scratch + part_bytes<T>(plan.columns * conv->embed_dim);
    plan.table = (char *)plan.inputs + part_bytes<T>(plan.rows * conv->embed_dim);
    return plan;
}

template <typename T>
int64_t dt_cuda_conv_max_scratch(dt_backend *backend, const dt_conv_max *conv,
                                 int32_t max_sequences, int64_t max_tokens, bool training)
{
    (void)backend;
    (void)max_sequences;
    (void)training; /* backward needs only the weights */
    const conv_plan plan = sizes_of(conv);
    const int64_t groups = max_tokens < conv->vocabulary ? max_tokens : conv->vocabulary;
    const int64_t rows = dt_cuda_rounded_groups(groups);
    return part_bytes<T>(plan.columns * conv->embed_dim) + part_bytes<T>(rows * conv->embed_dim) +
           part_bytes<T>(rows * plan.columns);
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

template <typename T> static void pack_weights(dt_cuda *cuda, const conv_plan &plan)
{
    const dim3 grid((unsigned)plan.conv.filters, (unsigned)plan.conv.kernels);
    pack_weights_kernel<T><<<grid, 128, 0, cuda->stream>>>(plan);
    dt_cuda_launched(cuda, "packing convolution weights");
}

template <typename T>
static void make_table(dt_cuda *cuda, const conv_plan &plan, const dt_batch_view &batch)
{
    gather_ids_kernel<T><<<(unsigned)plan.rows, 128, 0, cuda->stream>>>(plan, batch);
    dt_cuda_launched(cuda, "gathering embeddings");
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

/* Block (channels, kernel, sequence) of (DT_WARP, LANES) threads. */
template <typename T, bool ALIGNED>
__global__ void conv_max_kernel(T *y, int32_t *position, conv_plan plan, dt_batch_view batch)
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

/* Inputs of the backward kernels. */
template <typename T> struct conv_gradient {
    const T *dy, *y;
    const int32_t *position;
    float kept;
    /* before ReLU and dropout; 0 where the maximum was 0 */
    __device__ float at(int64_t index) const
    {
        return dt_value(y[index]) > 0.0f ? dt_value(dy[index]) * kept : 0.0f;
    }
};

#define FILTER_THREADS 128
#define FILTER_ROWS 4 /* embedding rows that a thread loads concurrently */

/* What one tap of a filter sees in FILTER_THREADS sequences. Looked up once per block, so that its
 * threads only wait for the embedding rows. */
typedef struct {
    float factor[FILTER_THREADS];
    int32_t id[FILTER_THREADS]; /* -1: no token */
} tap_view;

template <typename T>
__device__ static inline void look_up_tap(tap_view *view, const dt_batch_view &batch,
                                          const conv_plan &plan, const conv_gradient<T> &in,
                                          int64_t channel, int64_t offset, int32_t b)
{
    float factor = 0.0f;
    int32_t id = -1;
    if (b < batch.facts->sequences) {
        const int64_t index = b * (int64_t)plan.conv.filters * plan.conv.kernels + channel;
        const int32_t where = in.position[index];
        const int64_t token = where + offset;
        const int64_t first = batch.cu_seqlens[b];
        factor = in.at(index);
        if (where >= 0 && token >= 0 && token < batch.cu_seqlens[b + 1] - first)
            id = batch.token_ids[first + token];
    }
    view->factor[threadIdx.x] = factor;
    view->id[threadIdx.x] = id;
}

/* sum += factor · embedding row, over the sequences of a view, in order. */
template <typename T, bool ALIGNED, int W>
__device__ static inline void add_rows(float (&sum)[W], const tap_view &view, const T *embedding,
                                       int64_t e, int64_t embed)
{
    for (int s = 0; s < FILTER_THREADS; s += FILTER_ROWS) {
        float row[FILTER_ROWS][W] = {};
#pragma unroll
        for (int k = 0; k < FILTER_ROWS; ++k)
            if (view.id[s + k] >= 0)
                dt_load<ALIGNED, W>(row[k], embedding + view.id[s + k] * embed, e, embed);
#pragma unroll
        for (int k = 0; k < FILTER_ROWS; ++k)
            if (view.id[s + k] >= 0)
#pragma unroll
                for (int i = 0; i < W; ++i)
                    sum[i] += view.factor[s + k] * row[k][i];
    }
}

/* Block (filter, kernel, tap): the gradient of one tap of a filter; tap 0 also that of its bias. */
template <typename T, bool ALIGNED>
__global__ void filter_gradient_kernel(dt_batch_view batch, conv_plan plan, conv_gradient<T> in,
                                       float *gradients)
{
    constexpr int W = dt_vec<T>::width;
    __shared__ tap_view view;
    const int32_t kernel = (int32_t)blockIdx.y;
    const int64_t f = blockIdx.x;
    const int64_t tap = blockIdx.z;
    const int64_t embed = plan.conv.embed_dim;
    const int64_t width = plan.conv.width[kernel];
    const int64_t channel = kernel * (int64_t)plan.conv.filters + f;
    if (tap >= width)
        return; /* uniform within the block */
    float *out = gradients + plan.conv.weight[kernel] + f * embed * width + tap;
    float bias = 0.0f;
    for (int64_t start = 0; start < embed; start += FILTER_THREADS * W) {
        const int64_t e = start + threadIdx.x * W;
        float sum[W] = {};
        for (int32_t first = 0; first < batch.facts->sequences; first += FILTER_THREADS) {
            __syncthreads();
            look_up_tap(&view, batch, plan, in, channel, tap - width / 2,
                        first + (int32_t)threadIdx.x);
            __syncthreads();
            if (e < embed)
                add_rows<T, ALIGNED>(sum, view, (const T *)plan.embedding, e, embed);
            for (int s = 0; start == 0 && threadIdx.x == 0 && s < FILTER_THREADS; ++s)
                bias += view.factor[s];
        }
        for (int i = 0; i < W && e + i < embed; ++i)
            out[(e + i) * width] += sum[i];
    }
    if (tap == 0 && threadIdx.x == 0)
        gradients[plan.conv.bias[kernel] + f] += bias;
}

#define EMBEDDING_THREADS 256

/* The hits of one round of a block: the channels whose maximum sees a token, in channel order, each
 * with a row of the packed weights and a factor. */
typedef struct {
    int32_t weight_row[EMBEDDING_THREADS];
    float factor[EMBEDDING_THREADS];
    int32_t count;
} channel_hits;

/* Finds the hits among EMBEDDING_THREADS channels from `first` on; called by all threads of a
 * block. */
template <typename T>
__device__ static inline void find_hits(channel_hits *hits, const conv_plan &plan,
                                        const conv_gradient<T> &in, int64_t first, int64_t sequence,
                                        int64_t token)
{
    __shared__ int32_t warp_count[EMBEDDING_THREADS / DT_WARP];
    const int64_t filters = plan.conv.filters;
    const int64_t channels = filters * plan.conv.kernels;
    const int64_t channel = first + threadIdx.x;
    float g = 0.0f;
    int32_t weight_row = 0;
    if (channel < channels) {
        const int32_t kernel = (int32_t)(channel / filters);
        const int64_t width = plan.conv.width[kernel];
        const int64_t index = sequence * channels + channel;
        const int32_t where = in.position[index];
        const int64_t tap = token - (where - width / 2);
        if (where >= 0 && tap >= 0 && tap < width) {
            g = in.at(index);
            weight_row = (int32_t)(plan.column[kernel] + tap * filters + channel % filters);
        }
    }
    const bool hit = g != 0.0f; /* true for NaN as well */
    const unsigned mask = __ballot_sync(DT_FULL_WARP, hit);
    const int lane = (int)threadIdx.x % DT_WARP;
    const int warp = (int)threadIdx.x / DT_WARP;
    if (lane == 0)
        warp_count[warp] = __popc(mask);
    __syncthreads();
    int32_t slot = __popc(mask & ((1u << lane) - 1u));
    for (int w = 0; w < warp; ++w)
        slot += warp_count[w];
    if (hit) {
        hits->weight_row[slot] = weight_row;
        hits->factor[slot] = g;
    }
    if (threadIdx.x == EMBEDDING_THREADS - 1)
        hits->count = slot + (hit ? 1 : 0);
    __syncthreads();
}

/* Block (group, columns): the gradient of one id's embedding row, from all its tokens in order. */
template <typename T>
__global__ void embedding_gradient_kernel(dt_batch_view batch, conv_plan plan, conv_gradient<T> in,
                                          float *gradient)
{
    __shared__ channel_hits hits;
    const int64_t embed = plan.conv.embed_dim;
    const int64_t channels = (int64_t)plan.conv.filters * plan.conv.kernels;
    const int64_t e = (int64_t)blockIdx.y * EMBEDDING_THREADS + threadIdx.x;
    const int32_t group = (int32_t)blockIdx.x;
    if (group >= batch.facts->groups)
        return;
    const int32_t begin = batch.group_first[group];
    const int32_t end = batch.group_first[group + 1];
    const int64_t id = batch.token_ids[batch.order[begin]];
    if (id == plan.conv.frozen_row)
        return;
    float sum = 0.0f;
    for (int32_t i = begin; i < end; ++i) {
        const int32_t row = batch.order[i];
        const int32_t sequence = batch.sequence_of_row[row];
        const int64_t token = row - batch.cu_seqlens[sequence];
        for (int64_t first = 0; first < channels; first += EMBEDDING_THREADS) {
            find_hits(&hits, plan, in, first, sequence, token);
            for (int32_t h = 0; e < embed && h < hits.count; ++h)
                sum += hits.factor[h] *
                       dt_value(((const T *)plan.weights)[hits.weight_row[h] * embed + e]);
            __syncthreads();
        }
    }
    if (e < embed)
        gradient[id * embed + e] += sum;
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
    pack_weights<T>(cuda, plan);
    make_table<T>(cuda, plan, b->view);
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
    pack_weights<T>(cuda, plan);
    const dim3 filters((unsigned)conv->filters, (unsigned)conv->kernels, (unsigned)plan.widest);
    float *gradients = cuda->vector[DT_GRADIENTS];
    if (conv->embed_dim % dt_vec<T>::width == 0 && dt_is_aligned(plan.embedding))
        filter_gradient_kernel<T, true>
            <<<filters, FILTER_THREADS, 0, cuda->stream>>>(b->view, plan, in, gradients);
    else
        filter_gradient_kernel<T, false>
            <<<filters, FILTER_THREADS, 0, cuda->stream>>>(b->view, plan, in, gradients);
    dt_cuda_launched(cuda, "filter gradients");
    const dim3 groups((unsigned)b->shape.groups,
                      (unsigned)dt_ceil_div(conv->embed_dim, EMBEDDING_THREADS));
    embedding_gradient_kernel<T><<<groups, EMBEDDING_THREADS, 0, cuda->stream>>>(
        b->view, plan, in, dt_cuda_gradient(cuda, conv->embedding));
    dt_cuda_launched(cuda, "embedding gradients of the convolution");
}

DT_CUDA_OPERATION(conv_max_scratch);
DT_CUDA_OPERATION(conv_max_forward);
DT_CUDA_OPERATION(conv_max_backward);
