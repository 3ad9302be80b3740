/* Measures against cases worked out by hand. */
#include "test.h"

#include "eval/metrics.h"

static void assert_close(double value, double expectation, double tolerance)
{
    if (!(fabs(value - expectation) <= tolerance))
        fail_msg("%.17g instead of %.17g", value, expectation);
}

static void a_case_worked_out_by_hand(void **state)
{
    (void)state;
    /* class: support, predicted, hits -> 0: 3, 2, 2; 1: 2, 3, 1; 2: 1, 1, 0; label 7: 1, 0, 0 */
    const int32_t truth[] = {0, 0, 0, 1, 1, 2, 7};
    const int32_t predicted[] = {0, 0, 1, 1, 2, 1, 3};
    dt_metrics m;
    ASSERT_OK(dt_metrics_compute(&m, truth, 1, predicted, 1, 7, 4));
    assert_close(m.accuracy, 3.0 / 7, 1e-15);
    assert_close(m.recall, 3.0 / 7, 1e-15);
    assert_close(m.precision, (3 * 1.0 + 2 * (1.0 / 3)) / 7, 1e-15);
    assert_close(m.f1, (3 * 0.8 + 2 * 0.4) / 7, 1e-15);
}

static void strides_pick_one_tax_rank(void **state)
{
    (void)state;
    const int32_t truth[] = {9, 1, 9, 0, 9, 1};
    const int32_t predicted[] = {1, 8, 8, 1, 8, 8, 1, 8, 8};
    dt_metrics m;
    ASSERT_OK(dt_metrics_compute(&m, truth + 1, 2, predicted, 3, 3, 2));
    assert_close(m.accuracy, 2.0 / 3, 1e-15);
}

static void a_prediction_outside_the_classes_is_a_bug(void **state)
{
    (void)state;
    dt_metrics m;
    ASSERT_FAILS(DT_ERR_INTERNAL, "class 2 of 2",
                 dt_metrics_compute(&m, (int32_t[]){0}, 1, (int32_t[]){2}, 1, 1, 2));
}

static void a_border_belongs_to_the_bin_below(void **state)
{
    (void)state;
    for (int border = 1; border <= 10; ++border) {
        dt_calibration calibration = {0};
        dt_calibration_add(&calibration, border / 10.0, true);
        assert_int_equal(calibration.count[border - 1], 1);
    }
    dt_calibration none = {0};
    dt_calibration_add(&none, 0.0, true);
    assert_true(isnan(dt_calibration_error(&none)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_case_worked_out_by_hand),
        cmocka_unit_test(strides_pick_one_tax_rank),
        cmocka_unit_test(a_prediction_outside_the_classes_is_a_bug),
        cmocka_unit_test(a_border_belongs_to_the_bin_below),
    };
    return cmocka_run_group_tests_name("measures", tests, NULL, NULL);
}
