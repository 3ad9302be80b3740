/* Probabilities of the tax_ranks with few classes, computed from the range of logits needed. */
#include "test.h"

#include "layers.h"
#include "predict/probability.h"

#define SEQUENCES 3

/* Ranks of 120, 3, 150, 5 and 110 classes. */
static const dt_class_layout layout = {.tax_ranks = 5, .first = {0, 120, 123, 273, 278, 388}};

static double logit(int sequence, int column)
{
    return (double)((sequence * 31 + column * 17) % 23) / 7.0 - 1.0;
}

static void the_logits_range_from_the_first_small_rank_to_the_last(void **state)
{
    (void)state;
    const dt_logit_range some = dt_probability_logits(&layout);
    assert_int_equal(some.first, 120);
    assert_int_equal(some.count, 278 - 120);
    const dt_class_layout large = {.tax_ranks = 1, .first = {0, DT_FEW_CLASSES + 1}};
    assert_int_equal(dt_probability_logits(&large).count, 0);
    assert_int_equal(dt_probability_columns(&layout), 8);
}

static void probabilities_are_the_softmax_of_each_small_rank(void **state)
{
    (void)state;
    const double temperature[5] = {9.0, 1.0, 9.0, 2.5, 9.0};
    const dt_logit_range range = dt_probability_logits(&layout);
    float logits[SEQUENCES * 158];
    float out[SEQUENCES * 8];
    for (int i = 0; i < SEQUENCES; ++i)
        for (int c = 0; c < range.count; ++c)
            logits[i * range.count + c] = (float)logit(i, range.first + c);
    dt_probabilities(out, logits, range, 4, SEQUENCES, &layout, temperature);
    for (int i = 0; i < SEQUENCES; ++i)
        for (int r = 1; r <= 3; r += 2) {
            double sum = 0.0;
            for (int c = layout.first[r]; c < layout.first[r + 1]; ++c)
                sum += exp(logit(i, c) / temperature[r]);
            for (int c = layout.first[r]; c < layout.first[r + 1]; ++c) {
                const double p = exp(logit(i, c) / temperature[r]) / sum;
                const float got = out[i * 8 + (r == 3 ? 3 : 0) + c - layout.first[r]];
                assert_true(fabs((double)got - p) < 1e-6);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logits_range_from_the_first_small_rank_to_the_last),
        cmocka_unit_test(probabilities_are_the_softmax_of_each_small_rank),
    };
    return cmocka_run_group_tests_name("probability", tests, NULL, NULL);
}
