/* Downloaded activations, in each number format that a device may compute in, as floats. */
#include "backend.h"
#include "test.h"

static void narrow_formats_give_the_numbers_that_they_mean(void **state)
{
    (void)state;
    const dt_backend fp16 = {.precision = DT_PRECISION_FP16, .activation_size = 2};
    const dt_backend bf16 = {.precision = DT_PRECISION_BF16, .activation_size = 2};
    /* 1, -2.5, 65504 (the largest), 2^-14 (the smallest normal), 3·2^-24, -2^-24, 0 */
    const uint16_t half[] = {0x3c00, 0xc100, 0x7bff, 0x0400, 0x0003, 0x8001, 0};
    const float meant[] = {1.0f, -2.5f, 65504.0f, 0x1p-14f, 0x1.8p-23f, -0x1p-24f, 0.0f};
    float out[7];
    dt_backend_floats(&fp16, out, half, 7);
    for (int i = 0; i < 7; ++i)
        assert_true(out[i] == meant[i]);
    const uint16_t special[] = {0x7c00, 0xfc00, 0x7e00};
    dt_backend_floats(&fp16, out, special, 3);
    assert_true(isinf(out[0]) && out[0] > 0.0f);
    assert_true(isinf(out[1]) && out[1] < 0.0f);
    assert_true(isnan(out[2]));
    const uint16_t brain[] = {0x3f80, 0xc020, 0x7f80, 0x4049};
    dt_backend_floats(&bf16, out, brain, 4);
    assert_true(out[0] == 1.0f && out[1] == -2.5f && isinf(out[2]) && out[3] == 3.140625f);
}

static void wide_formats_stay(void **state)
{
    (void)state;
    const dt_backend fp32 = {.precision = DT_PRECISION_FP32, .activation_size = sizeof(float)};
    const dt_backend fp64 = {.precision = DT_PRECISION_FP32, .activation_size = sizeof(double)};
    const float narrow[] = {1.5f, -3.0e-30f};
    const double wide[] = {1.5, 0.1};
    float out[2];
    dt_backend_floats(&fp32, out, narrow, 2);
    assert_memory_equal(out, narrow, sizeof out);
    dt_backend_floats(&fp64, out, wide, 2);
    assert_true(out[0] == 1.5f && out[1] == 0.1f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_formats_give_the_numbers_that_they_mean),
        cmocka_unit_test(wide_formats_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
