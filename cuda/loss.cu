/* Softmax, loss and its gradient; classification. One block per sequence and taxonomic rank. */
#include "core/loss_formulas.h"
#include "cuda/device.cuh"

#define THREADS 1024 /* one rank may have tens of thousands of classes */
#define CLASSIFY_THREADS 256

/* The maximum over the threads of a block; NaN if any value is NaN. */
__device__ static inline float block_largest(float x)
{
    __shared__ float part[THREADS / DT_WARP];
    for (int offset = DT_WARP / 2; offset > 0; offset /= 2) {
        const float other = __shfl_xor_sync(DT_FULL_WARP, x, offset);
        x = other > x || other != other ? other : x;
    }
    if (threadIdx.x % DT_WARP == 0)
        part[threadIdx.x / DT_WARP] = x;
    __syncthreads();
    x = part[0];
    for (int w = 1; w < THREADS / DT_WARP; ++w)
        x = part[w] > x || part[w] != part[w] ? part[w] : x;
    __syncthreads();
    return x;
}

__device__ static inline float row_largest(const float *x, int32_t classes)
{
    float largest = -INFINITY;
    for (int32_t i = (int32_t)threadIdx.x; i < classes; i += THREADS)
        largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
    return block_largest(largest);
}

/* sums (B, R): the losses. If a loss is NaN its gradient is NaN too, so that all ranks of a run
 * notice it. */
static __global__ void __launch_bounds__(THREADS)
    loss_kernel(float *logits, double *sums, const dt_cuda_state *state, dt_batch_view batch,
                dt_loss loss)
{
    const int32_t ranks = loss.classes.tax_ranks;
    const int64_t item = blockIdx.x;
    const int32_t r = (int32_t)(item % ranks);
    const int32_t first = loss.classes.first[r];
    const int32_t classes = loss.classes.first[r + 1] - first;
    float *x = logits + item / ranks * loss.classes.first[ranks] + first;
    const int32_t label = batch.facts->has_labels ? batch.labels[item] : -1;
    if (label < 0) {
        for (int32_t i = (int32_t)threadIdx.x; i < classes; i += THREADS)
            x[i] = 0.0f;
        if (threadIdx.x == 0)
            sums[item] = 0.0;
        return;
    }
    const float largest = row_largest(x, classes);
    const float true_logit = x[label];
    float sum[1] = {0.0f};
    for (int32_t i = (int32_t)threadIdx.x; i < classes; i += THREADS)
        sum[0] += expf(x[i] - largest);
    dt_block_sum(sum); /* after its barriers all threads have read true_logit */
    const float *weights = (const float *)loss.class_weight;
    const double weight = weights ? (double)weights[first + label] : 1.0;
    const double ce = weight * (log((double)sum[0]) - (double)(true_logit - largest));
    const double scale = batch.facts->loss_scale[r];
    double slope;
    const double value = dt_loss_value(loss.type, ce, loss.gamma, &slope);
    const double factor =
        isfinite(value) ? slope * weight * scale * state->state.loss_scale : (double)NAN;
    const float share = (float)(factor / (double)sum[0]);
    for (int32_t i = (int32_t)threadIdx.x; i < classes; i += THREADS)
        x[i] = expf(x[i] - largest) * share - (i == label ? (float)factor : 0.0f);
    if (threadIdx.x == 0)
        sums[item] = value * scale;
}

/* Thread r sums the losses of taxonomic rank r in the order of the sequences. */
static __global__ void loss_sum_kernel(dt_cuda_state *state, const double *sums,
                                       dt_batch_view batch, int32_t ranks)
{
    const int32_t r = (int32_t)threadIdx.x;
    if (r >= ranks)
        return;
    double total = state->pending[r];
#pragma unroll 16 /* loads under way at a time */
    for (int32_t b = 0; b < batch.facts->sequences; ++b)
        total += sums[(int64_t)b * ranks + r];
    state->pending[r] = total;
}

typedef struct {
    float factor[DT_MAX_TAX_RANKS]; /* 1 / temperature */
} temperatures;

/* The index of the block's largest logit; the lowest among equals. */
__device__ static inline int32_t block_best(const float *x, int32_t classes)
{
    __shared__ int32_t part[CLASSIFY_THREADS];
    int32_t best = -1;
    for (int32_t i = (int32_t)threadIdx.x; i < classes; i += CLASSIFY_THREADS)
        if (best < 0 || x[i] > x[best])
            best = i;
    part[threadIdx.x] = best;
    __syncthreads();
    best = part[0];
    for (int32_t t = 1; t < CLASSIFY_THREADS && t < classes; ++t)
        if (x[part[t]] > x[best] || (x[part[t]] == x[best] && part[t] < best))
            best = part[t];
    __syncthreads();
    return best;
}

static __global__ void classify_kernel(dt_prediction *out, const float *logits, dt_batch_view batch,
                                       dt_class_layout layout, temperatures temperature)
{
    const int32_t ranks = layout.tax_ranks;
    const int64_t item = blockIdx.x;
    const int32_t r = (int32_t)(item % ranks);
    const int32_t classes = layout.first[r + 1] - layout.first[r];
    const float *x = logits + item / ranks * layout.first[ranks] + layout.first[r];
    const int32_t label = batch.facts->has_labels ? batch.labels[item] : -1;
    const int32_t best = block_best(x, classes);
    const float factor = temperature.factor[r];
    float sum[4] = {}; /* Σ e^z, Σ e^z·z, Σ e^z at temperature 1, number of larger logits */
    for (int32_t i = (int32_t)threadIdx.x; i < classes; i += CLASSIFY_THREADS) {
        const float z = (x[i] - x[best]) * factor;
        const float e = expf(z);
        sum[0] += e;
        sum[1] += e > 0.0f ? e * z : 0.0f;
        sum[2] += expf(x[i] - x[best]);
        sum[3] += label >= 0 && x[i] > x[label] ? 1.0f : 0.0f;
    }
    dt_block_sum(sum);
    if (threadIdx.x > 0)
        return;
    dt_prediction found = {};
    found.label = best;
    found.better = label < 0 ? -1 : (int32_t)sum[3];
    found.confidence = 1.0f / sum[0];
    found.entropy = (float)(log((double)sum[0]) - (double)sum[1] / (double)sum[0]);
    if (label >= 0)
        found.loss = (float)(log((double)sum[2]) - (double)(x[label] - x[best]));
    out[item] = found;
}

/* ---- host ----------------------------------------------------------------------------------- */

void dt_cuda_loss(dt_backend *backend, void *logits_dlogits, const dt_device_batch *batch,
                  const dt_loss *loss)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !dt_cuda_labels_in(cuda, b, &loss->classes))
        return;
    const unsigned items = (unsigned)(batch->size.sequences * loss->classes.tax_ranks);
    loss_kernel<<<items, THREADS, 0, cuda->stream>>>((float *)logits_dlogits, cuda->sequence_sums,
                                                     cuda->state, b->view, *loss);
    dt_cuda_launched(cuda, "loss");
    loss_sum_kernel<<<1, DT_MAX_TAX_RANKS, 0, cuda->stream>>>(cuda->state, cuda->sequence_sums,
                                                              b->view, loss->classes.tax_ranks);
    dt_cuda_launched(cuda, "loss");
}

void dt_cuda_classify(dt_backend *backend, dt_prediction *out, const void *logits,
                      const dt_device_batch *batch, const dt_class_layout *classes,
                      const double *temperature)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !dt_cuda_labels_in(cuda, b, classes))
        return;
    temperatures factors = {};
    for (int32_t r = 0; r < classes->tax_ranks; ++r)
        factors.factor[r] = temperature ? (float)(1.0 / temperature[r]) : 1.0f;
    const unsigned items = (unsigned)(batch->size.sequences * classes->tax_ranks);
    classify_kernel<<<items, CLASSIFY_THREADS, 0, cuda->stream>>>(
        out, (const float *)logits, b->view, *classes, factors);
    dt_cuda_launched(cuda, "classification");
}
