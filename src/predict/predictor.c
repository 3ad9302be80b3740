#include "predict/predictor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pool.h"
#include "data/sequence_reader.h"
#include "layers.h"
#include "model/classify.h"
#include "predict/probability.h"
#include "predict/queue.h"

/* On a GPU: sequences of an eighth of max_length still fill a piece. */
#define SHORT_SEQUENCES 8
#define MOST_SEQUENCES 4096
#define MOST_WITH_LOGITS 512

/* On a host matrices of this many rows have full speed; more take memory only. */
#define HOST_PIECE_TOKENS 8192

#define JOBS 5 /* on their way: read, waiting, asked for, computed, written */

/* Sequences that are read, and handed over, together. */
typedef struct {
    dt_sequence_block block;
    int32_t *cu_seqlens;       /* (most + 1) */
    int32_t *tokens;           /* of all sequences, packed */
    size_t token_capacity;     /* of `tokens` */
    int32_t *truth;            /* (most, tax_ranks) */
    int32_t *labels;           /* the same where the model knows them, else -1 */
    bool *has_row;             /* (most) */
    dt_prediction *prediction; /* (most, tax_ranks) */
    int32_t *independent;      /* (most, tax_ranks) where lineages are predicted */
    void
        *logits[DT_MAX_VOTERS]; /* (most, logits.count) of each model; NULL where none are needed */
    float *probability;         /* (most, columns) likewise, made of them */
    void *activations;          /* (most, features) of the first model; NULL where not wanted */
    float *vector;              /* the same as floats */
} job;

typedef struct {
    const dt_predictor *options;
    dt_fasta *input;
    int32_t tax_ranks;
    int32_t max_length;
    int32_t most;   /* sequences of a job */
    int32_t voters; /* models */
    dt_classifier classifier[DT_MAX_VOTERS];
    dt_prediction *unused; /* (most, tax_ranks) what models but the first say by themselves */
    dt_decision decision;
    dt_pool *deciders;                 /* NULL: nothing is to be decided on the host */
    dt_decision_memory *memory;        /* (threads of `deciders`) */
    job *under_way[DT_CLASSIFY_AHEAD]; /* by piece: the job that is done with it, or NULL */
    int32_t *piece_seqlens;            /* (most + 1) of the piece that is asked for */
    int32_t columns;                   /* of the probabilities; 0: not wanted */
    int64_t features;                  /* of the vectors; 0: not wanted */
    dt_logit_range logits;             /* that they need */
    job jobs[JOBS];
    dt_queue empty; /* jobs to fill */
    dt_queue ready; /* to compute */
    dt_queue done;  /* to hand to the sink */
    dt_predictor_counts counts;

    pthread_mutex_t mutex; /* of what follows */
    dt_status status;      /* of the stage that failed first */
    char message[2048];
} pipeline;

/* Keeps the calling stage's error, unless another was faster, and stops all stages. */
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

/* The next job for a stage, which waits for the one before it. */
static job *take(pipeline *p, dt_queue *queue, dt_lane lane)
{
    dt_profile_begin(p->options->profile, lane, DT_PART_WAITING);
    job *j = dt_queue_take(queue);
    dt_profile_end(p->options->profile, lane);
    return j;
}

/* ---- first stage: read and tokenise -----------------------------------------------------------
 */

static dt_status check_ids(const pipeline *p, const job *j)
{
    for (int32_t i = 0; p->options->ids && i < j->block.count; ++i)
        DT_TRY(dt_unique_ids_add(p->options->ids, &j->block.record[i], dt_fasta_name(p->input)));
    return DT_OK;
}

/* The block's tokens, back to back. */
static dt_status pack(job *j)
{
    const dt_sequence_block *block = &j->block;
    j->cu_seqlens[0] = 0;
    for (int32_t i = 0; i < block->count; ++i)
        j->cu_seqlens[i + 1] = j->cu_seqlens[i] + block->token_count[i];
    DT_TRY(DT_GROW(j->tokens, j->token_capacity, (size_t)j->cu_seqlens[block->count]));
    for (int32_t i = 0; i < block->count; ++i)
        for (int32_t t = 0; t < block->token_count[i]; ++t)
            j->tokens[j->cu_seqlens[i] + t] = block->tokens[block->token_begin[i] + t];
    return DT_OK;
}

static void find_truth(const pipeline *p, job *j)
{
    const dt_truth *truth = p->options->truth;
    for (int32_t i = 0; truth && i < j->block.count; ++i) {
        const dt_text *id = &j->block.record[i].id;
        int32_t *numbers = j->truth + (ptrdiff_t)i * p->tax_ranks;
        int32_t *labels = j->labels + (ptrdiff_t)i * p->tax_ranks;
        j->has_row[i] = dt_truth_find(truth, id->data, id->length, numbers);
        for (int32_t r = 0; r < p->tax_ranks; ++r)
            labels[r] = numbers[r] < truth->model->rank[r].classes ? numbers[r] : -1;
    }
}

/* Takes the block that was read into the next job; the job's own goes back to the reader. */
static dt_status fill_job(void *context, dt_sequence_block *block)
{
    pipeline *p = context;
    dt_profile_end(p->options->profile, DT_LANE_READER);
    job *j = take(p, &p->empty, DT_LANE_READER);
    dt_profile_begin(p->options->profile, DT_LANE_READER, DT_PART_INPUT);
    if (!j)
        return dt_fail(DT_STOPPED, "another stage has failed");
    const dt_sequence_block read = *block;
    *block = j->block;
    j->block = read;
    DT_TRY(check_ids(p, j));
    DT_TRY(pack(j));
    find_truth(p, j);
    return dt_queue_put(&p->ready, j) ? DT_OK : dt_fail(DT_STOPPED, "another stage has failed");
}

static void *run_reader(void *argument)
{
    pipeline *p = argument;
    const dt_predictor *options = p->options;
    dt_reading_counts counts;
    dt_profile_begin(options->profile, DT_LANE_READER, DT_PART_INPUT);
    const dt_status status = dt_read_sequences(p->input,
                                               &(dt_reading){.normalize = options->normalize,
                                                             .min_length = options->min_length,
                                                             .strand = options->strand,
                                                             .tokenizer = options->tokenizer,
                                                             .max_length = p->max_length,
                                                             .block_size = p->most,
                                                             .threads = options->threads},
                                               &counts, fill_job, p);
    dt_profile_end(options->profile, DT_LANE_READER);
    p->counts.left_out = counts.left_out;
    if (status != DT_OK)
        fail_pipeline(p, status);
    dt_queue_end(&p->ready);
    return NULL;
}

/* ---- second stage: compute --------------------------------------------------------------------
 */

/* Where the piece that begins at sequence `first` ends: as many pieces as the tokens that are left
 * need, about equal, so that no small one remains. A sequence always fits. */
static int32_t end_of_piece(const pipeline *p, const job *j, int32_t first)
{
    const int64_t most = dt_predictor_most_tokens(dt_model_backend(p->options->model),
                                                  p->options->batch_size, p->max_length);
    const int64_t left = j->cu_seqlens[j->block.count] - j->cu_seqlens[first];
    const int64_t pieces = (left + most - 1) / most;
    int32_t end = first;
    while (end < j->block.count) {
        const int64_t tokens = j->cu_seqlens[end] - j->cu_seqlens[first];
        if (tokens * pieces >= left || j->cu_seqlens[end + 1] - j->cu_seqlens[first] > most)
            break;
        ++end;
    }
    return end;
}

/* Asks for sequences first … end-1. */
static dt_status start_piece(pipeline *p, job *j, int32_t first, int32_t end)
{
    const int64_t row = p->tax_ranks;
    const int64_t logits = (int64_t)p->logits.count * p->decision.statistic_size;
    const int64_t vector =
        p->features * dt_model_backend(p->options->model)->activation_size; /* bytes */
    for (int32_t i = first; i <= end; ++i)
        p->piece_seqlens[i - first] = j->cu_seqlens[i] - j->cu_seqlens[first];
    const dt_batch batch = {.sequences = end - first,
                            .tax_ranks = p->tax_ranks,
                            .token_ids = j->tokens + j->cu_seqlens[first],
                            .cu_seqlens = p->piece_seqlens,
                            .labels = p->options->truth ? j->labels + first * row : NULL};
    p->under_way[p->classifier[0].started % DT_CLASSIFY_AHEAD] = end == j->block.count ? j : NULL;
    for (int32_t v = 0; v < p->voters; ++v)
        DT_TRY(dt_classifier_start(
            &p->classifier[v], &batch, v == 0 ? j->prediction + first * row : p->unused,
            logits ? (char *)j->logits[v] + first * logits : NULL,
            vector && v == 0 ? (char *)j->activations + first * vector : NULL));
    return DT_OK;
}

/* Takes the results of the oldest piece, and lets its job go on when it was the last one. */
static dt_status finish_piece(pipeline *p)
{
    job *j = p->under_way[p->classifier[0].finished % DT_CLASSIFY_AHEAD];
    for (int32_t v = 0; v < p->voters; ++v)
        DT_TRY(dt_classifier_finish(&p->classifier[v]));
    if (j) {
        p->counts.predicted += j->block.count;
        dt_queue_put(&p->done, j);
    }
    return DT_OK;
}

/* The next piece is asked for before the results of the last one are waited for, so that the device
 * always has work. */
static dt_status compute_pieces(pipeline *p, job *j)
{
    for (int32_t first = 0; first < j->block.count;) {
        const int32_t end = end_of_piece(p, j, first);
        DT_TRY(start_piece(p, j, first, end));
        if (dt_classifier_under_way(&p->classifier[0]) == DT_CLASSIFY_AHEAD)
            DT_TRY(finish_piece(p));
        first = end;
    }
    return DT_OK;
}

static dt_status compute(pipeline *p, job *j)
{
    dt_profile_begin(p->options->profile, DT_LANE_MAIN, DT_PART_STEP);
    const dt_status status = compute_pieces(p, j);
    dt_profile_end(p->options->profile, DT_LANE_MAIN);
    return status;
}

/* The next job; where there is none yet, results are taken first. NULL at the end. */
static dt_status next_job(pipeline *p, job **j)
{
    *j = dt_queue_take_now(&p->ready);
    while (!*j && dt_classifier_under_way(&p->classifier[0]))
        DT_TRY(finish_piece(p));
    if (!*j)
        *j = take(p, &p->ready, DT_LANE_MAIN);
    return DT_OK;
}

static void run_device(pipeline *p)
{
    dt_status status;
    job *j;
    while ((status = next_job(p, &j)) == DT_OK && j && (status = compute(p, j)) == DT_OK)
        ;
    if (status != DT_OK)
        fail_pipeline(p, status);
    for (int32_t v = 0; v < p->voters; ++v)
        while (dt_classifier_under_way(&p->classifier[v])) /* the host's memory may go then */
            dt_classifier_finish(&p->classifier[v]);
    dt_queue_end(&p->done);
}

/* ---- third stage: hand over -------------------------------------------------------------------
 */

typedef struct {
    pipeline *p;
    job *j;
} job_context;

/* Sequence i of the job: decided on by thread `worker`. */
static dt_status decide(void *context, int64_t i, int worker)
{
    pipeline *p = ((job_context *)context)->p;
    job *j = ((job_context *)context)->j;
    const dt_decision_memory *memory = &p->memory[worker];
    const int64_t row = i * p->tax_ranks;
    const int64_t logits = i * p->logits.count * p->decision.statistic_size;
    const void *of_voter[DT_MAX_VOTERS];
    for (int32_t v = 0; v < p->voters; ++v)
        of_voter[v] = (const char *)j->logits[v] + logits;
    dt_decide(j->prediction + row, j->independent ? j->independent + row : NULL, &p->decision,
              memory, of_voter, p->options->truth ? j->labels + row : NULL);
    if (p->columns && p->voters > 1)
        dt_few_probabilities(j->probability + i * p->columns, memory->probability,
                             p->decision.layout);
    return DT_OK;
}

static dt_status hand_over(pipeline *p, job *j)
{
    const bool truth = p->options->truth != NULL;
    if (p->features)
        dt_backend_floats(dt_model_backend(p->options->model), j->vector, j->activations,
                          j->block.count * p->features);
    const dt_predicted predicted = {.sequences = j->block.count,
                                    .tax_ranks = p->tax_ranks,
                                    .record = j->block.record,
                                    .truth = truth ? j->truth : NULL,
                                    .has_row = truth ? j->has_row : NULL,
                                    .reoriented = j->block.reversed,
                                    .judged = j->block.judged,
                                    .prediction = j->prediction,
                                    .independent = j->independent,
                                    .logits = p->options->logits ? j->logits[0] : NULL,
                                    .vector = j->vector,
                                    .probability = truth ? j->probability : NULL};
    if (p->deciders)
        DT_TRY(dt_pool_run(p->deciders, decide, &(job_context){p, j}, j->block.count));
    if (p->columns && p->voters == 1)
        dt_probabilities(j->probability, j->logits[0], p->logits, p->decision.statistic_size,
                         j->block.count, p->decision.layout, p->options->temperature);
    return p->options->sink(p->options->context, &predicted);
}

static void *run_writer(void *argument)
{
    pipeline *p = argument;
    job *j;
    while ((j = take(p, &p->done, DT_LANE_WRITER))) {
        dt_profile_begin(p->options->profile, DT_LANE_WRITER, DT_PART_WRITING);
        const dt_status status = hand_over(p, j);
        dt_profile_end(p->options->profile, DT_LANE_WRITER);
        if (status != DT_OK)
            fail_pipeline(p, status);
        else
            dt_queue_put(&p->empty, j);
    }
    return NULL;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static dt_status create_job(const pipeline *p, job *j)
{
    const size_t sequences = (size_t)p->most;
    const size_t cells = sequences * (size_t)p->tax_ranks;
    DT_TRY(DT_NEW(j->cu_seqlens, sequences + 1));
    DT_TRY(DT_NEW(j->truth, cells));
    DT_TRY(DT_NEW(j->labels, cells));
    DT_TRY(DT_NEW(j->has_row, sequences));
    DT_TRY(DT_NEW(j->probability, sequences * (size_t)p->columns));
    for (int32_t v = 0; p->logits.count && v < p->voters; ++v)
        DT_TRY(dt_calloc(&j->logits[v], sequences * (size_t)p->logits.count,
                         (size_t)p->decision.statistic_size, "logits"));
    if (p->features) {
        DT_TRY(DT_NEW(j->vector, sequences * (size_t)p->features));
        DT_TRY(dt_calloc(&j->activations, sequences * (size_t)p->features,
                         (size_t)dt_model_backend(p->options->model)->activation_size,
                         "the sequences' vectors"));
    }
    if (p->decision.lineages)
        DT_TRY(DT_NEW(j->independent, cells));
    return DT_NEW(j->prediction, cells);
}

static void free_job(job *j, int32_t most)
{
    dt_sequence_block_free(&j->block, most);
    free(j->cu_seqlens);
    free(j->tokens);
    free(j->truth);
    free(j->labels);
    free(j->has_row);
    free(j->prediction);
    free(j->independent);
    for (int32_t v = 0; v < DT_MAX_VOTERS; ++v)
        free(j->logits[v]);
    free(j->probability);
    free(j->activations);
    free(j->vector);
}

/* Model v, the predictor's own or one of the others. */
static dt_voter voter(const dt_predictor *options, int32_t v)
{
    if (v > 0)
        return options->other[v - 1];
    return (dt_voter){.model = options->model, .temperature = options->temperature};
}

/* What is to be decided on the host, and of which logits. */
static dt_status plan_decisions(pipeline *p)
{
    const dt_predictor *options = p->options;
    const dt_class_layout *layout = dt_model_classes(options->model);
    p->decision = (dt_decision){.layout = layout,
                                .statistic_size = dt_model_backend(options->model)->statistic_size,
                                .voters = p->voters,
                                .lineages = options->lineages};
    for (int32_t v = 0; v < p->voters; ++v)
        p->decision.temperature[v] = voter(options, v).temperature;
    const bool decides = p->voters > 1 || options->lineages;
    p->columns = options->truth ? dt_probability_columns(layout) : 0;
    p->logits = options->truth ? dt_probability_logits(layout) : (dt_logit_range){0};
    if (decides || options->logits) {
        const int32_t most =
            options->batch_size > MOST_WITH_LOGITS ? options->batch_size : MOST_WITH_LOGITS;
        p->logits = (dt_logit_range){.count = layout->first[layout->tax_ranks]};
        p->most = p->most < most ? p->most : most;
    }
    if (!decides)
        return DT_OK;
    DT_TRY(dt_pool_create(&p->deciders, options->threads));
    const int threads = dt_pool_threads(p->deciders);
    DT_TRY(DT_NEW(p->memory, (size_t)threads));
    for (int t = 0; t < threads; ++t)
        DT_TRY(dt_decision_memory_create(&p->memory[t], &p->decision));
    return DT_NEW(p->unused, (size_t)p->most * (size_t)p->tax_ranks);
}

static dt_status open_classifiers(pipeline *p)
{
    for (int32_t v = 0; v < p->voters; ++v) {
        const dt_voter one = voter(p->options, v);
        DT_TRY(dt_classifier_open(&p->classifier[v], one.model, p->most, one.temperature, p->logits,
                                  v == 0 && p->features > 0));
    }
    return DT_OK;
}

static dt_status create_pipeline(pipeline *p)
{
    const dt_predictor *options = p->options;
    p->voters = 1 + options->others;
    p->most = dt_predictor_most_sequences(dt_model_backend(options->model), options->batch_size);
    if (options->vectors)
        p->features = dt_model_features(dt_model_config_of(options->model));
    DT_TRY(plan_decisions(p));
    DT_TRY(DT_NEW(p->piece_seqlens, (size_t)p->most + 1));
    for (int k = 0; k < JOBS; ++k) {
        DT_TRY(create_job(p, &p->jobs[k]));
        dt_queue_put(&p->empty, &p->jobs[k]);
    }
    return open_classifiers(p);
}

static void free_pipeline(pipeline *p)
{
    for (int32_t v = 0; v < p->voters; ++v)
        dt_classifier_close(&p->classifier[v]);
    for (int k = 0; k < JOBS; ++k)
        free_job(&p->jobs[k], p->most);
    free(p->piece_seqlens);
    for (int t = 0; p->memory && t < dt_pool_threads(p->deciders); ++t)
        dt_decision_memory_free(&p->memory[t]);
    free(p->memory);
    free(p->unused);
    dt_pool_destroy(p->deciders);
    dt_queue_destroy(&p->empty);
    dt_queue_destroy(&p->ready);
    dt_queue_destroy(&p->done);
    pthread_mutex_destroy(&p->mutex);
}

/* Starts the outer stages, works as the middle one, and waits for the others. */
static void run_stages(pipeline *p)
{
    pthread_t reader;
    pthread_t writer;
    if (pthread_create(&reader, NULL, run_reader, p) != 0) {
        fail_pipeline(p, dt_fail(DT_ERR_MEMORY, "cannot start the thread that reads"));
        return;
    }
    if (pthread_create(&writer, NULL, run_writer, p) != 0) {
        fail_pipeline(p, dt_fail(DT_ERR_MEMORY, "cannot start the thread that writes"));
    } else {
        run_device(p);
        pthread_join(writer, NULL);
    }
    pthread_join(reader, NULL);
}

int32_t dt_predictor_most_sequences(const dt_backend *backend, int32_t batch_size)
{
    if (backend->host_memory || batch_size >= MOST_SEQUENCES)
        return batch_size;
    return batch_size < MOST_SEQUENCES / SHORT_SEQUENCES ? batch_size * SHORT_SEQUENCES
                                                         : MOST_SEQUENCES;
}

int64_t dt_predictor_most_tokens(const dt_backend *backend, int32_t batch_size, int32_t max_length)
{
    const int64_t all = (int64_t)batch_size * max_length;
    const int64_t enough = max_length > HOST_PIECE_TOKENS ? max_length : HOST_PIECE_TOKENS;
    return backend->host_memory && all > enough ? enough : all;
}

dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input,
                           dt_predictor_counts *counts)
{
    const dt_model_config *config = dt_model_config_of(predictor->model);
    pipeline *p;
    DT_TRY(DT_NEW(p, 1));
    p->options = predictor;
    p->input = input;
    p->tax_ranks = config->tax_ranks;
    p->max_length = config->max_length;
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
