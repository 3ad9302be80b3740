#include "eval/evaluate.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/memory.h"
#include "data/sampler.h"

/* Predictions of this rank's share, in order. */
static dt_status predict_share(dt_prediction *out, dt_model *model, const dt_dataset *dataset,
                               const int64_t *indices, int64_t count, dt_batch_memory *memory)
{
    dt_backend *backend = dt_model_backend(model);
    const dt_backend_ops *op = backend->ops;
    const int32_t tax_ranks = memory->tax_ranks;
    const int32_t max_length = dt_model_config_of(model)->max_length;
    void *device;
    DT_TRY(op->alloc(backend, &device,
                     (int64_t)memory->max_sequences * tax_ranks * (int64_t)sizeof *out));
    for (int64_t begin = 0; begin < count; begin += memory->max_sequences) {
        const int64_t left = count - begin;
        const int32_t piece = left < memory->max_sequences ? (int32_t)left : memory->max_sequences;
        const dt_batch batch = dt_batch_pack(memory, dataset, indices + begin, piece, max_length);
        const dt_device_batch *on_device = op->batch_upload(backend, &batch);
        const void *logits = dt_model_forward(model, on_device, false);
        op->classify(backend, device, logits, on_device, dt_model_classes(model), NULL);
        op->download(backend, out + begin * tax_ranks, device,
                     (int64_t)piece * tax_ranks * (int64_t)sizeof *out);
    }
    op->free(backend, device);
    return op->check(backend);
}

static dt_status measure_all(dt_evaluation *out, const dt_model *model, const dt_dataset *dataset,
                             const int64_t *indices, int64_t count,
                             const dt_prediction *predictions, const double *level_weight)
{
    const dt_model_config *config = dt_model_config_of(model);
    const int32_t tax_ranks = config->tax_ranks;
    int32_t *truth;
    int32_t *predicted;
    DT_TRY(DT_NEW(truth, 2 * (size_t)count));
    predicted = truth + count;
    dt_status status = DT_OK;
    double loss = 0.0;
    for (int32_t r = 0; r < tax_ranks && status == DT_OK; ++r) {
        double rank_loss = 0.0;
        for (int64_t i = 0; i < count; ++i) {
            const dt_prediction *prediction = &predictions[i * tax_ranks + r];
            truth[i] = dataset->labels[indices[i] * tax_ranks + r];
            predicted[i] = prediction->label;
            rank_loss += (double)prediction->loss;
        }
        loss += level_weight[r] * rank_loss / (double)count;
        status = dt_measure(&out->tax_rank[r], truth, 1, predicted, 1, count, config->classes[r]);
    }
    out->loss = loss;
    free(truth);
    return status;
}

/* Bytes of predictions that each world_rank computes. */
static void share_bytes(int64_t *bytes, const dt_comm *comm, int64_t count, int32_t tax_ranks)
{
    for (int32_t q = 0; q < comm->world_size; ++q) {
        int64_t begin;
        int64_t share;
        dt_share(count, comm->world_size, q, &begin, &share);
        bytes[q] = share * tax_ranks * (int64_t)sizeof(dt_prediction);
    }
}

dt_status dt_evaluate(dt_evaluation *out, dt_model *model, dt_comm *comm, const dt_dataset *dataset,
                      const int64_t *indices, int64_t count, const double *level_weight,
                      dt_batch_memory *memory)
{
    const int32_t tax_ranks = memory->tax_ranks;
    const bool gathers = comm->world_rank == 0;
    dt_prediction *mine = NULL;
    dt_prediction *all = NULL;
    int64_t *bytes = NULL;
    int64_t begin;
    int64_t share;
    dt_status status = DT_OK;
    *out = (dt_evaluation){0};
    dt_share(count, comm->world_size, comm->world_rank, &begin, &share);
    DT_TRY_OR(done, DT_NEW(mine, (size_t)(share * tax_ranks)));
    DT_TRY_OR(done, DT_NEW(bytes, (size_t)comm->world_size));
    if (gathers)
        DT_TRY_OR(done, DT_NEW(all, (size_t)(count * tax_ranks)));
    DT_TRY_OR(done, predict_share(mine, model, dataset, indices + begin, share, memory));
    share_bytes(bytes, comm, count, tax_ranks);
    DT_TRY_OR(done, comm->ops->gather(comm, mine, bytes, all, 0));
    if (gathers)
        status = measure_all(out, model, dataset, indices, count, all, level_weight);
done:
    free(bytes);
    free(all);
    free(mine);
    return status;
}
