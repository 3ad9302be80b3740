#include <stdbool.h>

#include "core/mt19937.h"
#include "test.h"

/* The 10,000th word after the generator's customary seed 5489, as ISO C++ fixes it for
 * std::mt19937 ([rand.predef]). */
static void ten_thousandth_word_is_the_standards(void **state)
{
    (void)state;
    dt_mt19937 generator;
    dt_mt19937_seed(&generator, 5489);
    for (int i = 1; i < 10000; ++i)
        dt_mt19937_next(&generator);
    assert_true(dt_mt19937_next(&generator) == 4123659995u);
}

static void interval_reaches_both_ends_and_no_further(void **state)
{
    (void)state;
    dt_mt19937 generator;
    dt_mt19937_seed(&generator, 1);
    bool seen[6] = {false};
    for (int i = 0; i < 1000; ++i) {
        const uint64_t value = dt_mt19937_interval(&generator, 5);
        assert_true(value <= 5);
        seen[value] = true;
    }
    for (int i = 0; i < 6; ++i)
        assert_true(seen[i]);
}

static void wide_interval_takes_the_upper_half_first(void **state)
{
    (void)state;
    dt_mt19937 one;
    dt_mt19937 two;
    dt_mt19937_seed(&one, 3);
    dt_mt19937_seed(&two, 3);
    const uint64_t high = dt_mt19937_next(&two);
    const uint64_t low = dt_mt19937_next(&two);
    assert_true(dt_mt19937_interval(&one, UINT64_MAX) == (high << 32 | low));
}

static void interval_of_zero_takes_no_draw(void **state)
{
    (void)state;
    dt_mt19937 one;
    dt_mt19937 two;
    dt_mt19937_seed(&one, 3);
    dt_mt19937_seed(&two, 3);
    assert_int_equal(dt_mt19937_interval(&one, 0), 0);
    assert_int_equal(dt_mt19937_next(&one), dt_mt19937_next(&two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousandth_word_is_the_standards),
        cmocka_unit_test(interval_reaches_both_ends_and_no_further),
        cmocka_unit_test(wide_interval_takes_the_upper_half_first),
        cmocka_unit_test(interval_of_zero_takes_no_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
