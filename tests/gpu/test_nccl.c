/* The module that sums gradients on GPUs, with a single rank and without MPI: NCCL is loaded and
 * connected, its stream waits for the events that a recorded step signals, and the step waits for
 * the sums. The sum over one rank is the value itself; rounded to bf16 for the transfer, it shows
 * that the sum ran after the gradient was computed and before the update read it. */
#include "../cuda_on_cpu/recorded.h"
#include "core/module.h"
#include "mpi/reduce.h"

/* dt_comm_single(), but its gradients are summed by NCCL. */
typedef struct {
    dt_comm base;
    dt_comm_ops ops;
    dt_reducer *reducer;
    int64_t trained;   /* elements of the gradient vector */
    int64_t rounded;   /* summed gradients other than 0 that bf16 represents */
    int64_t unrounded; /* and those that it does not */
} nccl_comm;

static dt_status sum_start(dt_comm *comm, dt_backend *backend, int64_t offset, int64_t count,
                           int32_t slot)
{
    (void)backend;
    dt_reducer *reducer = ((nccl_comm *)comm)->reducer;
    return reducer->ops->start(reducer, offset, count, slot);
}

static dt_status sum_finish(dt_comm *comm, dt_backend *backend)
{
    nccl_comm *c = (nccl_comm *)comm;
    DT_TRY(c->reducer->ops->finish(c->reducer));
    uint32_t *bits = calloc((size_t)c->trained, sizeof *bits);
    backend->ops->vector_read(backend, DT_GRADIENTS, 0, c->trained, (float *)bits);
    for (int64_t i = 0; i < c->trained; ++i)
        if (bits[i] << 1 != 0)
            ++*((bits[i] & 0xffff) == 0 ? &c->rounded : &c->unrounded);
    free(bits);
    return backend->ops->check(backend);
}

static void open_nccl(nccl_comm *c, training *t, dt_grad_dtype grad_dtype)
{
    /* several buckets in a step */
    const dt_comm_options options = {
        .kind = DT_COMM_NCCL, .grad_dtype = grad_dtype, .bucket_bytes = 8192};
    dt_backend *backend = t->s.backend;
    void *symbol;
    *c = (nccl_comm){.base = *t->comm, .ops = *t->comm->ops, .trained = trained_elements(t)};
    c->base.ops = &c->ops;
    c->ops.all_reduce_start = sum_start;
    c->ops.all_reduce_finish = sum_finish;
    assert_non_null(backend->comm_module);
    ASSERT_OK(dt_module_symbol(backend->comm_module, "dt_reducer_module", &symbol));
    const dt_reducer_module *module = symbol;
    ASSERT_OK(dt_module_check(backend->comm_module, module->contract, DT_COMM_CONTRACT));
    ASSERT_OK(module->open(&c->base, backend, &options, &c->reducer));
    printf("%s\n", c->reducer->library);
    t->stepper.comm = &c->base;
}

/* Makes updates from recorded steps; returns the final parameters. */
static float *train(const training_plan *plan, dt_grad_dtype grad_dtype, nccl_comm *c)
{
    training t;
    training_open(&t, plan, true);
    if (c)
        open_nccl(c, &t, grad_dtype);
    int64_t micro_steps = 0;
    const int64_t each = dt_updates_per_epoch(plan->sequences, &t.settings);
    for (int64_t update = 0; update < each * plan->epochs; ++update) {
        bool made = false;
        if (update % each == 0)
            ASSERT_OK(dt_sampler_begin_epoch(&t.sampler, (uint32_t)(update / each)));
        ASSERT_OK(dt_stepper_update(&t.stepper, update % each, &micro_steps, &made));
        assert_true(made);
    }
    float *parameters = vector_of(&t, DT_PARAMETERS);
    assert_true(answers[DT_STEP_REPLAYED] > 0);
    if (c)
        c->reducer->ops->destroy(c->reducer);
    training_close(&t);
    return parameters;
}

static const training_plan plans[] = {
    {"hybrid_small", DT_PRECISION_FP32, 8, 4, 4, 1, 3},
    {"hybrid_wide", DT_PRECISION_BF16, 4, 4, 2, 1, 3},
};
#define PLANS (sizeof plans / sizeof *plans)

static void one_rank_trains_as_without_nccl(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLANS; ++i) {
        nccl_comm c;
        float *alone = train(&plans[i], DT_GRAD_FP32, NULL);
        float *ours = train(&plans[i], DT_GRAD_FP32, &c);
        assert_memory_equal(ours, alone, (size_t)c.trained * sizeof *ours);
        assert_true(c.unrounded > 0); /* or the next test would show nothing */
        free(alone);
        free(ours);
    }
}

static void every_gradient_passes_through_the_sum(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLANS; ++i) {
        nccl_comm c;
        free(train(&plans[i], DT_GRAD_BF16, &c));
        if (c.unrounded > 0 || c.rounded == 0)
            fail_msg("%s: %lld of %lld gradients were not summed", plans[i].fixture,
                     (long long)c.unrounded, (long long)(c.rounded + c.unrounded));
    }
}

/* The emulator, with streams that run as late as they may and sums as early: a missing wait shows.
 * On a GPU the variables have no effect. */
static void nothing_is_summed_too_early(void **state)
{
    setenv("NCCL_ON_CPU_EARLY", "1", 1);
    every_gradient_passes_through_the_sum(state);
    unsetenv("NCCL_ON_CPU_EARLY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_trains_as_without_nccl),
        cmocka_unit_test(every_gradient_passes_through_the_sum),
        cmocka_unit_test(nothing_is_summed_too_early),
    };
    setenv("CUDA_ON_CPU_STREAMS", "late", 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return RUN_TESTS(tests);
}
