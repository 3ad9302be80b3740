#include "eval/importance.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/sampler.h"
#include "model/classify.h"

/* The state of one measurement. */
typedef struct {
    const dt_evaluation_job *job;
    int32_t max_length;
    int64_t begin, count; /* this rank's share of the job's sequences */
    int64_t *partner;     /* (job->count) */
    int32_t *other;       /* (max_length) tokens of the partner */
    dt_classifier classifier;
    dt_prediction *predictions; /* (share, tax_ranks) */
} measurement;

int32_t dt_importance_regions(int32_t max_length, int32_t region_size)
{
    return (max_length - 1) / region_size + 1;
}

/* Returns the number of tokens before the special tokens at the end of a sequence. */
static int32_t own_end(const dt_dataset *dataset, int64_t sequence, int32_t max_length)
{
    return dt_dataset_length(dataset, sequence, max_length) - dataset->suffix_count;
}

dt_status dt_importance_partners(int64_t *partner, const dt_dataset *dataset,
                                 const int64_t *indices, int64_t count, int32_t max_length,
                                 int32_t begin, uint32_t seed, int32_t region)
{
    int64_t *reach; /* the sequences that reach the region */
    int64_t reaching = 0;
    DT_TRY(DT_NEW(reach, (size_t)count));
    for (int64_t i = 0; i < count; ++i)
        if (own_end(dataset, indices[i], max_length) > begin)
            reach[reaching++] = indices[i];
    dt_shuffle(reach, reaching, seed, DT_DRAW_EXCHANGE, (uint32_t)region, 0);
    int64_t next = 0;
    for (int64_t i = 0; i < count; ++i)
        partner[i] = own_end(dataset, indices[i], max_length) > begin ? reach[next++] : (int64_t)-1;
    free(reach);
    return DT_OK;
}

/* The exchange of a region between sequences of a micro-batch. */
typedef struct {
    const measurement *m;
    int64_t first; /* number in the job of the micro-batch's first sequence */
    int32_t begin, end;
} exchange_context;

/* Replaces the tokens [begin, end) of sequence b of the micro-batch with those of its partner. */
static void exchange(void *context, int32_t b, int32_t *tokens)
{
    const exchange_context *c = context;
    const measurement *m = c->m;
    const int64_t at = c->first + b;
    const dt_dataset *dataset = m->job->dataset;
    const int64_t partner = m->partner[at];
    if (partner < 0)
        return;
    const int32_t mine = own_end(dataset, m->job->indices[at], m->max_length);
    const int32_t theirs = own_end(dataset, partner, m->max_length);
    const int32_t common = mine < theirs ? mine : theirs;
    const int32_t end = c->end < common ? c->end : common;
    dt_dataset_tokens(dataset, partner, m->max_length, m->other);
    for (int32_t t = c->begin; t < end; ++t)
        tokens[t] = m->other[t];
}

static dt_status start_micro_batch(measurement *m, int64_t first, int32_t count, int32_t begin,
                                   int32_t end)
{
    const dt_evaluation_job *job = m->job;
    exchange_context context = {m, m->begin + first, begin, end};
    const dt_batch batch =
        dt_batch_pack(job->memory, job->dataset, job->indices + m->begin + first, count,
                      m->max_length, end > begin ? exchange : NULL, &context);
    return dt_classifier_start(&m->classifier, &batch,
                               m->predictions + first * job->memory->tax_ranks, NULL, NULL);
}

/* Predicts this rank's share with region [begin, end) permuted; an empty region: unchanged. */
static dt_status predict(measurement *m, int32_t begin, int32_t end, bool *stopped)
{
    const int64_t most = m->job->memory->max_sequences;
    for (int64_t first = 0; first < m->count && !*stopped; first += most) {
        const int64_t left = m->count - first;
        DT_TRY(start_micro_batch(m, first, (int32_t)(left < most ? left : most), begin, end));
        if (dt_classifier_under_way(&m->classifier) == DT_CLASSIFY_AHEAD)
            DT_TRY(dt_classifier_finish(&m->classifier));
        *stopped = m->job->stop && atomic_load(m->job->stop) != 0;
    }
    while (dt_classifier_under_way(&m->classifier))
        DT_TRY(dt_classifier_finish(&m->classifier));
    return DT_OK;
}

/* Computes the accuracy at each tax_rank over the shares of all ranks. */
static dt_status measure_pass(measurement *m, double *accuracy, int32_t begin, int32_t end)
{
    const dt_evaluation_job *job = m->job;
    const int32_t tax_ranks = job->memory->tax_ranks;
    double right[DT_MAX_TAX_RANKS + 1] = {0}; /* the last: the number of ranks that stopped */
    bool stopped = false;
    DT_TRY(predict(m, begin, end, &stopped));
    for (int64_t i = 0; i < m->count && !stopped; ++i)
        for (int32_t r = 0; r < tax_ranks; ++r)
            right[r] += m->predictions[i * tax_ranks + r].label ==
                        job->dataset->labels[job->indices[m->begin + i] * tax_ranks + r];
    right[tax_ranks] = stopped;
    DT_TRY(job->comm->ops->sum(job->comm, right, tax_ranks + 1));
    if (right[tax_ranks] > 0.0)
        return dt_fail(DT_STOPPED, "the permutation importance was stopped by a signal");
    for (int32_t r = 0; r < tax_ranks; ++r)
        accuracy[r] = right[r] / (double)job->count;
    return DT_OK;
}

/* Returns the end of the longest sequence. */
static int32_t longest(const measurement *m)
{
    int32_t most = 0;
    for (int64_t i = 0; i < m->job->count; ++i) {
        const int32_t end = own_end(m->job->dataset, m->job->indices[i], m->max_length);
        most = end > most ? end : most;
    }
    return most;
}

static dt_status measure_regions(dt_importance *out, measurement *m, uint32_t seed)
{
    const int32_t end_of_all = longest(m);
    double accuracy[DT_MAX_TAX_RANKS];
    DT_TRY(measure_pass(m, out->accuracy, 0, 0));
    for (int32_t g = 0; g < out->regions && g * out->region_size < end_of_all; ++g) {
        const int32_t begin = g * out->region_size;
        const int32_t end = begin + out->region_size;
        DT_TRY(dt_importance_partners(m->partner, m->job->dataset, m->job->indices, m->job->count,
                                      m->max_length, begin, seed, g));
        DT_TRY(measure_pass(m, accuracy, begin, end < m->max_length ? end : m->max_length));
        for (int32_t r = 0; r < out->tax_ranks; ++r)
            out->loss[r * out->regions + g] = out->accuracy[r] - accuracy[r];
    }
    return DT_OK;
}

static dt_status measure(dt_importance *out, measurement *m, uint32_t seed)
{
    const dt_evaluation_job *job = m->job;
    dt_share(job->count, job->comm->world_size, job->comm->world_rank, &m->begin, &m->count);
    DT_TRY(DT_NEW(out->loss, (size_t)out->tax_ranks * (size_t)out->regions));
    DT_TRY(DT_NEW(m->partner, (size_t)job->count));
    DT_TRY(DT_NEW(m->other, (size_t)m->max_length));
    DT_TRY(DT_NEW(m->predictions, (size_t)(m->count * out->tax_ranks)));
    DT_TRY(dt_classifier_open(&m->classifier, job->model, job->memory->max_sequences, NULL,
                              (dt_logit_range){0}, false));
    return measure_regions(out, m, seed);
}

dt_status dt_importance_measure(dt_importance *out, const dt_evaluation_job *job,
                                int32_t region_size, uint32_t seed)
{
    const dt_model_config *config = dt_model_config_of(job->model);
    measurement m = {.job = job, .max_length = config->max_length};
    *out = (dt_importance){.region_size = region_size,
                           .regions = dt_importance_regions(config->max_length, region_size),
                           .tax_ranks = config->tax_ranks};
    const dt_status status = measure(out, &m, seed);
    dt_classifier_close(&m.classifier);
    free(m.partner);
    free(m.other);
    free(m.predictions);
    if (status != DT_OK)
        dt_importance_free(out);
    return status;
}

void dt_importance_free(dt_importance *importance)
{
    free(importance->loss);
    *importance = (dt_importance){0};
}
