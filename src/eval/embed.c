#include "eval/embed.h"

#include <stdlib.h>

#include "core/memory.h"
#include "model/classify.h"

/* Micro-batch m is assigned to rank m % world_size, so that the results of one round are contiguous
 * and rank 0 can pass them on immediately. */
typedef struct {
    const dt_evaluation_job *job;
    dt_vector_sink sink;
    void *context;
    dt_classifier classifier;
    int64_t micro_batch; /* sequences; the same on all ranks */
    int64_t rounds;      /* each with at most one micro-batch per rank */
    int64_t features;    /* of an embedding */
    int64_t *mine;       /* indices of this rank's micro-batches, concatenated */
    dt_prediction *unused;
    void *activations[DT_CLASSIFY_AHEAD]; /* (micro_batch, features) each */
    float *vectors;                       /* (micro_batch, features) */
    float *all;                           /* (world_size · micro_batch, features) on rank 0 */
    int64_t *bytes;                       /* (world_size) that each rank sends */
} embedder;

/* Returns the number of sequences of rank q in a round. */
static int64_t size_in_round(const embedder *e, int64_t round, int32_t q)
{
    const int64_t begin = (round * e->job->comm->world_size + q) * e->micro_batch;
    const int64_t left = e->job->count - begin;
    return left < 0 ? 0 : left < e->micro_batch ? left : e->micro_batch;
}

/* Agrees on the smallest micro-batch of all ranks, since they may have different memory. */
static dt_status agree_on_micro_batch(embedder *e)
{
    dt_comm *comm = e->job->comm;
    const int64_t most = e->job->memory->max_sequences;
    int64_t *all;
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, &most, sizeof most, all);
    e->micro_batch = most;
    for (int32_t q = 0; q < comm->world_size; ++q)
        if (all[q] < e->micro_batch)
            e->micro_batch = all[q];
    free(all);
    const int64_t round = e->micro_batch * comm->world_size;
    e->rounds = (e->job->count + round - 1) / round;
    return status;
}

/* Announces the sequences that this rank will read to a streamed dataset. */
static dt_status begin(embedder *e)
{
    const dt_comm *comm = e->job->comm;
    int64_t count = 0;
    DT_TRY(DT_NEW(e->mine, (size_t)(e->rounds * e->micro_batch)));
    for (int64_t round = 0; round < e->rounds; ++round) {
        const int64_t first = (round * comm->world_size + comm->world_rank) * e->micro_batch;
        const int64_t size = size_in_round(e, round, comm->world_rank);
        for (int64_t i = 0; i < size; ++i)
            e->mine[count++] = e->job->indices[first + i];
    }
    return dt_dataset_begin(e->job->dataset, e->mine, count, 0);
}

static dt_status take_memory(embedder *e)
{
    const dt_comm *comm = e->job->comm;
    const size_t count = (size_t)e->micro_batch;
    const size_t row = (size_t)e->features;
    const size_t size = (size_t)dt_model_backend(e->job->model)->activation_size;
    DT_TRY(DT_NEW(e->unused, count * (size_t)e->job->memory->tax_ranks));
    for (int k = 0; k < DT_CLASSIFY_AHEAD; ++k)
        DT_TRY(dt_calloc(&e->activations[k], count * row, size, "the embeddings"));
    DT_TRY(DT_NEW(e->vectors, count * row));
    DT_TRY(DT_NEW(e->bytes, (size_t)comm->world_size));
    if (comm->world_rank == 0)
        DT_TRY(DT_NEW(e->all, (size_t)comm->world_size * count * row));
    return dt_classifier_open(&e->classifier, e->job->model, (int32_t)e->micro_batch, NULL,
                              (dt_logit_range){0}, true);
}

static void free_memory(embedder *e)
{
    dt_classifier_close(&e->classifier);
    free(e->mine);
    free(e->unused);
    for (int k = 0; k < DT_CLASSIFY_AHEAD; ++k)
        free(e->activations[k]);
    free(e->vectors);
    free(e->all);
    free(e->bytes);
}

static dt_status start(embedder *e, int64_t round)
{
    const dt_evaluation_job *job = e->job;
    const int64_t count = size_in_round(e, round, job->comm->world_rank);
    const int64_t first = round * e->micro_batch;
    if (count == 0)
        return DT_OK;
    DT_TRY(dt_dataset_hold(job->dataset, first, count));
    const dt_batch batch = dt_batch_pack(job->memory, job->dataset, e->mine + first, (int32_t)count,
                                         dt_model_config_of(job->model)->max_length, NULL, NULL);
    return dt_classifier_start(&e->classifier, &batch, e->unused, NULL,
                               e->activations[round % DT_CLASSIFY_AHEAD]);
}

/* Gathers the embeddings of a round on rank 0 and passes them to the sink. */
static dt_status collect(embedder *e, int64_t round)
{
    dt_comm *comm = e->job->comm;
    const int64_t mine = size_in_round(e, round, comm->world_rank);
    int64_t count = 0;
    if (mine > 0) {
        DT_TRY(dt_classifier_finish(&e->classifier));
        dt_backend_floats(dt_model_backend(e->job->model), e->vectors,
                          e->activations[round % DT_CLASSIFY_AHEAD], mine * e->features);
    }
    for (int32_t q = 0; q < comm->world_size; ++q) {
        const int64_t size = size_in_round(e, round, q);
        e->bytes[q] = size * e->features * (int64_t)sizeof *e->vectors;
        count += size;
    }
    DT_TRY(comm->ops->gather(comm, e->vectors, e->bytes, e->all, 0));
    return comm->world_rank == 0 ? e->sink(e->context, e->all, count) : DT_OK;
}

static dt_status check_stop(const embedder *e)
{
    dt_comm *comm = e->job->comm;
    double stops = e->job->stop && atomic_load(e->job->stop) != 0;
    DT_TRY(comm->ops->sum(comm, &stops, 1));
    return stops > 0.0 ? dt_fail(DT_STOPPED, "the export of embeddings was stopped by a signal")
                       : DT_OK;
}

/* Each round is started before the results of the previous one are collected. */
static dt_status embed(embedder *e)
{
    DT_TRY(agree_on_micro_batch(e));
    DT_TRY(take_memory(e));
    DT_TRY(begin(e));
    for (int64_t round = 0; round < e->rounds; ++round) {
        DT_TRY(check_stop(e));
        DT_TRY(start(e, round));
        if (round > 0)
            DT_TRY(collect(e, round - 1));
    }
    return collect(e, e->rounds - 1);
}

dt_status dt_embed(const dt_evaluation_job *job, dt_vector_sink sink, void *context)
{
    embedder e = {.job = job,
                  .sink = sink,
                  .context = context,
                  .features = dt_model_features(dt_model_config_of(job->model))};
    const dt_status status = embed(&e);
    free_memory(&e);
    return status;
}
