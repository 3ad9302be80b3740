#include "core/philox.h"
#include "test.h"

/* Known answers of the Random123 distribution (kat_vectors, philox4x32 10). */
static void equals_the_published_known_answers(void **state)
{
    (void)state;
    uint32_t out[4];
    dt_philox(0, 0, 0, 0, 0, 0, out);
    const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    assert_memory_equal(out, zeros, sizeof out);
    dt_philox(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, out);
    const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    assert_memory_equal(out, ones, sizeof out);
    dt_philox(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, out);
    const uint32_t pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    assert_memory_equal(out, pi, sizeof out);
}

static void streams_of_different_purposes_differ(void **state)
{
    (void)state;
    assert_int_not_equal(dt_stream(DT_DRAW_CONV, 0, 0), dt_stream(DT_DRAW_FUSED, 0, 0));
    assert_int_not_equal(dt_stream(DT_DRAW_ATTENTION, 1, 0), dt_stream(DT_DRAW_ATTENTION, 0, 1));
}

static void threshold_is_the_share_of_draws(void **state)
{
    (void)state;
    assert_int_equal(dt_dropout_threshold(0.0), 0);
    assert_int_equal(dt_dropout_threshold(0.5), 0x80000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_published_known_answers),
        cmocka_unit_test(streams_of_different_purposes_differ),
        cmocka_unit_test(threshold_is_the_share_of_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
