/* How fast is a training step, compared with the machine's matrix product alone?
 *
 *     bench_train_step [--batch N] [--tokens LOW HIGH] [--micro N] [--threads N] [--repeats N]
 *                      [--json FILE]
 *
 * Runs forward, backward and update of the default model on random sequences of LOW … HIGH tokens
 * (default 263 … 367: full-length 16S with DNABERT-2's tokenizer), alternately with cblas_sgemm on
 * 2048 × 2048 matrices, and prints medians, the achieved rate of required work, and the ratio.
 */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tests/gpu/real_model.h"
#include "backend.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/pool.h"
#include "core/update_rule.h"
#include "layers.h"
#include "model/model.h"
#include "report.h"
#include "model/work.h"

#define SGEMM_SIZE 2048
#define MAX_REPEATS 101

typedef struct {
    int32_t batch, micro, low, high, repeats, threads;
    const char *json;
} options;

typedef struct {
    dt_backend *backend;
    dt_model *model;
    dt_loss loss;
    int32_t *token_ids, *cu_seqlens, *labels;
    int32_t sequences;
    double work; /* floating-point operations of one step */
} bench;

static int32_t draw_between(uint32_t index, int32_t low, int32_t high)
{
    const uint32_t choices = high > low ? (uint32_t)(high - low) + 1 : 1;
    uint32_t bits[4];
    dt_philox(1, 2, index, 0, 0, 0, bits);
    return low + (int32_t)(bits[0] % choices);
}

static dt_status make_batch(bench *b, const options *o, const dt_model_config *config)
{
    DT_TRY(DT_NEW(b->token_ids, (size_t)o->batch * (size_t)o->high));
    DT_TRY(DT_NEW(b->cu_seqlens, (size_t)o->batch + 1));
    DT_TRY(DT_NEW(b->labels, (size_t)o->batch * (size_t)config->tax_ranks));
    b->sequences = o->batch;
    uint32_t index = 0;
    for (int32_t s = 0; s < o->batch; ++s) {
        const int32_t tokens = draw_between(index++, o->low, o->high);
        b->cu_seqlens[s + 1] = b->cu_seqlens[s] + tokens;
        for (int32_t t = b->cu_seqlens[s]; t < b->cu_seqlens[s + 1]; ++t)
            b->token_ids[t] = draw_between(index++, 5, config->vocabulary - 1);
        for (int32_t r = 0; r < config->tax_ranks; ++r)
            b->labels[s * config->tax_ranks + r] = draw_between(index++, 0, config->classes[r] - 1);
        b->work += 3.0 * dt_forward_work(config, tokens);
    }
    return DT_OK;
}

static dt_status make(bench *b, const options *o)
{
    const dt_model_config config = published_config();
    DT_TRY(dt_backend_open("cpu", &(dt_backend_options){.threads = o->threads}, &b->backend));
    DT_TRY(dt_model_create(&b->model, &config, b->backend, true));
    DT_TRY(dt_model_reserve(b->model, o->micro, (int64_t)o->micro * o->high));
    dt_pool *pool;
    DT_TRY(dt_pool_create(&pool, 2));
    DT_TRY(dt_params_init(dt_model_params(b->model), b->backend, 42, pool));
    dt_pool_destroy(pool);
    const dt_update_state state = {.loss_scale = 1.0};
    b->backend->ops->state_write(b->backend, &state);
    b->loss = (dt_loss){.classes = *dt_model_classes(b->model)};
    return make_batch(b, o, &config);
}

static dt_status step(bench *b, const options *o)
{
    const dt_backend_ops *op = b->backend->ops;
    const dt_update_rule rule = {.learning_rate = 5e-4,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .weight_decay = 0.01,
                                 .max_grad_norm = 0.5,
                                 .warmup_steps = 100,
                                 .total_steps = 1000};
    int32_t cu_seqlens[1024];
    const int32_t tax_ranks = dt_model_config_of(b->model)->tax_ranks;
    op->gradients_zero(b->backend);
    for (int32_t first = 0; first < b->sequences; first += o->micro) {
        const int32_t count = b->sequences - first < o->micro ? b->sequences - first : o->micro;
        dt_batch batch = {.sequences = count,
                          .tax_ranks = tax_ranks,
                          .token_ids = b->token_ids + b->cu_seqlens[first],
                          .cu_seqlens = cu_seqlens,
                          .labels = b->labels + (int64_t)first * tax_ranks,
                          .seed = 42,
                          .first_sequence = first};
        for (int32_t s = 0; s <= count; ++s)
            cu_seqlens[s] = b->cu_seqlens[first + s] - b->cu_seqlens[first];
        for (int32_t r = 0; r < tax_ranks; ++r)
            batch.loss_scale[r] = 1.0 / b->sequences;
        const dt_device_batch *on_device = op->batch_upload(b->backend, &batch);
        dt_model_forward(b->model, on_device, true);
        DT_TRY(dt_model_backward(b->model, on_device, &b->loss, NULL, NULL));
    }
    op->update(b->backend, dt_model_params(b->model)->trained, &rule);
    return op->sync(b->backend);
}

/* Returns the kernels that OpenBLAS selected; other CBLAS libraries may lack this function. */
extern char *openblas_get_corename(void) __attribute__((weak));

static double sgemm_seconds(const float *a, const float *x, float *y)
{
    const double began = dt_seconds();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SGEMM_SIZE, SGEMM_SIZE, SGEMM_SIZE, 1.0f,
                a, SGEMM_SIZE, x, SGEMM_SIZE, 0.0f, y, SGEMM_SIZE);
    return dt_seconds() - began;
}

static dt_status report_results(const bench *b, const options *o, double step_seconds,
                                double product_rate)
{
    dt_report report = {.benchmark = "train_step"};
    const double step_rate = b->work / step_seconds * 1e-9;
    dt_report_note(&report, "batch %d in micro-batches of %d, %d to %d tokens, %s", o->batch,
                   o->micro, o->low, o->high, b->backend->description);
    dt_report_note(&report, "cblas_sgemm: %s",
                   openblas_get_corename ? openblas_get_corename() : "not OpenBLAS's");
    dt_report_add(&report, "one step, median", step_seconds, "s");
    dt_report_add(&report, "needed work of a step", b->work * 1e-9, "GFLOP");
    dt_report_add(&report, "achieved", step_rate, "GFLOP/s");
    dt_report_add(&report, "cblas_sgemm alone, 2048 x 2048 x 2048", product_rate, "GFLOP/s");
    dt_report_add(&report, "achieved / sgemm", step_rate / product_rate, "");
    return dt_report_publish(&report, o->json);
}

static dt_status measure(bench *b, const options *o)
{
    const size_t elements = (size_t)SGEMM_SIZE * SGEMM_SIZE;
    float *matrix[3];
    double steps[MAX_REPEATS];
    double products[MAX_REPEATS];
    for (int m = 0; m < 3; ++m) {
        DT_TRY(DT_NEW(matrix[m], elements));
        for (size_t i = 0; i < elements; ++i)
            matrix[m][i] = 1e-6f * (float)draw_between((uint32_t)i, -1000000, 1000000);
    }
    DT_TRY(step(b, o)); /* warm up */
    sgemm_seconds(matrix[0], matrix[1], matrix[2]);
    for (int i = 0; i < o->repeats; ++i) {
        double fastest = 1e30;
        for (int j = 0; j < 5; ++j) {
            const double seconds = sgemm_seconds(matrix[0], matrix[1], matrix[2]);
            fastest = seconds < fastest ? seconds : fastest;
        }
        products[i] = fastest;
        const double began = dt_seconds();
        DT_TRY(step(b, o));
        steps[i] = dt_seconds() - began;
    }
    const double product_rate =
        2.0 * SGEMM_SIZE * SGEMM_SIZE * SGEMM_SIZE / dt_median(products, o->repeats) * 1e-9;
    const double step_seconds = dt_median(steps, o->repeats);
    for (int m = 0; m < 3; ++m)
        free(matrix[m]);
    return report_results(b, o, step_seconds, product_rate);
}

/* Restarts the program without the variables that make OpenBLAS use kernels for another processor:
 * it has read them when it was loaded. */
static void take_own_kernels(char **argv)
{
    if (!getenv("OPENBLAS_CORETYPE") && !getenv("OPENBLAS_L2_SIZE"))
        return;
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    execv("/proc/self/exe", argv);
}

static int parse(options *o, int argc, char **argv)
{
    *o = (options){.batch = 8, .low = 263, .high = 367, .repeats = 5};
    for (int i = 1; i + 1 < argc; i += 2) {
        const int value = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--batch") == 0)
            o->batch = value;
        else if (strcmp(argv[i], "--micro") == 0)
            o->micro = value;
        else if (strcmp(argv[i], "--threads") == 0)
            o->threads = value;
        else if (strcmp(argv[i], "--repeats") == 0)
            o->repeats = value;
        else if (strcmp(argv[i], "--json") == 0)
            o->json = argv[i + 1];
        else if (strcmp(argv[i], "--tokens") == 0 && i + 2 < argc) {
            o->low = value;
            o->high = atoi(argv[++i + 1]);
        } else {
            return 0;
        }
    }
    if (o->micro <= 0 || o->micro > o->batch)
        o->micro = o->batch < 24 ? o->batch : 24;
    return o->batch > 0 && o->batch <= 1000 && o->repeats > 0 && o->repeats <= MAX_REPEATS &&
           o->low > 1 && o->low <= o->high && o->high <= 512;
}

int main(int argc, char **argv)
{
    take_own_kernels(argv);
    options o;
    bench b = {0};
    if (!parse(&o, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--batch N] [--tokens LOW HIGH] [--micro N] [--threads N] "
                "[--repeats N] [--json FILE]\n",
                argv[0]);
        return 2;
    }
    dt_status status = make(&b, &o);
    if (status == DT_OK)
        status = measure(&b, &o);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    return dt_exit_status(status);
}
