#include "taxonomy/label_encoder.h"
#include "taxonomy/taxonomy.h"
#include "test.h"

static void labels_are_sorted_by_byte_order(void **state)
{
    (void)state;
    /* Upper case before lower case before UTF-8, and a prefix before what it begins. */
    const char *labels[] = {"b", "\xc3\x84", "B", "a b", "a", "Unclassified", "b", "a"};
    const char *sorted[] = {"B", "Unclassified", "a", "a b", "b", "\xc3\x84"};
    const int32_t expected_number[] = {0, 1, 2, 3, 4, 5, 0, 4};
    dt_label_encoder encoder;
    ASSERT_OK(dt_label_encoder_create(&encoder));
    for (int i = 0; i < 8; ++i) {
        int32_t number;
        ASSERT_OK(dt_label_encoder_add(&encoder, labels[i], strlen(labels[i]), &number));
        assert_int_equal(number, expected_number[i]);
    }
    int32_t *classes;
    ASSERT_OK(dt_label_encoder_sort(&encoder, &classes));
    assert_int_equal(encoder.count, 6);
    for (int i = 0; i < 6; ++i)
        assert_string_equal(encoder.label[i], sorted[i]);
    for (int i = 0; i < 8; ++i)
        assert_string_equal(encoder.label[classes[expected_number[i]]], labels[i]);
    free(classes);
    dt_label_encoder_free(&encoder);
}

static void class_is_the_place_of_the_label(void **state)
{
    (void)state;
    const char *domains[] = {"Archaea", "Bacteria"};
    const char *genera[] = {"Vibrio", "Bacillus"};
    dt_taxonomy taxonomy = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "domain", 2, domains));
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "genus", 2, genera));
    assert_int_equal(taxonomy.tax_ranks, 2);
    assert_int_equal(dt_taxonomy_class(&taxonomy, 0, "Bacteria"), 1);
    assert_int_equal(dt_taxonomy_class(&taxonomy, 1, "Vibrio"), 0);
    assert_int_equal(dt_taxonomy_class(&taxonomy, 1, "Bacteria"), -1);
    dt_taxonomy_free(&taxonomy);
    assert_int_equal(taxonomy.tax_ranks, 0);
}

static void a_label_twice_and_too_many_ranks_are_refused(void **state)
{
    (void)state;
    const char *labels[] = {"a", "b", "a"};
    dt_taxonomy taxonomy = {0};
    ASSERT_FAILS(DT_ERR_INPUT, "'a' occurs twice",
                 dt_taxonomy_add_rank(&taxonomy, "genus", 3, labels));
    assert_int_equal(taxonomy.tax_ranks, 0);
    for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
        ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "some", 2, labels));
    ASSERT_FAILS(DT_ERR_INPUT, "more than 32", dt_taxonomy_add_rank(&taxonomy, "one", 2, labels));
    dt_taxonomy_free(&taxonomy);
}

static void equal_means_names_labels_and_order(void **state)
{
    (void)state;
    const char *labels[] = {"a", "b", "a"};
    const char *longer[] = {"a", "b", "c"};
    dt_taxonomy one = {0};
    dt_taxonomy two = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&one, "genus", 2, labels));
    assert_false(dt_taxonomy_equal(&one, &two));
    ASSERT_OK(dt_taxonomy_add_rank(&two, "genus", 2, labels));
    assert_true(dt_taxonomy_equal(&one, &two));
    dt_taxonomy_free(&two);
    ASSERT_OK(dt_taxonomy_add_rank(&two, "genus", 2, labels + 1));
    assert_false(dt_taxonomy_equal(&one, &two));
    dt_taxonomy_free(&two);
    ASSERT_OK(dt_taxonomy_add_rank(&two, "genus", 3, longer));
    assert_false(dt_taxonomy_equal(&one, &two));
    dt_taxonomy_free(&two);
    ASSERT_OK(dt_taxonomy_add_rank(&two, "species", 2, labels));
    assert_false(dt_taxonomy_equal(&one, &two));
    dt_taxonomy_free(&two);
    dt_taxonomy_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_sorted_by_byte_order),
        cmocka_unit_test(class_is_the_place_of_the_label),
        cmocka_unit_test(a_label_twice_and_too_many_ranks_are_refused),
        cmocka_unit_test(equal_means_names_labels_and_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
