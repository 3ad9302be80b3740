#include "predict/predictor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pool.h"
#include "data/sequence_reader.h"
#include "layers.h"
#include "model/classify.h"
#include "predict/job.h"
#include "predict/probability.h"
#include "predict/queue.h"

/* On a GPU, sequences of an eighth of max_length still fill a micro-batch. */
#define SHORT_SEQUENCES 8
#define MAX_SEQUENCES 4096
#define MAX_WITH_LOGITS 512

/* On a CPU, matrices of this many rows reach full speed; more would only take memory. */
#define HOST_MICRO_BATCH_TOKENS 8192

#define JOBS 5 /* one each being read, waiting, enqueued, computed and written */

typedef struct {
    const dt_predictor *options;
    dt_fasta *input;
    int32_t max_length;
    dt_job_sizes sizes;
    dt_repeats *repeats; /* the reader finds rows, the writer stores and reads them; NULL: none */
    dt_result_rows all;  /* of the job being written, with repeats */
    dt_classifier classifier[DT_MAX_MEMBERS];
    dt_prediction *unused; /* (most, tax_ranks) individual predictions of the other models */
    dt_decision decision;
    dt_pool *deciders;                    /* NULL: nothing to decide on the host */
    dt_decision_memory *memory;           /* (threads of `deciders`) */
    dt_neighbour_memory *asking;          /* likewise; NULL: without neighbours */
    dt_job *under_way[DT_CLASSIFY_AHEAD]; /* by micro-batch: the job that it completes, or NULL */
    int32_t *cu_seqlens;                  /* (most + 1) of the micro-batch being launched */
    dt_job jobs[JOBS];
    dt_queue empty; /* jobs to fill */
    dt_queue ready; /* to compute */
    dt_queue done;  /* to pass to the sink */
    dt_predictor_counts counts;

    pthread_mutex_t mutex; /* protects the following */
    dt_status status;      /* of the stage that failed first */
    char message[2048];
} pipeline;

/* Stores the stage's error, unless another stage has failed before, and stops all stages. */
static void fail_pipeline(pipeline *p, dt_status status)
{
    pthread_mutex_lock(&p->mutex);
    if (p->status == DT_OK) {
        p->status = status;
        strncpy(p->message, dt_error_message(), sizeof p->message - 1);
    }
    pthread_mutex_unlock(&p->mutex);
    dt_queue_drop(&p->empty);
    dt_queue_drop(&p->ready);
    dt_queue_drop(&p->done);
}

/* Waits for the next job from the previous stage. */
static dt_job *take(pipeline *p, dt_queue *queue, dt_track track)
{
    dt_profile_begin(p->options->profile, track, DT_CATEGORY_WAITING);
    dt_job *j = dt_queue_take(queue);
    dt_profile_end(p->options->profile, track);
    return j;
}

/* ---- first stage: read and tokenise -----------------------------------------------------------
 */

static dt_status check_ids(const pipeline *p, const dt_job *j)
{
    for (int32_t i = 0; p->options->ids && i < j->block.count; ++i)
        DT_TRY(dt_unique_ids_add(p->options->ids, &j->block.record[i], dt_fasta_name(p->input)));
    return DT_OK;
}

/* Swaps the block that was read with that of the next job. */
static dt_status fill_job(void *context, dt_sequence_block *block)
{
    pipeline *p = context;
    dt_profile_end(p->options->profile, DT_TRACK_READER);
    dt_job *j = take(p, &p->empty, DT_TRACK_READER);
    dt_profile_begin(p->options->profile, DT_TRACK_READER, DT_CATEGORY_INPUT);
    if (!j)
        return dt_fail(DT_STOPPED, "another stage has failed");
    const dt_sequence_block read = *block;
    *block = j->block;
    j->block = read;
    DT_TRY(check_ids(p, j));
    DT_TRY(dt_job_fill(j, &p->sizes, p->options->truth, p->repeats));
    return dt_queue_put(&p->ready, j) ? DT_OK : dt_fail(DT_STOPPED, "another stage has failed");
}

static void *run_reader(void *argument)
{
    pipeline *p = argument;
    const dt_predictor *options = p->options;
    dt_reading_counts counts;
    dt_profile_begin(options->profile, DT_TRACK_READER, DT_CATEGORY_INPUT);
    const dt_status status = dt_read_sequences(p->input,
                                               &(dt_reading){.normalize = options->normalize,
                                                             .min_length = options->min_length,
                                                             .cut = options->cut,
                                                             .strand = options->strand,
                                                             .tokenizer = options->tokenizer,
                                                             .max_length = p->max_length,
                                                             .block_size = p->sizes.most,
                                                             .threads = options->threads},
                                               &counts, fill_job, p);
    dt_profile_end(options->profile, DT_TRACK_READER);
    p->counts.left_out = counts.left_out;
    if (status != DT_OK)
        fail_pipeline(p, status);
    dt_queue_end(&p->ready);
    return NULL;
}

/* ---- second stage: compute --------------------------------------------------------------------
 */

/* Returns the end of the micro-batch that begins at sequence `first`. The remaining tokens are
 * divided into as few micro-batches as possible, of about equal size. One sequence always fits. */
static int32_t end_of_micro_batch(const pipeline *p, const dt_job *j, int32_t first)
{
    const dt_model *model = p->options->model;
    const int64_t most = dt_predictor_max_tokens(dt_model_backend(model), dt_model_config_of(model),
                                                 p->options->batch_size);
    const int64_t left = j->cu_seqlens[j->computed] - j->cu_seqlens[first];
    const int64_t micro_batches = (left + most - 1) / most;
    int32_t end = first;
    while (end < j->computed) {
        const int64_t tokens = j->cu_seqlens[end] - j->cu_seqlens[first];
        if (tokens * micro_batches >= left || j->cu_seqlens[end + 1] - j->cu_seqlens[first] > most)
            break;
        ++end;
    }
    return end;
}

/* Launches the micro-batch of sequences first … end-1. */
static dt_status start_micro_batch(pipeline *p, dt_job *j, int32_t first, int32_t end)
{
    const int64_t row = p->sizes.tax_ranks;
    const int64_t logits = (int64_t)p->sizes.logits.count * p->sizes.statistic_size;
    const int64_t embedding = p->sizes.features * p->sizes.activation_size; /* bytes */
    for (int32_t i = first; i <= end; ++i)
        p->cu_seqlens[i - first] = j->cu_seqlens[i] - j->cu_seqlens[first];
    const dt_batch batch = {.sequences = end - first,
                            .tax_ranks = p->sizes.tax_ranks,
                            .token_ids = j->tokens + j->cu_seqlens[first],
                            .cu_seqlens = p->cu_seqlens,
                            .labels = p->options->truth ? j->labels + first * row : NULL};
    p->under_way[p->classifier[0].started % DT_CLASSIFY_AHEAD] = end == j->computed ? j : NULL;
    for (int32_t m = 0; m < p->sizes.members; ++m)
        DT_TRY(dt_classifier_start(
            &p->classifier[m], &batch, m == 0 ? j->result.prediction + first * row : p->unused,
            logits ? (char *)j->logits[m] + first * logits : NULL,
            embedding && m == 0 ? (char *)j->activations + first * embedding : NULL));
    return DT_OK;
}

static void pass_on(pipeline *p, dt_job *j)
{
    p->counts.predicted += j->block.count;
    p->counts.repeated += j->block.count - j->computed;
    dt_queue_put(&p->done, j);
}

/* Waits for the oldest micro-batch; if it completes its job, passes the job to the next stage. */
static dt_status finish_micro_batch(pipeline *p)
{
    dt_job *j = p->under_way[p->classifier[0].finished % DT_CLASSIFY_AHEAD];
    for (int32_t m = 0; m < p->sizes.members; ++m)
        DT_TRY(dt_classifier_finish(&p->classifier[m]));
    if (j)
        pass_on(p, j);
    return DT_OK;
}

static dt_status finish_all(pipeline *p)
{
    while (dt_classifier_under_way(&p->classifier[0]))
        DT_TRY(finish_micro_batch(p));
    return DT_OK;
}

/* Launches each micro-batch before waiting for the previous one, to keep the device busy. */
static dt_status compute_micro_batches(pipeline *p, dt_job *j)
{
    for (int32_t first = 0; first < j->computed;) {
        const int32_t end = end_of_micro_batch(p, j, first);
        DT_TRY(start_micro_batch(p, j, first, end));
        if (dt_classifier_under_way(&p->classifier[0]) == DT_CLASSIFY_AHEAD)
            DT_TRY(finish_micro_batch(p));
        first = end;
    }
    if (j->computed > 0)
        return DT_OK;
    DT_TRY(finish_all(p)); /* jobs stay in the input's order */
    pass_on(p, j);
    return DT_OK;
}

static dt_status compute(pipeline *p, dt_job *j)
{
    dt_profile_begin(p->options->profile, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    const dt_status status = compute_micro_batches(p, j);
    dt_profile_end(p->options->profile, DT_TRACK_MAIN);
    return status;
}

/* Sets *j to the next job, NULL at the end. Finishes launched micro-batches before it waits. */
static dt_status next_job(pipeline *p, dt_job **j)
{
    *j = dt_queue_take_now(&p->ready);
    if (*j)
        return DT_OK;
    DT_TRY(finish_all(p));
    *j = take(p, &p->ready, DT_TRACK_MAIN);
    return DT_OK;
}

static void run_device(pipeline *p)
{
    dt_status status;
    dt_job *j;
    while ((status = next_job(p, &j)) == DT_OK && j && (status = compute(p, j)) == DT_OK)
        ;
    if (status != DT_OK)
        fail_pipeline(p, status);
    for (int32_t m = 0; m < p->sizes.members; ++m)
        while (dt_classifier_under_way(&p->classifier[m])) /* they still write to the jobs */
            dt_classifier_finish(&p->classifier[m]);
    dt_queue_end(&p->done);
}

/* ---- third stage: pass on ---------------------------------------------------------------------
 */

typedef struct {
    pipeline *p;
    dt_job *j;
} job_context;

/* Returns the vote of the neighbours of computed sequence i. */
static dt_vote ask_neighbours(const pipeline *p, dt_job *j, int64_t i, int worker)
{
    const dt_neighbour_use *use = p->options->neighbours;
    const dt_fasta_record *record = &j->block.record[j->source[i]];
    const int32_t count = dt_ask_neighbours(&p->asking[worker], use, record->id.data,
                                            &record->sequence, &j->result.nearest[i]);
    return dt_vote_of_found(&p->asking[worker], use, count);
}

/* Decides on computed sequence i of the job, in thread `worker`. */
static dt_status decide(void *context, int64_t i, int worker)
{
    pipeline *p = ((job_context *)context)->p;
    dt_job *j = ((job_context *)context)->j;
    const dt_decision_memory *memory = &p->memory[worker];
    const int64_t row = i * p->sizes.tax_ranks;
    const int64_t logits = i * p->sizes.logits.count * p->sizes.statistic_size;
    const void *of_member[DT_MAX_MEMBERS];
    for (int32_t m = 0; m < p->sizes.members; ++m)
        of_member[m] = (const char *)j->logits[m] + logits;
    dt_result_rows *result = &j->result;
    const dt_vote vote = p->asking ? ask_neighbours(p, j, i, worker) : (dt_vote){0};
    const bool decided = dt_decide(
        result->prediction + row, result->independent ? result->independent + row : NULL,
        &p->decision, memory, of_member, &vote, p->options->truth ? j->labels + row : NULL);
    float *probability = result->probability + i * p->sizes.columns;
    if (p->sizes.columns && decided)
        dt_few_probabilities(probability, memory->probability, p->decision.layout);
    else if (p->sizes.columns)
        dt_probabilities(probability, of_member[0], p->sizes.logits, p->sizes.statistic_size, 1,
                         p->decision.layout, p->options->temperature);
    return DT_OK;
}

/* Completes the results of the sequences that were computed. */
static dt_status complete(pipeline *p, dt_job *j)
{
    dt_result_rows *result = &j->result;
    if (p->sizes.features)
        dt_backend_floats(dt_model_backend(p->options->model), result->embedding, j->activations,
                          j->computed * p->sizes.features);
    if (p->deciders)
        DT_TRY(dt_pool_run(p->deciders, decide, &(job_context){p, j}, j->computed));
    else if (p->sizes.columns)
        dt_probabilities(result->probability, j->logits[0], p->sizes.logits,
                         p->sizes.statistic_size, j->computed, p->decision.layout,
                         p->options->temperature);
    return DT_OK;
}

static dt_status hand_over(pipeline *p, dt_job *j)
{
    const bool truth = p->options->truth != NULL;
    const dt_result_rows *result = p->repeats ? &p->all : &j->result;
    DT_TRY(complete(p, j));
    if (p->repeats)
        dt_job_spread(j, &p->sizes, p->repeats, &p->all);
    const dt_predicted predicted = {.sequences = j->block.count,
                                    .tax_ranks = p->sizes.tax_ranks,
                                    .record = j->block.record,
                                    .truth = truth ? j->truth : NULL,
                                    .has_row = truth ? j->has_row : NULL,
                                    .reoriented = j->block.reversed,
                                    .amplicon = p->options->cut ? j->block.amplicon : NULL,
                                    .judged = j->block.judged,
                                    .prediction = result->prediction,
                                    .independent = result->independent,
                                    .logits = p->options->logits ? j->logits[0] : NULL,
                                    .embedding = result->embedding,
                                    .nearest = result->nearest,
                                    .probability = truth ? result->probability : NULL};
    return p->options->sink(p->options->context, &predicted);
}

static void *run_writer(void *argument)
{
    pipeline *p = argument;
    dt_job *j;
    while ((j = take(p, &p->done, DT_TRACK_WRITER))) {
        dt_profile_begin(p->options->profile, DT_TRACK_WRITER, DT_CATEGORY_WRITING);
        const dt_status status = hand_over(p, j);
        dt_profile_end(p->options->profile, DT_TRACK_WRITER);
        if (status != DT_OK)
            fail_pipeline(p, status);
        else
            dt_queue_put(&p->empty, j);
    }
    return NULL;
}

/* ---- pipeline --------------------------------------------------------------------------------
 */

/* Returns model m: the predictor's own or one of the others. */
static dt_ensemble_member member(const dt_predictor *options, int32_t m)
{
    if (m > 0)
        return options->other[m - 1];
    return (dt_ensemble_member){.model = options->model, .temperature = options->temperature};
}

/* Determines what is decided on the host, and which logits are needed there. */
static dt_status plan_decisions(pipeline *p)
{
    const dt_predictor *options = p->options;
    const dt_class_layout *layout = dt_model_classes(options->model);
    p->decision =
        (dt_decision){.layout = layout,
                      .statistic_size = dt_model_backend(options->model)->statistic_size,
                      .members = p->sizes.members,
                      .lineage = options->lineage,
                      .lineages = options->lineages,
                      .neighbour_weight = options->neighbours ? options->neighbours->weight : 0.0};
    for (int32_t m = 0; m < p->sizes.members; ++m)
        p->decision.temperature[m] = member(options, m).temperature;
    const bool decides = p->sizes.members > 1 || options->lineage != DT_LINEAGE_INDEPENDENT;
    p->sizes.columns = options->truth ? dt_probability_columns(layout) : 0;
    p->sizes.logits = options->truth ? dt_probability_logits(layout) : (dt_logit_range){0};
    if (decides || options->logits) {
        const int32_t most =
            options->batch_size > MAX_WITH_LOGITS ? options->batch_size : MAX_WITH_LOGITS;
        p->sizes.logits = (dt_logit_range){.count = layout->first[layout->tax_ranks],
                                           .of_heads = options->lineage == DT_LINEAGE_SUMMED};
        p->sizes.most = p->sizes.most < most ? p->sizes.most : most;
    }
    if (!decides)
        return DT_OK;
    DT_TRY(dt_pool_create(&p->deciders, options->threads));
    const int threads = dt_pool_threads(p->deciders);
    DT_TRY(DT_NEW(p->memory, (size_t)threads));
    for (int t = 0; t < threads; ++t)
        DT_TRY(dt_decision_memory_create(&p->memory[t], &p->decision));
    if (options->neighbours)
        DT_TRY(DT_NEW(p->asking, (size_t)threads));
    for (int t = 0; p->asking && t < threads; ++t)
        DT_TRY(dt_neighbour_memory_create(&p->asking[t], options->neighbours));
    return DT_NEW(p->unused, (size_t)p->sizes.most * (size_t)p->sizes.tax_ranks);
}

static dt_status open_classifiers(pipeline *p)
{
    for (int32_t m = 0; m < p->sizes.members; ++m) {
        const dt_ensemble_member one = member(p->options, m);
        DT_TRY(dt_classifier_open(&p->classifier[m], one.model, p->sizes.most, one.temperature,
                                  p->sizes.logits, m == 0 && p->sizes.features > 0));
    }
    return DT_OK;
}

/* Sets what does not depend on the decisions. */
static dt_job_sizes sizes_for(const dt_predictor *options)
{
    const dt_backend *backend = dt_model_backend(options->model);
    const dt_model_config *config = dt_model_config_of(options->model);
    return (dt_job_sizes){
        .most = dt_predictor_max_sequences(backend, options->batch_size),
        .tax_ranks = config->tax_ranks,
        .members = 1 + options->others,
        .kmer_size = dt_model_kmer_size(config),
        .features = options->embeddings ? dt_model_features(config) : 0,
        .statistic_size = backend->statistic_size,
        .activation_size = backend->activation_size,
        .independent = options->lineage != DT_LINEAGE_INDEPENDENT,
        .neighbours = options->neighbours != NULL,
    };
}

static dt_status create_repeats(pipeline *p)
{
    const dt_predictor *options = p->options;
    if (options->logits || options->repeats_memory == 0)
        return DT_OK;
    DT_TRY(dt_result_rows_create(&p->all, &p->sizes));
    return dt_repeats_create(&p->repeats, options->repeats_memory, dt_result_bytes(&p->sizes),
                             p->max_length, p->sizes.tax_ranks);
}

static dt_status create_pipeline(pipeline *p)
{
    p->max_length = dt_model_config_of(p->options->model)->max_length;
    p->sizes = sizes_for(p->options);
    DT_TRY(plan_decisions(p));
    DT_TRY(create_repeats(p));
    DT_TRY(DT_NEW(p->cu_seqlens, (size_t)p->sizes.most + 1));
    for (int k = 0; k < JOBS; ++k) {
        DT_TRY(dt_job_create(&p->jobs[k], &p->sizes));
        dt_queue_put(&p->empty, &p->jobs[k]);
    }
    return open_classifiers(p);
}

static void free_pipeline(pipeline *p)
{
    for (int32_t m = 0; m < p->sizes.members; ++m)
        dt_classifier_close(&p->classifier[m]);
    for (int k = 0; k < JOBS; ++k)
        dt_job_free(&p->jobs[k], &p->sizes);
    dt_repeats_destroy(p->repeats);
    dt_result_rows_free(&p->all);
    free(p->cu_seqlens);
    for (int t = 0; p->memory && t < dt_pool_threads(p->deciders); ++t)
        dt_decision_memory_free(&p->memory[t]);
    free(p->memory);
    for (int t = 0; p->asking && t < dt_pool_threads(p->deciders); ++t)
        dt_neighbour_memory_free(&p->asking[t]);
    free(p->asking);
    free(p->unused);
    dt_pool_destroy(p->deciders);
    dt_queue_destroy(&p->empty);
    dt_queue_destroy(&p->ready);
    dt_queue_destroy(&p->done);
    pthread_mutex_destroy(&p->mutex);
}

/* Starts the first and third stage, runs the second and waits for the others. */
static void run_stages(pipeline *p)
{
    pthread_t reader;
    pthread_t writer;
    if (pthread_create(&reader, NULL, run_reader, p) != 0) {
        fail_pipeline(p, dt_fail(DT_ERR_MEMORY, "cannot start the reader thread"));
        return;
    }
    if (pthread_create(&writer, NULL, run_writer, p) != 0) {
        fail_pipeline(p, dt_fail(DT_ERR_MEMORY, "cannot start the writer thread"));
    } else {
        run_device(p);
        pthread_join(writer, NULL);
    }
    pthread_join(reader, NULL);
}

int32_t dt_predictor_max_sequences(const dt_backend *backend, int32_t batch_size)
{
    if (backend->host_memory || batch_size >= MAX_SEQUENCES)
        return batch_size;
    return batch_size < MAX_SEQUENCES / SHORT_SEQUENCES ? batch_size * SHORT_SEQUENCES
                                                        : MAX_SEQUENCES;
}

int64_t dt_predictor_max_tokens(const dt_backend *backend, const dt_model_config *config,
                                int32_t batch_size)
{
    const int32_t max_length = config->max_length;
    const int64_t all = (int64_t)batch_size * max_length;
    const int64_t enough =
        max_length > HOST_MICRO_BATCH_TOKENS ? max_length : HOST_MICRO_BATCH_TOKENS;
    return backend->host_memory && all > enough && !dt_model_has_bag(config) ? enough : all;
}

dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input,
                           dt_predictor_counts *counts)
{
    pipeline *p;
    DT_TRY(DT_NEW(p, 1));
    p->options = predictor;
    p->input = input;
    pthread_mutex_init(&p->mutex, NULL);
    dt_queue_init(&p->empty);
    dt_queue_init(&p->ready);
    dt_queue_init(&p->done);
    dt_status status = create_pipeline(p);
    if (status == DT_OK) {
        run_stages(p);
        if (p->status != DT_OK)
            status = dt_fail(p->status, "%s", p->message);
    }
    if (counts)
        *counts = p->counts;
    free_pipeline(p);
    free(p);
    return status;
}
