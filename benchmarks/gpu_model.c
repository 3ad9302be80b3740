/* What should a training step and a prediction cost on a GPU, kernel by kernel?
 *
 *     gpu_model --machine FILE [--batch 64] [--tokens LOW HIGH] [--classes N] [--dropout P]
 *               [--ids real|made] [--shares low|high] [--measured FILE] [--output FILE]
 *
 * A model, not a measurement: computes for each kernel of a step of the default model in bf16 the
 * bytes, the operations on tensor cores, the floor and the expected time (gpu_cost.h) on the GPU of
 * a machine file (machines/), then the sums by group, and the time of a prediction file to file.
 *
 *   --tokens    lengths of the sequences, as made by gpu_step (263 … 367: full-length 16S)
 *   --classes   of all taxonomic ranks together (27,923)
 *   --ids       how often tokens recur: as in real sequences, or as gpu_step makes them (with
 *               --measured: made)
 *   --shares    which estimates of what loading ahead gains (gpu_kernels.c): low
 *   --measured  the JSON of gpu_step: its times beside the model's, by operation
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/gpu/real_model.h"
#include "gpu_shape.h"
#include "gpu_walk.h"
#include "io/json_writer.h"

#define EPOCH_SEQUENCES 221868.0
#define PREDICTED 69335.0 /* sequences */

typedef struct {
    const char *machine, *measured, *output, *shares;
    int classes;
    double dropout;
    dt_gpu_batch batch;
} options;

typedef struct {
    options o;
    dt_gpu gpu;
    dt_gpu_shape shape;
    dt_gpu_walk step;
    json_t *measured; /* NULL: none */
} model;

static double epoch_steps(const model *m)
{
    return ceil(EPOCH_SEQUENCES / m->shape.sequences);
}

/* ---- prediction, file to file -----------------------------------------------------------------
 */

/* Rates of the host, measured (docs/performance.md), but the first. */
#define START_SECONDS 1.0      /* assumed: CUDA's context, loading modules, cuBLASLt's start */
#define CHECKPOINT_RATE 1.0e9  /* bytes/s */
#define TOKENISED_RATE 61500.0 /* sequences/s, full length, on one thread */
#define WRITTEN_RATE 202000.0  /* sequences/s, all files, on one thread */
#define LAUNCH_SECONDS 5e-6    /* assumed: a launch from the host, operation by operation */
#define MICRO_TOKENS (64.0 * 512.0)

typedef struct {
    double micro_batches, sequences;                      /* in each */
    double start, tokenising, device, launching, writing; /* seconds */
    double floor;                                         /* of the device */
    double total;
} prediction;

/* Tokenising, the device and writing run side by side; the first micro-batch must be tokenised
 * before, and the last one written after. */
static dt_status predict(prediction *p, const model *m)
{
    static dt_gpu_walk walk;
    dt_gpu_shape shape;
    dt_gpu_batch batch = m->o.batch;
    batch.sequences = (int)(MICRO_TOKENS / (0.5 * (batch.low + batch.high)));
    DT_TRY(dt_gpu_shape_make(&shape, &m->shape.config, &batch));
    shape.training = false;
    DT_TRY(dt_gpu_walk_prediction(&walk, &m->gpu, &shape));
    const dt_gpu_line sum = dt_gpu_walk_sum(&walk);
    *p = (prediction){.micro_batches = ceil(PREDICTED / batch.sequences),
                      .sequences = batch.sequences,
                      .start = START_SECONDS + 4.0 * shape.trained / CHECKPOINT_RATE,
                      .tokenising = PREDICTED / TOKENISED_RATE,
                      .writing = PREDICTED / WRITTEN_RATE};
    p->device = p->micro_batches * sum.expected;
    p->floor = p->micro_batches * sum.floor;
    p->launching = p->micro_batches * sum.launches * LAUNCH_SECONDS;
    const double busiest = fmax(fmax(p->tokenising, p->writing), fmax(p->device, p->launching));
    p->total = p->start + busiest + (p->tokenising + p->writing) / p->micro_batches;
    return DT_OK;
}

/* ---- the tables --------------------------------------------------------------------------------
 */

static void print_kernels(const model *m)
{
    printf("%-34s %-28s %4s %9s %8s %9s %9s  %s\n", "operation", "kernel", "runs", "MB", "GFLOP",
           "floor ms", "ms", "limit");
    for (int i = 0; i < m->step.count; ++i) {
        const dt_gpu_line *l = &m->step.line[i];
        printf("%-34s %-28s %4.0f %9.1f %8.1f %9.4f %9.4f  %s\n", l->operation, l->kernel->name,
               l->launches, l->bytes * 1e-6, l->matrix * 1e-9, l->floor * 1e3, l->expected * 1e3,
               l->bound);
    }
}

static dt_gpu_line group_sum(const dt_gpu_walk *walk, dt_gpu_group group)
{
    dt_gpu_line sum = {.group = group};
    for (int i = 0; i < walk->count; ++i) {
        const dt_gpu_line *line = &walk->line[i];
        if (line->group != group)
            continue;
        sum.launches += line->launches;
        sum.bytes += line->bytes;
        sum.matrix += line->matrix;
        sum.floor += line->floor;
        sum.expected += line->expected;
    }
    return sum;
}

static void print_sum(const char *name, const dt_gpu_line *l)
{
    printf("%-34s %5.0f %9.1f %8.1f %9.3f %9.3f\n", name, l->launches, l->bytes * 1e-6,
           l->matrix * 1e-9, l->floor * 1e3, l->expected * 1e3);
}

static void print_groups(const model *m)
{
    const dt_gpu_line sum = dt_gpu_walk_sum(&m->step);
    double parts = 0.0;
    printf("\n%-34s %5s %9s %8s %9s %9s\n", "part of a step (modelled)", "runs", "MB", "GFLOP",
           "floor ms", "ms");
    for (dt_gpu_group g = 0; g < DT_GPU_GROUPS; ++g) {
        const dt_gpu_line group = group_sum(&m->step, g);
        print_sum(dt_gpu_group_name(g), &group);
        parts += group.expected;
    }
    const double launches = sum.launches * m->gpu.launch_us * 1e-6;
    print_sum("launches", &(dt_gpu_line){.launches = sum.launches, .expected = launches});
    print_sum("hidden: CNN beside the encoder",
              &(dt_gpu_line){.expected = sum.expected - parts - launches});
    print_sum("sum", &sum);
    printf("an epoch of %.0f steps: %.1f s; its floor: %.1f s\n", epoch_steps(m),
           epoch_steps(m) * sum.expected, epoch_steps(m) * sum.floor);
}

static void print_prediction(const prediction *p)
{
    printf("\nprediction of %.0f sequences, file to file (modelled): %.0f micro-batches of %.0f\n"
           "  start, parameters %.2f s; device %.2f s (floor %.2f), launches by the host %.2f s, "
           "tokenising %.2f s,\n  writing %.2f s, side by side; in all %.2f s\n",
           PREDICTED, p->micro_batches, p->sequences, p->start, p->device, p->floor, p->launching,
           p->tokenising, p->writing, p->total);
}

/* ---- measured times ----------------------------------------------------------------------------
 */

static dt_status read_measured(model *m)
{
    json_error_t error;
    m->measured = json_load_file(m->o.measured, JSON_REJECT_DUPLICATES, &error);
    if (!m->measured)
        return dt_fail(DT_ERR_INPUT, "%s: %s", m->o.measured, error.text);
    const double batch = json_number_value(json_object_get(m->measured, "batch"));
    const double tokens = json_number_value(json_object_get(m->measured, "tokens"));
    if (batch != m->shape.sequences || tokens != m->shape.tokens)
        return dt_fail(DT_ERR_INPUT,
                       "%s: %.0f sequences of %.0f tokens in all, here %.0f of %.0f: give the same "
                       "--batch and --tokens",
                       m->o.measured, batch, tokens, m->shape.sequences, m->shape.tokens);
    return DT_OK;
}

/* The modelled time of an operation of gpu_step, seconds. */
static double operation_seconds(const model *m, const char *name)
{
    double sum = 0.0;
    for (int i = 0; i < m->step.count; ++i)
        if (strcmp(m->step.line[i].operation, name) == 0)
            sum += m->step.line[i].expected + m->step.line[i].launches * m->gpu.launch_us * 1e-6;
    return sum;
}

static void print_measured(const model *m)
{
    size_t i;
    const json_t *part;
    printf("\n%-44s %10s %10s %8s\n", "operation", "modelled", "measured", "ratio");
    json_array_foreach(json_object_get(m->measured, "parts"), i, part)
    {
        const char *name = json_string_value(json_object_get(part, "name"));
        const double seconds = json_number_value(json_object_get(part, "seconds"));
        const double modelled = name ? operation_seconds(m, name) : 0.0;
        if (name && modelled > 0.0)
            printf("%-44s %10.4f %10.4f %8.2f\n", name, modelled * 1e3, seconds * 1e3,
                   seconds / modelled);
        else if (name)
            printf("%-44s %10s %10.4f\n", name, "", seconds * 1e3);
    }
    const double step = json_number_value(json_object_get(m->measured, "step_seconds"));
    const double modelled = dt_gpu_walk_sum(&m->step).expected;
    printf("%-44s %10.4f %10.4f %8.2f  %s\n", "the whole step, ms", modelled * 1e3, step * 1e3,
           step / modelled, json_string_value(json_object_get(m->measured, "device")));
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static void put_costs(dt_json *json, const dt_gpu_line *l)
{
    dt_json_put_double(json, "launches", l->launches);
    dt_json_put_double(json, "bytes", l->bytes);
    dt_json_put_double(json, "matrix_flop", l->matrix);
    dt_json_put_double(json, "floor_seconds", l->floor);
    dt_json_put_double(json, "expected_seconds", l->expected);
    dt_json_end(json);
}

static void write_lines(dt_json *json, const model *m)
{
    dt_json_key(json, "kernels");
    dt_json_array(json);
    for (int i = 0; i < m->step.count; ++i) {
        const dt_gpu_line *l = &m->step.line[i];
        dt_json_object(json);
        dt_json_put_string(json, "group", dt_gpu_group_name(l->group));
        dt_json_put_string(json, "operation", l->operation);
        dt_json_put_string(json, "kernel", l->kernel->name);
        dt_json_put_string(json, "limit", l->bound);
        put_costs(json, l);
    }
    dt_json_end(json);
    dt_json_key(json, "groups");
    dt_json_array(json);
    for (dt_gpu_group g = 0; g < DT_GPU_GROUPS; ++g) {
        const dt_gpu_line group = group_sum(&m->step, g);
        dt_json_object(json);
        dt_json_put_string(json, "group", dt_gpu_group_name(g));
        put_costs(json, &group);
    }
    dt_json_end(json);
}

static dt_status write(const model *m, const prediction *p)
{
    dt_output out;
    dt_json json;
    const dt_gpu_line sum = dt_gpu_walk_sum(&m->step);
    DT_TRY(dt_output_begin(&out, m->o.output));
    dt_json_begin(&json, &out, 2, 2);
    dt_json_object(&json);
    dt_json_put_string(&json, "modelled_gpu", m->gpu.name);
    dt_json_put_int(&json, "batch", (int64_t)m->shape.sequences);
    dt_json_put_int(&json, "tokens", (int64_t)m->shape.tokens);
    dt_json_put_double(&json, "step_seconds", sum.expected);
    dt_json_put_double(&json, "floor_seconds", sum.floor);
    dt_json_put_double(&json, "epoch_seconds", epoch_steps(m) * sum.expected);
    dt_json_put_double(&json, "prediction_seconds", p->total);
    write_lines(&json, m);
    dt_json_end(&json);
    return dt_output_commit(&out);
}

/* ---- the command line ---------------------------------------------------------------------------
 */

static bool parse(options *o, int argc, char **argv)
{
    const char *ids = NULL;
    *o = (options){
        .shares = "low", .dropout = -1.0, .batch = {.sequences = 64, .low = 263, .high = 367}};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--machine") == 0)
            o->machine = value;
        else if (strcmp(argv[i], "--measured") == 0)
            o->measured = value;
        else if (strcmp(argv[i], "--output") == 0)
            o->output = value;
        else if (strcmp(argv[i], "--batch") == 0)
            o->batch.sequences = atoi(value);
        else if (strcmp(argv[i], "--classes") == 0)
            o->classes = atoi(value);
        else if (strcmp(argv[i], "--dropout") == 0)
            o->dropout = atof(value);
        else if (strcmp(argv[i], "--shares") == 0)
            o->shares = value;
        else if (strcmp(argv[i], "--ids") == 0)
            ids = value;
        else if (strcmp(argv[i], "--tokens") == 0 && i + 2 < argc) {
            o->batch.low = atoi(value);
            o->batch.high = atoi(argv[++i + 1]);
        } else {
            return false;
        }
    }
    o->batch.made_ids = ids ? strcmp(ids, "made") == 0 : o->measured != NULL;
    return o->machine && (!ids || o->batch.made_ids || strcmp(ids, "real") == 0) &&
           (strcmp(o->shares, "low") == 0 || strcmp(o->shares, "high") == 0) &&
           o->batch.sequences > 0 && o->batch.sequences <= 4096 && o->batch.low > 2 &&
           o->batch.low <= o->batch.high && o->batch.high <= 512 && o->dropout < 1.0 &&
           o->classes >= 0;
}

/* The default model, with the classes divided over the taxonomic ranks as in Greengenes2. */
static dt_model_config config_of(const options *o)
{
    dt_model_config config = published_config();
    double all = 0.0;
    for (int32_t r = 0; r < config.tax_ranks; ++r)
        all += config.classes[r];
    for (int32_t r = 0; o->classes > 0 && r < config.tax_ranks; ++r)
        config.classes[r] = (int32_t)fmax(2.0, round(config.classes[r] / all * o->classes));
    if (o->dropout >= 0.0)
        config.dropout = o->dropout;
    return config;
}

static dt_status run(model *m)
{
    prediction p;
    const dt_model_config config = config_of(&m->o);
    DT_TRY(dt_gpu_read(&m->gpu, m->o.machine));
    m->gpu.high_shares = strcmp(m->o.shares, "high") == 0;
    DT_TRY(dt_gpu_shape_make(&m->shape, &config, &m->o.batch));
    DT_TRY(dt_gpu_walk_step(&m->step, &m->gpu, &m->shape));
    DT_TRY(predict(&p, m));
    if (m->o.measured)
        DT_TRY(read_measured(m));
    printf("Modelled, not measured: %s; %.0f sequences, %.0f tokens (%.0f rows), %.0f distinct ids "
           "with rounding, %.0f tokens of the most frequent\n\n",
           m->gpu.name, m->shape.sequences, m->shape.tokens, m->shape.rows, m->shape.groups,
           m->shape.largest);
    print_kernels(m);
    print_groups(m);
    print_prediction(&p);
    if (m->measured)
        print_measured(m);
    return m->o.output ? write(m, &p) : DT_OK;
}

int main(int argc, char **argv)
{
    static model m;
    if (!parse(&m.o, argc, argv)) {
        fprintf(stderr,
                "usage: %s --machine FILE [--batch N] [--tokens LOW HIGH] [--classes N] "
                "[--dropout P] [--ids real|made] [--shares low|high] [--measured FILE] "
                "[--output FILE]\n",
                argv[0]);
        return 2;
    }
    const dt_status status = run(&m);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    json_decref(m.measured);
    return dt_exit_status(status);
}
