#include "core/bits.h"
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

/* In blocks of 2^16 draws: below one, one more than one, and several. */
static void marks_are_the_same_split(void **state)
{
    (void)state;
    const struct {
        int64_t count;
        double share;
    } cases[] = {{1, 0.0},      {10, 0.2},     {97, 0.5},     {1000, 0.0},
                 {1001, 0.999}, {327685, 0.2}, {300000, 0.7}, {200001, 0.4}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k)
        for (uint32_t seed = 0; seed < 3; ++seed) {
            dt_split numbers;
            dt_split marks;
            const int64_t count = cases[k].count;
            ASSERT_OK(dt_split_create(&numbers, count, cases[k].share, seed));
            ASSERT_OK(dt_split_create_marks(&marks, count, cases[k].share, seed));
            assert_null(marks.training);
            assert_int_equal(marks.training_count, numbers.training_count);
            assert_int_equal(marks.validation_count, numbers.validation_count);
            ASSERT_OK(dt_split_add_marks(&numbers));
            assert_memory_equal(marks.marks, numbers.marks, dt_bits_bytes(count));
            int64_t next = 0;
            int64_t last = -1;
            for (int64_t i = 0; i < marks.validation_count; ++i) {
                const int64_t found = dt_split_next(&marks, &next);
                assert_true(found > last && found < count);
                last = found;
            }
            dt_split_free(&numbers);
            dt_split_free(&marks);
        }
    int64_t training[] = {0};
    int64_t validation[] = {2};
    dt_split wrong = {
        .training_count = 1, .validation_count = 1, .training = training, .validation = validation};
    ASSERT_FAILS(DT_ERR_INPUT, "invalid sequence numbers", dt_split_add_marks(&wrong));
    free(wrong.marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_the_same_split),
        cmocka_unit_test(truncation_keeps_the_suffix),
        cmocka_unit_test(truncation_to_less_than_the_suffix_stays_in_bounds),
        cmocka_unit_test(split_without_training_sequences_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
