/* The files of a prediction: names, content, and that no file is left after a failure. */
#include "predict_test.h"

#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>

#include "layers.h"
#include "predict/formats/taxon.h"
#include "predict/results.h"

#define JSON_FILE "out/reads.v4_deeptaxa_predictions.json"
#define TABLE_FILE "out/reads.v4_deeptaxa_predictions.tsv"

static dt_run checkpoint;
static dt_truth truth;

static int set_up(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    checkpoint.taxonomy = small_taxonomy();
    checkpoint.config.tax_ranks = 2;
    checkpoint.progress.training_loss = NAN;
    write_text("truth.tsv", "sequence_id\tgenus\tspecies\n"
                            "a\tBacillus\tBacillus subtilis\n"
                            "b\tAliivibrio\tcereus\n");
    ASSERT_OK(dt_truth_read(&truth, &checkpoint.taxonomy, "truth.tsv"));
    return 0;
}

static int tear_down(void **state)
{
    dt_truth_free(&truth);
    dt_taxonomy_free(&checkpoint.taxonomy);
    return leave_folder(state);
}

static int make_folder(void **state)
{
    (void)state;
    return system("rm -rf out; mkdir out");
}

static dt_results_options options_for(const dt_truth *with)
{
    return (dt_results_options){
        .output_folder = "out",
        .fasta_file = "some/folder/reads.v4.fna.gz",
        .taxonomy_file = with ? "truth.tsv" : NULL,
        .checkpoint_path = "model.h5",
        .checkpoint = &checkpoint,
        .truth = with,
        .tabular = true,
        .columns = 5,
        .column = {DT_COLUMN_PREDICTED, DT_COLUMN_RAW_SCORE, DT_COLUMN_ENTROPY, DT_COLUMN_TRUE,
                   DT_COLUMN_AGREEMENT},
        .threshold = 0.9,
        .top_k = 2,
        .batch_size = 64,
        .device = "none",
        .precision = "fp32",
        .version = "0",
    };
}

static const int32_t *add_lineages; /* independent labels passed by add_three() */

/* Three sequences, the last without a row in the taxonomy file. */
static dt_status add_three(dt_results *results, bool with_truth)
{
    char *const id[] = {"a", "b", "c"};
    dt_fasta_record record[3] = {0};
    const dt_prediction prediction[3][2] = {
        {{0, 0, 0.95f, 0.2f, 0.0f}, {3, -1, 0.5f, 1.0f, 0.0f}},
        {{1, -1, 0.75f, 0.5f, 0.0f}, {0, 0, 0.8f, 0.25f, 0.0f}},
        {{2, -1, 0.25f, 1.0f, 0.0f}, {1, 1, 0.4f, 1.5f, 0.0f}},
    };
    int32_t numbers[3][2];
    bool has_row[3];
    for (int i = 0; i < 3; ++i) {
        record[i].id = (dt_text){.data = id[i], .length = 1};
        record[i].sequence.length = 1400 + (size_t)i;
        has_row[i] = dt_truth_find(&truth, id[i], 1, numbers[i]);
    }
    const dt_predicted predicted = {.sequences = 3,
                                    .tax_ranks = 2,
                                    .record = record,
                                    .truth = with_truth ? numbers[0] : NULL,
                                    .has_row = with_truth ? has_row : NULL,
                                    .prediction = prediction[0],
                                    .independent = add_lineages};
    return dt_results_add(results, &predicted);
}

static void write_three(const dt_truth *with)
{
    static dt_results results;
    const dt_results_options options = options_for(with);
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, with != NULL));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

static const json_t *prediction_of(const json_t *root, size_t i, const char *rank)
{
    return json_object_get(json_array_get(json_object_get(root, "predictions"), i), rank);
}

static void check_number(const json_t *object, const char *key, double expected)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value) || !(fabs(json_number_value(value) - expected) < 1e-7))
        fail_msg("%s is %.9g instead of %.9g", key, json_number_value(value), expected);
}

static void check_text(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static void predictions_have_the_models_output(void **state)
{
    (void)state;
    write_three(&truth);
    json_t *root = load(JSON_FILE);
    assert_int_equal(json_array_size(json_object_get(root, "sequence_ids")), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "sequence_ids"), 1)),
                        "b");

    const json_t *genus = prediction_of(root, 1, "genus");
    check_text(genus, "label", "Listeria");
    check_number(genus, "raw_score", 0.75);
    check_number(genus, "entropy", 0.5);
    check_number(genus, "batch_relative_score", 0.75 / 0.95);
    check_number(genus, "score", 0.75 / 0.95); /* divided by the largest of the run at this rank */
    assert_true(json_is_false(json_object_get(genus, "confidence_threshold_flag")));
    assert_true(json_is_false(json_object_get(genus, "agreement")));
    const json_t *mismatch = json_object_get(genus, "mismatch_detail");
    check_text(mismatch, "predicted", "Listeria");
    check_text(mismatch, "true", "Aliivibrio");
    assert_true(json_is_false(json_object_get(mismatch, "known")));
    mismatch = json_object_get(prediction_of(root, 2, "genus"), "mismatch_detail");
    check_text(mismatch, "true", DT_UNCLASSIFIED);
    assert_true(json_is_false(json_object_get(mismatch, "known")));

    const json_t *species = prediction_of(root, 0, "species");
    check_text(species, "label", "subtilis");
    assert_true(json_is_true(json_object_get(species, "agreement"))); /* "Bacillus subtilis" */
    assert_null(json_object_get(species, "mismatch_detail"));
    assert_true(json_is_true(/* 0.95 reaches the threshold of 0.9 */
                             json_object_get(prediction_of(root, 0, "genus"),
                                             "confidence_threshold_flag")));
    assert_int_equal(json_integer_value(prediction_of(root, 2, "sequence_length")), 1402);

    const json_t *true_labels = json_object_get(root, "true_labels");
    check_text(json_array_get(true_labels, 0), "species", "Bacillus subtilis");
    check_text(json_array_get(true_labels, 2), "genus", DT_UNCLASSIFIED);

    const json_t *summary = json_object_get(root, "summary");
    check_number(summary, "total_sequences", 3);
    check_number(json_object_get(summary, "correct_count_per_rank"), "genus", 1);
    check_number(json_object_get(summary, "correct_count_per_rank"), "species", 2);
    check_number(json_object_get(summary, "top_k_correct_count_per_rank"), "genus", 1);
    const json_t *scores = json_object_get(json_object_get(summary, "performance_stats"), "genus");
    check_number(scores, "mean_raw_score", (0.95 + 0.75 + 0.25) / 3);
    check_number(scores, "std_raw_score", sqrt((0.09 + 0.01 + 0.16) / 3));
    check_number(scores, "below_threshold", 2);
    check_number(scores, "correct", 1);
    check_number(scores, "total", 3);
    check_number(scores, "accuracy", 1.0 / 3);
    json_decref(root);
}

/* 0.75 as a float is 0.75. */
static void a_confidence_at_the_threshold_reaches_it(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(&truth);
    options.threshold = 0.75;
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, true));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    json_t *root = load(JSON_FILE);
    static const bool reached[] = {true, true, false}; /* 0.95, 0.75, 0.25 */
    for (size_t i = 0; i < 3; ++i)
        assert_int_equal(json_is_true(json_object_get(prediction_of(root, i, "genus"),
                                                      "confidence_threshold_flag")),
                         reached[i]);
    const json_t *stats = json_object_get(json_object_get(root, "summary"), "performance_stats");
    check_number(json_object_get(stats, "genus"), "below_threshold", 1);
    json_decref(root);
}

static void the_table_has_the_published_columns(void **state)
{
    (void)state;
    write_three(&truth);
    char *table = read_text(TABLE_FILE);
    assert_string_equal(
        table,
        "sequence_id\tgenus_predicted\tgenus_raw_score\tgenus_entropy\tgenus_true\t"
        "genus_agreement\tspecies_predicted\tspecies_raw_score\tspecies_entropy\tspecies_true\t"
        "species_agreement\tsequence_length\n"
        "a\tBacillus\t0.95\t0.2\tBacillus\tTrue\tsubtilis\t0.5\t1.0\tBacillus "
        "subtilis\tTrue\t1400\n"
        "b\tListeria\t0.75\t0.5\tAliivibrio\tFalse\tcereus\t0.8\t0.25\tcereus\tTrue\t1401\n"
        "c\tVibrio\t0.25\t1.0\tUnclassified\tFalse\tcholerae\t0.4\t1.5\tUnclassified\tFalse\t"
        "1402\n");
    free(table);
}

static void metrics_equal_those_of_the_labels(void **state)
{
    (void)state;
    write_three(&truth);
    json_t *root = load("out/metrics.json");
    const json_t *by_rank = json_object_get(root, "performance_metrics");
    const json_t *genus = json_object_get(by_rank, "0");
    check_number(genus, "accuracy", 1.0 / 3); /* Aliivibrio and Unclassified are unknown: wrong */
    check_number(genus, "precision", 1.0 / 3);
    check_number(genus, "recall", 1.0 / 3);
    check_number(genus, "f1_score", 1.0 / 3);
    check_number(genus, "top_k_accuracy", 1.0 / 3);
    check_number(genus, "ece", 0.05); /* of the one sequence whose true label is known */
    assert_true(json_is_null(json_object_get(genus, "auc")));
    check_number(json_object_get(by_rank, "1"), "accuracy", 1.0 / 3);
    assert_non_null(json_object_get(root, "model_details"));
    assert_non_null(json_object_get(root, "prediction_parameters"));

    char *uuid = read_text("out/deeptaxa_uuid.txt");
    assert_int_equal(strlen(uuid), 36); /* as DeepTaxa's: no time, no newline */
    check_text(root, "run_uuid", uuid);
    free(uuid);
    json_decref(root);
    assert_int_equal(count_files("out"), 4);
}

/* Three cereus and a vulnificus, predicted as cereus, cereus, vulnificus and cholerae. */
static void metrics_have_different_keys(void **state)
{
    (void)state;
    static dt_results results;
    const dt_results_options options = options_for(&truth);
    char *const id[] = {"a", "b", "c", "d"};
    static const int32_t species[] = {0, 0, 4, 1}; /* predicted */
    static const int32_t better[] = {0, 0, 1, 3};
    int32_t numbers[4][2] = {{0, 0}, {0, 0}, {0, 0}, {0, 4}};
    dt_fasta_record record[4] = {0};
    dt_prediction prediction[4][2] = {0};
    for (int i = 0; i < 4; ++i) {
        record[i].id = (dt_text){.data = id[i], .length = 1};
        prediction[i][0].confidence = 0.5f;
        prediction[i][1] =
            (dt_prediction){.label = species[i], .better = better[i], .confidence = 0.5f};
    }
    const dt_predicted predicted = {.sequences = 4,
                                    .tax_ranks = 2,
                                    .record = record,
                                    .truth = numbers[0],
                                    .prediction = prediction[0]};
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(dt_results_add(&results, &predicted));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    json_t *root = load("out/metrics.json");
    const json_t *measures = json_object_get(json_object_get(root, "performance_metrics"), "1");
    check_number(measures, "accuracy", 0.5);
    check_number(measures, "recall", 0.5);
    check_number(measures, "precision", 0.75);
    check_number(measures, "f1_score", 0.6);
    check_number(measures, "top_k_accuracy", 0.75);
    json_decref(root);
    root = load(JSON_FILE);
    const json_t *summary = json_object_get(root, "summary");
    check_number(json_object_get(summary, "correct_count_per_rank"), "species", 2);
    check_number(json_object_get(summary, "top_k_correct_count_per_rank"), "species", 3);
    json_decref(root);
}

/* Parameters of the run, all with different numbers. */
static void parameters_have_different_keys(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(&truth);
    options.min_length = 30;
    options.oriented = true;
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, true));
    results.left_out = 5;
    results.tally.reoriented = 7;
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    json_t *root = load(JSON_FILE);
    const json_t *summary = json_object_get(root, "summary");
    const json_t *parameters = json_object_get(summary, "prediction_parameters");
    check_number(summary, "total_sequences", 3);
    check_number(summary, "left_out_sequences", 5);
    check_number(parameters, "top_k", 2);
    check_number(parameters, "min_length", 30);
    check_number(parameters, "confidence_threshold", 0.9);
    assert_in_range(json_number_value(json_object_get(summary, "prediction_time_seconds")), 0, 60);
    assert_in_range(json_number_value(json_object_get(summary, "post_process_time_seconds")), 0,
                    60);
    json_decref(root);
    root = load("out/metrics.json");
    parameters = json_object_get(root, "prediction_parameters");
    check_number(parameters, "batch_size", 64);
    check_number(parameters, "top_k", 2);
    check_number(parameters, "min_length", 30);
    check_number(parameters, "confidence_threshold", 0.9);
    check_number(parameters, "turned_sequences", 7);
    check_number(parameters, "left_out_sequences", 5);
    check_text(parameters, "orientation", "auto");
    check_text(parameters, "lineage", "independent");
    const json_t *dataset = json_object_get(root, "dataset_info");
    check_number(dataset, "total_sequences", 3);
    check_text(dataset, "fasta_file", "some/folder/reads.v4.fna.gz");
    check_text(dataset, "taxonomy_file", "truth.tsv");
    assert_int_equal(json_object_size(dataset), 3); /* nothing of the training */
    json_decref(root);
}

/* --resume auto finds the checkpoints of a run by its id. */
static void the_folder_of_a_training_run_keeps_its_id(void **state)
{
    (void)state;
    ASSERT_OK(dt_make_folder("out/checkpoints"));
    ASSERT_OK(dt_write_file("out/deeptaxa_uuid.txt", "the training\n", 13));
    write_three(&truth);
    char *uuid = read_text("out/deeptaxa_uuid.txt");
    assert_string_equal(uuid, "the training\n");
    free(uuid);
    assert_int_equal(rmdir("out/checkpoints"), 0);
    write_three(&truth);
    uuid = read_text("out/deeptaxa_uuid.txt");
    assert_string_not_equal(uuid, "the training\n");
    free(uuid);
}

/* Sequence a keeps its labels; b's change at species, c's at both ranks. */
static void changed_lineages_are_counted_and_both_accuracies_written(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(&truth);
    options.lineage = DT_LINEAGE_CONSISTENT;
    ASSERT_OK(dt_results_begin(&results, &options));
    const int32_t independent[3][2] = {{0, 3}, {1, 3}, {0, 0}};
    add_lineages = independent[0];
    ASSERT_OK(add_three(&results, true));
    add_lineages = NULL;
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    json_t *root = load(JSON_FILE);
    const json_t *summary = json_object_get(root, "summary");
    check_text(summary, "lineage", "consistent");
    check_number(summary, "changed_lineages", 2);
    const json_t *ranks = json_object_get(summary, "performance_stats");
    check_number(json_object_get(ranks, "genus"), "changed_labels", 1);
    check_number(json_object_get(ranks, "species"), "changed_labels", 2);
    json_decref(root);
    root = load("out/metrics.json");
    check_text(json_object_get(root, "prediction_parameters"), "lineage", "consistent");
    const json_t *species = json_object_get(json_object_get(root, "performance_metrics"), "1");
    check_number(species, "accuracy", 1.0 / 3); /* cereus of b */
    check_number(species, "independent_accuracy", 0.0);
    check_number(json_object_get(json_object_get(root, "performance_metrics"), "0"),
                 "independent_accuracy", 1.0 / 3);
    json_decref(root);
}

/* prediction_parameters.level_temperatures of metrics.json; the caller frees *root. */
static const json_t *temperatures_of(const dt_results_options *options, json_t **root)
{
    static dt_results results;
    ASSERT_OK(dt_results_begin(&results, options));
    ASSERT_OK(add_three(&results, true));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    *root = load("out/metrics.json");
    return json_object_get(json_object_get(*root, "prediction_parameters"), "level_temperatures");
}

static double number_at(const json_t *array, size_t i)
{
    return json_number_value(json_array_get(array, i));
}

static void temperatures_of_every_ensemble_member_are_written(void **state)
{
    (void)state;
    static const double warm[] = {1.5, 2.5};
    static const char *const paths[] = {"second.h5"};
    dt_results_options options = options_for(&truth);
    json_t *root;
    options.temperature[0] = warm;
    const json_t *told = temperatures_of(&options, &root);
    assert_int_equal(json_array_size(told), 2);
    assert_true(number_at(told, 0) == 1.5 && number_at(told, 1) == 2.5);
    json_decref(root);

    options.others = 1;
    options.other_path = paths;
    options.temperature[0] = NULL;
    options.temperature[1] = warm;
    told = temperatures_of(&options, &root);
    assert_int_equal(json_array_size(told), 2); /* models */
    assert_int_equal(json_array_size(json_array_get(told, 1)), 2);
    assert_true(number_at(json_array_get(told, 0), 1) == 1.0);
    assert_true(number_at(json_array_get(told, 1), 1) == 2.5);
    json_decref(root);
}

static void without_truth_nothing_is_compared(void **state)
{
    (void)state;
    write_three(NULL);
    assert_int_equal(count_files("out"), 3); /* no metrics.json */
    json_t *root = load(JSON_FILE);
    assert_null(json_object_get(root, "true_labels"));
    assert_null(json_object_get(prediction_of(root, 0, "genus"), "agreement"));
    const json_t *summary = json_object_get(root, "summary");
    assert_int_equal(json_object_size(json_object_get(summary, "correct_count_per_rank")), 0);
    json_decref(root);
    char *table = read_text(TABLE_FILE);
    assert_non_null(strstr(table, "a\tBacillus\t0.95\t0.2\t\t\tsubtilis\t0.5\t1.0\t\t\t1400\n"));
    free(table);
}

static void tabular_fields_choose_the_columns_and_their_order(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(NULL);
    options.columns = 2;
    options.column[0] = DT_COLUMN_RAW_SCORE;
    options.column[1] = DT_COLUMN_PREDICTED;
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, false));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    char *table = read_text(TABLE_FILE);
    assert_non_null(strstr(table, "\na\t0.95\tBacillus\t0.5\tsubtilis\t1400\n"));
    free(table);
}

/* 0.8 >= 0.75 at species does not count if genus is below; a label's own prefix is kept. */
static void qiime_lineages_end_before_the_first_unsure_rank(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(NULL);
    options.format[DT_FORMAT_QIIME2] = true;
    options.tabular = false;
    options.lineage_threshold = 0.75;
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, false));
    ASSERT_OK(dt_results_finish(&results));
    dt_results_free(&results);
    char *table = read_text("out/reads.v4_deeptaxa_predictions.qiime2.tsv");
    assert_string_equal(table, "Feature ID\tTaxon\tConfidence\n"
                               "a\tg__Bacillus\t0.95\n"
                               "b\tg__Listeria; s__cereus\t0.8\n"
                               "c\tUnassigned\t0.25\n");
    free(table);
}

static void qiime_lineages_end_before_unclassified(void **state)
{
    (void)state;
    static const char *const phylum[] = {"p__Bacillota"};
    static const char *const class[] = {"Bacilli", DT_UNCLASSIFIED};
    static const char *const clade[] = {"x"};
    dt_taxonomy taxonomy = {0};
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "phylum", 1, phylum));
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "Class", 2, class));
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "clade", 1, clade));
    dt_spool_row row = {
        .id = {.data = (char[]){"a"}, .length = 1},
        .cell = {{.confidence = 1.0f}, {.confidence = 0.5f}, {.confidence = 0.25f}}};
    dt_spool spool;
    ASSERT_OK(dt_spool_create(&spool, ".", 3));
    ASSERT_OK(dt_spool_add(&spool, &row));
    row.id.data[0] = 'b';
    row.cell[1].label = 1;
    ASSERT_OK(dt_spool_add(&spool, &row));
    dt_output out;
    ASSERT_OK(dt_output_begin(&out, "lines"));
    ASSERT_OK(dt_write_qiime2(&(dt_format_source){.spool = &spool, .taxonomy = &taxonomy}, &out));
    ASSERT_OK(dt_output_commit(&out));
    dt_spool_close(&spool);
    dt_taxonomy_free(&taxonomy);
    char *lines = read_text("lines");
    assert_string_equal(lines, "Feature ID\tTaxon\tConfidence\n"
                               "a\tp__Bacillota; c__Bacilli; x\t0.25\n"
                               "b\tp__Bacillota\t1.0\n");
    free(lines);
}

static void reads_are_counted_by_the_annotation_of_their_id(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int64_t reads;
    } ids[] = {
        {"a", 1},       {"a;size=9", 9},  {"a;size=120;", 120}, {"a;sample=b;size=3;ee=0.1", 3},
        {"a;size=", 1}, {"a;size=0;", 1}, {"a;size=7x", 1},     {"a;resize=7;size=5", 5}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; ++i)
        assert_int_equal(dt_read_count(ids[i].id, strlen(ids[i].id)), ids[i].reads);
}

static void names_follow_the_fasta_file(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"gg_testing.fna.gz", "gg_testing"},
        {"a.b/x.fasta", "x"},
        {"x.fa", "x"},
        {"reads", "reads"},
        {"x.txt", "x.txt"},
        {"X.FASTA.GZ", "X"},
        {"x.fasta.bz2", "x"},
        {"x.fna.xz", "x"},
        {"x.fa.zst", "x"},
        {"x.fas.zip", "x"},
        {"rep-seqs.qza", "rep-seqs"},
        {"x.gz.xz", "x.gz"}, /* compressed twice, which is not supported */
        {".fa", ".fa"},
        {"-", "stdin"},
    };
    dt_results_options options = options_for(NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        char path[PATH_MAX];
        char expected[256];
        options.fasta_file = names[i][0];
        ASSERT_OK(dt_results_path(&options, "tsv", path));
        snprintf(expected, sizeof expected, "out/%s_deeptaxa_predictions.tsv", names[i][1]);
        assert_string_equal(path, expected);
    }
}

static void a_failing_run_leaves_no_file(void **state)
{
    (void)state;
    static dt_results results;
    const dt_results_options options = options_for(&truth);
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_OK(add_three(&results, true));
    dt_results_free(&results);
    assert_int_equal(count_files("out"), 0);
}

/* A limit on file sizes simulates a full disk; older results survive. */
static void a_full_disk_leaves_the_older_results(void **state)
{
    (void)state;
    static dt_results results;
    const dt_results_options options = options_for(&truth);
    write_text(JSON_FILE, "old");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit small = {.rlim_cur = 300000, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    ASSERT_OK(dt_results_begin(&results, &options));
    dt_status status = DT_OK;
    for (int i = 0; i < 1000 && status == DT_OK; ++i)
        status = add_three(&results, true);
    if (status == DT_OK)
        status = dt_results_finish(&results);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, DT_ERR_IO);
    dt_results_free(&results);
    assert_int_equal(count_files("out"), 1);
    char *old = read_text(JSON_FILE);
    assert_string_equal(old, "old");
    free(old);
}

static void outputs_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static dt_results results;
    const dt_results_options options = options_for(NULL);
    dt_fasta_record record = {.id = {.data = "a", .length = 1}};
    const dt_prediction prediction[2] = {{.confidence = NAN}, {.confidence = 0.5f}};
    const dt_predicted predicted = {
        .sequences = 1, .tax_ranks = 2, .record = &record, .prediction = prediction};
    ASSERT_OK(dt_results_begin(&results, &options));
    ASSERT_FAILS(DT_ERR_NUMERIC, "sequence 'a'", dt_results_add(&results, &predicted));
    dt_results_free(&results);
}

static void a_missing_folder_is_detected_at_the_start(void **state)
{
    (void)state;
    static dt_results results;
    dt_results_options options = options_for(NULL);
    options.output_folder = "absent";
    ASSERT_FAILS(DT_ERR_IO, "absent/", dt_results_begin(&results, &options));
}

static void a_folder_with_the_name_of_a_file_is_detected_at_the_start(void **state)
{
    (void)state;
    static dt_results results;
    const dt_results_options options = options_for(NULL);
    ASSERT_OK(dt_make_folder(TABLE_FILE));
    ASSERT_FAILS(DT_ERR_IO, TABLE_FILE ": is a folder; a file cannot be written there",
                 dt_results_begin(&results, &options));
    assert_int_equal(rmdir(TABLE_FILE), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, make_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(predictions_have_the_models_output),
        TEST(a_confidence_at_the_threshold_reaches_it),
        TEST(the_table_has_the_published_columns),
        TEST(metrics_equal_those_of_the_labels),
        TEST(metrics_have_different_keys),
        TEST(parameters_have_different_keys),
        TEST(the_folder_of_a_training_run_keeps_its_id),
        TEST(changed_lineages_are_counted_and_both_accuracies_written),
        TEST(temperatures_of_every_ensemble_member_are_written),
        TEST(without_truth_nothing_is_compared),
        TEST(tabular_fields_choose_the_columns_and_their_order),
        TEST(qiime_lineages_end_before_the_first_unsure_rank),
        TEST(qiime_lineages_end_before_unclassified),
        TEST(reads_are_counted_by_the_annotation_of_their_id),
        TEST(names_follow_the_fasta_file),
        TEST(a_failing_run_leaves_no_file),
        TEST(a_full_disk_leaves_the_older_results),
        TEST(outputs_that_are_not_finite_are_refused),
        TEST(a_missing_folder_is_detected_at_the_start),
        TEST(a_folder_with_the_name_of_a_file_is_detected_at_the_start),
    };
    return cmocka_run_group_tests_name("results", tests, set_up, tear_down);
}
