/* How fast is the forward pass of an evaluation?
 *
 *     bench_evaluation [--device cpu] [--sequences N] [--batch N] [--tokens LOW] [--to HIGH]
 *                      [--repeats N] [--json FILE]
 *
 * Evaluates the default model, with Greengenes2's classes, on synthetic sequences of LOW … HIGH
 * tokens (default 263 … 367: full-length 16S with DNABERT-2's tokenizer), including the metrics, as
 * training does after an epoch; alternately with the largest matrix product of the model, (batch ·
 * HIGH) tokens times the feed-forward weights. Prints medians.
 */
#include "../tests/gpu/real_model.h"
#include "arguments.h"
#include "comm.h"
#include "core/clock.h"
#include "eval/evaluate.h"
#include "report.h"
#include "model/work.h"

#define MAX_REPEATS 101

typedef struct {
    const char *device, *json;
    int sequences, batch, low, high, repeats;
} options;

typedef struct {
    options o;
    dt_model_config config;
    real_subject subject;
    dt_dataset dataset;
    dt_comm *comm;
    dt_batch_memory memory;
    dt_objective objective;
    int64_t *indices;
    void *in, *out; /* of the matrix product */
    double work;    /* floating-point operations of the forward pass over all sequences */
    double tokens;
} bench;

static dt_status make_dataset(bench *b)
{
    real_data data;
    dt_dataset *set = &b->dataset;
    const int32_t ranks = b->config.tax_ranks;
    DT_TRY(real_data_make(&data, &b->config, b->o.sequences, b->o.sequences, b->o.low, b->o.high));
    const int64_t tokens = data.cu_seqlens[data.sequences];
    set->count = data.sequences;
    set->suffix_count = 1;
    set->taxonomy.tax_ranks = ranks;
    DT_TRY(DT_NEW(set->tokens, (size_t)tokens));
    DT_TRY(DT_NEW(set->offsets, (size_t)set->count + 1));
    DT_TRY(DT_NEW(b->indices, (size_t)set->count));
    for (int64_t t = 0; t < tokens; ++t)
        set->tokens[t] = (uint16_t)data.token_ids[t];
    for (int64_t s = 0; s < set->count; ++s) {
        b->indices[s] = s;
        set->offsets[s + 1] = data.cu_seqlens[s + 1];
        b->work += dt_forward_work(&b->config, set->offsets[s + 1] - set->offsets[s]);
    }
    set->labels = data.labels;
    data.labels = NULL; /* owned by the dataset from here on */
    b->tokens = (double)tokens;
    real_data_free(&data);
    return DT_OK;
}

static dt_status make(bench *b)
{
    b->config = real_config();
    DT_TRY(make_dataset(b));
    DT_TRY(real_open(&b->subject, b->o.device, &(dt_backend_options){0}, &b->config, b->o.batch,
                     b->o.high));
    DT_TRY(dt_comm_single(&b->comm));
    DT_TRY(b->comm->ops->attach(b->comm, b->subject.backend));
    b->objective = (dt_objective){.classes = *dt_model_classes(b->subject.model)};
    for (int32_t r = 0; r < b->config.tax_ranks; ++r)
        b->objective.level_weight[r] = 1.0;
    dt_backend *backend = b->subject.backend;
    const int64_t rows = (int64_t)b->o.batch * b->o.high;
    DT_TRY(
        backend->ops->alloc(backend, &b->in, rows * b->config.hidden * backend->activation_size));
    DT_TRY(backend->ops->alloc(backend, &b->out,
                               rows * b->config.intermediate * backend->activation_size));
    return dt_batch_memory_create(&b->memory, b->o.batch, rows, b->config.tax_ranks);
}

static void unmake(bench *b)
{
    if (b->comm)
        b->comm->ops->destroy(b->comm);
    if (b->subject.backend) {
        b->subject.backend->ops->free(b->subject.backend, b->in);
        b->subject.backend->ops->free(b->subject.backend, b->out);
    }
    if (b->subject.model)
        real_close(&b->subject);
    dt_batch_memory_free(&b->memory);
    dt_dataset_free(&b->dataset);
    free(b->indices);
}

static dt_status evaluate(bench *b, double *seconds)
{
    dt_evaluation result;
    const dt_evaluation_job job = {.model = b->subject.model,
                                   .comm = b->comm,
                                   .dataset = &b->dataset,
                                   .indices = b->indices,
                                   .count = b->dataset.count,
                                   .objective = &b->objective,
                                   .memory = &b->memory};
    const double began = dt_seconds();
    DT_TRY(dt_evaluate(&result, &job));
    *seconds = dt_seconds() - began;
    return DT_OK;
}

/* Measures the floating-point operations per second of one feed-forward product. */
static dt_status product(bench *b, double *rate)
{
    dt_backend *backend = b->subject.backend;
    const int64_t rows = (int64_t)b->o.batch * b->o.high;
    const double work = 2.0 * (double)rows * b->config.hidden * b->config.intermediate;
    DT_TRY(backend->ops->sync(backend));
    const double began = dt_seconds();
    for (int i = 0; i < 3; ++i)
        backend->ops->linear_forward(backend, b->out, b->in, 0, 0, rows, b->config.hidden,
                                     b->config.intermediate);
    DT_TRY(backend->ops->sync(backend));
    *rate = 3.0 * work / (dt_seconds() - began);
    return DT_OK;
}

static dt_status measure(bench *b)
{
    static double seconds[MAX_REPEATS];
    static double rates[MAX_REPEATS];
    dt_report report = {.benchmark = "evaluation"};
    DT_TRY(evaluate(b, &seconds[0])); /* warm up */
    DT_TRY(product(b, &rates[0]));
    for (int i = 0; i < b->o.repeats; ++i) {
        DT_TRY(product(b, &rates[i]));
        DT_TRY(evaluate(b, &seconds[i]));
    }
    const double took = dt_median(seconds, b->o.repeats);
    const double rate = dt_median(rates, b->o.repeats);
    dt_report_note(&report, "%d sequences of %d to %d tokens, batches of %d, %s", b->o.sequences,
                   b->o.low, b->o.high, b->o.batch, b->subject.backend->description);
    dt_report_add(&report, "evaluation", took, "s");
    dt_report_add(&report, "evaluation", b->o.sequences / took, "sequences/s");
    dt_report_add(&report, "evaluation", b->tokens / took, "tokens/s");
    dt_report_add(&report, "needed work", 1e-9 * b->work, "GFLOP");
    dt_report_add(&report, "achieved", 1e-9 * b->work / took, "GFLOP/s");
    dt_report_add(&report, "a matrix product of the feed-forward alone", 1e-9 * rate, "GFLOP/s");
    dt_report_add(&report, "achieved / matrix product", b->work / took / rate, "");
    return dt_report_publish(&report, b->o.json);
}

int main(int argc, char **argv)
{
    bench b = {.o = {.device = "cpu", .sequences = 64, .batch = 64, .repeats = 3}};
    options *o = &b.o;
    real_lengths(&o->low, &o->high);
    const dt_argument arguments[] = {
        {"--device", &o->device, NULL, 0}, {"--sequences", NULL, &o->sequences, 1},
        {"--batch", NULL, &o->batch, 1},   {"--tokens", NULL, &o->low, 3},
        {"--to", NULL, &o->high, 3},       {"--repeats", NULL, &o->repeats, 1},
        {"--json", &o->json, NULL, 0},
    };
    if (!dt_arguments_read(arguments, sizeof arguments / sizeof *arguments, argc, argv))
        return 2;
    o->repeats = o->repeats < MAX_REPEATS ? o->repeats : MAX_REPEATS;
    if (o->high < o->low || o->high > 512) {
        fprintf(stderr, "%s: --tokens LOW --to HIGH: at most 512, LOW first\n", argv[0]);
        return 2;
    }
    dt_status status = make(&b);
    if (status == DT_OK)
        status = measure(&b);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    unmake(&b);
    return dt_exit_status(status);
}
