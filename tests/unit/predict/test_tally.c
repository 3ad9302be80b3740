/* Running statistics beyond those covered by the tests of the results. */
#include "predict_test.h"

#include "layers.h"
#include "predict/probability.h"
#include "predict/tally.h"

/* Four sequences at one tax_rank of two classes and one of 101, which has no probabilities. */
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
    assert_int_equal(tally.rank[1].known, 3);
    ASSERT_OK(dt_tally_auc(&tally, 0, &auc));
    assert_true(isnan(auc));
    assert_int_equal(tally.rank[0].among_top, 2); /* with one and two labels before the true one */
    dt_tally_free(&tally);
    dt_truth_free(&truth);
    dt_taxonomy_free(&taxonomy);
}

/* Counts predictions at one tax_rank of three labels. */
typedef struct {
    dt_taxonomy taxonomy;
    dt_truth truth;
    dt_tally tally;
} genus_tally;

static void begin_genus(genus_tally *g, double threshold, int32_t top_k)
{
    static const char *const genus[] = {"Bacillus", "Listeria", "Vibrio"};
    *g = (genus_tally){0};
    ASSERT_OK(dt_taxonomy_add_rank(&g->taxonomy, "genus", 3, genus));
    write_text("genus.tsv", "sequence_id\tgenus\na\tBacillus\nb\tNovus\n");
    ASSERT_OK(dt_truth_read(&g->truth, &g->taxonomy, "genus.tsv"));
    ASSERT_OK(dt_tally_create(&g->tally, &g->taxonomy, &g->truth, threshold, top_k));
}

static void end_genus(genus_tally *g)
{
    dt_tally_free(&g->tally);
    dt_truth_free(&g->truth);
    dt_taxonomy_free(&g->taxonomy);
}

static dt_status add_genus(genus_tally *g, dt_prediction prediction, int32_t truth)
{
    static char id[] = "a";
    dt_fasta_record record = {.id = {.data = id, .length = 1}};
    const dt_predicted predicted = {.sequences = 1,
                                    .tax_ranks = 1,
                                    .record = &record,
                                    .truth = &truth,
                                    .prediction = &prediction};
    return dt_tally_add(&g->tally, &predicted);
}

static void a_confidence_at_the_threshold_is_not_below_it(void **state)
{
    (void)state;
    genus_tally g;
    begin_genus(&g, 0.5, 1);
    ASSERT_OK(add_genus(&g, (dt_prediction){.confidence = 0.5f}, 0));
    assert_int_equal(g.tally.rank[0].below, 0);
    ASSERT_OK(add_genus(&g, (dt_prediction){.confidence = nextafterf(0.5f, 0.0f)}, 0));
    assert_int_equal(g.tally.rank[0].below, 1);
    end_genus(&g);
}

static void the_top_k_are_those_with_fewer_than_k_better(void **state)
{
    (void)state;
    genus_tally g;
    const int64_t counted[] = {0, 1, 2, 2}; /* better = -1: the model has no such label */
    begin_genus(&g, 0.5, 2);
    for (int32_t better = -1; better < 3; ++better) {
        ASSERT_OK(add_genus(&g, (dt_prediction){.better = better, .confidence = 0.5f}, 0));
        assert_int_equal(g.tally.rank[0].among_top, counted[better + 1]);
    }
    end_genus(&g);
}

/* DeepTaxa's rule: any of the top k labels agrees. `better` is of one class that does. */
static void a_predicted_species_that_agrees_is_among_the_top_k(void **state)
{
    (void)state;
    static const char *const species[] = {"Vibrio cholerae", "cholerae"};
    dt_taxonomy taxonomy = {0};
    dt_truth truth;
    genus_tally g = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "species", 2, species));
    write_text("species.tsv", "sequence_id\tspecies\na\tVibrio cholerae\n");
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "species.tsv"));
    ASSERT_OK(dt_tally_create(&g.tally, &taxonomy, &truth, 0.5, 1));
    for (int32_t label = 0; label < 2; ++label)
        ASSERT_OK(
            add_genus(&g, (dt_prediction){.label = label, .better = 1, .confidence = 0.5f}, 0));
    assert_int_equal(g.tally.rank[0].agree, 2);
    assert_int_equal(g.tally.rank[0].among_top, 1); /* of label 0, `better` decides */
    dt_tally_free(&g.tally);
    dt_truth_free(&truth);
    dt_taxonomy_free(&taxonomy);
}

/* A true label unknown to the model has a number of 3 (its number of classes) or more. */
static void the_calibration_is_over_true_labels_that_the_model_knows(void **state)
{
    (void)state;
    genus_tally g;
    begin_genus(&g, 0.5, 1);
    for (int32_t truth = 2; truth <= 3; ++truth) {
        ASSERT_OK(add_genus(&g, (dt_prediction){.label = 2, .confidence = 0.875f}, truth));
        assert_true(fabs(dt_calibration_error(&g.tally.rank[0].calibration) - 0.125) < 1e-12);
    }
    assert_int_equal(g.tally.rank[0].counts.count, 2);
    end_genus(&g);
}

static void scores_have_a_mean_a_deviation_and_a_largest(void **state)
{
    (void)state;
    genus_tally g;
    begin_genus(&g, 0.5, 1);
    assert_true(dt_tally_deviation(&g.tally, 0) == 0.0);
    ASSERT_OK(add_genus(&g, (dt_prediction){.confidence = 0.75f}, DT_NO_TRUTH));
    ASSERT_OK(add_genus(&g, (dt_prediction){.confidence = 0.25f}, DT_NO_TRUTH));
    assert_true(fabs(g.tally.rank[0].mean - 0.5) < 1e-12);
    assert_true(fabs(dt_tally_deviation(&g.tally, 0) - 0.25) < 1e-12);
    assert_true(g.tally.rank[0].max_score == 0.75f);
    assert_false(dt_tally_has_truth(&g.tally, 0)); /* none was compared */
    ASSERT_OK(add_genus(&g, (dt_prediction){.confidence = 0.25f}, 1));
    assert_true(dt_tally_has_truth(&g.tally, 0));
    end_genus(&g);
}

static void invalid_labels_and_confidences_are_refused(void **state)
{
    (void)state;
    genus_tally g;
    const dt_prediction wrong[] = {
        {.label = -1, .confidence = 0.5f},
        {.label = 3, .confidence = 0.5f},
        {.confidence = INFINITY},
        {.confidence = NAN},
    };
    begin_genus(&g, 0.5, 1);
    ASSERT_OK(add_genus(&g, (dt_prediction){.label = 2, .confidence = 0.5f}, 0));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        ASSERT_FAILS(DT_ERR_NUMERIC, "the model's output at genus is not finite",
                     add_genus(&g, wrong[i], DT_NO_TRUTH));
    end_genus(&g);
}

static void auc_is_computed_up_to_a_hundred_classes(void **state)
{
    (void)state;
    static char names[DT_FEW_CLASSES][16];
    static const float probability[3][DT_FEW_CLASSES] = {
        {0.75f, 0.25f}, {0.25f, 0.75f}, {0.125f, 0.875f}};
    static const int32_t truth_of[3] = {0, 1, DT_FEW_CLASSES}; /* a label unknown to the model */
    static const dt_prediction prediction[3] = {{.label = 0, .confidence = 0.75f},
                                                {.label = 1, .confidence = 0.75f},
                                                {.label = 1, .confidence = 0.875f}};
    const char *labels[DT_FEW_CLASSES];
    dt_fasta_record record[3] = {0};
    dt_taxonomy taxonomy = {0};
    dt_truth truth;
    dt_tally tally;
    double auc;
    for (int i = 0; i < DT_FEW_CLASSES; ++i) {
        snprintf(names[i], sizeof names[i], "g%03d", i);
        labels[i] = names[i];
    }
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "genus", DT_FEW_CLASSES, labels));
    write_text("hundred.tsv", "sequence_id\tgenus\na\tg000\nb\tg001\nc\tanother\n");
    ASSERT_OK(dt_truth_read(&truth, &taxonomy, "hundred.tsv"));
    ASSERT_OK(dt_tally_create(&tally, &taxonomy, &truth, 0.5, 1));
    const dt_predicted predicted = {.sequences = 3,
                                    .tax_ranks = 1,
                                    .record = record,
                                    .truth = truth_of,
                                    .prediction = prediction,
                                    .probability = probability[0]};
    ASSERT_OK(dt_tally_add(&tally, &predicted));
    ASSERT_OK(dt_tally_auc(&tally, 0, &auc));
    assert_true(auc == 1.0);
    assert_int_equal(tally.rank[0].known, 2);
    dt_tally_free(&tally);
    dt_truth_free(&truth);
    dt_taxonomy_free(&taxonomy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_is_over_the_sequences_whose_true_label_is_known),
        cmocka_unit_test(a_confidence_at_the_threshold_is_not_below_it),
        cmocka_unit_test(the_top_k_are_those_with_fewer_than_k_better),
        cmocka_unit_test(a_predicted_species_that_agrees_is_among_the_top_k),
        cmocka_unit_test(the_calibration_is_over_true_labels_that_the_model_knows),
        cmocka_unit_test(scores_have_a_mean_a_deviation_and_a_largest),
        cmocka_unit_test(invalid_labels_and_confidences_are_refused),
        cmocka_unit_test(auc_is_computed_up_to_a_hundred_classes),
    };
    return cmocka_run_group_tests_name("tally", tests, enter_folder, leave_folder);
}
