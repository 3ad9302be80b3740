/* Profiles of an asynchronous device: its operations are measured with its own events.
 */
#include "core/clock.h"
#include "tested_device.h"
#include "unit/profile/profile_test.h"

static int64_t calls_of_operations(const dt_profile *profile, dt_track track, dt_category category)
{
    int32_t count;
    int64_t calls = 0;
    const dt_profile_row *row = dt_profile_rows(profile, track, &count);
    for (int32_t i = 0; i < count; ++i)
        calls += row[i].category == category && row[i].what ? row[i].calls : 0;
    return calls;
}

static void the_device_is_measured_as_the_cpu_is(void **state)
{
    (void)state;
    training cpu;
    training device;
    int64_t launches = 0;
    open_training(&cpu, "cpu", true, false);
    open_training(&device, tested_device(), true, false);
    update(&cpu);
    update(&device);
    ASSERT_OK(dt_profiled_backend_collect(device.s.backend, device.profile));
    for (int category = DT_CATEGORY_EMBEDDING; category <= DT_CATEGORY_OPTIMIZER; ++category) {
        const int64_t calls =
            calls_of_operations(cpu.profile, DT_TRACK_MAIN, (dt_category)category);
        const dt_profile_row there =
            dt_profile_category(cpu.profile, DT_TRACK_MAIN, (dt_category)category);
        const dt_profile_row here =
            dt_profile_category(device.profile, DT_TRACK_DEVICE, (dt_category)category);
        assert_int_equal(here.calls, calls);
        assert_true(here.work == there.work);
        assert_true((here.seconds > 0.0) == (calls > 0));
        launches += calls;
    }
    assert_int_equal(dt_profile_category(device.profile, DT_TRACK_MAIN, DT_CATEGORY_LAUNCH).calls,
                     launches);
    close_training(&cpu);
    close_training(&device);
}

/* Twice as many events as available. */
static void no_operation_is_lost_and_none_overlaps(void **state)
{
    (void)state;
    training t;
    int64_t count;
    int64_t dropped;
    double last = 0.0;
    open_training(&t, tested_device(), true, true);
    ASSERT_OK(t.s.backend->ops->sync(t.s.backend));
    const double before = dt_seconds() - dt_profile_zero(t.profile);
    for (int i = 0; i < DT_PROFILE_EVENTS; ++i)
        t.s.backend->ops->gradients_zero(t.s.backend);
    ASSERT_OK(dt_profiled_backend_collect(t.s.backend, t.profile));
    const double after = dt_seconds() - dt_profile_zero(t.profile);
    const dt_profile_span *span = dt_profile_spans(t.profile, DT_TRACK_DEVICE, &count, &dropped);
    assert_int_equal(count, DT_PROFILE_EVENTS);
    assert_int_equal(dropped, 0);
    for (int64_t i = 0; i < count; ++i) {
        assert_true(span[i].begin >= last - 1e-9 && span[i].seconds >= 0.0);
        last = span[i].begin + span[i].seconds;
    }
    /* on the host's clock, within the resolution of 32-bit milliseconds */
    assert_true(span[0].begin > before - 1e-2 && last < after + 1e-2);
    close_training(&t);
}

static void steps_are_recorded_while_it_pauses(void **state)
{
    (void)state;
    training t;
    int32_t cu_seqlens[SEQUENCES + 1];
    open_training(&t, tested_device(), true, false);
    dt_backend *b = t.s.backend;
    const dt_batch batch = real_batch(&t.data, 0, SEQUENCES, SEQUENCES, cu_seqlens);
    for (int i = 0; i < 4; ++i) /* in both batch buffers */
        assert_int_equal(b->ops->step_begin(b, b->ops->batch_upload(b, &batch), 1), DT_STEP_RUN);
    dt_profile_run(t.profile, false);
    for (int i = 0; i < 2; ++i)
        assert_int_equal(b->ops->step_begin(b, b->ops->batch_upload(b, &batch), 1), DT_STEP_RUN);
    const dt_device_batch *on_device = b->ops->batch_upload(b, &batch);
    assert_int_equal(b->ops->step_begin(b, on_device, 1), DT_STEP_RECORD);
    dt_model_forward(t.s.model, on_device, true);
    assert_true(b->ops->step_end(b));
    ASSERT_OK(b->ops->sync(b));
    close_training(&t);
}

static void a_profile_changes_no_bit(void **state)
{
    (void)state;
    training plain;
    training profiled;
    open_training(&plain, tested_device(), false, false);
    open_training(&profiled, tested_device(), true, true);
    update(&plain);
    update(&profiled);
    assert_same_parameters(&plain, &profiled);
    close_training(&plain);
    close_training(&profiled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_is_measured_as_the_cpu_is),
        cmocka_unit_test(no_operation_is_lost_and_none_overlaps),
        cmocka_unit_test(steps_are_recorded_while_it_pauses),
        cmocka_unit_test(a_profile_changes_no_bit),
    };
    setenv("DEEPTAXA_TEST_SIZE", "small", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
