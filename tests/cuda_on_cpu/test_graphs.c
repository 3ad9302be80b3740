/* Recorded steps: a replay gives the same bits as calling the operations one after the other, for
 * every batch of the shape; it rejects the same batches; and communicators that wait for gradient
 * ranges see their final values. */
#include "recorded.h"

/* ---- whole trainings ------------------------------------------------------------------------- */

static void assert_same_result(const char *fixture, const training_result *ours,
                               const training_result *simple)
{
    for (int64_t i = 0; i < simple->updates; ++i)
        if (ours->loss[i] != simple->loss[i])
            fail_msg("%s: update %lld has the loss %.17g, in the simplest way %.17g", fixture,
                     (long long)i, ours->loss[i], simple->loss[i]);
    assert_true(same_training(ours, simple));
}

/* Compares training with that in the simplest way. */
static void compare_trainings(const training_plan *plan, training_steps steps)
{
    training_result simple = run_training(plan, STEPS_SIMPLE, CHOICES_NONE, NULL);
    training_result ours = run_training(plan, steps, CHOICES_NONE, NULL);
    const int micro_batches =
        answers[DT_STEP_RUN] + answers[DT_STEP_RECORD] + answers[DT_STEP_REPLAYED];
    if (steps == STEPS_RECORDED && answers[DT_STEP_REPLAYED] * 2 < micro_batches)
        fail_msg("only %d of %d micro-batches were replayed: too few for this test",
                 answers[DT_STEP_REPLAYED], micro_batches);
    assert_same_result(plan->fixture, &ours, &simple);
    training_result_free(&ours);
    training_result_free(&simple);
}

/* Streams that execute only what is waited for show a missing wait. */
static void branches_and_replaced_gradients_change_no_bit(void **state)
{
    (void)state;
    static const char *const fixtures[] = {"hybrid_small", "hybrid_two_convolutions",
                                           "bert_small",   "cnn_small",
                                           "cnn_onehot",   "kmer_small"};
    setenv("CUDA_ON_CPU_STREAMS", "late", 1);
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; ++i) {
        const training_plan plan = {fixtures[i], DT_PRECISION_BF16, 5, 5, 2, 1, 2};
        compare_trainings(&plan, STEPS_UNRECORDED);
    }
    unsetenv("CUDA_ON_CPU_STREAMS");
}

static void recorded_training_equals_the_unrecorded(void **state)
{
    (void)state;
    const training_plan plans[] = {
        /* micro-batches of whole batches; the last one of an epoch is smaller */
        {"hybrid_small", DT_PRECISION_FP32, 22, 4, 4, 1, 3},
        /* a batch has 2 + 2 + 1 sequences; two batches per update, an odd one at the end */
        {"hybrid_small", DT_PRECISION_FP32, 23, 5, 2, 2, 3},
        {"hybrid_masked", DT_PRECISION_FP16, 12, 4, 4, 1, 4},
        {"hybrid_wide", DT_PRECISION_BF16, 8, 4, 2, 1, 4}, /* fused attention */
    };
    /* of the kernels of a graph's branches too */
    static const char *const orders[] = {"ascending", "descending", "random:1", "random:2"};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; ++i) {
        setenv("CUDA_ON_CPU_STREAMS", i % 2 == 0 ? "now" : "late", 1);
        setenv("CUDA_ON_CPU_ORDER", orders[i], 1);
        compare_trainings(&plans[i], STEPS_RECORDED);
    }
    unsetenv("CUDA_ON_CPU_ORDER");
    unsetenv("CUDA_ON_CPU_STREAMS");
}

/* Whatever is fast: the second training is only given the choices of the first. */
static void trainings_with_the_same_algorithms_have_the_same_bits(void **state)
{
    (void)state;
    const training_plan plan = {"hybrid_small", DT_PRECISION_BF16, 12, 4, 4, 1, 4};
    char *choices = NULL;
    setenv("CUDA_ON_CPU_PROPOSALS", "1=100,2=50,4=60", 1);
    training_result first = run_training(&plan, STEPS_RECORDED, CHOICES_MADE, &choices);
    setenv("CUDA_ON_CPU_PROPOSALS", "4=10,1=20,2=30", 1);
    training_result second = run_training(&plan, STEPS_RECORDED, CHOICES_TAKEN, &choices);
    unsetenv("CUDA_ON_CPU_PROPOSALS");
    assert_true(same_training(&first, &second));
    training_result_free(&first);
    training_result_free(&second);
    free(choices);
}

/* ---- one batch, changed -----------------------------------------------------------------------
 */

/* A batch to be changed by a test. Its sequences have 9, 14 and 6 tokens. */
typedef struct {
    int32_t ids[64], cu_seqlens[8], labels[8 * DT_MAX_TAX_RANKS];
    dt_batch batch;
} test_batch;

static void make_batch(test_batch *b, const dt_model_config *config)
{
    *b = (test_batch){.cu_seqlens = {0, 9, 23, 29}};
    for (int i = 0; i < 29; ++i)
        b->ids[i] = i % 7;
    for (int32_t i = 0; i < 3 * config->tax_ranks; ++i)
        b->labels[i] = 0;
    b->batch = (dt_batch){.sequences = 3,
                          .tax_ranks = config->tax_ranks,
                          .token_ids = b->ids,
                          .cu_seqlens = b->cu_seqlens,
                          .labels = b->labels,
                          .seed = 3,
                          .step = 4,
                          .first_sequence = 5};
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        b->batch.loss_scale[r] = 0.25;
}

/* Computes the batch's gradients, recorded or replayed if the table has step_begin. Returns the
 * result of step_begin(). */
static int compute(training *t, const dt_batch *batch)
{
    dt_backend *backend = t->s.backend;
    const dt_backend_ops *op = backend->ops;
    op->gradients_zero(backend);
    const dt_device_batch *on_device = op->batch_upload(backend, batch);
    const int what = op->step_begin ? op->step_begin(backend, on_device, 0) : DT_STEP_RUN;
    if (what != DT_STEP_REPLAYED) {
        dt_model_forward(t->s.model, on_device, true);
        dt_model_backward(t->s.model, on_device, &t->stepper.loss, NULL, NULL);
    }
    if (what == DT_STEP_RECORD)
        assert_true(op->step_end(backend));
    return what;
}

/* Repeats until the step is recorded for both batch buffers. */
static void record_batch(training *t, const dt_batch *batch)
{
    for (int i = 0; i < 4; ++i)
        assert_int_equal(compute(t, batch), i < 2 ? DT_STEP_RUN : DT_STEP_RECORD);
    for (int i = 0; i < 2; ++i)
        assert_int_equal(compute(t, batch), DT_STEP_REPLAYED);
}

static const training_plan one_batch = {"hybrid_small", DT_PRECISION_FP32, 4, 8, 8, 1, 1};

typedef void (*change)(test_batch *b);

static void change_label(test_batch *b)
{
    b->labels[0] = 1;
}
static void drop_labels(test_batch *b)
{
    b->batch.labels = NULL;
}
static void change_seed(test_batch *b)
{
    b->batch.seed = 4;
}
static void change_step(test_batch *b)
{
    b->batch.step = 1000;
}
static void change_first_sequence(test_batch *b)
{
    b->batch.first_sequence = 77;
}
static void change_loss_scale(test_batch *b)
{
    b->batch.loss_scale[1] = 3.0;
}
static void change_ids(test_batch *b)
{
    for (int i = 0; i < 29; ++i)
        b->ids[i] = i % 23; /* many more distinct ids */
}
static void change_lengths(test_batch *b)
{
    b->cu_seqlens[1] = 1; /* 1, 22, 17 tokens: the longest grows */
    b->cu_seqlens[2] = 23;
    b->cu_seqlens[3] = 40;
    for (int i = 29; i < 40; ++i)
        b->ids[i] = 22 - i % 11;
}

static void changes_take_effect_in_a_replay(void **state)
{
    (void)state;
    static const change changes[] = {change_label,          drop_labels,       change_seed,
                                     change_step,           change_loss_scale, change_ids,
                                     change_first_sequence, change_lengths};
    training ours;
    training plain;
    test_batch b;
    training_open(&plain, &one_batch, false);
    training_open(&ours, &one_batch, true);
    make_batch(&b, &ours.s.config);
    record_batch(&ours, &b.batch);
    float *before = vector_of(&ours, DT_GRADIENTS);
    const size_t bytes = (size_t)trained_elements(&ours) * sizeof(float);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
        make_batch(&b, &ours.s.config);
        changes[i](&b);
        assert_int_equal(compute(&ours, &b.batch), DT_STEP_REPLAYED);
        compute(&plain, &b.batch);
        float *got = vector_of(&ours, DT_GRADIENTS);
        float *expected = vector_of(&plain, DT_GRADIENTS);
        if (memcmp(got, before, bytes) == 0)
            fail_msg("change %d has no effect", (int)i);
        if (memcmp(got, expected, bytes) != 0)
            fail_msg("change %d has another effect in a replay", (int)i);
        free(got);
        free(expected);
    }
    /* the state of the update is on the device too */
    const dt_update_state scaled = {.loss_scale = 8.0};
    make_batch(&b, &ours.s.config);
    ours.ops.state_write(ours.s.backend, &scaled);
    assert_int_equal(compute(&ours, &b.batch), DT_STEP_REPLAYED);
    float *got = vector_of(&ours, DT_GRADIENTS);
    for (size_t i = 0; i < bytes / sizeof(float); ++i)
        assert_true(fabsf(got[i] - 8.0f * before[i]) <= 1e-4f * fabsf(got[i]) + 1e-6f);
    assert_true(memcmp(got, before, bytes) != 0);
    free(got);
    free(before);
    training_close(&ours);
    training_close(&plain);
}

static void wrong_id(test_batch *b)
{
    b->ids[5] = 24; /* of 24 */
}
static void wrong_label(test_batch *b)
{
    b->labels[7] = 3; /* of 3, at the second taxonomic rank */
}
static void wrong_length(test_batch *b)
{
    b->cu_seqlens[1] = 1;
    b->cu_seqlens[2] = 2;
    b->cu_seqlens[3] = 27; /* 25 tokens of 24; the same shape */
}

static void wrong_batches_are_refused_in_a_replay(void **state)
{
    (void)state;
    static const struct {
        change change;
        const char *message;
    } wrong[] = {{wrong_id, "token id 24 is outside the vocabulary of 24"},
                 {wrong_label, "labels -1 to 3 are not all classes of taxonomic rank 1"},
                 {wrong_length, "a sequence of 25 tokens is longer than 24"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        training t;
        test_batch b;
        training_open(&t, &one_batch, true);
        make_batch(&b, &t.s.config);
        record_batch(&t, &b.batch);
        float *before = vector_of(&t, DT_PARAMETERS);
        wrong[i].change(&b);
        compute(&t, &b.batch);
        t.ops.update(t.s.backend, trained_elements(&t), &t.settings.rule);
        ASSERT_FAILS(DT_ERR_INTERNAL, wrong[i].message, t.ops.check(t.s.backend));
        free(before);
        training_close(&t);
    }
}

/* ---- gradient ranges --------------------------------------------------------------------------
 */

/* A communicator of one rank that reads each range as soon as its event has occurred, on another
 * stream: that of a second backend on the same device. */
typedef struct {
    dt_comm base; /* first */
    dt_comm_ops ops;
    dt_backend *reader;
    int64_t trained;
    float *seen;  /* (trained) each range at the time of its event */
    float *early; /* (trained) all ranges at the time of the first event */
    int64_t taken;
} reading_comm;

static void read_gradients(const reading_comm *c, float *out, const float *gradients, int64_t count)
{
    c->reader->ops->download(c->reader, out, gradients, count * (int64_t)sizeof *out);
    ASSERT_OK(c->reader->ops->check(c->reader));
}

static dt_status read_range(dt_comm *comm, dt_backend *backend, int64_t offset, int64_t count,
                            int32_t slot)
{
    reading_comm *c = (reading_comm *)comm;
    const float *gradients = backend->ops->vector_data(backend, DT_GRADIENTS);
    void *event = backend->ops->event_handle(backend, slot);
    assert_int_equal(offset, c->taken); /* in order, none twice */
    c->reader->ops->event_wait(c->reader, event);
    read_gradients(c, c->seen + offset, gradients + offset, count);
    if (offset == 0)
        read_gradients(c, c->early + count, gradients + count, c->trained - count);
    c->taken += count;
    return DT_OK;
}

static dt_status all_were_read(dt_comm *comm, dt_backend *backend)
{
    (void)comm, (void)backend;
    return DT_OK;
}

static void open_reading_comm(reading_comm *comm, training *t)
{
    *comm = (reading_comm){.base = *t->comm, .ops = *t->comm->ops, .trained = trained_elements(t)};
    ASSERT_OK(dt_backend_open(tested_device(), &(dt_backend_options){0}, &comm->reader));
    comm->ops.all_reduce_start = read_range;
    comm->ops.all_reduce_finish = all_were_read;
    comm->base.ops = &comm->ops;
    comm->seen = calloc((size_t)comm->trained, sizeof *comm->seen);
    comm->early = calloc((size_t)comm->trained, sizeof *comm->early);
    t->stepper.comm = &comm->base;
}

/* Checks the ranges of an update. `one_micro_batch`: the last range, the embeddings, still has the
 * gradients of the update before when the first range is read. */
static void check_ranges(training *t, reading_comm *comm, int64_t update, bool one_micro_batch)
{
    static int64_t micro_steps;
    float *before = vector_of(t, DT_GRADIENTS);
    comm->taken = 0;
    memset(comm->seen, 0xff, (size_t)comm->trained * sizeof *comm->seen);
    make_update(&t->stepper, update, &micro_steps);
    assert_int_equal(comm->taken, comm->trained);
    float *gradients = vector_of(t, DT_GRADIENTS);
    for (int64_t i = 0; i < comm->trained; ++i)
        if (gradients[i] != comm->seen[i])
            fail_msg(
                "update %lld (micro-batches replayed so far: %d): gradient %lld was %g when its "
                "event had happened, and became %g",
                (long long)update, answers[DT_STEP_REPLAYED], (long long)i, (double)comm->seen[i],
                (double)gradients[i]);
    /* a GPU continues while the ranges are read; the emulator waits */
    const bool waits = strcmp(tested_device(), "cuda_on_cpu") == 0;
    const dt_param last =
        dt_params_find(dt_model_params(t->s.model), "bert.embeddings.LayerNorm.weight")->offset;
    const size_t bytes = (size_t)(comm->trained - last) * sizeof *before;
    assert_memory_not_equal(gradients + last, before + last, bytes);
    if (one_micro_batch && waits)
        assert_memory_equal(comm->early + last, before + last, bytes);
    free(before);
    free(gradients);
}

/* Also checks that the event of the first range precedes the computation of the last range. */
static void ranges_are_final_when_their_events_happen(void **state)
{
    (void)state;
    setenv("CUDA_ON_CPU_STREAMS", "late", 1); /* a stream executes only the work that is waited
                                                 for */
    for (int32_t micro_batches = 1; micro_batches <= 2; ++micro_batches) {
        const training_plan plan = {
            "hybrid_small", DT_PRECISION_FP32, 24, 4, 4 / micro_batches, 1, 1};
        training t;
        reading_comm comm;
        training_open(&t, &plan, true);
        open_reading_comm(&comm, &t);
        for (int64_t update = 0; update < 12; ++update)
            check_ranges(&t, &comm, update % 6, micro_batches == 1);
        assert_true(answers[DT_STEP_REPLAYED] >= 6 * micro_batches);
        comm.reader->ops->destroy(comm.reader);
        free(comm.seen);
        free(comm.early);
        training_close(&t);
    }
    unsetenv("CUDA_ON_CPU_STREAMS");
}

/* ---- the cache --------------------------------------------------------------------------------
 */

#define KEPT (uint64_t)64 /* DT_CUDA_STEPS of cuda/step.cu */

/* Runs one step without operations for each key 0 … keys-1; returns how often step_begin() returned
 * `what`. */
static int round_of_keys(training *t, const dt_device_batch *batch, uint64_t keys, int what)
{
    memset(answers, 0, sizeof answers);
    for (uint64_t key = 0; key < keys; ++key)
        if (t->ops.step_begin(t->s.backend, batch, key) == DT_STEP_RECORD)
            assert_true(t->ops.step_end(t->s.backend));
    return answers[what];
}

static void the_cache_is_bounded_and_keeps_the_latest(void **state)
{
    (void)state;
    training t;
    test_batch b;
    training_open(&t, &one_batch, true);
    make_batch(&b, &t.s.config);
    const dt_device_batch *batch = t.ops.batch_upload(t.s.backend, &b.batch);
    assert_int_equal(round_of_keys(&t, batch, KEPT, DT_STEP_RUN), KEPT);
    assert_int_equal(round_of_keys(&t, batch, KEPT, DT_STEP_RECORD), KEPT);
    assert_int_equal(round_of_keys(&t, batch, KEPT, DT_STEP_REPLAYED), KEPT);
    /* one more: replaces key 0, the oldest, and then key 1 when key 0 returns */
    assert_int_equal(t.ops.step_begin(t.s.backend, batch, 1000), DT_STEP_RUN);
    assert_int_equal(t.ops.step_begin(t.s.backend, batch, 0), DT_STEP_RUN);
    assert_int_equal(t.ops.step_begin(t.s.backend, batch, 2), DT_STEP_REPLAYED);
    assert_int_equal(t.ops.step_begin(t.s.backend, batch, 1), DT_STEP_RUN);
    /* with too many keys in rotation nothing is ever recorded */
    round_of_keys(&t, batch, 2 * KEPT, DT_STEP_RUN);
    for (int i = 0; i < 2; ++i)
        assert_int_equal(round_of_keys(&t, batch, 2 * KEPT, DT_STEP_RUN), 2 * KEPT);
    ASSERT_OK(t.ops.sync(t.s.backend));
    training_close(&t);
}

static void reserving_batches_discards_recordings(void **state)
{
    (void)state;
    training t;
    test_batch b;
    training_open(&t, &one_batch, true);
    make_batch(&b, &t.s.config);
    record_batch(&t, &b.batch);
    ASSERT_OK(t.ops.batch_reserve(t.s.backend, 8, 100, t.s.config.tax_ranks));
    record_batch(&t, &b.batch); /* each buffer is run once and recorded once again */
    ASSERT_OK(t.ops.sync(t.s.backend));
    training_close(&t);
}

/* ---- what cannot be recorded ------------------------------------------------------------------
 */

/* A conv_max_backward that allocates memory, like a library whose work cannot be captured. */
static void allocating_backward(dt_backend *backend, const void *dy, const void *y,
                                const int32_t *position, void *scratch,
                                const dt_device_batch *batch, const dt_conv_max *conv)
{
    void *memory = NULL;
    real_ops->alloc(backend, &memory, 100);
    real_ops->conv_max_backward(backend, dy, y, position, scratch, batch, conv);
    real_ops->free(backend, memory);
}

static void a_step_that_cannot_be_recorded_runs_as_it_is_called(void **state)
{
    (void)state;
    const training_plan plan = {"hybrid_small", DT_PRECISION_FP32, 24, 4, 2, 1, 1};
    float *result[2];
    for (int recorded = 0; recorded < 2; ++recorded) {
        training t;
        int64_t micro_steps = 0;
        training_open(&t, &plan, recorded);
        if (recorded)
            t.ops.conv_max_backward = allocating_backward;
        for (int64_t update = 0; update < 6; ++update)
            make_update(&t.stepper, update, &micro_steps);
        if (recorded) {
            assert_int_equal(answers[DT_STEP_RECORD], 1); /* tried once */
            assert_int_equal(answers[DT_STEP_REPLAYED], 0);
        }
        result[recorded] = vector_of(&t, DT_PARAMETERS);
        if (recorded)
            assert_memory_equal(result[0], result[1], (size_t)trained_elements(&t) * sizeof(float));
        training_close(&t);
    }
    free(result[0]);
    free(result[1]);
}

static void uploads_while_a_step_is_recorded_are_errors(void **state)
{
    (void)state;
    for (int what = 0; what < 2; ++what) {
        training t;
        test_batch b;
        training_open(&t, &one_batch, true);
        make_batch(&b, &t.s.config);
        const dt_device_batch *batch = t.ops.batch_upload(t.s.backend, &b.batch);
        assert_int_equal(t.ops.step_begin(t.s.backend, batch, 0), DT_STEP_RUN);
        assert_int_equal(t.ops.step_begin(t.s.backend, batch, 0), DT_STEP_RECORD);
        if (what == 0)
            t.ops.batch_upload(t.s.backend, &b.batch);
        else
            t.ops.vector_write(t.s.backend, DT_GRADIENTS, 0, 4, b.ids);
        assert_false(t.ops.step_end(t.s.backend));
        ASSERT_FAILS(DT_ERR_INTERNAL, "while a step is being recorded", t.ops.sync(t.s.backend));
        training_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_and_replaced_gradients_change_no_bit),
        cmocka_unit_test(recorded_training_equals_the_unrecorded),
        cmocka_unit_test(trainings_with_the_same_algorithms_have_the_same_bits),
        cmocka_unit_test(changes_take_effect_in_a_replay),
        cmocka_unit_test(wrong_batches_are_refused_in_a_replay),
        cmocka_unit_test(ranges_are_final_when_their_events_happen),
        cmocka_unit_test(the_cache_is_bounded_and_keeps_the_latest),
        cmocka_unit_test(reserving_batches_discards_recordings),
        cmocka_unit_test(a_step_that_cannot_be_recorded_runs_as_it_is_called),
        cmocka_unit_test(uploads_while_a_step_is_recorded_are_errors),
    };
    return RUN_TESTS(tests);
}
