#include "data/dataset.h"
#include "run/split.h"
#include "test.h"

static void truncation_keeps_the_suffix(void **state)
{
    (void)state;
    uint16_t tokens[] = {1, 10, 11, 12, 2, 1, 20, 2};
    int64_t offsets[] = {0, 5, 8};
    const dt_dataset dataset = {
        .count = 2, .tokens = tokens, .offsets = offsets, .suffix_count = 1};
    int32_t out[8];
    assert_int_equal(dt_dataset_tokens(&dataset, 0, 5, out), 5);
    const int32_t whole[] = {1, 10, 11, 12, 2};
    assert_memory_equal(out, whole, sizeof whole);
    assert_int_equal(dt_dataset_tokens(&dataset, 0, 4, out), 4);
    const int32_t cut[] = {1, 10, 11, 2};
    assert_memory_equal(out, cut, sizeof cut);
    assert_int_equal(dt_dataset_tokens(&dataset, 1, 512, out), 3);
    const int32_t second[] = {1, 20, 2};
    assert_memory_equal(out, second, sizeof second);
    assert_int_equal(dt_dataset_length(&dataset, 0, 4), 4);
    assert_int_equal(dt_dataset_length(&dataset, 0, 512), 5);
}

static void truncation_to_less_than_the_suffix_stays_in_bounds(void **state)
{
    (void)state;
    uint16_t tokens[] = {1, 10, 2, 3};
    int64_t offsets[] = {0, 4};
    const dt_dataset dataset = {
        .count = 1, .tokens = tokens, .offsets = offsets, .suffix_count = 2};
    int32_t out[2] = {-1, -1};
    assert_int_equal(dt_dataset_tokens(&dataset, 0, 1, out), 1);
    assert_int_equal(out[0], 3);
    assert_int_equal(out[1], -1);
}

static void split_without_training_sequences_is_refused(void **state)
{
    (void)state;
    dt_split split;
    ASSERT_FAILS(DT_ERR_INPUT, "no sequences are left for training",
                 dt_split_create(&split, 1, 0.2, 42));
    ASSERT_FAILS(DT_ERR_INPUT, "no sequences are left for training",
                 dt_split_create(&split, 0, 0.0, 42));
    ASSERT_FAILS(DT_ERR_INPUT, "no sequences are left for training",
                 dt_split_create(&split, 9, NAN, 42));
    ASSERT_FAILS(DT_ERR_INPUT, "no sequences are left for training",
                 dt_split_create(&split, 9, 1.0, 42));
    ASSERT_OK(dt_split_create(&split, 1, 0.0, 42));
    assert_int_equal(split.training_count, 1);
    assert_int_equal(split.validation_count, 0);
    dt_split_free(&split);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncation_keeps_the_suffix),
        cmocka_unit_test(truncation_to_less_than_the_suffix_stays_in_bounds),
        cmocka_unit_test(split_without_training_sequences_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
