/* The CUDA kernels, run on the CPU (tests/cuda_on_cpu): a training step gives the same bits
 * whatever the order in which blocks and threads are executed, and however late a stream does its
 * work. So no kernel lacks a barrier, no sum has an order of chance, and no result is read before
 * it is there.
 */
#include "core/module.h"
#include "subject.h"

typedef struct {
    float *gradients, *parameters;
    int64_t count;
    dt_update_state state;
} outcome;

/* Two steps of the fixture's batch, with dropout as the fixture has it. */
static outcome train(const char *fixture, dt_precision precision)
{
    subject s;
    int32_t *tokens;
    int32_t *cu_seqlens;
    int32_t *labels;
    outcome out = {0};
    subject_open_precision(&s, fixture, "cuda_on_cpu", 1, 16, precision);
    const dt_batch batch = read_batch(&s, &tokens, &cu_seqlens, &labels);
    const dt_loss loss = {.classes = *dt_model_classes(s.model)};
    const dt_update_rule rule = {.learning_rate = 1e-3,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .weight_decay = 0.01,
                                 .max_grad_norm = 1.0,
                                 .total_steps = 10};
    out.count = dt_model_params(s.model)->trained;
    out.gradients = calloc((size_t)out.count, sizeof(float));
    out.parameters = calloc((size_t)out.count, sizeof(float));
    for (int step = 0; step < 2; ++step) {
        s.backend->ops->gradients_zero(s.backend);
        const dt_device_batch *on_device = s.backend->ops->batch_upload(s.backend, &batch);
        dt_model_forward(s.model, on_device, true);
        ASSERT_OK(dt_model_backward(s.model, on_device, &loss, NULL, NULL));
        s.backend->ops->update(s.backend, out.count, &rule);
    }
    s.backend->ops->vector_read(s.backend, DT_GRADIENTS, 0, out.count, out.gradients);
    s.backend->ops->vector_read(s.backend, DT_PARAMETERS, 0, out.count, out.parameters);
    s.backend->ops->state_read(s.backend, &out.state);
    ASSERT_OK(s.backend->ops->check(s.backend));
    free(tokens);
    free(cu_seqlens);
    free(labels);
    subject_close(&s);
    return out;
}

static void outcome_free(outcome *o)
{
    free(o->gradients);
    free(o->parameters);
}

static void assert_same_bits(const outcome *a, const outcome *b, const char *fixture,
                             const char *order)
{
    const size_t bytes = (size_t)a->count * sizeof(float);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->state.steps, 2);
    if (memcmp(a->gradients, b->gradients, bytes) != 0 ||
        memcmp(a->parameters, b->parameters, bytes) != 0 ||
        memcmp(&a->state, &b->state, sizeof a->state) != 0)
        fail_msg("%s: %s gives another result than ascending order", fixture, order);
}

static void check_orders(const char *fixture, dt_precision precision)
{
    static const char *const orders[] = {"descending", "random:1"};
    setenv("CUDA_ON_CPU_ORDER", "ascending", 1);
    outcome first = train(fixture, precision);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; ++i) {
        setenv("CUDA_ON_CPU_ORDER", orders[i], 1);
        outcome other = train(fixture, precision);
        assert_same_bits(&first, &other, fixture, orders[i]);
        outcome_free(&other);
    }
    setenv("CUDA_ON_CPU_ORDER", "ascending", 1);
    setenv("CUDA_ON_CPU_STREAMS", "late", 1);
    outcome late = train(fixture, precision);
    unsetenv("CUDA_ON_CPU_STREAMS");
    assert_same_bits(&first, &late, fixture, "work done late");
    outcome_free(&late);
    outcome_free(&first);
}

static void a_training_step_does_not_depend_on_the_order_of_execution(void **state)
{
    static const dt_precision precisions[] = {DT_PRECISION_FP32, DT_PRECISION_BF16,
                                              DT_PRECISION_FP16};
    (void)state;
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; ++p) {
        check_orders("hybrid_small", precisions[p]);
        check_orders("hybrid_wide", precisions[p]);
        check_orders("hybrid_dropout", precisions[p]);
    }
}

int main(void)
{
    if (!dt_module_present("cuda_on_cpu"))
        SKIP_PROGRAM("the CUDA kernels are not built for the CPU (no cuda/, no C++ compiler or no "
                     "awk)");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_step_does_not_depend_on_the_order_of_execution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
