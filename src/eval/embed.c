#include "eval/embed.h"

#include <stdlib.h>

#include "core/memory.h"
#include "model/classify.h"

/* Piece p of the sequences belongs to rank p % world_size, so that what the ranks finish in one
 * round stands together, and rank 0 can pass it on at once. */
typedef struct {
    const dt_evaluation_job *job;
    dt_vector_sink sink;
    void *context;
    dt_classifier classifier;
    int64_t piece;    /* sequences; the same on all ranks */
    int64_t rounds;   /* in which every rank has a piece at most */
    int64_t features; /* of a vector */
    int64_t *mine;    /* indices of this rank's pieces, one after the other */
    dt_prediction *unused;
    void *activations[DT_CLASSIFY_AHEAD]; /* (piece, features) each */
    float *vectors;                       /* (piece, features) */
    float *all;                           /* (world_size · piece, features) on rank 0 */
    int64_t *bytes;                       /* (world_size) that each rank gives */
} embedder;

/* Sequences of rank q's piece in a round. */
static int64_t piece_size(const embedder *e, int64_t round, int32_t q)
{
    const int64_t begin = (round * e->job->comm->world_size + q) * e->piece;
    const int64_t left = e->job->count - begin;
    return left < 0 ? 0 : left < e->piece ? left : e->piece;
}

/* Ranks may have memory for pieces of different sizes. */
static dt_status agree_on_piece(embedder *e)
{
    dt_comm *comm = e->job->comm;
    const int64_t most = e->job->memory->max_sequences;
    int64_t *all;
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, &most, sizeof most, all);
    e->piece = most;
    for (int32_t q = 0; q < comm->world_size; ++q)
        if (all[q] < e->piece)
            e->piece = all[q];
    free(all);
    const int64_t round = e->piece * comm->world_size;
    e->rounds = (e->job->count + round - 1) / round;
    return status;
}

/* Tells a streamed dataset what this rank will use. */
static dt_status begin(embedder *e)
{
    const dt_comm *comm = e->job->comm;
    int64_t count = 0;
    DT_TRY(DT_NEW(e->mine, (size_t)(e->rounds * e->piece)));
    for (int64_t round = 0; round < e->rounds; ++round) {
        const int64_t first = (round * comm->world_size + comm->world_rank) * e->piece;
        const int64_t size = piece_size(e, round, comm->world_rank);
        for (int64_t i = 0; i < size; ++i)
            e->mine[count++] = e->job->indices[first + i];
    }
    return dt_dataset_begin(e->job->dataset, e->mine, count, 0);
}

static dt_status take_memory(embedder *e)
{
    const dt_comm *comm = e->job->comm;
    const size_t piece = (size_t)e->piece;
    const size_t row = (size_t)e->features;
    const size_t size = (size_t)dt_model_backend(e->job->model)->activation_size;
    DT_TRY(DT_NEW(e->unused, piece * (size_t)e->job->memory->tax_ranks));
    for (int k = 0; k < DT_CLASSIFY_AHEAD; ++k)
        DT_TRY(dt_calloc(&e->activations[k], piece * row, size, "the sequences' vectors"));
    DT_TRY(DT_NEW(e->vectors, piece * row));
    DT_TRY(DT_NEW(e->bytes, (size_t)comm->world_size));
    if (comm->world_rank == 0)
        DT_TRY(DT_NEW(e->all, (size_t)comm->world_size * piece * row));
    return dt_classifier_open(&e->classifier, e->job->model, (int32_t)e->piece, NULL,
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
    const int64_t count = piece_size(e, round, job->comm->world_rank);
    const int64_t first = round * e->piece;
    if (count == 0)
        return DT_OK;
    DT_TRY(dt_dataset_hold(job->dataset, first, count));
    const dt_batch batch = dt_batch_pack(job->memory, job->dataset, e->mine + first, (int32_t)count,
                                         dt_model_config_of(job->model)->max_length);
    return dt_classifier_start(&e->classifier, &batch, e->unused, NULL,
                               e->activations[round % DT_CLASSIFY_AHEAD]);
}

/* Takes the vectors of a round, all ranks' on rank 0. */
static dt_status collect(embedder *e, int64_t round)
{
    dt_comm *comm = e->job->comm;
    const int64_t mine = piece_size(e, round, comm->world_rank);
    int64_t count = 0;
    if (mine > 0) {
        DT_TRY(dt_classifier_finish(&e->classifier));
        dt_backend_floats(dt_model_backend(e->job->model), e->vectors,
                          e->activations[round % DT_CLASSIFY_AHEAD], mine * e->features);
    }
    for (int32_t q = 0; q < comm->world_size; ++q) {
        const int64_t size = piece_size(e, round, q);
        e->bytes[q] = size * e->features * (int64_t)sizeof *e->vectors;
        count += size;
    }
    DT_TRY(comm->ops->gather(comm, e->vectors, e->bytes, e->all, 0));
    return comm->world_rank == 0 ? e->sink(e->context, e->all, count) : DT_OK;
}

static dt_status check_stop(const embedder *e)
{
    dt_comm *comm = e->job->comm;
    double asked = e->job->stop && atomic_load(e->job->stop) != 0;
    DT_TRY(comm->ops->sum(comm, &asked, 1));
    return asked > 0.0 ? dt_fail(DT_STOPPED, "the export of vectors was stopped by a signal")
                       : DT_OK;
}

/* A round is asked for before the results of the one before it are taken. */
static dt_status embed(embedder *e)
{
    DT_TRY(agree_on_piece(e));
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
