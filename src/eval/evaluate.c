#include "eval/evaluate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "data/sampler.h"
#include "model/classify.h"

/* Status that rank 0 broadcasts to the waiting ranks after each micro-batch, so that they do not
 * time out. */
enum { RANK0_WORKING, RANK0_DONE, RANK0_STOPPED };

static dt_status broadcast_status(const dt_evaluation_job *job, int32_t *rank0)
{
    return job->comm->ops->broadcast(job->comm, rank0, sizeof *rank0, 0);
}

static bool stop_requested(const dt_evaluation_job *job)
{
    return job->stop && atomic_load(job->stop) != 0;
}

static dt_status start_micro_batch(dt_classifier *classifier, dt_prediction *out,
                                   const dt_evaluation_job *job, const int64_t *indices, int64_t at,
                                   int32_t count)
{
    dt_profile_begin(job->profile, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    DT_TRY(dt_dataset_hold(job->dataset, at, count));
    const int32_t max_length = dt_model_config_of(job->model)->max_length;
    const dt_batch batch =
        dt_batch_pack(job->memory, job->dataset, indices + at, count, max_length);
    dt_profile_end(job->profile, DT_TRACK_MAIN);
    return dt_classifier_start(classifier, &batch, out, NULL, NULL);
}

/* Predicts `count` sequences, in order. While the device computes a micro-batch, the next one is
 * packed and launched. */
static dt_status predict_sequences(dt_prediction *out, dt_classifier *classifier,
                                   const dt_evaluation_job *job, const int64_t *indices,
                                   int64_t count, bool *stopped)
{
    const int64_t most = job->memory->max_sequences;
    int32_t rank0 = RANK0_WORKING;
    DT_TRY(dt_dataset_begin(job->dataset, indices, count, 0));
    for (int64_t begin = 0; begin < count; begin += most) {
        const int64_t size = count - begin < most ? count - begin : most;
        *stopped = stop_requested(job);
        if (*stopped)
            break;
        DT_TRY(start_micro_batch(classifier, out + begin * job->memory->tax_ranks, job, indices,
                                 begin, (int32_t)size));
        if (dt_classifier_under_way(classifier) == DT_CLASSIFY_AHEAD)
            DT_TRY(dt_classifier_finish(classifier));
        if (job->rank0_only)
            DT_TRY(broadcast_status(job, &rank0));
    }
    while (dt_classifier_under_way(classifier))
        DT_TRY(dt_classifier_finish(classifier));
    return DT_OK;
}

/* The same for this rank's share; *stopped is the same on all ranks. */
static dt_status predict_share(dt_prediction *out, const dt_evaluation_job *job,
                               const int64_t *indices, int64_t count, bool *stopped)
{
    dt_classifier classifier;
    *stopped = false;
    dt_status status = dt_classifier_open(&classifier, job->model, job->memory->max_sequences, NULL,
                                          (dt_logit_range){0}, false);
    if (status == DT_OK)
        status = predict_sequences(out, &classifier, job, indices, count, stopped);
    dt_classifier_close(&classifier);
    DT_TRY(status);
    if (job->rank0_only) {
        int32_t rank0 = *stopped ? RANK0_STOPPED : RANK0_DONE;
        return broadcast_status(job, &rank0);
    }
    double any = *stopped;
    DT_TRY(job->comm->ops->sum(job->comm, &any, 1));
    *stopped = any > 0.0;
    return DT_OK;
}

/* With rank0_only: the part of the other ranks. */
static dt_status wait_for_rank0(const dt_evaluation_job *job, bool *stopped)
{
    int32_t rank0 = RANK0_WORKING;
    while (rank0 == RANK0_WORKING)
        DT_TRY(broadcast_status(job, &rank0));
    *stopped = rank0 == RANK0_STOPPED;
    return DT_OK;
}

static dt_status compute_metrics(dt_evaluation *out, const dt_evaluation_job *job,
                                 const dt_prediction *predictions)
{
    const dt_model_config *config = dt_model_config_of(job->model);
    const int64_t count = job->count;
    const int32_t tax_ranks = config->tax_ranks;
    int32_t *truth;
    int32_t *predicted;
    DT_TRY(DT_NEW(truth, 2 * (size_t)count));
    predicted = truth + count;
    dt_status status = DT_OK;
    double loss = 0.0;
    for (int32_t r = 0; r < tax_ranks && status == DT_OK; ++r) {
        for (int64_t i = 0; i < count; ++i) {
            const dt_prediction *prediction = &predictions[i * tax_ranks + r];
            truth[i] = job->dataset->labels[job->indices[i] * tax_ranks + r];
            predicted[i] = prediction->label;
        }
        loss += dt_objective_of_set(job->objective, r, job->dataset->labels, job->indices, count,
                                    &predictions[r].loss, (size_t)tax_ranks * sizeof *predictions);
        status = dt_metrics_compute(&out->tax_rank[r], truth, 1, predicted, 1, count,
                                    config->classes[r]);
    }
    out->loss = loss;
    if (!dt_objective_weighs(job->objective, job->dataset->labels, job->indices, count)) {
        out->loss = (double)NAN; /* 0 would be a perfect loss */
        dt_warn("no validation loss: the labels of all validation sequences have weight 0; "
                "--class-weights gives weight 0 to labels without training sequences");
    }
    free(truth);
    return status;
}

/* Sets bytes[q] to the size of the predictions that world_rank q computes. */
static void share_bytes(int64_t *bytes, const dt_comm *comm, int64_t count, int32_t tax_ranks)
{
    for (int32_t q = 0; q < comm->world_size; ++q) {
        int64_t begin;
        int64_t share;
        dt_share(count, comm->world_size, q, &begin, &share);
        bytes[q] = share * tax_ranks * (int64_t)sizeof(dt_prediction);
    }
}

/* All ranks compute their shares; `all` receives the predictions on rank 0. */
static dt_status predict_shares(dt_prediction *all, const dt_evaluation_job *job, bool *stopped)
{
    dt_comm *comm = job->comm;
    const int32_t tax_ranks = job->memory->tax_ranks;
    dt_prediction *mine = NULL;
    int64_t *bytes = NULL;
    int64_t begin;
    int64_t share;
    dt_status status = DT_OK;
    dt_share(job->count, comm->world_size, comm->world_rank, &begin, &share);
    DT_TRY_OR(done, DT_NEW(mine, (size_t)(share * tax_ranks)));
    DT_TRY_OR(done, DT_NEW(bytes, (size_t)comm->world_size));
    DT_TRY_OR(done, predict_share(mine, job, job->indices + begin, share, stopped));
    share_bytes(bytes, comm, job->count, tax_ranks);
    if (!*stopped)
        status = comm->ops->gather(comm, mine, bytes, all, 0);
done:
    free(bytes);
    free(mine);
    return status;
}

static dt_status evaluate(dt_evaluation *out, const dt_evaluation_job *job)
{
    const bool first = job->comm->world_rank == 0;
    dt_prediction *all = NULL;
    bool stopped = false;
    dt_status status = DT_OK;
    *out = (dt_evaluation){0};
    if (first)
        DT_TRY(DT_NEW(all, (size_t)(job->count * job->memory->tax_ranks)));
    if (!job->rank0_only)
        status = predict_shares(all, job, &stopped);
    else if (first)
        status = predict_share(all, job, job->indices, job->count, &stopped);
    else
        status = wait_for_rank0(job, &stopped);
    if (status == DT_OK && stopped)
        status = dt_fail(DT_STOPPED, "the evaluation was stopped by a signal");
    if (status == DT_OK && first)
        status = compute_metrics(out, job, all);
    free(all);
    DT_TRY(status);
    return job->comm->ops->broadcast(job->comm, out, sizeof *out, 0);
}

static int compare_indices(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Streamed sequences are read in the order in which they are stored. */
dt_status dt_evaluate(dt_evaluation *out, const dt_evaluation_job *job)
{
    dt_evaluation_job sorted_job = *job;
    int64_t *sorted;
    if (!job->dataset->stream)
        return evaluate(out, job);
    DT_TRY(DT_NEW(sorted, (size_t)job->count));
    memcpy(sorted, job->indices, (size_t)job->count * sizeof *sorted);
    qsort(sorted, (size_t)job->count, sizeof *sorted, compare_indices);
    sorted_job.indices = sorted;
    const dt_status status = evaluate(out, &sorted_job);
    free(sorted);
    return status;
}
