/* True labels in a model's numbering, reports of unknown labels, and when a prediction agrees with
 * a true label. */
#include "predict_test.h"

#include <jansson.h>

#include "predict/truth_use.h"

static void labels_get_the_classes_of_the_model_or_numbers_beyond(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    int32_t number[2];
    write_text("t.tsv", "sequence_id\tdomain\tSpecies\tgenus\n"
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
    ASSERT_FAILS(DT_ERR_INPUT, "t.tsv: no column is named after",
                 dt_truth_read(&truth, &model, "t.tsv"));
    ASSERT_FAILS(DT_ERR_IO, "absent.tsv", dt_truth_read(&truth, &model, "absent.tsv"));
    dt_taxonomy_free(&model);
}

/* Returns the log of reading this table; frees the truth. */
static char *said_of(const dt_taxonomy *model, const char *text)
{
    dt_truth truth;
    write_text("t.tsv", text);
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, model, "t.tsv"));
    dt_truth_free(&truth);
    return end_log();
}

static void ranks_with_unknown_labels_cause_a_warning(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    char *log = said_of(&model, "sequence_id\tgenus\tspecies\na\tg__Vibrio\t\nb\tg__Bacillus\t\n");
    assert_int_equal(count_of(log, "warning: t.tsv: the model knows hardly any"), 1);
    assert_non_null(
        strstr(log, "at genus (0 of 2; 'g__Bacillus' where the model has 'Bacillus'), so"));
    free(log);

    /* one rank of two */
    log =
        said_of(&model, "sequence_id\tgenus\tspecies\na\tVibrio\tV. cholerae\nb\tNovus\tNova x\n");
    assert_int_equal(count_of(log, "\n"), 1);
    assert_non_null(
        strstr(log, "at species (0 of 2; 'V. cholerae' where the model has 'cholerae'), so"));
    free(log);

    /* all ranks in one warning; the example is the most similar pair, not the first */
    log = said_of(&model, "sequence_id\tgenus\tspecies\na\tAbcde\ts__Innocua\nb\tLISTERIA\ts__x\n");
    assert_int_equal(count_of(log, "\n"), 1);
    assert_non_null(
        strstr(log, "at genus (0 of 2; 'LISTERIA' where the model has 'Listeria'), species (0 "
                    "of 2; 's__Innocua' where the model has 'innocua'), so"));
    free(log);

    log = said_of(&model, "sequence_id\tgenus\tspecies\na\tVibrio\tcereus\nb\tg__Novus\t\n");
    assert_null(strstr(log, "hardly any"));
    free(log);
    dt_taxonomy_free(&model);
}

/* ---- labels of the sequences of an input ---- */

/* Adds one sequence as a batch of its own. */
static void use_id(dt_truth_use *use, const char *id)
{
    int32_t numbers[2];
    dt_fasta_record record = {.id = {.data = (char *)id, .length = strlen(id)}};
    const bool has_row = dt_truth_find(use->truth, id, strlen(id), numbers);
    dt_truth_use_add(use, &(dt_predicted){.sequences = 1,
                                          .tax_ranks = 2,
                                          .record = &record,
                                          .truth = numbers,
                                          .has_row = &has_row});
}

/* Returns the log after the sequences with these ids (separated by blanks). */
static char *said_after(const dt_truth *truth, const char *ids)
{
    dt_truth_use use;
    char id[64];
    int length;
    ASSERT_OK(dt_truth_use_create(&use, truth));
    for (; sscanf(ids, "%63s%n", id, &length) == 1; ids += length)
        use_id(&use, id);
    begin_log();
    ASSERT_OK(dt_truth_use_report(&use, "in.fasta"));
    dt_truth_use_free(&use);
    return end_log();
}

static void labels_of_the_input_count_and_one_in_ten_known_is_enough(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    char table[1024] = "sequence_id\tgenus\tspecies\nv\tVibrio\tcholerae\nw\tVibrio\t\n";
    for (int i = 0; i < 12; ++i)
        sprintf(table + strlen(table), "n%d\tBacillus\tnovum %d\n", i, i);
    write_text("t.tsv", table);
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    char *log = end_log();
    assert_null(strstr(log, "hardly any")); /* the table has a label that is known */
    free(log);

    /* this input has none of those; a repeated label counts once, a missing one not at all */
    log = said_after(&truth, "n0 n1 n2 n1 w absent");
    assert_int_equal(count_of(log, "\n"), 1);
    assert_non_null(strstr(log, "at species (0 of 3; 'novum"));
    free(log);
    /* one of eleven is too few, one of ten is enough */
    log = said_after(&truth, "v n0 n1 n2 n3 n4 n5 n6 n7 n8 n9");
    assert_non_null(strstr(log, "at species (1 of 11; 'novum"));
    free(log);
    log = said_after(&truth, "v n0 n1 n2 n3 n4 n5 n6 n7 n8");
    assert_string_equal(log, "");
    free(log);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

static void a_warning_about_the_table_is_not_repeated(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    write_text("t.tsv", "sequence_id\tgenus\tspecies\na\tg__Vibrio\tcholerae\nb\tg__X\tnovum\n");
    begin_log();
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    char *log = end_log();
    assert_non_null(strstr(log, "at genus (0 of 2; "));
    free(log);
    log = said_after(&truth, "a b");
    assert_string_equal(log, "");
    free(log);
    log = said_after(&truth, "b"); /* of the other rank it is */
    assert_int_equal(count_of(log, "genus"), 0);
    assert_non_null(strstr(log, "at species (0 of 1; "));
    free(log);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

static void ids_that_match_without_annotations_are_counted(void **state)
{
    (void)state;
    dt_taxonomy model = small_taxonomy();
    dt_truth truth;
    int32_t numbers[2];
    write_text("t.tsv", "sequence_id\tgenus\tspecies\na\tVibrio\tcholerae\nb;size=2;\tVibrio\t"
                        "vulnificus\n");
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    assert_true(dt_truth_find(&truth, "a;size=7;", 9, numbers));
    assert_int_equal(numbers[1], 1);
    char *log = said_after(&truth, "b;size=2; a;size=7; a;sample=x;size=1; a c;size=1");
    assert_int_equal(count_of(log, "\n"), 1);
    assert_non_null(
        strstr(log, "notice: in.fasta: 2 sequences match a row of t.tsv only without "
                    "annotations such as ';size=1' in their ids (the first is 'a;size=7;')"));
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

static void a_species_that_the_model_lacks_has_the_longest_class_that_agrees(void **state)
{
    (void)state;
    static const char *const species[] = {"Bacillus subtilis", "innocua", "subtilis"};
    static const struct {
        const char *id;
        int32_t classes[2];
    } wanted[] = {{"a", {0, 0}},  {"b", {2, -1}},  {"c", {2, -1}},
                  {"d", {1, -1}}, {"e", {-1, -1}}, {"f", {-1, 1}}};
    dt_taxonomy model = {0};
    dt_truth truth;
    int32_t number[2];
    ASSERT_OK(dt_taxonomy_add_rank(&model, "species", 3, species));
    ASSERT_OK(dt_taxonomy_add_rank(&model, "genus", 2, (const char *[]){"Bacillus", "Listeria"}));
    write_text("t.tsv", "sequence_id\tspecies\tgenus\n"
                        "a\tBacillus subtilis\tBacillus\n"
                        "b\tsubtilis\tx Bacillus\n" /* a genus is the same label or none */
                        "c\tx subtilis\tx__Bacillus\n"
                        "d\ts__innocua\t\n"
                        "e\tnosubtilis\t\n"
                        "f\ts_innocua\tListeria\n");
    ASSERT_OK(dt_truth_read(&truth, &model, "t.tsv"));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; ++i) {
        assert_true(dt_truth_find(&truth, wanted[i].id, 1, number));
        for (int32_t r = 0; r < 2; ++r)
            assert_int_equal(dt_truth_class(&truth, r, number[r]), wanted[i].classes[r]);
    }
    assert_int_equal(dt_truth_class(&truth, 0, DT_NO_TRUTH), -1);
    dt_truth_free(&truth);
    dt_taxonomy_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_get_the_classes_of_the_model_or_numbers_beyond),
        cmocka_unit_test(unclassified_is_a_class_where_the_model_has_it),
        cmocka_unit_test(a_missing_column_is_no_truth_and_none_at_all_an_error),
        cmocka_unit_test(ranks_with_unknown_labels_cause_a_warning),
        cmocka_unit_test(labels_of_the_input_count_and_one_in_ten_known_is_enough),
        cmocka_unit_test(a_warning_about_the_table_is_not_repeated),
        cmocka_unit_test(ids_that_match_without_annotations_are_counted),
        cmocka_unit_test(a_species_that_the_model_lacks_has_the_longest_class_that_agrees),
        cmocka_unit_test(agreement_equals_the_reference),
    };
    return cmocka_run_group_tests_name("truth", tests, enter_folder, leave_folder);
}
