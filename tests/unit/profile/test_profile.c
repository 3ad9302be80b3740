/* What a profile counts: marks within each other, operations beside the formula of the needed work,
 * the trace of several ranks. */
#include <jansson.h>
#include <unistd.h>

#include "model/work.h" /* the formula that the counts must meet */
#include "core/clock.h"
#include "profile/profile_report.h"
#include "profile/profiled_backend.h"
#include "profile/profiled_comm.h"
#include "unit/profile/profile_test.h"
#include "unit/train/thread_comm.h"

static double category_work(const dt_profile *profile, dt_category category)
{
    return dt_profile_category(profile, DT_TRACK_MAIN, category).work;
}

static void pass_time(double seconds)
{
    const double until = dt_seconds() + seconds;
    while (dt_seconds() < until)
        ;
}

/* ---- marks -------------------------------------------------------------------------------------
 */

static void the_outermost_mark_counts_the_time(void **state)
{
    (void)state;
    dt_profile *p;
    ASSERT_OK(dt_profile_create(&p, false));
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_EVALUATION);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    pass_time(2e-3);
    dt_profile_end(p, DT_TRACK_MAIN);
    dt_profile_end(p, DT_TRACK_MAIN);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    pass_time(1e-3);
    dt_profile_end(p, DT_TRACK_MAIN);
    dt_profile_end(p, DT_TRACK_MAIN);
    const dt_profile_row step = dt_profile_category(p, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    const dt_profile_row evaluation = dt_profile_category(p, DT_TRACK_MAIN, DT_CATEGORY_EVALUATION);
    const dt_profile_row data = dt_profile_category(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    const dt_profile_row inner =
        dt_profile_within(p, DT_TRACK_MAIN, DT_CATEGORY_EVALUATION, DT_CATEGORY_DATA);
    assert_int_equal(data.calls, 1); /* the other one is the evaluation's */
    assert_int_equal(inner.calls, 1);
    assert_true(inner.seconds >= 2e-3 && evaluation.seconds >= inner.seconds);
    assert_true(data.seconds >= 1e-3);
    assert_true(step.seconds >= evaluation.seconds + data.seconds);
    dt_profile_destroy(p);
}

static void a_pause_measures_nothing(void **state)
{
    (void)state;
    dt_profile *p;
    ASSERT_OK(dt_profile_create(&p, true));
    dt_profile_run(p, false);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    dt_profile_end(p, DT_TRACK_MAIN);
    assert_int_equal(dt_profile_category(p, DT_TRACK_MAIN, DT_CATEGORY_DATA).calls, 0);
    dt_profile_run(p, true);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    dt_profile_end(p, DT_TRACK_MAIN);
    assert_int_equal(dt_profile_category(p, DT_TRACK_MAIN, DT_CATEGORY_DATA).calls, 1);
    dt_profile_destroy(p);
}

/* More kinds of operations than there are rows: none is lost from the calls. */
static void no_call_is_lost(void **state)
{
    (void)state;
    dt_profile *p;
    int32_t count;
    int64_t calls = 0;
    ASSERT_OK(dt_profile_create(&p, false));
    for (int64_t i = 1; i <= 1000; ++i)
        dt_profile_add(
            p, DT_TRACK_MAIN,
            &(dt_profiled){.category = DT_CATEGORY_HEADS, .outer = DT_NO_CATEGORY, .in = i}, 0.0,
            1.0);
    const dt_profile_row *row = dt_profile_rows(p, DT_TRACK_MAIN, &count);
    for (int32_t i = 0; i < count; ++i)
        calls += row[i].calls;
    assert_int_equal(calls, 1000);
    dt_profile_destroy(p);
}

/* ---- operations --------------------------------------------------------------------------------
 */

/* What computes is measured; what the backend lacks is still missing, and nothing else is. */
static void the_measured_backend_has_every_operation(void **state)
{
    (void)state;
    dt_profile *p;
    dt_backend *backend;
    ASSERT_OK(dt_profile_create(&p, false));
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    const dt_backend_ops own = *backend->ops;
    ASSERT_OK(dt_profiled_backend(backend, p));
    const dt_backend_ops *measured = backend->ops;
#define AS_BEFORE(name) assert_int_equal(!measured->name, !own.name);
#define MEASURED(name) assert_true(measured->name != own.name);
    DT_BACKEND_OPERATIONS(AS_BEFORE)
    DT_LAYER_OPERATIONS(MEASURED)
    DT_LOSS_OPERATIONS(MEASURED)
    assert_true(measured->alloc == own.alloc);
    backend->ops->destroy(backend);
    dt_profile_destroy(p);
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * b))
        fail_msg("%.17g is not %.17g", a, b);
}

/* By category too, so that each product is counted where it belongs. */
static void counted_work_is_the_needed_work(void **state)
{
    (void)state;
    training t;
    open_training(&t, "cpu", true, false);
    const dt_model_config *c = &t.config;
    double all = 0.0;
    double cnn = 0.0;
    double attention = 0.0;
    double feed_forward = 0.0;
    const double h = c->hidden;
    for (int32_t s = 0; s < SEQUENCES; ++s) {
        const double n = t.data.cu_seqlens[s + 1] - t.data.cu_seqlens[s];
        all += 3.0 * dt_forward_work(c, (int64_t)n);
        cnn += 3.0 * dt_cnn_work(c, (int64_t)n);
        attention += 3.0 * (c->layers - 1) * (8.0 * h * h * n + 4.0 * n * n * h);
        attention += 3.0 * (4.0 * h * h * n + 4.0 * h * h + 4.0 * n * h);
        feed_forward += 3.0 * 4.0 * h * c->intermediate * ((c->layers - 1) * n + 1.0);
    }
    dt_profile_begin(t.profile, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    update(&t);
    dt_profile_end(t.profile, DT_TRACK_MAIN);
    near(category_work(t.profile, DT_CATEGORY_STEP), all);
    near(category_work(t.profile, DT_CATEGORY_CONVOLUTION), cnn);
    near(category_work(t.profile, DT_CATEGORY_ATTENTION), attention);
    near(category_work(t.profile, DT_CATEGORY_FEED_FORWARD), feed_forward);
    near(category_work(t.profile, DT_CATEGORY_HEADS), 3.0 * SEQUENCES * dt_heads_work(c));
    assert_int_equal(dt_profile_category(t.profile, DT_TRACK_MAIN, DT_CATEGORY_PRODUCTS).calls, 0);
    close_training(&t);
}

static void a_profile_changes_no_bit(void **state)
{
    (void)state;
    training plain;
    training profiled;
    open_training(&plain, "cpu", false, false);
    open_training(&profiled, "cpu", true, true);
    for (int i = 0; i < 3; ++i) {
        update(&plain);
        update(&profiled);
    }
    assert_same_parameters(&plain, &profiled);
    close_training(&plain);
    close_training(&profiled);
}

/* ---- the trace ---------------------------------------------------------------------------------
 */

#define RANKS 3

static void profile_a_rank(dt_comm *comm, void *context)
{
    const char *path = context;
    dt_profile *p;
    dt_comm *c = comm;
    double one = 1.0;
    ASSERT_OK(dt_profile_create(&p, true));
    ASSERT_OK(dt_profiled_comm(&c, p));
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    dt_profile_end(p, DT_TRACK_MAIN);
    ASSERT_OK(c->ops->sum(c, &one, 1));
    dt_profile_add(p, DT_TRACK_MAIN,
                   &(dt_profiled){.category = DT_CATEGORY_HEADS,
                                  .outer = DT_NO_CATEGORY,
                                  .what = "heads",
                                  .in = 3,
                                  .out = 4,
                                  .work = 5e9},
                   dt_seconds(), 1e-3);
    dt_profile_end(p, DT_TRACK_MAIN);
    assert_true(one == RANKS);
    ASSERT_OK(dt_profile_report(p, c, path));
    c->ops->destroy(c); /* which leaves the test's own as it is */
    dt_profile_destroy(p);
}

static json_t *read_trace(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: line %d: %s", path, error.line, error.text);
    return root;
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

static void the_trace_holds_the_intervals_of_all_ranks(void **state)
{
    (void)state;
    char path[] = "/tmp/deeptaxa_trace_XXXXXX";
    thread_world world;
    int found[RANKS][4] = {{0}};
    static const char *const wanted[4] = {"step", "data: batches", "communication between ranks",
                                          "heads 3 -> 4"};
    close(mkstemp(path));
    thread_world_init(&world, RANKS);
    run_ranks(&world, profile_a_rank, path);
    json_t *root = read_trace(path);
    const json_t *events = json_object_get(root, "traceEvents");
    assert_true(json_is_array(events));
    int names = 0;
    for (size_t i = 0; i < json_array_size(events); ++i) {
        const json_t *event = json_array_get(events, i);
        const json_int_t pid = json_integer_value(json_object_get(event, "pid"));
        assert_true(pid >= 0 && pid < RANKS);
        if (strcmp(text_of(event, "ph"), "M") == 0) {
            ++names;
            continue;
        }
        assert_string_equal(text_of(event, "ph"), "X");
        assert_true(json_number_value(json_object_get(event, "ts")) >= 0.0);
        assert_true(json_number_value(json_object_get(event, "dur")) >= 0.0);
        assert_int_equal(json_integer_value(json_object_get(event, "tid")), DT_TRACK_MAIN);
        for (int w = 0; w < 4; ++w)
            found[pid][w] += strcmp(text_of(event, "name"), wanted[w]) == 0;
        if (strcmp(text_of(event, "name"), wanted[3]) == 0) {
            const json_t *work = json_object_get(json_object_get(event, "args"), "gflop");
            assert_true(json_number_value(work) == 5.0);
            assert_true(fabs(json_number_value(json_object_get(event, "dur")) - 1e3) < 1e-3);
            assert_string_equal(text_of(event, "cat"), "heads, loss");
        }
    }
    assert_int_equal(names, 2 * RANKS); /* the process and its thread */
    for (int q = 0; q < RANKS; ++q)
        for (int w = 0; w < 4; ++w)
            assert_int_equal(found[q][w], 1);
    json_decref(root);
    unlink(path);
}

static void a_trace_that_cannot_be_written_fails_on_all_ranks(dt_comm *comm, void *context)
{
    dt_profile *p;
    ASSERT_OK(dt_profile_create(&p, true));
    dt_profile_begin(p, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    dt_profile_end(p, DT_TRACK_MAIN);
    assert_int_not_equal(dt_profile_report(p, comm, context), DT_OK);
    dt_profile_destroy(p);
}

static void a_failure_of_rank_0_is_that_of_all(void **state)
{
    (void)state;
    char path[] = "/dev/null/trace.json";
    thread_world world;
    thread_world_init(&world, RANKS);
    run_ranks(&world, a_trace_that_cannot_be_written_fails_on_all_ranks, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outermost_mark_counts_the_time),
        cmocka_unit_test(a_pause_measures_nothing),
        cmocka_unit_test(no_call_is_lost),
        cmocka_unit_test(the_measured_backend_has_every_operation),
        cmocka_unit_test(counted_work_is_the_needed_work),
        cmocka_unit_test(a_profile_changes_no_bit),
        cmocka_unit_test(the_trace_holds_the_intervals_of_all_ranks),
        cmocka_unit_test(a_failure_of_rank_0_is_that_of_all),
    };
    setenv("DEEPTAXA_TEST_SIZE", "small", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
