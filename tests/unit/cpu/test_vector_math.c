#include <stdbool.h>

#include "cpu/vector_math.h"
#include "test.h"

/* Every 97th float from `from` to `to` (both negative or both positive). */
static float next_of(float x, uint32_t steps)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += steps;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void exp_is_within_2e_7(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int sign = 0; sign < 2; ++sign)
        for (float x = 1e-8f; x < 87.0f; x = next_of(x, 97)) {
            const float argument = sign ? -x : x;
            const double exact = exp((double)argument);
            worst = fmax(worst, fabs((double)dt_expf(argument) - exact) / exact);
        }
    print_message("exp: relative error %.3g\n", worst);
    assert_true(worst < 2e-7);
    assert_true(dt_expf(0.0f) == 1.0f);
}

static void exp_stays_finite_and_passes_nan(void **state)
{
    (void)state;
    assert_true(dt_expf(-INFINITY) > 0.0f && dt_expf(-INFINITY) < 1e-37f);
    assert_true(isfinite(dt_expf(INFINITY)) && dt_expf(INFINITY) > 1e38f);
    assert_true(isnan(dt_expf(NAN)));
}

static void normal_distribution_is_within_1e_7(void **state)
{
    (void)state;
    double worst = 0.0;
    double worst_density = 0.0;
    double worst_tail = 0.0;
    for (int sign = 0; sign < 2; ++sign)
        for (float x = 1e-6f; x < 20.0f; x = next_of(x, 97)) {
            const float u = sign ? -x : x;
            float density;
            const double got = (double)dt_normal_cdff(u, &density);
            const double exact = 0.5 * erfc(-(double)u * 0.70710678118654752440);
            const double slope = 0.39894228040143267794 * exp(-0.5 * (double)u * (double)u);
            worst = fmax(worst, fabs(got - exact));
            worst_density = fmax(worst_density, fabs((double)density - slope));
            if (u < 0.0f && u > -6.0f)
                worst_tail = fmax(worst_tail, fabs(got - exact) / exact);
        }
    print_message("normal distribution: absolute error %.3g, density %.3g, tail relative %.3g\n",
                  worst, worst_density, worst_tail);
    assert_true(worst < 1e-7);
    assert_true(worst_density < 1e-7);
    assert_true(worst_tail < 3e-6);
    assert_true(dt_gelu(0.0f) == 0.0f);
    assert_true(isnan(dt_gelu((dt_real)NAN)));
}

static void mask_row(dt_real *factor, double p, int64_t first, int64_t count)
{
    const dt_mask mask = {.seed = 5,
                          .stream = 6,
                          .position = 7,
                          .sequence = 8,
                          .step = 9,
                          .threshold = dt_dropout_threshold(p),
                          .kept = (dt_real)(1.0 / (1.0 - p))};
    dt_dropout_row(factor, &mask, first, count);
}

static void mask_takes_the_draw_of_each_channel(void **state)
{
    (void)state;
    dt_real factor[301];
    const int64_t counts[] = {1, 3, 4, 63, 64, 65, 300};
    for (int64_t first = 0; first < 9; ++first)
        for (size_t n = 0; n < sizeof counts / sizeof *counts; ++n) {
            factor[counts[n]] = -1;
            mask_row(factor, 0.3, first, counts[n]);
            assert_true(factor[counts[n]] == -1); /* nothing is written past the row */
            for (int64_t i = 0; i < counts[n]; ++i) {
                uint32_t draw[4];
                dt_philox(5, 6, (uint32_t)((first + i) / 4), 7, 8, 9, draw);
                const bool drop = draw[(first + i) % 4] < dt_dropout_threshold(0.3);
                assert_true(factor[i] == (drop ? 0 : (dt_real)(1.0 / 0.7)));
            }
        }
}

static void share_of_dropped_is_p(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    dt_real *factor = malloc(COUNT * sizeof *factor);
    assert_non_null(factor);
    const double all[] = {0.1, 0.5, 0.9};
    for (int i = 0; i < 3; ++i) {
        int64_t dropped = 0;
        mask_row(factor, all[i], 0, COUNT);
        for (int64_t j = 0; j < COUNT; ++j)
            dropped += factor[j] == 0;
        /* five standard deviations */
        assert_true(fabs((double)dropped / COUNT - all[i]) <
                    5.0 * sqrt(all[i] * (1.0 - all[i]) / COUNT));
    }
    mask_row(factor, 0.0, 0, 100);
    for (int64_t j = 0; j < 100; ++j)
        assert_true(factor[j] == 1);
    free(factor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_2e_7),
        cmocka_unit_test(exp_stays_finite_and_passes_nan),
        cmocka_unit_test(normal_distribution_is_within_1e_7),
        cmocka_unit_test(mask_takes_the_draw_of_each_channel),
        cmocka_unit_test(share_of_dropped_is_p),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
