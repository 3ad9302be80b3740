/* True labels in a model's numbering, and when a prediction agrees with one. */
#include "predict_test.h"

#include <jansson.h>

#include "predict/truth.h"

static void labels_get_the_classes_of_the_model_or_numbers_beyond(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    int32_t number[2];
    write_text("t.tsv", "sequence_id\tdomain\tspecies\tgenus\n"
                        "a\tBacteria\tsubtilis\tBacillus\n"
                        "b\tBacteria\tnovum\tNovus\n"
                        "c\tBacteria\taureum\t\n");
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));

    assert_true(dt_truth_find(&truth, "a", 1, number));
    assert_int_equal(number[0], 0);
    assert_int_equal(number[1], 3);

    assert_true(dt_truth_find(&truth, "b", 1, number));
    assert_true(number[0] >= 3);
    assert_true(number[1] >= 5);
    assert_string_equal(dt_truth_label(&truth, 0, number[0]), "Novus");
    assert_string_equal(dt_truth_label(&truth, 1, number[1]), "novum");
    const int32_t novum = number[1];

    /* different unknown labels have different numbers; a missing one is `Unclassified` */
    assert_true(dt_truth_find(&truth, "c", 1, number));
    assert_true(number[1] >= 5 && number[1] != novum);
    assert_string_equal(dt_truth_label(&truth, 0, number[0]), DT_UNCLASSIFIED);
    const int32_t unclassified = number[0];

    /* and so is every label of a sequence without a row, whether the table has that label or not */
    assert_false(dt_truth_find(&truth, "d", 1, number));
    assert_int_equal(number[0], unclassified);
    assert_string_equal(dt_truth_label(&truth, 1, number[1]), DT_UNCLASSIFIED);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

static void unclassified_is_a_class_where_the_model_has_it(void **state)
{
    (void)state;
    static const char *const labels[] = {"Bacillus", DT_UNCLASSIFIED};
    dt_taxonomy model = {0};
    dt_truth truth;
    int32_t number;
    ASSERT_OK(dt_taxonomy_add_rank(&model, "genus", 2, labels));
    write_text("t.tsv", "sequence_id\tgenus\na\tBacillus\n");
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    assert_false(dt_truth_find(&truth, "z", 1, &number));
    assert_int_equal(number, 1);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

static void a_missing_column_is_no_truth_and_none_at_all_an_error(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    int32_t number[2];
    write_text("t.tsv", "sequence_id\tGenus\na\tVibrio\n");
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    char *log = end_log();
    assert_non_null(strstr(log, "no column species"));
    free(log);
    assert_true(dt_truth_find(&truth, "a", 1, number));
    assert_int_equal(number[0], 2);
    assert_int_equal(number[1], DT_NO_TRUTH);
    assert_null(dt_truth_label(&truth, 1, number[1]));
    dt_truth_free(&truth);

    write_text("t.tsv", "sequence_id\tkingdom\na\tFungi\n");
    ASSERT_FAILS(DT_ERR_INPUT, "t.tsv: no column is named", dt_truth_read(&truth, &model, "t.tsv"));
    ASSERT_FAILS(DT_ERR_IO, "absent.tsv", dt_truth_read(&truth, &model, "absent.tsv"));
    dt_taxonomy_free(&model);
}

static void a_taxonomy_of_strange_labels_is_warned_of(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    write_text("t.tsv", "sequence_id\tgenus\tspecies\na\tg__Vibrio\t\nb\tg__Bacillus\t\n");
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    char *log = end_log();
    assert_non_null(strstr(log, "knows none of its labels"));
    assert_non_null(strstr(log, "it has 'g__Bacillus' where the model has 'Bacillus'"));
    free(log);
    dt_truth_free(&truth);

    write_text("t.tsv", "sequence_id\tgenus\tspecies\na\tVibrio\tnovum\nb\tg__Novus\t\n");
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    log = end_log();
    assert_null(strstr(log, "knows none"));
    free(log);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

static void agreement_equals_the_reference(void **state)
{
    (void)state;
    char path[5000];
    snprintf(path, sizeof path, "%s/tests/parity/fixtures/measures.json", start_folder);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "agreement"), i, test)
    {
        const char *truth = json_string_value(json_object_get(test, "true"));
        const char *predicted = json_string_value(json_object_get(test, "predicted"));
        const bool species = json_is_true(json_object_get(test, "species"));
        if (dt_labels_agree(truth, predicted, species) !=
            json_is_true(json_object_get(test, "agrees")))
            fail_msg("true '%s', predicted '%s', species %d", truth, predicted, species);
    }
    assert_true(i > 5);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_get_the_classes_of_the_model_or_numbers_beyond),
        cmocka_unit_test(unclassified_is_a_class_where_the_model_has_it),
        cmocka_unit_test(a_missing_column_is_no_truth_and_none_at_all_an_error),
        cmocka_unit_test(a_taxonomy_of_strange_labels_is_warned_of),
        cmocka_unit_test(agreement_equals_the_reference),
    };
    return cmocka_run_group_tests_name("truth", tests, enter_folder, leave_folder);
}
