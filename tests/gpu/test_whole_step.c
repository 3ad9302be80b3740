/* A training step of the default model, 8 full-length sequences with dropout, on the GPU beside the
 * CPU: labels, loss, gradients of every tensor. Prints what was found, near or far. */
#include "../cuda_on_cpu/tested_device.h"
#include "real_model.h"
#include "test.h"

#define SEQUENCES 8

/* What one step and one prediction leave. */
typedef struct {
    dt_update_state state;
    int64_t count;
    float *gradients;  /* (count) */
    float *parameters; /* (count) after the update */
    int64_t classes;
    float *logits; /* (SEQUENCES, classes), before the step */
} outcome;

/* Differences that a precision may cause. Unit roundoff: fp32 6e-8, fp16 5e-4, bf16 4e-3. A step
 * rounds each of some 60 activations and their gradients once, and the errors add up like a random
 * walk; and where two positions are within rounding of being the maximum, the whole gradient of a
 * channel goes to the other one, which the tensors of the convolutions (`switched`) feel. */
typedef struct {
    dt_precision precision;
    dt_attention_method attention;
    const char *name;
    double logit;    /* ‖ours − the CPU's‖ / ‖the CPU's‖ over all logits */
    double loss;     /* relative */
    double gradient; /* as logit, over all gradients without the convolutions' */
    double tensor;   /* the same of one tensor, by the largest of: it, a hundredth of all */
    double switched; /* the same for tensors of the convolutions */
} bounds;

static const bounds all_bounds[] = {
    {DT_PRECISION_FP32, DT_ATTENTION_AUTO, "fp32", 1e-5, 1e-5, 1e-4, 1e-3, 0.05},
    {DT_PRECISION_BF16, DT_ATTENTION_FUSED, "bf16 fused", 3e-2, 2e-2, 0.08, 0.3, 0.5},
    {DT_PRECISION_BF16, DT_ATTENTION_PLAIN, "bf16 plain", 3e-2, 2e-2, 0.08, 0.3, 0.5},
    {DT_PRECISION_FP16, DT_ATTENTION_FUSED, "fp16 fused", 4e-3, 3e-3, 0.02, 0.08, 0.25},
    {DT_PRECISION_FP16, DT_ATTENTION_PLAIN, "fp16 plain", 4e-3, 3e-3, 0.02, 0.08, 0.25},
};

static outcome run_step(const char *device, const dt_backend_options *options)
{
    const dt_model_config config = real_config();
    int32_t low;
    int32_t high;
    int32_t cu_seqlens[SEQUENCES + 1];
    real_data data;
    real_subject s;
    outcome out = {0};
    real_lengths(&low, &high);
    ASSERT_OK(real_data_make(&data, &config, SEQUENCES, SEQUENCES, low, high));
    ASSERT_OK(real_open(&s, device, options, &config, SEQUENCES, high));
    const dt_backend_ops *op = s.backend->ops;
    /* fp16: the smallest gradients would vanish unscaled */
    if (options->precision == DT_PRECISION_FP16)
        op->state_write(s.backend, &(dt_update_state){.loss_scale = 256.0});
    const dt_batch batch = real_batch(&data, 0, SEQUENCES, SEQUENCES, cu_seqlens);
    const dt_device_batch *on_device = op->batch_upload(s.backend, &batch);
    const dt_class_layout *layout = dt_model_classes(s.model);
    const dt_loss loss = {.classes = *layout};
    const dt_update_rule rule = {.learning_rate = 5e-4,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .weight_decay = 0.01,
                                 .max_grad_norm = 0.5,
                                 .total_steps = 10};
    out.count = dt_model_params(s.model)->trained;
    out.classes = layout->first[layout->tax_ranks];
    out.logits = calloc((size_t)(SEQUENCES * out.classes), sizeof(float));
    out.gradients = calloc((size_t)out.count, sizeof(float));
    out.parameters = calloc((size_t)out.count, sizeof(float));
    op->download(s.backend, out.logits, dt_model_forward(s.model, on_device, false),
                 SEQUENCES * out.classes * (int64_t)sizeof(float));
    op->gradients_zero(s.backend);
    dt_model_forward(s.model, on_device, true);
    ASSERT_OK(dt_model_backward(s.model, on_device, &loss, NULL, NULL));
    op->vector_read(s.backend, DT_GRADIENTS, 0, out.count, out.gradients);
    if (options->precision == DT_PRECISION_FP16)
        for (int64_t i = 0; i < out.count; ++i)
            out.gradients[i] /= 256.0f;
    op->update(s.backend, out.count, &rule);
    op->state_read(s.backend, &out.state);
    op->vector_read(s.backend, DT_PARAMETERS, 0, out.count, out.parameters);
    ASSERT_OK(op->sync(s.backend));
    real_close(&s);
    real_data_free(&data);
    return out;
}

static void free_outcome(outcome *o)
{
    free(o->gradients);
    free(o->parameters);
    free(o->logits);
}

static double distance(const float *a, const float *b, int64_t count, double *size)
{
    double off = 0.0;
    *size = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        *size += (double)b[i] * (double)b[i];
    }
    *size = sqrt(*size);
    return sqrt(off);
}

static bool of_convolutions(const char *name)
{
    return strncmp(name, "conv_stacks.", 12) == 0 || strcmp(name, "embedding.weight") == 0;
}

static void check_gradients(const outcome *ours, const outcome *theirs, const bounds *b)
{
    const dt_model_config config = real_config();
    dt_param_table table;
    const dt_param_spec *worst = NULL;
    double all;
    double largest = 0.0;
    double rest_off = 0.0;
    double rest_size = 0.0;
    ASSERT_OK(dt_model_layout(&config, &table));
    distance(ours->gradients, theirs->gradients, theirs->count, &all);
    for (int32_t t = 0; t < table.count; ++t) {
        const dt_param_spec *spec = &table.spec[t];
        double size;
        if (spec->offset >= theirs->count)
            continue;
        const double off = distance(ours->gradients + spec->offset,
                                    theirs->gradients + spec->offset, spec->count, &size);
        const bool switched = of_convolutions(spec->name);
        const double relative = off / fmax(size, 1e-2 * all);
        if (!switched) {
            rest_off += off * off;
            rest_size += size * size;
        }
        if (!worst || relative > largest) {
            largest = relative;
            worst = spec;
        }
        if (!(relative <= (switched ? b->switched : b->tensor)))
            fail_msg("%s, %s: gradient differs by %.3g of %.3g", b->name, spec->name, off, size);
    }
    printf("  gradients %.2g (allowed %.2g), worst tensor %.2g: %s\n", sqrt(rest_off / rest_size),
           b->gradient, largest, worst ? worst->name : "none");
    if (!(sqrt(rest_off) <= b->gradient * sqrt(rest_size)))
        fail_msg("%s: gradients differ by %.3g, allowed are %.3g", b->name,
                 sqrt(rest_off / rest_size), b->gradient);
    dt_params_free(&table);
}

static int64_t largest_of(const float *values, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; ++i)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* The label of every sequence and rank. One that differs is near a tie when the CPU's two logits
 * are within what the precision may change: those are counted, others fail. */
static void check_labels(const outcome *ours, const outcome *theirs, const bounds *b)
{
    const dt_model_config config = real_config();
    int ties = 0;
    int labels = 0;
    for (int32_t s = 0; s < SEQUENCES; ++s) {
        const float *mine = ours->logits + s * ours->classes;
        const float *cpus = theirs->logits + s * ours->classes;
        for (int32_t r = 0; r < config.tax_ranks; ++r) {
            const int64_t a = largest_of(mine, config.classes[r]);
            const int64_t c = largest_of(cpus, config.classes[r]);
            const double gap = (double)(cpus[c] - cpus[a]);
            ++labels;
            ties += a != c;
            if (!(gap <= 4.0 * b->logit * (1e-3 + fabs((double)cpus[c]))))
                fail_msg("%s: sequence %d, rank %d: label %lld, not %lld; logits %.6g below",
                         b->name, s, r, (long long)a, (long long)c, gap);
            mine += config.classes[r];
            cpus += config.classes[r];
        }
    }
    printf("  labels: %d of %d near a tie and different\n", ties, labels);
}

static void compare(const outcome *theirs, const bounds *b)
{
    const dt_backend_options options = {.precision = b->precision, .attention = b->attention};
    outcome ours = run_step(tested_device(), &options);
    outcome again = run_step(tested_device(), &options);
    double size;
    const double logits =
        distance(ours.logits, theirs->logits, SEQUENCES * theirs->classes, &size) / size;
    const double loss = fabs(ours.state.loss - theirs->state.loss) / theirs->state.loss;
    printf("%s\n  loss %.6f, the CPU's %.6f: %.2g (allowed %.2g); logits %.2g (allowed %.2g)\n",
           b->name, ours.state.loss, theirs->state.loss, loss, b->loss, logits, b->logit);
    if (!(logits <= b->logit))
        fail_msg("%s: logits differ by %.3g, allowed are %.3g", b->name, logits, b->logit);
    if (!(loss <= b->loss))
        fail_msg("%s: the loss differs by %.3g, allowed are %.3g", b->name, loss, b->loss);
    check_labels(&ours, theirs, b);
    check_gradients(&ours, theirs, b);
    assert_int_equal(ours.state.steps, 1);
    if (memcmp(ours.gradients, again.gradients, (size_t)ours.count * sizeof(float)) != 0 ||
        memcmp(ours.parameters, again.parameters, (size_t)ours.count * sizeof(float)) != 0)
        fail_msg("%s: two runs give different bits", b->name);
    free_outcome(&again);
    free_outcome(&ours);
}

static void step_of_the_default_model_equals_the_cpu(void **state)
{
    (void)state;
    outcome theirs = run_step("cpu", &(dt_backend_options){0});
    for (size_t i = 0; i < sizeof all_bounds / sizeof *all_bounds; ++i)
        compare(&theirs, &all_bounds[i]);
    free_outcome(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_of_the_default_model_equals_the_cpu),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    return RUN_TESTS(tests);
}
