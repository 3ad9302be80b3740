/* Quantiles of the lengths of the training sequences. */
#include <stdlib.h>

#include "data/lengths.h"
#include "test.h"

static void quantiles_are_the_smallest_lengths_that_the_percentage_does_not_exceed(void **state)
{
    (void)state;
    int32_t bases[300];
    int64_t items[250];
    const dt_dataset dataset = {.count = 300, .bases = bases};
    dt_length_quantiles found;
    for (int32_t i = 0; i < 300; ++i)
        bases[i] = i * 7919 % 300; /* all of 0 … 299 */
    for (int32_t i = 0; i < 250; ++i)
        items[i] = 299 - i;
    for (int64_t count = 1; count <= 250; ++count) {
        ASSERT_OK(dt_length_quantiles_of(&found, &dataset, items, count));
        assert_true(found.known);
        for (int q = 0; q < DT_LENGTH_QUANTILES; ++q) {
            int64_t below = 0;
            int64_t up_to = 0;
            for (int64_t i = 0; i < count; ++i) {
                below += bases[items[i]] < found.bases[q];
                up_to += bases[items[i]] <= found.bases[q];
            }
            assert_true(100 * up_to >= dt_length_percent[q] * count);
            assert_true(below == 0 || 100 * below < dt_length_percent[q] * count);
        }
    }
}

static void onehot_has_one_token_per_letter(void **state)
{
    (void)state;
    int64_t offsets[] = {0, 5, 8};
    const int64_t items[] = {0, 1};
    const dt_dataset dataset = {.count = 2, .offsets = offsets, .encoding = DT_ENCODING_ONEHOT};
    dt_length_quantiles found;
    ASSERT_OK(dt_length_quantiles_of(&found, &dataset, items, 2));
    assert_true(found.known);
    assert_int_equal(found.bases[0], 3);
    assert_int_equal(found.bases[DT_LENGTH_QUANTILES - 1], 5);
}

static void lengths_are_unknown_with_tokens_only(void **state)
{
    (void)state;
    int64_t offsets[] = {0, 5, 8};
    const int64_t items[] = {0, 1};
    const dt_dataset dataset = {.count = 2, .offsets = offsets};
    dt_length_quantiles found;
    ASSERT_OK(dt_length_quantiles_of(&found, &dataset, items, 2));
    assert_false(found.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_the_smallest_lengths_that_the_percentage_does_not_exceed),
        cmocka_unit_test(onehot_has_one_token_per_letter),
        cmocka_unit_test(lengths_are_unknown_with_tokens_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
