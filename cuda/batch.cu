/* Batches are checked, grouped by token id and packed into one block of pinned host memory, which
 * is copied to the device at once while the host prepares the next batch. */
#include <stdlib.h>
#include <string.h>

#include "cuda/backend_cuda.h"

extern "C" {
#include "core/group.h"
#include "core/packed.h"
}

/* The layout of a batch in its memory, the same on host and device. */
typedef struct {
    dt_batch_facts *facts;
    int32_t *token_ids;
    int32_t *cu_seqlens;
    int32_t *sequence_of_row;
    int32_t *labels;
    int32_t *order;
    int32_t *group_first;
    int32_t *group_of_row;
    int64_t bytes;
} batch_layout;

static void *take(char *base, int64_t *used, int64_t bytes)
{
    void *out = base ? base + *used : NULL;
    *used += dt_ceil_div(bytes, 256) * 256;
    return out;
}

/* Returns the layout for batches of this shape, so that not much more than the batch itself is
 * copied. `tokens` is the number of rows: addresses may depend only on the shape. */
static batch_layout layout_of(char *base, int64_t sequences, int64_t tokens, int64_t tax_ranks)
{
    const int64_t word = sizeof(int32_t);
    batch_layout out = {};
    int64_t used = 0;
    out.facts = (dt_batch_facts *)take(base, &used, sizeof(dt_batch_facts));
    out.cu_seqlens = (int32_t *)take(base, &used, (sequences + 1) * word);
    out.labels = (int32_t *)take(base, &used, sequences * tax_ranks * word);
    out.token_ids = (int32_t *)take(base, &used, tokens * word);
    out.sequence_of_row = (int32_t *)take(base, &used, tokens * word);
    out.order = (int32_t *)take(base, &used, tokens * word);
    out.group_first = (int32_t *)take(base, &used, (tokens + 1) * word);
    out.group_of_row = (int32_t *)take(base, &used, tokens * word);
    out.bytes = used;
    return out;
}

/* ---- sizes, rounded up -----------------------------------------------------------------------
 *
 * Measured on 3,467 batches of 64 from 5,181 nearly full-length 16S sequences (320 tokens), and on
 * batches of 4,705 V4 amplicons cut from them (57 tokens), tokenised with DNABERT-2's BPE:
 *
 *                                   full length                  V4
 *   exact sizes: shapes             3,462                        3,334
 *   rounded as below: shapes        11                           8
 *   rows added                      0.3 %                        0.8 %
 *   distinct ids added              11 %                         9 %
 *
 * Distinct ids cost much less than rows: they affect one product, which takes a few thousandths of
 * a step. */

/* Returns the largest power of two up to `most`, but at least the unit. */
static int64_t unit_below(int64_t most)
{
    int64_t unit = DT_CUDA_ROW_UNIT;
    while (2 * unit <= most)
        unit *= 2;
    return unit;
}

static int64_t round_up(int64_t count, int64_t unit)
{
    return dt_ceil_div(count, unit) * unit;
}

int64_t dt_cuda_row_unit(int64_t tokens)
{
    return unit_below(tokens / 128);
}

int64_t dt_cuda_rounded_groups(int64_t groups)
{
    return round_up(groups, unit_below(groups / 4));
}

/* Returns the rows of the largest batch that the model has memory for. */
static int64_t most_rows(const dt_cuda *cuda)
{
    return round_up(cuda->max_tokens, DT_CUDA_ROW_UNIT);
}

static dt_batch_shape shape_of(const dt_cuda *cuda, const dt_batch *batch, int32_t slot)
{
    dt_batch_shape shape = {};
    const int64_t tokens = batch->cu_seqlens[batch->sequences];
    const int64_t rows = round_up(tokens, dt_cuda_row_unit(tokens));
    shape.rows = rows < most_rows(cuda) ? rows : most_rows(cuda);
    shape.sequences = batch->sequences;
    shape.tax_ranks = batch->tax_ranks;
    shape.slot = slot;
    return shape;
}

/* ---- memory --------------------------------------------------------------------------------- */

static dt_status no_pinned_memory(int64_t bytes)
{
    return dt_fail(DT_ERR_MEMORY, "no %.1f MB of pinned host memory for batches",
                   (double)bytes / 1e6);
}

static dt_status reserve_slot(dt_cuda *cuda, dt_cuda_batch *slot)
{
    slot->bytes = layout_of(NULL, cuda->max_sequences, most_rows(cuda), cuda->max_tax_ranks).bytes;
    if (cudaMallocHost((void **)&slot->pinned, (size_t)slot->bytes) != cudaSuccess) {
        cudaGetLastError();
        slot->pinned = NULL;
        return no_pinned_memory(slot->bytes);
    }
    dt_cuda_ok(cuda, cudaEventCreateWithFlags(&slot->copied, cudaEventDisableTiming),
               "making an event");
    return dt_cuda_memory_new(cuda, &slot->memory, slot->bytes);
}

/* Bytes for one number per sequence and, for losses, taxonomic rank. */
static int64_t sums_bytes(int32_t max_sequences, int32_t tax_ranks)
{
    return (int64_t)max_sequences * (tax_ranks > 2 ? tax_ranks : 2) * (int64_t)sizeof(double);
}

int64_t dt_cuda_batch_bytes(dt_backend *, int32_t max_sequences, int64_t max_tokens,
                            int32_t tax_ranks)
{
    const int64_t rows = round_up(max_tokens, DT_CUDA_ROW_UNIT);
    return 2 * layout_of(NULL, max_sequences, rows, tax_ranks).bytes +
           sums_bytes(max_sequences, tax_ranks);
}

dt_status dt_cuda_batch_reserve(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                                int32_t tax_ranks)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (tax_ranks > DT_MAX_TAX_RANKS)
        return dt_fail(DT_ERR_INTERNAL, "%d taxonomic ranks: at most %d are supported", tax_ranks,
                       DT_MAX_TAX_RANKS);
    if (max_sequences > DT_CUDA_SEQUENCES)
        return dt_fail(DT_ERR_MEMORY, "a GPU batch has at most %d sequences, not %d",
                       DT_CUDA_SEQUENCES, max_sequences);
    DT_TRY(dt_cuda_sync(backend));
    dt_cuda_steps_forget(cuda);
    dt_cuda_batch_free(cuda);
    cuda->max_sequences = max_sequences;
    cuda->max_tokens = max_tokens;
    cuda->max_tax_ranks = tax_ranks;
    for (int i = 0; i < 2; ++i)
        DT_TRY(reserve_slot(cuda, &cuda->slot[i]));
    cuda->sort_keys = (uint64_t *)malloc((size_t)(2 * max_tokens) * sizeof(uint64_t));
    if (!cuda->sort_keys)
        return dt_fail(DT_ERR_MEMORY, "no memory for sorting batches of %lld tokens",
                       (long long)max_tokens);
    return dt_cuda_memory_new(cuda, (void **)&cuda->sequence_sums,
                              sums_bytes(max_sequences, tax_ranks));
}

void dt_cuda_batch_free(dt_cuda *cuda)
{
    for (int i = 0; i < 2; ++i) {
        dt_cuda_batch *slot = &cuda->slot[i];
        cudaFree(slot->memory);
        cudaFreeHost(slot->pinned);
        if (slot->copied)
            cudaEventDestroy(slot->copied);
        memset(slot, 0, sizeof *slot);
    }
    cudaFree(cuda->sequence_sums);
    free(cuda->sort_keys);
    cuda->sequence_sums = NULL;
    cuda->sort_keys = NULL;
}

/* ---- upload --------------------------------------------------------------------------------- */

/* Returns false, with a sticky error, if the operations would access memory out of bounds with this
 * batch. */
static bool usable(dt_cuda *cuda, const dt_packed *packed)
{
    dt_packed_capacity capacity = {};
    if (cuda->sort_keys)
        capacity = dt_packed_capacity{cuda->max_sequences, cuda->max_tax_ranks, cuda->max_tokens};
    const dt_status status = dt_packed_check(packed, &capacity);
    if (status != DT_OK)
        dt_cuda_fail(cuda, status, "%s", dt_error_message());
    return status == DT_OK;
}

static void fill_facts(dt_batch_facts *facts, const dt_batch *batch, int32_t groups,
                       int32_t longest)
{
    facts->sequences = batch->sequences;
    facts->tokens = batch->cu_seqlens[batch->sequences];
    facts->groups = groups;
    facts->longest = longest;
    facts->has_labels = batch->labels != NULL;
    facts->seed = batch->seed;
    facts->step = batch->step;
    facts->first_sequence = batch->first_sequence;
    memcpy(facts->loss_scale, batch->loss_scale, sizeof facts->loss_scale);
}

/* Finds the range of the labels of each rank, so that operations need not check each label. */
static void find_labels(dt_cuda_batch *slot, const dt_batch *batch)
{
    for (int32_t r = 0; r < batch->tax_ranks; ++r)
        slot->least_label[r] = slot->largest_label[r] = -1;
    for (int32_t b = 0; batch->labels && b < batch->sequences; ++b)
        for (int32_t r = 0; r < batch->tax_ranks; ++r) {
            const int32_t label = batch->labels[(int64_t)b * batch->tax_ranks + r];
            if (label < slot->least_label[r])
                slot->least_label[r] = label;
            if (label > slot->largest_label[r])
                slot->largest_label[r] = label;
        }
}

/* For grids over positions; blocks past the longest sequence exit at once. */
#define LENGTH_UNIT 64

/* Writes the host copy of a batch, and derives the values of its shape. */
static void pack(dt_cuda *cuda, dt_cuda_batch *slot, const batch_layout *host,
                 const dt_batch *batch, const dt_packed *packed)
{
    const int64_t tokens = batch->cu_seqlens[batch->sequences];
    const dt_packed_extent extent = dt_packed_rows(host->sequence_of_row, packed);
    slot->device.size.longest = extent.longest;
    slot->largest_id = extent.largest_id;
    memcpy(host->token_ids, batch->token_ids, (size_t)tokens * sizeof(int32_t));
    memcpy(host->cu_seqlens, batch->cu_seqlens, ((size_t)batch->sequences + 1) * sizeof(int32_t));
    if (batch->labels && batch->tax_ranks > 0)
        memcpy(host->labels, batch->labels,
               (size_t)batch->sequences * (size_t)batch->tax_ranks * sizeof(int32_t));
    const dt_groups order = {host->order, host->group_first, host->group_of_row};
    const int32_t groups =
        dt_group_rows(&order, batch->token_ids, tokens, slot->largest_id, cuda->sort_keys);
    slot->shape.groups = dt_cuda_rounded_groups(groups);
    slot->shape.longest = (int32_t)round_up(slot->device.size.longest, LENGTH_UNIT);
    fill_facts(host->facts, batch, groups, slot->device.size.longest);
    find_labels(slot, batch);
    slot->has_labels = batch->labels != NULL;
}

static dt_batch_view view_of(const batch_layout *device)
{
    return dt_batch_view{device->facts,           device->token_ids,   device->cu_seqlens,
                         device->sequence_of_row, device->labels,      device->order,
                         device->group_first,     device->group_of_row};
}

const dt_device_batch *dt_cuda_batch_upload(dt_backend *backend, const dt_batch *batch)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const int32_t number = cuda->next_slot;
    dt_cuda_batch *slot = &cuda->slot[number];
    cuda->next_slot = 1 - number;
    slot->device.size = dt_batch_size{};
    slot->device.size.sequences = batch->sequences;
    if (cuda->recording)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "a batch is uploaded while a step is being recorded");
    const dt_packed packed = {batch->sequences, batch->tax_ranks, batch->cu_seqlens,
                              batch->token_ids};
    if (!dt_cuda_ready(cuda) || !usable(cuda, &packed))
        return &slot->device;
    /* the copy of the batch before the last one, usually finished long ago */
    if (slot->copying &&
        !dt_cuda_ok(cuda, cudaEventSynchronize(slot->copied), "the upload of a batch"))
        return &slot->device;
    slot->shape = shape_of(cuda, batch, number);
    const int64_t rows = slot->shape.rows;
    const batch_layout host = layout_of(slot->pinned, batch->sequences, rows, batch->tax_ranks);
    const batch_layout device =
        layout_of((char *)slot->memory, batch->sequences, rows, batch->tax_ranks);
    pack(cuda, slot, &host, batch, &packed);
    slot->view = view_of(&device);
    slot->device.size.tokens = batch->cu_seqlens[batch->sequences];
    slot->device.size.rows = rows;
    if (dt_cuda_ok(cuda,
                   cudaMemcpyAsync(slot->memory, slot->pinned, (size_t)host.bytes,
                                   cudaMemcpyHostToDevice, cuda->stream),
                   "the upload of a batch"))
        slot->copying =
            dt_cuda_ok(cuda, cudaEventRecord(slot->copied, cuda->stream), "the upload of a batch");
    return &slot->device;
}

/* ---- checks ---------------------------------------------------------------------------------- */

bool dt_cuda_ids_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t vocabulary)
{
    if (vocabulary < cuda->limits.vocabulary)
        cuda->limits.vocabulary = vocabulary;
    if (batch->largest_id < vocabulary)
        return true;
    dt_cuda_fail(cuda, DT_ERR_INTERNAL, "token id %d is outside the vocabulary of %d",
                 batch->largest_id, vocabulary);
    return false;
}

bool dt_cuda_lengths_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t max_length)
{
    if (max_length < cuda->limits.max_length)
        cuda->limits.max_length = max_length;
    if (batch->device.size.longest <= max_length)
        return true;
    dt_cuda_fail(cuda, DT_ERR_INTERNAL, "a sequence of %d tokens is longer than %d",
                 batch->device.size.longest, max_length);
    return false;
}

bool dt_cuda_labels_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_class_layout *classes)
{
    const int32_t tax_ranks = batch->shape.tax_ranks;
    cuda->limits.labels = *classes;
    if (tax_ranks != classes->tax_ranks) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "a batch with %d taxonomic ranks, but the model has %d",
                     tax_ranks, classes->tax_ranks);
        return false;
    }
    for (int32_t r = 0; batch->has_labels && r < tax_ranks; ++r)
        if (batch->least_label[r] < -1 ||
            batch->largest_label[r] >= classes->first[r + 1] - classes->first[r]) {
            dt_cuda_fail(cuda, DT_ERR_INTERNAL,
                         "labels %d to %d are not all classes of taxonomic rank %d",
                         batch->least_label[r], batch->largest_label[r], r);
            return false;
        }
    return true;
}

bool dt_cuda_batch_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_batch_limits *limits)
{
    return dt_cuda_ids_in(cuda, batch, limits->vocabulary) &&
           dt_cuda_lengths_in(cuda, batch, limits->max_length) &&
           (limits->labels.tax_ranks == 0 || dt_cuda_labels_in(cuda, batch, &limits->labels));
}
