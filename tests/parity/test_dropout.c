/* Dropout beside the independent PyTorch model. Two programs never draw the same masks, but what
 * they compute must be distributed alike: the averages over many masks of logits, of the fused
 * vector, of the CNN's maximum, of the squares of these, of the loss and of every gradient agree
 * within their standard errors. Draws are functions of counters, so the outcome never varies.
 *
 * The bound: seven standard errors, which a normal deviate exceeds with probability 3e-12; all
 * 11,000 numbers together do so by chance with less than 1e-7.
 */
#include "core/philox.h"
#include "subject.h"

#define SIGMAS 7.0
#define ROUNDING 2e-6 /* of single precision, absolute: numbers here are of order 1 */
#define COPIES 8      /* of the fixture's batch in one pass, each with masks of its own */
#define PASSES 600
#define MAXIMUM_DRAWS 6 /* a pass sees the maximum under so many masks a copy: it is cheap */

/* Numbers that are averaged together, and where they stand in a pass. */
typedef struct {
    char name[128]; /* dataset of the fixture below /expected/mean and /expected/error */
    int64_t first;
    int64_t count;
} quantity;

enum { LOSS, LOGITS, LOGITS_SQUARED, FUSED, FUSED_SQUARED, MAXIMUM, MAXIMUM_SQUARED, GRADIENTS };

typedef struct {
    subject s;
    quantity quantities[128];
    int32_t quantity_count;
    int64_t count; /* numbers of a pass */
    double *pass;
    double *sum;
    double *sum_of_squares;
    void *maximum; /* on the device, as are the next two */
    int32_t *position;
    void *scratch;
    dt_conv_max conv;
} experiment;

/* ---- the batch ----------------------------------------------------------------------------------
 */

/* The fixture's batch COPIES times. */
typedef struct {
    int32_t sequences; /* of one copy */
    dt_batch batch;
    int32_t *tokens, *cu_seqlens, *labels;
} copied_batch;

static copied_batch copy_batch(subject *s)
{
    int32_t *tokens;
    int32_t *cu_seqlens;
    int32_t *labels;
    dt_batch one = read_batch(s, &tokens, &cu_seqlens, &labels);
    const int64_t length = cu_seqlens[one.sequences];
    const int64_t label_count = (int64_t)one.sequences * one.tax_ranks;
    copied_batch c = {.sequences = one.sequences, .batch = one};
    c.tokens = calloc((size_t)(COPIES * length), sizeof *c.tokens);
    c.cu_seqlens = calloc((size_t)(COPIES * one.sequences) + 1, sizeof *c.cu_seqlens);
    c.labels = calloc((size_t)(COPIES * label_count), sizeof *c.labels);
    for (int32_t copy = 0; copy < COPIES; ++copy) {
        memcpy(c.tokens + copy * length, tokens, (size_t)length * sizeof *tokens);
        memcpy(c.labels + copy * label_count, labels, (size_t)label_count * sizeof *labels);
        for (int32_t b = 0; b < one.sequences; ++b)
            c.cu_seqlens[copy * one.sequences + b + 1] =
                copy * cu_seqlens[one.sequences] + cu_seqlens[b + 1];
    }
    c.batch.sequences = COPIES * one.sequences;
    c.batch.token_ids = c.tokens;
    c.batch.cu_seqlens = c.cu_seqlens;
    c.batch.labels = c.labels;
    for (int32_t r = 0; r < one.tax_ranks; ++r)
        c.batch.loss_scale[r] /= COPIES;
    free(tokens);
    free(cu_seqlens);
    free(labels);
    return c;
}

static void free_batch(copied_batch *c)
{
    free(c->tokens);
    free(c->cu_seqlens);
    free(c->labels);
}

/* ---- what is averaged ---------------------------------------------------------------------------
 */

static void add_quantity(experiment *x, int64_t count, const char *group, const char *name)
{
    assert_true(x->quantity_count < 128);
    quantity *q = &x->quantities[x->quantity_count++];
    snprintf(q->name, sizeof q->name, "%s%s", group, name);
    q->first = x->count;
    q->count = count;
    x->count += count;
}

static dt_param offset_of(experiment *x, const char *format, int32_t number)
{
    char name[96];
    snprintf(name, sizeof name, format, number);
    const dt_param_spec *spec = dt_params_find(dt_model_params(x->s.model), name);
    assert_non_null(spec);
    return spec->offset;
}

/* The model does not show the maximum; it is asked of the backend with the fixture's parameters. */
static void plan_maximum(experiment *x, const dt_batch *batch)
{
    const dt_model_config *c = &x->s.config;
    dt_backend *backend = x->s.backend;
    const int64_t channels = (int64_t)c->filters * c->kernels * batch->sequences;
    x->conv = (dt_conv_max){.embedding = offset_of(x, "embedding.weight", 0),
                            .frozen_row = c->pad_id,
                            .vocabulary = c->vocabulary,
                            .embed_dim = c->embed_dim,
                            .filters = c->filters,
                            .kernels = c->kernels,
                            .max_length = c->max_length,
                            .mask_padding = c->mask_padding,
                            .dropout = {.p = c->dropout, .stream = dt_stream(DT_DRAW_CONV, 0, 0)},
                            .padding_stream = dt_stream(DT_DRAW_CONV_PADDING, 0, 0)};
    for (int32_t k = 0; k < c->kernels; ++k) {
        x->conv.width[k] = c->width[k];
        x->conv.weight[k] = offset_of(x, "conv_stacks.0.%d.0.weight", k);
        x->conv.bias[k] = offset_of(x, "conv_stacks.0.%d.0.bias", k);
    }
    const int64_t bytes = backend->ops->conv_max_scratch(
        backend, &x->conv, batch->sequences, batch->cu_seqlens[batch->sequences], false);
    ASSERT_OK(backend->ops->alloc(backend, &x->maximum, channels * backend->activation_size));
    ASSERT_OK(backend->ops->alloc(backend, (void **)&x->position, channels * 4));
    ASSERT_OK(backend->ops->alloc(backend, &x->scratch, bytes));
}

static void open_experiment(experiment *x, const char *fixture, copied_batch *c)
{
    *x = (experiment){0};
    subject_open(&x->s, fixture, "cpu", 1, 64);
    *c = copy_batch(&x->s);
    plan_maximum(x, &c->batch);
    const dt_class_layout *classes = dt_model_classes(x->s.model);
    const int64_t logits = (int64_t)c->sequences * classes->first[classes->tax_ranks];
    const int64_t fused = (int64_t)c->sequences * x->s.config.hidden;
    const int64_t maximum = (int64_t)c->sequences * x->s.config.filters * x->s.config.kernels;
    add_quantity(x, 1, "", "loss");
    add_quantity(x, logits, "", "logits");
    add_quantity(x, logits, "", "logits_squared");
    add_quantity(x, fused, "", "fused");
    add_quantity(x, fused, "", "fused_squared");
    add_quantity(x, maximum, "", "maximum");
    add_quantity(x, maximum, "", "maximum_squared");
    const dt_param_table *table = dt_model_params(x->s.model);
    for (int32_t i = 0; i < table->count && table->spec[i].offset < table->trained; ++i)
        add_quantity(x, table->spec[i].count, "gradient/", table->spec[i].name);
    x->pass = calloc((size_t)x->count, sizeof *x->pass);
    x->sum = calloc((size_t)x->count, sizeof *x->sum);
    x->sum_of_squares = calloc((size_t)x->count, sizeof *x->sum_of_squares);
}

static void close_experiment(experiment *x)
{
    dt_backend *backend = x->s.backend;
    backend->ops->free(backend, x->maximum);
    backend->ops->free(backend, x->position);
    backend->ops->free(backend, x->scratch);
    free(x->pass);
    free(x->sum);
    free(x->sum_of_squares);
    subject_close(&x->s);
}

/* ---- passes -------------------------------------------------------------------------------------
 */

/* Adds what stands on the device, averaged over the copies, and its squares in the next quantity;
 * `share`: part of the pass that this is. */
static void observe(experiment *x, int which, const void *device, int32_t size, double share)
{
    const quantity *q = &x->quantities[which];
    double *values = device_doubles(&x->s, device, COPIES * q->count, size);
    double *mean = x->pass + q->first;
    double *square = x->pass + x->quantities[which + 1].first;
    for (int64_t i = 0; i < COPIES * q->count; ++i) {
        mean[i % q->count] += values[i] * share / COPIES;
        square[i % q->count] += values[i] * values[i] * share / COPIES;
    }
    free(values);
}

static void observe_maximum(experiment *x, dt_batch batch)
{
    dt_backend *backend = x->s.backend;
    for (int draw = 0; draw < MAXIMUM_DRAWS; ++draw) {
        const dt_device_batch *on_device = backend->ops->batch_upload(backend, &batch);
        backend->ops->conv_max_forward(backend, x->maximum, x->position, x->scratch, on_device,
                                       &x->conv);
        observe(x, MAXIMUM, x->maximum, backend->activation_size, 1.0 / MAXIMUM_DRAWS);
        batch.seed += 1000;
    }
}

/* The loss of the backward pass, from an update that changes no parameter. */
static double read_loss(subject *s)
{
    dt_update_state state;
    const dt_update_rule idle = {.total_steps = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    s->backend->ops->update(s->backend, dt_model_params(s->model)->trained, &idle);
    s->backend->ops->state_read(s->backend, &state);
    assert_int_equal(state.skipped, 0);
    return state.loss;
}

static void one_pass(experiment *x, const dt_batch *batch)
{
    subject *s = &x->s;
    dt_backend *backend = s->backend;
    const dt_loss loss = {.classes = *dt_model_classes(s->model)};
    memset(x->pass, 0, (size_t)x->count * sizeof *x->pass);
    observe_maximum(x, *batch);
    const dt_device_batch *on_device = backend->ops->batch_upload(backend, batch);
    const void *logits = dt_model_forward(s->model, on_device, true);
    observe(x, LOGITS, logits, backend->statistic_size, 1.0);
    /* in training this is what the heads read, after dropout */
    observe(x, FUSED, dt_model_fused(s->model), backend->activation_size, 1.0);
    backend->ops->gradients_zero(backend);
    ASSERT_OK(dt_model_backward(s->model, on_device, &loss, NULL, NULL));
    const dt_param_table *table = dt_model_params(s->model);
    for (int32_t i = GRADIENTS; i < x->quantity_count; ++i) {
        double *values = vector_doubles(s, DT_GRADIENTS, &table->spec[i - GRADIENTS]);
        memcpy(x->pass + x->quantities[i].first, values,
               (size_t)x->quantities[i].count * sizeof *values);
        free(values);
    }
    x->pass[x->quantities[LOSS].first] = read_loss(s);
    ASSERT_OK(backend->ops->check(backend));
    for (int64_t i = 0; i < x->count; ++i) {
        x->sum[i] += x->pass[i];
        x->sum_of_squares[i] += x->pass[i] * x->pass[i];
    }
}

/* Every pass differs in one part of the counter or in the key: step, place of the batch, seed. */
static void draw_masks(experiment *x, dt_batch *batch)
{
    for (uint32_t i = 0; i < PASSES; ++i) {
        batch->step = i / 4;
        batch->first_sequence = (int64_t)(i % 2) * batch->sequences;
        batch->seed = 42 + i / 2 % 2;
        one_pass(x, batch);
    }
}

/* ---- comparison ---------------------------------------------------------------------------------
 */

/* Of an average of ours: from the spread of the passes, but at least what the fixture's spread
 * says, for events so rare that ours saw few. `ratio`: their masks a mask of ours. */
static double variance_of(const experiment *x, int64_t i, double their_error, double ratio)
{
    const double mean = x->sum[i] / PASSES;
    const double spread = x->sum_of_squares[i] / PASSES - mean * mean;
    const double ours = spread > 0.0 ? spread / (PASSES - 1) : 0.0;
    const double least = their_error * their_error * ratio;
    return ours > least ? ours : least;
}

/* Returns the largest deviation in standard errors. */
static double compare(experiment *x, const quantity *q, double ratio)
{
    char path[192];
    int64_t count;
    double worst = 0.0;
    snprintf(path, sizeof path, "/expected/mean/%s", q->name);
    double *mean = fixture_doubles(x->s.file, path, &count);
    assert_int_equal(count, q->count);
    snprintf(path, sizeof path, "/expected/error/%s", q->name);
    double *error = fixture_doubles(x->s.file, path, &count);
    assert_int_equal(count, q->count);
    for (int64_t i = 0; i < count; ++i) {
        const double ours = x->sum[q->first + i] / PASSES;
        const double variance = variance_of(x, q->first + i, error[i], ratio) + error[i] * error[i];
        const double bound = sqrt(variance) + ROUNDING / SIGMAS * (1.0 + fabs(mean[i]));
        const double sigmas = fabs(ours - mean[i]) / bound;
        if (!(sigmas <= worst))
            worst = sigmas;
    }
    free(error);
    free(mean);
    return worst;
}

static void averages_agree(const char *fixture)
{
    experiment x;
    copied_batch c;
    int32_t wrong = 0;
    double largest = 0.0;
    open_experiment(&x, fixture, &c);
    draw_masks(&x, &c.batch);
    const double masks = fixture_number(x.s.file, "/", "masks");
    for (int32_t i = 0; i < x.quantity_count; ++i) {
        const bool of_maximum = i == MAXIMUM || i == MAXIMUM_SQUARED;
        const double ours = COPIES * PASSES * (of_maximum ? MAXIMUM_DRAWS : 1);
        assert_true(ours <= masks);
        const double sigmas = compare(&x, &x.quantities[i], masks / ours);
        if (!(sigmas <= largest))
            largest = sigmas;
        if (!(sigmas <= SIGMAS)) {
            print_error("%s: the average of %s is %.1f standard errors off\n", fixture,
                        x.quantities[i].name, sigmas);
            wrong++;
        }
    }
    print_message("%s: %lld averages within %.1f standard errors\n", fixture, (long long)x.count,
                  largest);
    free_batch(&c);
    close_experiment(&x);
    assert_int_equal(wrong, 0);
}

static void averages_over_masks_equal_pytorchs(void **state)
{
    (void)state;
    averages_agree("hybrid_dropout");
}

static void averages_over_masks_equal_pytorchs_with_mask_padding(void **state)
{
    (void)state;
    averages_agree("hybrid_masked_dropout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_over_masks_equal_pytorchs),
        cmocka_unit_test(averages_over_masks_equal_pytorchs_with_mask_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
