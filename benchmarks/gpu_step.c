/* Where does the time of a training step on a GPU go, and how close is it to the peak of the GPU?
 *
 *     gpu_step [--device cuda] [--precision bf16] [--attention auto] [--batch 64]
 *              [--tokens LOW HIGH] [--repeats 15] [--steps 5] [--beside COMMAND] [--output FILE]
 *
 * Makes updates of the default model as `deeptaxa train` does (dt_stepper_update) on synthetic
 * sequences of LOW … HIGH tokens (default 263 … 367: full-length 16S). Times `steps` of them at a
 * time, alternately with the largest matrix product that fits the parameters and with COMMAND
 * (beside.h), and prints medians, ratios of pairs, and the time of each operation in a step. If
 * COMMAND fails, measures without it, and ends with 1.
 * DEEPTAXA_TEST_SIZE=small makes everything tiny, for tests (--device cpu or cuda_on_cpu).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/gpu/real_model.h"
#include "beside.h"
#include "comm.h"
#include "core/clock.h"
#include "io/json_writer.h"
#include "profile/profiled_backend.h"
#include "train/step.h"
#include "model/work.h"

#define MAX_REPEATS 101
#define TRACED_STEPS 5

typedef struct {
    const char *device, *precision, *attention, *beside, *output;
    int32_t batch, low, high, repeats, steps;
} options;

typedef struct {
    options o;
    dt_model_config config;
    real_subject subject;
    dt_dataset dataset;
    dt_sampler sampler;
    dt_comm *comm;
    dt_run_settings settings;
    dt_stepper stepper;
    dt_objective objective;
    int64_t *items;
    int64_t micro_steps;
    double work; /* required floating-point operations per step */
    dt_beside beside;
    bool beside_failed;
    dt_profile *profile;         /* of TRACED_STEPS steps */
    int64_t side;                /* of the matrix product */
    void *product_x, *product_y; /* (side, side) */
} bench;

typedef struct {
    int32_t count;
    double step[MAX_REPEATS], product[MAX_REPEATS], other[MAX_REPEATS], ratio[MAX_REPEATS];
} figures;

/* ---- what is measured --------------------------------------------------------------------------
 */

/* Creates a dataset of synthetic sequences in memory. */
static dt_status make_dataset(bench *b)
{
    real_data data;
    dt_dataset *set = &b->dataset;
    DT_TRY(real_data_make(&data, &b->config, b->o.batch, b->o.batch, b->o.low, b->o.high));
    const int64_t tokens = data.cu_seqlens[data.sequences];
    set->count = data.sequences;
    set->suffix_count = 1;
    dt_status status = DT_NEW(set->tokens, (size_t)tokens);
    if (status == DT_OK)
        status = DT_NEW(set->offsets, (size_t)set->count + 1);
    if (status == DT_OK)
        status = DT_NEW(set->labels, (size_t)(set->count * b->config.tax_ranks));
    if (status == DT_OK) {
        for (int64_t t = 0; t < tokens; ++t)
            set->tokens[t] = (uint16_t)data.token_ids[t];
        for (int64_t s = 0; s <= set->count; ++s)
            set->offsets[s] = data.cu_seqlens[s];
        for (int64_t s = 0; s < set->count; ++s)
            b->work += 3.0 * dt_forward_work(&b->config, set->offsets[s + 1] - set->offsets[s]);
        memcpy(set->labels, data.labels,
               (size_t)(set->count * b->config.tax_ranks) * sizeof *set->labels);
        set->taxonomy.tax_ranks = b->config.tax_ranks;
    }
    real_data_free(&data);
    return status;
}

static dt_status make_stepper(bench *b)
{
    DT_TRY(DT_NEW(b->items, (size_t)b->o.batch));
    for (int32_t i = 0; i < b->o.batch; ++i)
        b->items[i] = i;
    DT_TRY(dt_sampler_create(&b->sampler, b->items, b->o.batch, 42));
    DT_TRY(dt_comm_single(&b->comm));
    DT_TRY(b->comm->ops->attach(b->comm, b->subject.backend));
    b->settings = (dt_run_settings){.seed = 42,
                                    .epochs = 1,
                                    .batch_size = b->o.batch,
                                    .accum_steps = 1,
                                    .micro_batch = b->o.batch,
                                    .rule = {.learning_rate = 5e-4,
                                             .beta1 = 0.9,
                                             .beta2 = 0.999,
                                             .eps = 1e-8,
                                             .weight_decay = 0.01,
                                             .max_grad_norm = 0.5,
                                             .warmup_steps = 100,
                                             .total_steps = 1000000}};
    b->stepper = (dt_stepper){.model = b->subject.model,
                              .comm = b->comm,
                              .dataset = &b->dataset,
                              .sampler = &b->sampler,
                              .settings = &b->settings,
                              .objective = &b->objective,
                              .loss = {.classes = *dt_model_classes(b->subject.model)}};
    b->objective = (dt_objective){.classes = b->stepper.loss.classes};
    for (int32_t r = 0; r < b->config.tax_ranks; ++r)
        b->objective.level_weight[r] = 1.0;
    return dt_batch_memory_create(&b->stepper.memory, b->o.batch, b->dataset.offsets[b->o.batch],
                                  b->config.tax_ranks);
}

/* Creates random matrices; the weights are the model's first parameters. */
static dt_status make_product(bench *b)
{
    dt_backend *backend = b->subject.backend;
    const int64_t elements = dt_model_params(b->subject.model)->elements;
    b->side = 8192;
    while (b->side * b->side + b->side > elements)
        b->side /= 2;
    const int64_t bytes = b->side * b->side * backend->activation_size;
    uint16_t *values;
    DT_TRY(DT_NEW(values, (size_t)bytes / sizeof *values));
    for (int64_t i = 0; i < bytes / 2; ++i) /* 0.25 … 2 in every precision */
        values[i] = (uint16_t)(real_draw(6, (uint32_t)i) & 0x807f) | 0x3f00;
    dt_status status = backend->ops->alloc(backend, &b->product_x, bytes);
    if (status == DT_OK)
        status = backend->ops->alloc(backend, &b->product_y, bytes);
    if (status == DT_OK)
        backend->ops->upload(backend, b->product_x, values, bytes);
    free(values);
    return status;
}

static dt_status attention_of(const char *name, dt_attention_method *method)
{
    static const char *const names[] = {[DT_ATTENTION_AUTO] = "auto",
                                        [DT_ATTENTION_FUSED] = "fused",
                                        [DT_ATTENTION_CUDNN] = "cudnn",
                                        [DT_ATTENTION_PLAIN] = "plain"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strcmp(name, names[i]) == 0) {
            *method = (dt_attention_method)i;
            return DT_OK;
        }
    return dt_fail(DT_ERR_USAGE, "--attention %s: use auto, fused, cudnn or plain", name);
}

/* Continues without the program beside: its failure loses no measurement of ours. */
static void leave_beside(bench *b)
{
    fprintf(stderr, "%s; measured without it\n", dt_error_message());
    dt_beside_stop(&b->beside);
    b->o.beside = NULL;
    b->beside_failed = true;
}

static dt_status make(bench *b)
{
    const dt_precision precision = strcmp(b->o.precision, "fp32") == 0   ? DT_PRECISION_FP32
                                   : strcmp(b->o.precision, "fp16") == 0 ? DT_PRECISION_FP16
                                                                         : DT_PRECISION_BF16;
    dt_attention_method attention = DT_ATTENTION_AUTO;
    DT_TRY(attention_of(b->o.attention, &attention));
    b->config = real_config();
    /* before this process starts threads and uses the GPU */
    if (b->o.beside && dt_beside_start(&b->beside, b->o.beside) != DT_OK)
        leave_beside(b);
    DT_TRY(make_dataset(b));
    DT_TRY(dt_profile_create(&b->profile, false));
    dt_profile_run(b->profile, false);
    DT_TRY(dt_backend_open(b->o.device,
                           &(dt_backend_options){.precision = precision, .attention = attention},
                           &b->subject.backend));
    DT_TRY(dt_profiled_backend(b->subject.backend, b->profile));
    DT_TRY(real_make(&b->subject, &b->config, b->o.batch, b->o.high));
    dt_profiled_backend_parameters(b->subject.backend, b->profile,
                                   dt_model_params(b->subject.model));
    DT_TRY(make_stepper(b));
    return make_product(b);
}

static void unmake(bench *b)
{
    dt_beside_stop(&b->beside);
    dt_batch_memory_free(&b->stepper.memory);
    if (b->comm)
        b->comm->ops->destroy(b->comm);
    dt_sampler_free(&b->sampler);
    free(b->items);
    if (b->subject.backend) {
        b->subject.backend->ops->free(b->subject.backend, b->product_x);
        b->subject.backend->ops->free(b->subject.backend, b->product_y);
    }
    if (b->subject.model)
        real_close(&b->subject);
    dt_profile_destroy(b->profile);
    dt_dataset_free(&b->dataset);
}

/* ---- measuring ---------------------------------------------------------------------------------
 */

static dt_status step(bench *b)
{
    bool made; /* always: no stop is requested */
    return dt_stepper_update(&b->stepper, 0, &b->micro_steps, &made);
}

static dt_status steps(bench *b, int count, double *seconds)
{
    const dt_backend_ops *op = b->subject.backend->ops;
    DT_TRY(op->sync(b->subject.backend));
    const double began = dt_seconds();
    for (int i = 0; i < count; ++i)
        DT_TRY(step(b));
    DT_TRY(op->sync(b->subject.backend));
    *seconds = (dt_seconds() - began) / count;
    return DT_OK;
}

static dt_status products(bench *b, int count, double *seconds)
{
    dt_backend *backend = b->subject.backend;
    DT_TRY(backend->ops->sync(backend));
    const double began = dt_seconds();
    for (int i = 0; i < count; ++i)
        backend->ops->linear_forward(backend, b->product_y, b->product_x, 0, b->side * b->side,
                                     b->side, (int32_t)b->side, (int32_t)b->side);
    DT_TRY(backend->ops->sync(backend));
    *seconds = (dt_seconds() - began) / count;
    return DT_OK;
}

static dt_status traced(bench *b)
{
    DT_TRY(b->subject.backend->ops->sync(b->subject.backend));
    dt_profile_run(b->profile, true);
    for (int i = 0; i < TRACED_STEPS; ++i)
        DT_TRY(step(b));
    DT_TRY(dt_profiled_backend_collect(b->subject.backend, b->profile));
    dt_profile_run(b->profile, false);
    return DT_OK;
}

/* Returns the next operation of the device; NULL at the end. */
static const dt_profile_row *next_operation(const bench *b, int32_t *at)
{
    int32_t count;
    const bool host = b->subject.backend->host_memory;
    const dt_profile_row *row =
        dt_profile_rows(b->profile, host ? DT_TRACK_MAIN : DT_TRACK_DEVICE, &count);
    while (*at < count && !row[*at].what)
        ++*at;
    return *at < count ? &row[(*at)++] : NULL;
}

/* Chooses the algorithms of matrix products, as a training does before its first step. */
static dt_status choose(bench *b)
{
    dt_backend *backend = b->subject.backend;
    if (!backend->ops->choices_time)
        return DT_OK;
    backend->ops->choices_time(backend, true);
    const dt_status status = dt_stepper_rehearse(&b->stepper, 0);
    backend->ops->choices_time(backend, false);
    return status == DT_OK ? backend->ops->check(backend) : status;
}

static dt_status measure(bench *b, figures *f)
{
    double warm;
    DT_TRY(choose(b));
    DT_TRY(steps(b, b->o.steps + 3, &warm));
    DT_TRY(products(b, 5, &warm));
    for (f->count = 0; f->count < b->o.repeats; ++f->count) {
        const int32_t i = f->count;
        DT_TRY(products(b, 5, &f->product[i]));
        DT_TRY(steps(b, b->o.steps, &f->step[i]));
        if (b->o.beside && dt_beside_step(&b->beside, b->o.steps, &f->other[i]) != DT_OK)
            leave_beside(b);
        f->ratio[i] = f->other[i] / f->step[i];
    }
    return traced(b);
}

/* ---- report ------------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Returns the median; sorts the values. */
static double median(double *values, int32_t count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

typedef struct {
    double step, product_rate, rate, other, ratio, lowest, highest, tokens;
} summary;

static summary summarise(const bench *b, figures *f)
{
    summary s = {.step = median(f->step, f->count),
                 .other = median(f->other, f->count),
                 .ratio = median(f->ratio, f->count),
                 .tokens = (double)b->dataset.offsets[b->dataset.count]};
    s.lowest = f->ratio[0];
    s.highest = f->ratio[f->count - 1];
    s.product_rate =
        2.0 * (double)b->side * (double)b->side * (double)b->side / median(f->product, f->count);
    s.rate = b->work / s.step;
    return s;
}

static void print_parts(const bench *b, const summary *s)
{
    const dt_profile_row *p;
    double sum = 0.0;
    for (int32_t at = 0; (p = next_operation(b, &at));)
        sum += p->seconds;
    printf("\n%-44s %6s %10s %7s %12s\n", "operation in a step (without recorded steps)", "calls",
           "ms", "share", "TFLOP/s");
    for (int32_t at = 0; (p = next_operation(b, &at));) {
        printf("%-44s %6.0f %10.4f %6.1f%%", p->name, (double)p->calls / TRACED_STEPS,
               1e3 * p->seconds / TRACED_STEPS, 100.0 * p->seconds / sum);
        if (p->work > 0.0)
            printf(" %12.1f", p->work / p->seconds * 1e-12);
        putchar('\n');
    }
    printf("%-44s %6s %10.4f  of %.4f ms, the whole step measured alone\n", "sum", "",
           1e3 * sum / TRACED_STEPS, 1e3 * s->step);
}

static void print(const bench *b, const summary *s)
{
    printf("%s\n", b->subject.backend->description);
    printf("%-44s %10.3f ms\n", "one step, median", 1e3 * s->step);
    printf("%-44s %10.0f tokens/s, %.0f sequences/s\n", "", s->tokens / s->step,
           b->o.batch / s->step);
    printf("%-44s %10.3f TFLOP, needed work\n", "", b->work * 1e-12);
    printf("%-44s %10.2f TFLOP/s\n", "achieved", s->rate * 1e-12);
    printf("matrix product alone, %5lld x %5lld x %5lld  %10.2f TFLOP/s\n", (long long)b->side,
           (long long)b->side, (long long)b->side, s->product_rate * 1e-12);
    printf("%-44s %10.3f\n", "achieved / matrix product", s->rate / s->product_rate);
    printf("%-44s %10.1f s\n", "an epoch of 221,868 sequences", 221868.0 / b->o.batch * s->step);
    if (b->o.beside)
        printf("%-44s %10.3f ms, %.2f times as long (%.2f to %.2f): %s\n", "beside", 1e3 * s->other,
               s->ratio, s->lowest, s->highest, b->beside.description);
    print_parts(b, s);
}

static void write_parts(dt_json *json, const bench *b)
{
    const dt_profile_row *p;
    dt_json_key(json, "parts");
    dt_json_array(json);
    for (int32_t at = 0; (p = next_operation(b, &at));) {
        dt_json_object(json);
        dt_json_put_string(json, "name", p->name);
        dt_json_put_double(json, "calls", (double)p->calls / TRACED_STEPS);
        dt_json_put_double(json, "seconds", p->seconds / TRACED_STEPS);
        dt_json_put_double(json, "flop", p->work / TRACED_STEPS);
        dt_json_end(json);
    }
    dt_json_end(json);
}

static dt_status write(const bench *b, const figures *f, const summary *s)
{
    dt_output out;
    dt_json json;
    DT_TRY(dt_output_begin(&out, b->o.output));
    dt_json_begin(&json, &out, 2, 2);
    dt_json_object(&json);
    dt_json_put_string(&json, "device", b->subject.backend->description);
    dt_json_put_string(&json, "precision", b->o.precision);
    dt_json_put_string(&json, "attention", b->o.attention);
    dt_json_put_int(&json, "batch", b->o.batch);
    dt_json_put_double(&json, "tokens", s->tokens);
    dt_json_put_int(&json, "repeats", f->count);
    dt_json_put_double(&json, "step_seconds", s->step);
    dt_json_put_double(&json, "tokens_per_second", s->tokens / s->step);
    dt_json_put_double(&json, "step_flop", b->work);
    dt_json_put_double(&json, "matrix_product_flop_per_second", s->product_rate);
    dt_json_put_double(&json, "share_of_matrix_product", s->rate / s->product_rate);
    if (b->o.beside) {
        dt_json_put_string(&json, "beside", b->beside.description);
        dt_json_put_double(&json, "beside_step_seconds", s->other);
        dt_json_put_double(&json, "ratio_median", s->ratio);
        dt_json_put_double(&json, "ratio_lowest", s->lowest);
        dt_json_put_double(&json, "ratio_highest", s->highest);
    }
    write_parts(&json, b);
    dt_json_end(&json);
    return dt_output_commit(&out);
}

/* ---- the command line ---------------------------------------------------------------------------
 */

static bool parse(options *o, int argc, char **argv)
{
    *o = (options){.device = "cuda",
                   .precision = "bf16",
                   .attention = "auto",
                   .batch = 64,
                   .repeats = 15,
                   .steps = 5};
    real_lengths(&o->low, &o->high);
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--device") == 0)
            o->device = value;
        else if (strcmp(argv[i], "--precision") == 0)
            o->precision = value;
        else if (strcmp(argv[i], "--attention") == 0)
            o->attention = value;
        else if (strcmp(argv[i], "--beside") == 0)
            o->beside = value;
        else if (strcmp(argv[i], "--output") == 0)
            o->output = value;
        else if (strcmp(argv[i], "--batch") == 0)
            o->batch = atoi(value);
        else if (strcmp(argv[i], "--repeats") == 0)
            o->repeats = atoi(value);
        else if (strcmp(argv[i], "--steps") == 0)
            o->steps = atoi(value);
        else if (strcmp(argv[i], "--tokens") == 0 && i + 2 < argc) {
            o->low = atoi(value);
            o->high = atoi(argv[++i + 1]);
        } else {
            return false;
        }
    }
    return o->batch > 0 && o->repeats > 0 && o->repeats <= MAX_REPEATS && o->steps > 0 &&
           o->low > 2 && o->low <= o->high && o->high <= 512;
}

int main(int argc, char **argv)
{
    static bench b;
    static figures f;
    if (!parse(&b.o, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--device NAME] [--precision bf16|fp16|fp32] "
                "[--attention auto|fused|cudnn|plain] [--batch N] [--tokens LOW HIGH] [--repeats "
                "N] [--steps N] [--beside COMMAND] "
                "[--output FILE]\n",
                argv[0]);
        return 2;
    }
    dt_status status = make(&b);
    if (status == DT_OK)
        status = measure(&b, &f);
    if (status == DT_OK) {
        const summary s = summarise(&b, &f);
        print(&b, &s);
        if (b.o.output)
            status = write(&b, &f, &s);
    }
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    unmake(&b);
    return b.beside_failed ? 1 : dt_exit_status(status);
}
