/* Whole training steps of the fixtures' models on the CUDA backend: loss, gradients and parameters
 * compared with the CPU backend's, including dropout, and identical bits when repeated. */
#include "../parity/subject.h"
#include "tested_device.h"

typedef struct {
    dt_precision precision;
    double loss;     /* relative difference of the loss */
    double gradient; /* ‖ours − the CPU's‖ / ‖the CPU's‖ over all gradients */
    double tensor;   /* the same per tensor, relative to the larger of its norm and a hundredth of
                        the total */
} bounds;

/* The result of an optimizer step. */
typedef struct {
    dt_update_state state;
    int64_t count;
    double *gradients;
    double *parameters;
} step_result;

static double *whole_vector(subject *s, dt_vector which, int64_t count)
{
    const dt_param_spec all = {.offset = 0, .count = count};
    return vector_doubles(s, which, &all);
}

static step_result one_step(const char *fixture, const char *backend, dt_precision precision,
                            double dropout)
{
    subject s;
    int32_t *tokens;
    int32_t *cu_seqlens;
    int32_t *labels;
    step_result out;
    const dt_backend_options options = {.threads = 1, .precision = precision};
    subject_open_with(&s, fixture, backend, &options, 16, dropout);
    dt_batch batch = read_batch(&s, &tokens, &cu_seqlens, &labels);
    batch.seed = 5;
    batch.step = 9;
    batch.first_sequence = 100;
    const dt_class_layout *classes = dt_model_classes(s.model);
    const dt_loss loss = {.classes = *classes};
    const dt_update_rule rule = {.learning_rate = 1e-3,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .weight_decay = 0.01,
                                 .max_grad_norm = 0.5,
                                 .total_steps = 10};
    out.count = dt_model_params(s.model)->trained;
    s.backend->ops->gradients_zero(s.backend);
    const dt_device_batch *on_device = s.backend->ops->batch_upload(s.backend, &batch);
    dt_model_forward(s.model, on_device, true);
    ASSERT_OK(dt_model_backward(s.model, on_device, &loss, NULL, NULL));
    out.gradients = whole_vector(&s, DT_GRADIENTS, out.count);
    s.backend->ops->update(s.backend, out.count, &rule);
    s.backend->ops->state_read(s.backend, &out.state);
    out.parameters = whole_vector(&s, DT_PARAMETERS, out.count);
    ASSERT_OK(s.backend->ops->sync(s.backend));
    free(tokens);
    free(cu_seqlens);
    free(labels);
    subject_close(&s);
    return out;
}

static void free_result(step_result *r)
{
    free(r->gradients);
    free(r->parameters);
}

static void check_tensors(const char *fixture, const step_result *ours, const step_result *theirs,
                          double bound)
{
    subject s;
    const dt_backend_options options = {.threads = 1};
    subject_open_with(&s, fixture, "cpu", &options, 16, 0.0);
    const dt_param_table *table = dt_model_params(s.model);
    double all = 0.0;
    for (int64_t i = 0; i < theirs->count; ++i)
        all += theirs->gradients[i] * theirs->gradients[i];
    for (int32_t t = 0; t < table->count; ++t) {
        const dt_param_spec *spec = &table->spec[t];
        double off = 0.0;
        double size = 0.0;
        for (int64_t i = spec->offset; i < spec->offset + spec->count && i < theirs->count; ++i) {
            const double d = ours->gradients[i] - theirs->gradients[i];
            off += d * d;
            size += theirs->gradients[i] * theirs->gradients[i];
        }
        if (!(sqrt(off) <= bound * fmax(sqrt(size), 1e-2 * sqrt(all))))
            fail_msg("%s, %s: gradient differs by %.3g of %.3g", fixture, spec->name, sqrt(off),
                     sqrt(size));
    }
    subject_close(&s);
}

static void compare_steps(const char *fixture, double dropout, const bounds *b)
{
    step_result theirs = one_step(fixture, "cpu", DT_PRECISION_FP32, dropout);
    step_result ours = one_step(fixture, tested_device(), b->precision, dropout);
    step_result again = one_step(fixture, tested_device(), b->precision, dropout);
    const double off = difference(ours.gradients, theirs.gradients, theirs.count);
    if (!(fabs(ours.state.loss - theirs.state.loss) <= b->loss * theirs.state.loss))
        fail_msg("%s: loss %.9g, on the CPU %.9g", fixture, ours.state.loss, theirs.state.loss);
    if (!(off <= b->gradient))
        fail_msg("%s: gradients differ by %.3g, allowed: %.3g", fixture, off, b->gradient);
    check_tensors(fixture, &ours, &theirs, b->tensor);
    if (b->precision == DT_PRECISION_FP32)
        assert_true(fabs(ours.state.grad_norm - theirs.state.grad_norm) <=
                    1e-5 * theirs.state.grad_norm);
    assert_int_equal(ours.state.steps, 1);
    assert_memory_equal(ours.gradients, again.gradients, (size_t)ours.count * sizeof(double));
    assert_memory_equal(ours.parameters, again.parameters, (size_t)ours.count * sizeof(double));
    free_result(&again);
    free_result(&ours);
    free_result(&theirs);
}

static void step_equals_the_cpu(void **state)
{
    (void)state;
    static const char *const fixtures[] = {"hybrid_small",  "hybrid_one_layer", "hybrid_wide",
                                           "hybrid_masked", "bert_small",       "cnn_small",
                                           "kmer_small"};
    const bounds exact = {DT_PRECISION_FP32, 1e-5, 1e-5, 1e-5};
    for (size_t f = 0; f < sizeof fixtures / sizeof *fixtures; ++f) {
        compare_steps(fixtures[f], 0.0, &exact);
        compare_steps(fixtures[f], 0.2, &exact);
    }
}

/* Bounds for the unit roundoff u, the maximum relative rounding error. Measured: 0.2 u in the loss
 * and 1.4 u in the gradients; if rounding moves the position of the CNN's maximum, and the gradient
 * with it, 6 u in total and 47 u in the tensors below it. */
static bounds of_rounding(dt_precision precision, double u)
{
    return (bounds){precision, 2.0 * u, 12.0 * u, 80.0 * u};
}

static void low_precision_step_is_near_the_cpu(void **state)
{
    (void)state;
    const bounds bf16 = of_rounding(DT_PRECISION_BF16, 0x1p-8);
    const bounds fp16 = of_rounding(DT_PRECISION_FP16, 0x1p-11);
    static const char *const fixtures[] = {"hybrid_small", "hybrid_two_convolutions", "bert_small",
                                           "cnn_small", "kmer_small"};
    for (size_t f = 0; f < sizeof fixtures / sizeof *fixtures; ++f) {
        compare_steps(fixtures[f], 0.1, &bf16);
        compare_steps(fixtures[f], 0.1, &fp16);
    }
    compare_steps("hybrid_wide", 0.0, &bf16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_equals_the_cpu),
        cmocka_unit_test(low_precision_step_is_near_the_cpu),
    };
    return RUN_TESTS(tests);
}
