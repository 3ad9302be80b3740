#include "predict/predictor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pool.h"
#include "predict/probability.h"
#include "predict/queue.h"
#include "sequence/normalize.h"

#define JOBS 4 /* batches in flight: read, waiting, computed, written */

/* One batch on its way through the stages. */
typedef struct {
    int32_t sequences;
    dt_fasta_record *record;   /* (batch_size) reused from batch to batch */
    int64_t *slot;             /* (batch_size) where a sequence's tokens are put in `tokens` */
    int32_t *cu_seqlens;       /* (batch_size + 1) */
    int32_t *tokens;           /* packed once all are encoded */
    size_t token_capacity;     /* of `tokens` */
    int32_t *truth;            /* (batch_size, tax_ranks) */
    int32_t *labels;           /* the same where the model knows them, else -1 */
    bool *has_row;             /* (batch_size) */
    dt_prediction *prediction; /* (batch_size, tax_ranks) */
    float *probability;        /* (batch_size, columns) with truth, else empty */
} job;

typedef struct {
    const dt_predictor *options;
    dt_fasta *input;
    int32_t tax_ranks;
    int32_t max_length;
    dt_pool *pool;
    dt_encoder **encoder;             /* (threads) */
    dt_prediction *device_prediction; /* (batch_size, tax_ranks) on the device */
    int32_t columns;                  /* of the probabilities; 0: not wanted */
    void *logits;                     /* (batch_size, classes) on the host, if they are */
    job jobs[JOBS];
    dt_queue empty; /* jobs to fill */
    dt_queue ready; /* to compute */
    dt_queue done;  /* to hand to the sink */
    int64_t sequences;

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

/* ---- first stage: read and tokenise -----------------------------------------------------------
 */

static dt_status normalize_record(pipeline *p, dt_fasta_record *record)
{
    if (!p->options->normalize)
        return DT_OK;
    dt_text *sequence = &record->sequence;
    sequence->length = dt_normalize(sequence->data, sequence->length);
    sequence->data[sequence->length] = '\0';
    if (!sequence->length)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: sequence '%s' holds nothing but gap characters; remove it",
                       dt_fasta_name(p->input), (long long)record->line, record->id.data);
    return DT_OK;
}

/* Fills the job with the next records; `job->sequences` is 0 at the end of the input. */
static dt_status read_job(pipeline *p, job *j)
{
    const int32_t batch_size = p->options->batch_size;
    int64_t room = 0;
    for (j->sequences = 0; j->sequences < batch_size; ++j->sequences) {
        dt_fasta_record *record = &j->record[j->sequences];
        bool found;
        DT_TRY(dt_fasta_next(p->input, record, &found));
        if (!found)
            break;
        DT_TRY(normalize_record(p, record));
        /* no more tokens than bytes, and the specials around them */
        const int64_t most = (int64_t)record->sequence.length + 2 * (int64_t)DT_MAX_AFFIX;
        j->slot[j->sequences] = room;
        room += most < p->max_length ? most : p->max_length;
    }
    return DT_GROW(j->tokens, j->token_capacity, (size_t)room);
}

typedef struct {
    pipeline *p;
    job *j;
} encode_context;

/* Piece `i` of the pool's work: the tokens and true labels of sequence i. */
static dt_status encode(void *context, int64_t i, int worker)
{
    pipeline *p = ((encode_context *)context)->p;
    job *j = ((encode_context *)context)->j;
    const dt_fasta_record *record = &j->record[i];
    const uint16_t *tokens;
    int32_t count;
    DT_TRY(dt_encoder_encode(p->encoder[worker], record->sequence.data, record->sequence.length,
                             p->max_length, &tokens, &count));
    for (int32_t t = 0; t < count; ++t)
        j->tokens[j->slot[i] + t] = tokens[t];
    j->cu_seqlens[i + 1] = count; /* summed up when all are there */
    if (!p->options->truth)
        return DT_OK;
    int32_t *truth = j->truth + i * p->tax_ranks;
    int32_t *labels = j->labels + i * p->tax_ranks;
    j->has_row[i] = dt_truth_find(p->options->truth, record->id.data, record->id.length, truth);
    for (int32_t r = 0; r < p->tax_ranks; ++r)
        labels[r] = truth[r] < p->options->truth->model->rank[r].classes ? truth[r] : -1;
    return DT_OK;
}

/* Moves the tokens of all sequences together. */
static void pack(job *j)
{
    j->cu_seqlens[0] = 0;
    for (int32_t i = 0; i < j->sequences; ++i) {
        const int32_t count = j->cu_seqlens[i + 1];
        memmove(j->tokens + j->cu_seqlens[i], j->tokens + j->slot[i],
                (size_t)count * sizeof *j->tokens);
        j->cu_seqlens[i + 1] = j->cu_seqlens[i] + count;
    }
}

static void *run_reader(void *argument)
{
    pipeline *p = argument;
    job *j;
    while ((j = dt_queue_take(&p->empty))) {
        dt_status status = read_job(p, j);
        if (status == DT_OK)
            status = dt_pool_run(p->pool, encode, &(encode_context){p, j}, j->sequences);
        if (status != DT_OK) {
            fail_pipeline(p, status);
            break;
        }
        if (!j->sequences)
            break;
        pack(j);
        if (!dt_queue_put(&p->ready, j))
            break;
    }
    dt_queue_end(&p->ready);
    return NULL;
}

/* ---- second stage: compute --------------------------------------------------------------------
 */

/* What the measures need of the logits themselves. */
static void take_probabilities(pipeline *p, job *j, const void *device_logits)
{
    dt_backend *backend = dt_model_backend(p->options->model);
    const dt_class_layout *layout = dt_model_classes(p->options->model);
    const int64_t classes = layout->first[layout->tax_ranks];
    backend->ops->download(backend, p->logits, device_logits,
                           j->sequences * classes * backend->statistic_size);
    dt_probabilities(j->probability, p->logits, backend->statistic_size, j->sequences, layout,
                     p->options->temperature);
}

static dt_status compute(pipeline *p, job *j)
{
    dt_model *model = p->options->model;
    dt_backend *backend = dt_model_backend(model);
    const dt_backend_ops *ops = backend->ops;
    const dt_batch batch = {.sequences = j->sequences,
                            .tax_ranks = p->tax_ranks,
                            .token_ids = j->tokens,
                            .cu_seqlens = j->cu_seqlens,
                            .labels = p->options->truth ? j->labels : NULL};
    const dt_device_batch *device = ops->batch_upload(backend, &batch);
    DT_TRY(ops->check(backend));
    const void *logits = dt_model_forward(model, device, false);
    ops->classify(backend, p->device_prediction, logits, device, dt_model_classes(model),
                  p->options->temperature);
    ops->download(backend, j->prediction, p->device_prediction,
                  (int64_t)j->sequences * p->tax_ranks * (int64_t)sizeof(dt_prediction));
    if (p->columns)
        take_probabilities(p, j, logits);
    p->sequences += j->sequences;
    return ops->check(backend);
}

static void run_device(pipeline *p)
{
    job *j;
    while ((j = dt_queue_take(&p->ready))) {
        const dt_status status = compute(p, j);
        if (status != DT_OK)
            fail_pipeline(p, status);
        else
            dt_queue_put(&p->done, j);
    }
    dt_queue_end(&p->done);
}

/* ---- third stage: hand over -------------------------------------------------------------------
 */

static void *run_writer(void *argument)
{
    pipeline *p = argument;
    const bool truth = p->options->truth != NULL;
    job *j;
    while ((j = dt_queue_take(&p->done))) {
        const dt_predicted predicted = {.sequences = j->sequences,
                                        .tax_ranks = p->tax_ranks,
                                        .record = j->record,
                                        .truth = truth ? j->truth : NULL,
                                        .has_row = truth ? j->has_row : NULL,
                                        .prediction = j->prediction,
                                        .probability = truth ? j->probability : NULL};
        const dt_status status = p->options->sink(p->options->context, &predicted);
        if (status != DT_OK)
            fail_pipeline(p, status);
        else
            dt_queue_put(&p->empty, j);
    }
    return NULL;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static dt_status create_job(job *j, int32_t batch_size, int32_t tax_ranks, int32_t columns)
{
    const size_t sequences = (size_t)batch_size;
    const size_t cells = sequences * (size_t)tax_ranks;
    DT_TRY(DT_NEW(j->record, sequences));
    DT_TRY(DT_NEW(j->slot, sequences));
    DT_TRY(DT_NEW(j->cu_seqlens, sequences + 1));
    DT_TRY(DT_NEW(j->truth, cells));
    DT_TRY(DT_NEW(j->labels, cells));
    DT_TRY(DT_NEW(j->has_row, sequences));
    DT_TRY(DT_NEW(j->probability, sequences * (size_t)columns));
    return DT_NEW(j->prediction, cells);
}

static void free_job(job *j, int32_t batch_size)
{
    for (int32_t i = 0; j->record && i < batch_size; ++i)
        dt_fasta_record_free(&j->record[i]);
    free(j->record);
    free(j->slot);
    free(j->cu_seqlens);
    free(j->tokens);
    free(j->truth);
    free(j->labels);
    free(j->has_row);
    free(j->prediction);
    free(j->probability);
}

static dt_status create_pipeline(pipeline *p)
{
    const dt_predictor *options = p->options;
    dt_backend *backend = dt_model_backend(options->model);
    const dt_class_layout *layout = dt_model_classes(options->model);
    p->columns = options->truth ? dt_probability_columns(layout) : 0;
    if (p->columns)
        DT_TRY(dt_calloc(&p->logits, (size_t)options->batch_size,
                         (size_t)layout->first[layout->tax_ranks] * (size_t)backend->statistic_size,
                         "logits"));
    DT_TRY(dt_pool_create(&p->pool, options->threads));
    const int threads = dt_pool_threads(p->pool);
    DT_TRY(DT_NEW(p->encoder, (size_t)threads));
    for (int t = 0; t < threads; ++t)
        DT_TRY(dt_encoder_create(&p->encoder[t], options->tokenizer));
    for (int k = 0; k < JOBS; ++k) {
        DT_TRY(create_job(&p->jobs[k], options->batch_size, p->tax_ranks, p->columns));
        dt_queue_put(&p->empty, &p->jobs[k]);
    }
    return backend->ops->alloc(backend, (void **)&p->device_prediction,
                               (int64_t)options->batch_size * p->tax_ranks *
                                   (int64_t)sizeof(dt_prediction));
}

static void free_pipeline(pipeline *p)
{
    dt_backend *backend = dt_model_backend(p->options->model);
    backend->ops->free(backend, p->device_prediction);
    for (int k = 0; k < JOBS; ++k)
        free_job(&p->jobs[k], p->options->batch_size);
    for (int t = 0; p->encoder && t < dt_pool_threads(p->pool); ++t)
        dt_encoder_destroy(p->encoder[t]);
    free(p->encoder);
    free(p->logits);
    dt_pool_destroy(p->pool);
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

dt_status dt_predictor_run(const dt_predictor *predictor, dt_fasta *input, int64_t *sequences)
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
    if (sequences)
        *sequences = p->sequences;
    free_pipeline(p);
    free(p);
    return status;
}
