#include "eval/evaluate.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/memory.h"
#include "data/sampler.h"
#include "model/classify.h"

static dt_status start_piece(dt_classifier *classifier, dt_prediction *out,
                             const dt_dataset *dataset, const int64_t *indices, int32_t count,
                             dt_batch_memory *memory)
{
    const int32_t max_length = dt_model_config_of(classifier->model)->max_length;
    const dt_batch batch = dt_batch_pack(memory, dataset, indices, count, max_length);
    return dt_classifier_start(classifier, &batch, out, NULL);
}

/* Predictions of this world_rank's share, in order. While the device works on a piece, the next one
 * is packed and asked for. */
static dt_status predict_share(dt_prediction *out, dt_model *model, const dt_dataset *dataset,
                               const int64_t *indices, int64_t count, dt_batch_memory *memory)
{
    const int64_t most = memory->max_sequences;
    dt_classifier classifier;
    dt_status status =
        dt_classifier_open(&classifier, model, memory->max_sequences, NULL, (dt_logit_range){0});
    for (int64_t begin = 0; status == DT_OK && begin < count; begin += most) {
        const int64_t piece = count - begin < most ? count - begin : most;
        status = start_piece(&classifier, out + begin * memory->tax_ranks, dataset, indices + begin,
                             (int32_t)piece, memory);
        if (status == DT_OK && dt_classifier_under_way(&classifier) == DT_CLASSIFY_AHEAD)
            status = dt_classifier_finish(&classifier);
    }
    while (status == DT_OK && dt_classifier_under_way(&classifier))
        status = dt_classifier_finish(&classifier);
    dt_classifier_close(&classifier);
    return status;
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
