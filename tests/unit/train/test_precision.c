/* The number format of a run: what a new run starts with, and what one that is resumed keeps. */
#include "core/update_rule.h"
#include "test.h"
#include "train/precision.h"

static dt_run stored(const char *precision, double loss_scale, int32_t good_steps)
{
    dt_run run = {
        .settings.rule.dynamic_scale = strcmp(precision, "fp16") == 0,
        .progress.update = {
            .steps = 70, .skipped = 3, .loss_scale = loss_scale, .scale_good_steps = good_steps}};
    snprintf(run.settings.precision, sizeof run.settings.precision, "%s", precision);
    return run;
}

static void check(const dt_run *run, const char *precision, double loss_scale, int32_t good_steps)
{
    assert_string_equal(run->settings.precision, precision);
    assert_int_equal(run->settings.rule.dynamic_scale, strcmp(precision, "fp16") == 0);
    assert_true(run->progress.update.loss_scale == loss_scale);
    assert_int_equal(run->progress.update.scale_good_steps, good_steps);
}

static void a_new_run_scales_its_losses_in_fp16_only(void **state)
{
    (void)state;
    static const dt_precision precisions[] = {DT_PRECISION_FP32, DT_PRECISION_BF16,
                                              DT_PRECISION_FP16};
    static const char *const names[] = {"fp32", "bf16", "fp16"};
    for (int i = 0; i < 3; ++i) {
        dt_run run = {0};
        dt_training_precision(&run, precisions[i], false);
        check(&run, names[i], i == 2 ? 16384.0 : 1.0, 0);
    }
}

static void a_run_in_fp16_goes_on_with_its_scale(void **state)
{
    (void)state;
    dt_run run = stored("fp16", 512.0, 41);
    dt_training_precision(&run, DT_PRECISION_FP16, true);
    check(&run, "fp16", 512.0, 41);
    assert_int_equal(run.progress.update.skipped, 3);
}

static void a_run_that_turns_to_fp16_starts_with_the_first_scale(void **state)
{
    (void)state;
    dt_run run = stored("bf16", 1.0, 70);
    dt_training_precision(&run, DT_PRECISION_FP16, true);
    check(&run, "fp16", DT_LOSS_SCALE_START, 0);
    assert_int_equal(run.progress.update.steps, 70);
}

static void a_run_that_leaves_fp16_leaves_its_scale(void **state)
{
    (void)state;
    dt_run run = stored("fp16", 512.0, 41);
    dt_training_precision(&run, DT_PRECISION_FP32, true);
    check(&run, "fp32", 1.0, 0);
    dt_training_precision(&run, DT_PRECISION_BF16, true);
    check(&run, "bf16", 1.0, 0);
}

static void names_and_formats_belong_together(void **state)
{
    (void)state;
    static const char *const names[] = {"auto", "fp32", "bf16", "fp16"};
    for (int i = 0; i < 4; ++i) {
        assert_string_equal(dt_precision_name((dt_precision)i), names[i]);
        assert_int_equal(dt_precision_named(names[i]), i);
    }
    assert_int_equal(dt_precision_named("fp8"), DT_PRECISION_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_run_scales_its_losses_in_fp16_only),
        cmocka_unit_test(a_run_in_fp16_goes_on_with_its_scale),
        cmocka_unit_test(a_run_that_turns_to_fp16_starts_with_the_first_scale),
        cmocka_unit_test(a_run_that_leaves_fp16_leaves_its_scale),
        cmocka_unit_test(names_and_formats_belong_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
