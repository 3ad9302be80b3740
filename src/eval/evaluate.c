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

/* Predictions, and the classes they should have, of consecutive sequences. */
typedef struct {
    dt_prediction *prediction; /* (count, tax_ranks) */
    int32_t *truth;            /* (count, tax_ranks) */
} results;

static dt_status take_results(results *out, int64_t count, int32_t tax_ranks)
{
    *out = (results){0};
    DT_TRY(DT_NEW(out->prediction, (size_t)(count * tax_ranks)));
    return DT_NEW(out->truth, (size_t)(count * tax_ranks));
}

static void free_results(results *taken)
{
    free(taken->prediction);
    free(taken->truth);
}

static dt_status start_micro_batch(dt_classifier *classifier, const results *out,
                                   const dt_evaluation_job *job, const int64_t *indices, int64_t at,
                                   int32_t count)
{
    const int32_t tax_ranks = job->memory->tax_ranks;
    dt_profile_begin(job->profile, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    DT_TRY(dt_dataset_hold(job->dataset, at, count));
    const int32_t max_length = dt_model_config_of(job->model)->max_length;
    const dt_batch batch =
        dt_batch_pack(job->memory, job->dataset, indices + at, count, max_length, NULL, NULL);
    memcpy(out->truth + at * tax_ranks, batch.labels,
           (size_t)(count * tax_ranks) * sizeof *out->truth);
    dt_profile_end(job->profile, DT_TRACK_MAIN);
    return dt_classifier_start(classifier, &batch, out->prediction + at * tax_ranks, NULL, NULL);
}

/* Predicts `count` sequences, in order. While the device computes a micro-batch, the next one is
 * packed and launched. */
static dt_status predict_sequences(const results *out, dt_classifier *classifier,
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
        DT_TRY(start_micro_batch(classifier, out, job, indices, begin, (int32_t)size));
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
static dt_status predict_share(const results *out, const dt_evaluation_job *job,
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

/* What the evaluation has counted so far, on rank 0. */
typedef struct {
    dt_metric_counts counts[DT_MAX_TAX_RANKS];
    dt_set_loss loss[DT_MAX_TAX_RANKS];
} tally;

static dt_status tally_add(tally *t, const dt_evaluation_job *job, const results *of)
{
    const dt_model_config *config = dt_model_config_of(job->model);
    const int32_t tax_ranks = config->tax_ranks;
    for (int64_t i = 0; i < job->count * tax_ranks; ++i) {
        const int32_t r = (int32_t)(i % tax_ranks);
        const dt_prediction *prediction = &of->prediction[i];
        if (prediction->label < 0 || prediction->label >= config->classes[r])
            return dt_fail(DT_ERR_INTERNAL, "prediction %lld is class %d of %d",
                           (long long)(i / tax_ranks), prediction->label, config->classes[r]);
        dt_metric_counts_add(&t->counts[r], of->truth[i], prediction->label);
        dt_set_loss_add(&t->loss[r], job->objective, r, of->truth[i], prediction->loss);
    }
    return DT_OK;
}

static void tally_result(const tally *t, const dt_evaluation_job *job, dt_evaluation *out)
{
    out->loss = 0.0;
    for (int32_t r = 0; r < job->memory->tax_ranks; ++r) {
        out->tax_rank[r] = dt_metric_counts_result(&t->counts[r]);
        out->loss += dt_set_loss_result(&t->loss[r], job->objective, r);
    }
    const bool weighs = dt_set_loss_weighs(t->loss, job->objective);
    out->diverged = weighs && !isfinite(out->loss);
    if (!weighs) {
        out->loss = (double)NAN; /* 0 would be a perfect loss */
        dt_warn("no validation loss: the labels of all validation sequences have weight 0; "
                "--class-weights gives weight 0 to labels without training sequences");
    }
}

/* Sets bytes[q] to the size of what world_rank q has, `size` bytes for each sequence. */
static void share_bytes(int64_t *bytes, const dt_comm *comm, int64_t count, size_t size)
{
    for (int32_t q = 0; q < comm->world_size; ++q) {
        int64_t begin;
        int64_t share;
        dt_share(count, comm->world_size, q, &begin, &share);
        bytes[q] = share * (int64_t)size;
    }
}

/* All ranks compute their shares; `all` receives the results on rank 0. */
static dt_status predict_shares(const results *all, const dt_evaluation_job *job, bool *stopped)
{
    dt_comm *comm = job->comm;
    const int32_t tax_ranks = job->memory->tax_ranks;
    const size_t row = (size_t)tax_ranks;
    results mine;
    int64_t *bytes = NULL;
    int64_t begin;
    int64_t share;
    dt_status status;
    dt_share(job->count, comm->world_size, comm->world_rank, &begin, &share);
    DT_TRY_OR(done, take_results(&mine, share, tax_ranks));
    DT_TRY_OR(done, DT_NEW(bytes, (size_t)comm->world_size));
    DT_TRY_OR(done, predict_share(&mine, job, job->indices + begin, share, stopped));
    if (*stopped)
        goto done;
    share_bytes(bytes, comm, job->count, row * sizeof *mine.prediction);
    DT_TRY_OR(done, comm->ops->gather(comm, mine.prediction, bytes, all->prediction, 0));
    share_bytes(bytes, comm, job->count, row * sizeof *mine.truth);
    status = comm->ops->gather(comm, mine.truth, bytes, all->truth, 0);
done:
    free(bytes);
    free_results(&mine);
    return status;
}

/* Evaluates job->indices. */
static dt_status evaluate_part(tally *t, const dt_evaluation_job *job)
{
    const bool first = job->comm->world_rank == 0;
    results all = {0};
    bool stopped = false;
    dt_status status;
    if (first)
        DT_TRY_OR(done, take_results(&all, job->count, job->memory->tax_ranks));
    if (!job->rank0_only)
        status = predict_shares(&all, job, &stopped);
    else if (first)
        status = predict_share(&all, job, job->indices, job->count, &stopped);
    else
        status = wait_for_rank0(job, &stopped);
    if (status == DT_OK && stopped)
        status = dt_fail(DT_STOPPED, "the evaluation was stopped by a signal");
    if (status == DT_OK && first)
        status = tally_add(t, job, &all);
done:
    free_results(&all);
    return status;
}

/* Sequences of a part of a split: enough that reading ahead restarts rarely. */
#define PART ((int64_t)1 << 16)

static dt_status evaluate_split(tally *t, const dt_evaluation_job *job)
{
    dt_evaluation_job part = *job;
    int64_t next = 0;
    int64_t *indices;
    dt_status status = DT_OK;
    DT_TRY(DT_NEW(indices, (size_t)(job->count < PART ? job->count : PART)));
    part.indices = indices;
    for (int64_t done = 0; done < job->count && status == DT_OK; done += part.count) {
        part.count = job->count - done < PART ? job->count - done : PART;
        for (int64_t i = 0; i < part.count; ++i)
            indices[i] = dt_split_next(job->split, &next);
        status = evaluate_part(t, &part);
    }
    free(indices);
    return status;
}

dt_status dt_evaluate(dt_evaluation *out, const dt_evaluation_job *job)
{
    const dt_model_config *config = dt_model_config_of(job->model);
    const bool first = job->comm->world_rank == 0;
    tally t = {0};
    dt_status status = DT_OK;
    *out = (dt_evaluation){0};
    for (int32_t r = 0; first && r < config->tax_ranks && status == DT_OK; ++r)
        status = dt_metric_counts_create(&t.counts[r], config->classes[r]);
    if (status == DT_OK)
        status = (job->split ? evaluate_split : evaluate_part)(&t, job);
    if (status == DT_OK && first)
        tally_result(&t, job, out);
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        dt_metric_counts_free(&t.counts[r]);
    DT_TRY(status);
    return job->comm->ops->broadcast(job->comm, out, sizeof *out, 0);
}
