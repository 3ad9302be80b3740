#include "selftest/selftest.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "selftest/trial.h"

/* ---- the models ------------------------------------------------------------------------------ */

/* Hybrids have two encoder layers: one in which every token is a query, and the last. */
static const struct {
    const char *name;
    bool large;    /* not in a quick test, and only in the format that a GPU takes by default */
    bool lineages; /* with a lineage layer */
    dt_model_config config;
} models[] = {
    {"small",
     false,
     false,
     {.type = DT_MODEL_HYBRID,
      .vocabulary = 60,
      .max_length = 34,
      .embed_dim = 24,
      .filters = 8,
      .kernels = 3,
      .width = {3, 5, 7},
      .conv_layers = 1,
      .hidden = 128,
      .layers = 2,
      .heads = 1,
      .intermediate = 96,
      .dropout = 0.2,
      .tax_ranks = 3,
      .classes = {2, 7, 21}}},
    {"cnn",
     false,
     true,
     {.type = DT_MODEL_CNN,
      .vocabulary = 60,
      .max_length = 34,
      .embed_dim = 24,
      .filters = 8,
      .kernels = 3,
      .width = {3, 5, 7},
      .conv_layers = 2,
      .hidden = 8, /* of an encoder that a cnn does not have */
      .layers = 1,
      .heads = 1,
      .intermediate = 8,
      .dropout = 0.2,
      .tax_ranks = 3,
      .classes = {2, 7, 21}}},
    {"kmer",
     false,
     true,
     {.type = DT_MODEL_KMER,
      .encoding = DT_ENCODING_ONEHOT,
      .vocabulary = 60, /* ids of the made sequences */
      .max_length = 34,
      .embed_dim = 8, /* of a CNN that a kmer does not have, as the next ones */
      .filters = 8,
      .kernels = 1,
      .width = {3},
      .conv_layers = 1,
      .kmer_size = 3,
      .hidden = 24,
      .layers = 1,
      .heads = 1,
      .intermediate = 8,
      .dropout = 0.2,
      .tax_ranks = 3,
      .classes = {2, 7, 21}}},
    /* the widths of the default model (docs/model.md), and few ids, classes and tokens */
    {"default",
     true,
     false,
     {.type = DT_MODEL_HYBRID,
      .vocabulary = 300,
      .pad_id = 3,
      .max_length = 72, /* more than a block of 64 rows */
      .embed_dim = 896,
      .filters = 256,
      .kernels = 3,
      .width = {3, 5, 7},
      .conv_layers = 1,
      .hidden = 896,
      .layers = 2,
      .heads = 7,
      .intermediate = 3584,
      .dropout = 0.2,
      .tax_ranks = 7,
      .classes = {2, 9, 17, 33, 65, 129, 257}}},
};

/* ---- bounds ---------------------------------------------------------------------------------- */

/* Differences that a number format may cause. Its unit roundoff is 6e-8 (fp32), 4e-3 (bf16) and
 * 5e-4 (fp16). A step rounds each of some 40 activations and their gradients once, and the errors
 * add up like a random walk: 10 units in a result of all, up to a hundred in one tensor. Where two
 * positions are within rounding of being the maximum, the whole gradient of a channel goes to the
 * other one, which the tensors of the convolutions (`switched`) feel: with so few sequences a few such
 * cases are a third of a gradient. (One that is missing differs by 1.) */
typedef struct {
    dt_precision precision;
    double logit;    /* ‖device − CPU‖ / ‖CPU‖ over all logits */
    double loss;     /* relative */
    double gradient; /* as logit, over all gradients without the convolutions' */
    double tensor;   /* the same of one tensor, by the largest of: it, a hundredth of all */
    double switched; /* the same for tensors of the convolutions */
} format_bounds;

static const format_bounds formats[] = {
    {DT_PRECISION_FP32, 1e-5, 1e-5, 1e-5, 1e-4, 0.05},
    {DT_PRECISION_BF16, 3e-2, 2e-2, 0.05, 0.15, 0.8},
    {DT_PRECISION_FP16, 4e-3, 3e-3, 6e-3, 0.03, 0.4},
};

/* The update is computed in fp32 from the same gradients: the last digit of a parameter of 4 to 8, as
 * few embeddings have, is 5e-7, a thousandth of its change, which is the learning rate. */
#define UPDATE_ALLOWED 1e-2

/* ---- comparing ------------------------------------------------------------------------------- */

typedef struct {
    dt_selftest *selftest;
    const char *model;
    const format_bounds *bounds;
    const dt_trial *ours, *theirs;
} comparison;

static void add_check(const comparison *c, double difference, double allowed, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

static void add_check(const comparison *c, double difference, double allowed, const char *format,
                      ...)
{
    dt_check *check = &c->selftest->check[c->selftest->checks++];
    va_list args;
    *check = (dt_check){.model = c->model,
                        .format = dt_precision_name(c->bounds->precision),
                        .difference = difference,
                        .allowed = allowed,
                        .passed = difference <= allowed};
    va_start(args, format);
    vsnprintf(check->name, sizeof check->name, format, args);
    va_end(args);
    c->selftest->failed += !check->passed;
}

/* Returns ‖a − b‖; *size: ‖b‖. */
static double distance(const float *a, const float *b, int64_t count, double *size)
{
    double off = 0.0;
    double whole = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        const double d = (double)a[i] - (double)b[i];
        off += d * d;
        whole += (double)b[i] * (double)b[i];
    }
    *size = sqrt(whole);
    return sqrt(off);
}

static void check_prediction(const comparison *c)
{
    double size;
    const double off = distance(c->ours->logit, c->theirs->logit, c->ours->logits, &size);
    add_check(c, off / size, c->bounds->logit, "prediction");
}

static void check_loss(const comparison *c)
{
    add_check(c, fabs(c->ours->loss - c->theirs->loss) / c->theirs->loss, c->bounds->loss, "loss");
}

static bool of_convolutions(const char *name)
{
    return strncmp(name, "conv_stacks.", 12) == 0 || strcmp(name, "embedding.weight") == 0;
}

static void check_gradients(const comparison *c, const dt_param_table *table)
{
    const char *worst = "none";
    double worst_share = -1.0;
    double worst_difference = NAN;
    double worst_allowed = 0.0;
    double off_rest = 0.0;
    double size_rest = 0.0;
    double all;
    distance(c->ours->gradient, c->theirs->gradient, c->theirs->count, &all);
    for (int32_t t = 0; t < table->count; ++t) {
        const dt_param_spec *spec = &table->spec[t];
        double size;
        if (spec->offset >= c->theirs->count)
            continue;
        const double off = distance(c->ours->gradient + spec->offset,
                                    c->theirs->gradient + spec->offset, spec->count, &size);
        const bool switched = of_convolutions(spec->name);
        const double allowed = switched ? c->bounds->switched : c->bounds->tensor;
        const double difference = off / fmax(size, 1e-2 * all);
        if (!switched) {
            off_rest += off * off;
            size_rest += size * size;
        }
        if (!(difference / allowed <= worst_share)) { /* also NaN, which stays */
            worst = spec->name;
            worst_difference = difference;
            worst_allowed = allowed;
            worst_share = isnan(difference) ? INFINITY : difference / allowed;
        }
    }
    add_check(c, sqrt(off_rest / size_rest), c->bounds->gradient, "gradients");
    add_check(c, worst_difference, worst_allowed, "gradient of %s", worst);
}

static void check_update(const comparison *c)
{
    double largest = 0.0;
    for (int64_t i = 0; i < c->ours->count; ++i) {
        const double off = fabs((double)c->ours->change[i] - (double)c->theirs->change[i]);
        if (!(off <= largest))
            largest = isnan(off) ? INFINITY : off;
    }
    add_check(c, largest / DT_TRIAL_LEARNING_RATE, UPDATE_ALLOWED, "update");
}

static void compare(const comparison *c, const dt_param_table *table)
{
    check_prediction(c);
    check_loss(c);
    check_gradients(c, table);
    check_update(c);
    if (c->ours->replays)
        add_check(c, (double)c->ours->replay_differs, 0.0, "replay");
}

/* ---- running --------------------------------------------------------------------------------- */

/* The state of a self-test. */
typedef struct {
    const dt_selftest_plan *plan;
    dt_selftest *out;
    bool on_host; /* the device is a CPU, which trains in fp32 only */
} running;

static bool takes_part(const running *r, size_t model, dt_precision precision)
{
    if (r->on_host)
        return precision == DT_PRECISION_FP32;
    return !models[model].large || precision == DT_PRECISION_BF16;
}

static dt_status test_format(running *r, comparison c, size_t m, const dt_param_table *table)
{
    dt_trial ours;
    const dt_backend_options options = {.threads = r->plan->threads,
                                        .device = r->plan->number,
                                        .round_robin = true,
                                        .training = true,
                                        .precision = c.bounds->precision};
    DT_TRY(dt_trial_run(r->plan->device, &options, &models[m].config, models[m].lineages, c.theirs,
                        &ours));
    c.ours = &ours;
    compare(&c, table);
    r->on_host = ours.on_host;
    dt_trial_free(&ours);
    return DT_OK;
}

static dt_status test_model(running *r, size_t m)
{
    const dt_model_config *config = &models[m].config;
    const dt_backend_options options = {.threads = r->plan->threads, .training = true};
    dt_param_table table;
    dt_trial theirs;
    DT_TRY(dt_model_layout(config, &table));
    dt_status status = dt_trial_run("cpu", &options, config, models[m].lineages, NULL, &theirs);
    for (size_t f = 0; status == DT_OK && f < sizeof formats / sizeof *formats; ++f) {
        comparison c = {
            .selftest = r->out, .model = models[m].name, .bounds = &formats[f], .theirs = &theirs};
        if (takes_part(r, m, formats[f].precision))
            status = test_format(r, c, m, &table);
    }
    dt_trial_free(&theirs);
    dt_params_free(&table);
    return status;
}

dt_status dt_selftest_run(const dt_selftest_plan *plan, dt_selftest *out)
{
    running r = {.plan = plan, .out = out};
    *out = (dt_selftest){0};
    for (size_t m = 0; m < sizeof models / sizeof *models; ++m)
        if (!(plan->quick && models[m].large))
            DT_TRY(test_model(&r, m));
    return DT_OK;
}

dt_status dt_selftest_verdict(const dt_selftest *selftest)
{
    const dt_check *check = selftest->check;
    if (selftest->failed == 0)
        return DT_OK;
    while (check->passed)
        ++check;
    return dt_fail(DT_ERR_DEVICE,
                   "%d of %d checks failed: %s of the %s model in %s: the difference from the CPU "
                   "is %.2g, allowed is %.2g",
                   selftest->failed, selftest->checks, check->name, check->model, check->format,
                   check->difference, check->allowed);
}
