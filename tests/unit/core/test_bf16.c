#include <math.h>

#include "core/bf16.h"
#include "core/philox.h"
#include "test.h"

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void known_numbers(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        uint16_t rounded;
    } known[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3f80}, {0xc0490fdb, 0xc049},
        {0x3f807fff, 0x3f80}, {0x3f808001, 0x3f81}, /* beside the middle */
        {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, /* ties: to the even one */
        {0xbf808000, 0xbf80}, {0xbf818000, 0xbf82}, {0x3fffc000, 0x4000}, /* up to the next power of
                                                                             two */
        {0x00000001, 0x0000}, {0x00008000, 0x0000},                       /* subnormal */
        {0x00008001, 0x0001}, {0x00018000, 0x0002}, {0x80018000, 0x8002}, {0x007f8000, 0x0080},
        {0x7f7f7fff, 0x7f7f}, {0x7f7f8000, 0x7f80}, /* the largest, and what is nearer to infinite
                                                     */
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fff}, {0x7fc00000, 0x7fff},
        {0xffffffff, 0x7fff}, {0xff80ffff, 0x7fff},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
        if (dt_bf16_of(float_of(known[i].value)) != known[i].rounded)
            fail_msg("%08x becomes %04x", known[i].value, dt_bf16_of(float_of(known[i].value)));
}

static void what_is_bf16_stays(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const float value = dt_bf16_value((uint16_t)bits);
        assert_int_equal(dt_bf16_of(value), isnan(value) ? DT_BF16_NAN : bits);
        assert_int_equal(isnan(value), (bits & 0x7fff) > 0x7f80);
        assert_int_equal(isinf(value) != 0, (bits & 0x7fff) == 0x7f80);
    }
    assert_true(isnan(dt_bf16_value(DT_BF16_NAN)));
}

/* Of finite floats: neither neighbour is nearer. */
static void rounds_to_the_nearest(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; ++i) {
        uint32_t draw[4];
        dt_philox(1, 2, i, 0, 0, 0, draw);
        const float value = float_of(draw[0]);
        if (!isfinite(value) || fabsf(value) > dt_bf16_value(0x7f7f))
            continue;
        const uint16_t rounded = dt_bf16_of(value);
        const double error = fabs((double)dt_bf16_value(rounded) - (double)value);
        for (int step = -1; step <= 1; step += 2) {
            const float other = dt_bf16_value((uint16_t)(rounded + step));
            if (!isnan(other))
                assert_true(error <= fabs((double)other - (double)value));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers),
        cmocka_unit_test(what_is_bf16_stays),
        cmocka_unit_test(rounds_to_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
