/* What is counted of a stream, where it is more than the results' tests show. */
#include "predict_test.h"

#include "predict/tally.h"

/* Four sequences at one tax_rank of two classes and one of 101, of which no probabilities come. */
static void auc_is_over_the_sequences_whose_true_label_is_known(void **state)
{
    (void)state;
    static const char *const few[] = {"Archaea", "Bacteria"};
    static char names[101][16];
    const char *many[101];
    for (int i = 0; i < 101; ++i) {
        snprintf(names[i], sizeof names[i], "g%03d", i);
        many[i] = names[i];
    }
    dt_taxonomy taxonomy = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "genus", 101, many));
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "domain", 2, few));
    write_text("t.tsv", "sequence_id\tgenus\tdomain\na\tg001\tArchaea\nb\tg001\tBacteria\n"
                        "c\tg001\tBacteria\nd\tg001\tEukaryota\n");
    dt_truth truth;
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "t.tsv"));

    static char *const id[] = {"a", "b", "c", "d"};
    dt_fasta_record record[4] = {0};
    dt_prediction prediction[4][2];
    int32_t numbers[4][2];
    bool has_row[4];
    for (int i = 0; i < 4; ++i) {
        record[i].id = (dt_text){.data = id[i], .length = 1};
        has_row[i] = dt_truth_find(&truth, id[i], 1, numbers[i]);
        for (int r = 0; r < 2; ++r)
            prediction[i][r] = (dt_prediction){.label = 1, .better = i + 1, .confidence = 0.6f};
    }
    /* Bacteria's probability: of b larger than of a, of c the same; d's must not matter */
    const float probability[4][2] = {{0.4f, 0.6f}, {0.25f, 0.75f}, {0.4f, 0.6f}, {0.1f, 0.9f}};
    const dt_predicted predicted = {.sequences = 4,
                                    .tax_ranks = 2,
                                    .record = record,
                                    .truth = numbers[0],
                                    .has_row = has_row,
                                    .prediction = prediction[0],
                                    .probability = probability[0]};
    dt_tally tally;
    double auc;
    ASSERT_OK(dt_tally_create(&tally, &taxonomy, &truth, 0.5, 3));
    ASSERT_OK(dt_tally_add(&tally, &predicted));
    ASSERT_OK(dt_tally_auc(&tally, 1, &auc));
    assert_true(fabs(auc - 0.75) < 1e-15); /* one pair won, one tied */
    ASSERT_OK(dt_tally_auc(&tally, 0, &auc));
    assert_true(isnan(auc));
    assert_int_equal(tally.rank[0].among_top, 2); /* with one and two labels before the true one */
    dt_tally_free(&tally);
    dt_truth_free(&truth);
    dt_taxonomy_free(&taxonomy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_is_over_the_sequences_whose_true_label_is_known),
    };
    return cmocka_run_group_tests_name("tally", tests, enter_folder, leave_folder);
}
