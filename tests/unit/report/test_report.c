/* A report contains what the files of runs and predictions say, as JSON that no label can leave. */
#include "test.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "report/report.h"

#define HOSTILE "</script><!--<b>&amp;\\\"\\\\\xE2\x80\xA8'"
#define HOSTILE_TEXT "</script><!--<b>&amp;\"\\\xE2\x80\xA8'"

static char folder[] = "/tmp/deeptaxa-test-report-XXXXXX";
static char out_path[128], run_path[128], predictions_path[128];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(out_path, sizeof out_path, "%s/report.html", folder);
    snprintf(run_path, sizeof run_path, "%s/run", folder);
    snprintf(predictions_path, sizeof predictions_path, "%s/predicted", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[160];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

/* Writes a file below a folder, which is created. */
static void put(const char *below, const char *name, const char *text)
{
    char path[512];
    char parent[512];
    snprintf(path, sizeof path, "%s/%s", below, name);
    dt_folder_of(path, parent, sizeof parent);
    ASSERT_OK(dt_make_folder(parent));
    ASSERT_OK(dt_write_file(path, text, strlen(text)));
}

static dt_status report(const char *run, const char *predictions)
{
    const dt_report_sources sources = {
        .run = &run, .runs = run ? 1 : 0, .predictions = predictions, .version = "1.2.3"};
    return dt_report_write(out_path, &sources);
}

/* Returns the document in the report. */
static json_t *document(void)
{
    static const char begin[] = "<script type=\"application/json\" id=\"data\">\n";
    char *page;
    size_t length;
    json_error_t error;
    ASSERT_OK(dt_read_file(out_path, &page, &length));
    const char *at = strstr(page, begin);
    assert_non_null(at);
    at += strlen(begin);
    json_t *out = json_loadb(at, (size_t)(strstr(at, "</script>") - at), 0, &error);
    if (!out)
        fail_msg("the document is not valid: %s", error.text);
    assert_null(memchr(at, '<', (size_t)(strstr(at, "</script>") - at)));
    assert_null(strstr(page, "\xE2\x80\xA8"));
    free(page);
    return out;
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void put_epoch(int epoch, double training, double validation)
{
    char name[64];
    char text[1024];
    snprintf(name, sizeof name, "metrics/deeptaxa_R_epoch%d.json", epoch);
    snprintf(
        text, sizeof text,
        "{\"training_hyperparameters\": {\"seed\": %d, \"inner\": {\"lr\": 0.5}},"
        " \"taxonomic_levels\": {\"0\": {\"rank\": \"" HOSTILE "\"}, \"1\": {\"rank\": \"b\"}},"
        " \"timing\": {\"training_time_seconds\": 7.5},"
        " \"performance_metrics\": {\"training_loss\": %g, \"validation_loss\": %g,"
        " \"validation_metrics\": {\"0\": {\"accuracy\": 0.%d}, \"1\": {\"accuracy\": 0.25}}}}",
        epoch, training, validation, epoch);
    put(run_path, name, text);
}

static void make_run(const double validation[4])
{
    put(run_path, "deeptaxa_uuid.txt", "R");
    put(run_path, "metrics/deeptaxa_other_epoch9.json", "{");
    for (int epoch = 1; epoch <= 4; ++epoch)
        put_epoch(epoch, 5.0 - epoch, validation[epoch - 1]);
}

static void epochs_are_in_order_with_their_numbers(void **state)
{
    (void)state;
    json_t *run;
    json_t *epochs;
    json_t *ranks;
    json_t *accuracy;
    double third;
    const double validation[] = {4.0, 3.0, 3.5, 3.6};
    make_run(validation);
    ASSERT_OK(report(run_path, NULL));
    json_t *json = document();
    assert_int_equal(json_unpack(json, "{s:[o]}", "runs", &run), 0);
    assert_int_equal(json_unpack(run, "{s:o, s:o}", "epochs", &epochs, "ranks", &ranks), 0);
    assert_string_equal(json_string_value(json_array_get(ranks, 0)), HOSTILE_TEXT);
    accuracy = json_object_get(epochs, "accuracy");
    assert_int_equal(json_array_size(accuracy), 4);
    third = json_real_value(json_array_get(json_array_get(accuracy, 2), 0));
    assert_true(third == 0.3);
    json_t *best = json_object_get(run, "best");
    assert_int_equal(json_integer_value(json_object_get(best, "epoch")), 2);
    assert_true(json_is_true(json_object_get(best, "overfitted")));
    assert_true(fabs(json_real_value(json_object_get(best, "rise")) - 0.2) < 1e-12);
    char *settings = json_dumps(json_object_get(run, "settings"), 0);
    assert_non_null(strstr(settings, "[\"training_hyperparameters\", \"inner.lr\", \"0.5\"]"));
    assert_non_null(strstr(settings, "[\"training_hyperparameters\", \"seed\", \"4\"]"));
    free(settings);
    json_decref(json);
}

static void a_loss_that_falls_to_the_end_is_no_overfitting(void **state)
{
    (void)state;
    const double validation[] = {4.0, 3.0, 2.5, 2.51};
    make_run(validation);
    ASSERT_OK(report(run_path, NULL));
    json_t *json = document();
    json_t *best = json_object_get(json_array_get(json_object_get(json, "runs"), 0), "best");
    assert_int_equal(json_integer_value(json_object_get(best, "epoch")), 3);
    assert_true(json_is_false(json_object_get(best, "overfitted")));
    json_decref(json);
}

/* Of 2500 lines, three at a time; the line that is being written does not count. */
static void many_steps_are_means(void **state)
{
    (void)state;
    dt_text text = {0};
    for (int i = 1; i <= 2500; ++i)
        ASSERT_OK(dt_text_addf(&text, "{\"step\": %d, \"loss\": %s, \"learning_rate\": 0.5}\n", i,
                               i == 2 ? "null" : "4.0"));
    ASSERT_OK(dt_text_addf(&text, "{\"step\": 25"));
    put(run_path, "metrics/deeptaxa_R_steps.jsonl", text.data);
    dt_text_free(&text);
    ASSERT_OK(report(run_path, NULL));
    json_t *json = document();
    json_t *steps = json_object_get(json_array_get(json_object_get(json, "runs"), 0), "steps");
    json_t *step = json_object_get(steps, "step");
    assert_int_equal(json_integer_value(json_object_get(steps, "lines")), 2500);
    assert_int_equal(json_integer_value(json_object_get(steps, "together")), 3);
    assert_int_equal(json_array_size(step), 834);
    assert_true(json_number_value(json_array_get(step, 0)) == 2.0);
    assert_true(json_number_value(json_array_get(step, 833)) == 2500.0);
    assert_true(json_number_value(json_array_get(json_object_get(steps, "loss"), 0)) == 4.0);
    assert_true(json_is_null(json_array_get(json_object_get(steps, "gradient_norm"), 0)));
    json_decref(json);
    put(run_path, "metrics/deeptaxa_R_steps.jsonl", "{\"step\": 1}\n{\"step\": }\n");
    ASSERT_FAILS(DT_ERR_INPUT, "line 2", report(run_path, NULL));
    put(run_path, "metrics/deeptaxa_R_steps.jsonl", "");
}

/* ---- predictions ---------------------------------------------------------------------------- */

/* `count` sequences of two ranks: the label of the second is one of `labels`. Every fourth is wrong
 * at the second rank, every fifth has a low confidence there, every tenth at both. */
static void put_predictions(int count, int labels)
{
    dt_text text = {0};
    ASSERT_OK(dt_text_addf(&text, "{\"sequence_ids\": ["));
    for (int i = 0; i < count; ++i)
        ASSERT_OK(dt_text_addf(&text, "%s\"s%d\"", i ? ", " : "", i));
    ASSERT_OK(dt_text_addf(&text, "],\n\"predictions\": ["));
    for (int i = 0; i < count; ++i) {
        const bool high = i % 10 != 0;
        const bool low = i % 5 == 0;
        ASSERT_OK(dt_text_addf(
            &text,
            "%s\n{\"top\": {\"label\": \"" HOSTILE "\", \"raw_score\": %s, "
            "\"confidence_threshold_flag\": %s, \"agreement\": true}, \"low\": {\"label\": "
            "\"l%d\", "
            "\"raw_score\": %s, \"confidence_threshold_flag\": %s, \"agreement\": %s}, "
            "\"sequence_length\": 9}",
            i ? "," : "", high ? "1.0" : "0.05", high ? "true" : "false", i % labels,
            low ? "0.1" : "0.85", low ? "false" : "true",
            i % 4 ? "true"
                  : "false, \"mismatch_detail\": {\"true\": \"" HOSTILE "\", \"known\": true}"));
    }
    ASSERT_OK(dt_text_addf(&text, "], \"summary\": {\"prediction_parameters\": "
                                  "{\"confidence_threshold\": 0.5}}}"));
    put(predictions_path, "a_deeptaxa_predictions.json", text.data);
    dt_text_free(&text);
}

static int64_t number(json_t *object, const char *key, size_t i)
{
    json_t *value = json_object_get(object, key);
    return json_integer_value(json_is_array(value) ? json_array_get(value, i) : value);
}

static void predictions_are_counted(void **state)
{
    (void)state;
    put_predictions(1000, 10);
    ASSERT_OK(report(NULL, predictions_path));
    json_t *json = document();
    json_t *p = json_object_get(json, "predictions");
    json_t *low = json_array_get(json_object_get(p, "by_rank"), 1);
    assert_int_equal(number(p, "sequences", 0), 1000);
    assert_int_equal(number(p, "depth", 0), 100);
    assert_int_equal(number(p, "depth", 1), 100);
    assert_int_equal(number(p, "depth", 2), 800);
    assert_int_equal(json_array_size(json_object_get(p, "unanswered")), 100);
    assert_int_equal(number(low, "labels", 0), 10);
    assert_int_equal(number(low, "unanswered", 0), 200);
    assert_int_equal(number(low, "compared", 0), 1000);
    assert_int_equal(number(low, "correct", 0), 750);
    assert_int_equal(number(low, "bins", 20), 200);  /* 0.1 of 200 intervals */
    assert_int_equal(number(low, "bins", 170), 800); /* 0.85 */
    assert_int_equal(number(low, "right", 170), 600);
    assert_int_equal(number(low, "different_pairs", 0), 5); /* l0, l2, …: every fourth is even */
    json_t *pair = json_array_get(json_object_get(low, "pairs"), 0);
    assert_string_equal(json_string_value(json_array_get(pair, 0)), HOSTILE_TEXT);
    assert_int_equal(json_integer_value(json_array_get(pair, 2)), 50);
    /* 800 of confidence 0.85 and 200 of 0.1, each with an accuracy of 0.75 */
    json_t *calibration = json_object_get(low, "calibration");
    const double error = json_number_value(json_object_get(calibration, "error"));
    assert_true(fabs(error - (0.8 * 0.1 + 0.2 * 0.65)) < 1e-6);
    json_t *tree = json_object_get(p, "composition");
    assert_int_equal(json_array_size(json_object_get(tree, "label")), 11);
    assert_int_equal(number(tree, "count", 0), 1000);
    assert_int_equal(number(tree, "answered", 0), 900);
    json_decref(json);
}

/* More lineages than are drawn: the small ones are merged, and no sequence is lost. */
static void small_lineages_are_merged(void **state)
{
    (void)state;
    int64_t count = 0;
    int64_t merged = 0;
    struct stat info;
    put_predictions(20000, 8000); /* 4000 have three sequences, 4000 two */
    ASSERT_OK(report(NULL, predictions_path));
    json_t *json = document();
    json_t *tree = json_object_get(json_object_get(json, "predictions"), "composition");
    const size_t nodes = json_array_size(json_object_get(tree, "label"));
    assert_true(nodes <= 3002);
    for (size_t i = 0; i < nodes; ++i) {
        count += number(tree, "parent", i) >= 0 ? number(tree, "count", i) : 0;
        merged += number(tree, "merged", i);
        if (number(tree, "merged", i) > 0)
            assert_true(json_is_null(json_array_get(json_object_get(tree, "label"), i)));
    }
    assert_int_equal(count, 20000);
    assert_int_equal(merged + (int64_t)nodes - 2, 8000);
    assert_int_equal(stat(out_path, &info), 0);
    assert_true(info.st_size < 500000);
    json_decref(json);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void faults_are_named_and_the_old_report_stays(void **state)
{
    (void)state;
    char empty[160];
    struct stat before;
    struct stat after;
    assert_int_equal(stat(out_path, &before), 0);
    snprintf(empty, sizeof empty, "%s/empty", folder);
    ASSERT_OK(dt_make_folder(empty));
    ASSERT_FAILS(DT_ERR_IO, "none: cannot read", report("none", NULL));
    ASSERT_FAILS(DT_ERR_INPUT, "no deeptaxa_uuid.txt", report(empty, NULL));
    ASSERT_FAILS(DT_ERR_INPUT, "contains no prediction", report(NULL, empty));
    put(empty, "deeptaxa_uuid.txt", "R");
    ASSERT_FAILS(DT_ERR_INPUT, "contains no metrics", report(empty, NULL));
    put(empty, "metrics/deeptaxa_R_epoch1.json", "{\"performance_metrics\": ");
    ASSERT_FAILS(DT_ERR_INPUT, "epoch1.json: not the metrics of an epoch", report(empty, NULL));
    put(empty, "metrics/deeptaxa_R_epoch1.json", "[]");
    ASSERT_FAILS(DT_ERR_INPUT, "no \"performance_metrics\"", report(empty, NULL));
    put(empty, "a_deeptaxa_predictions.json", "{\"sequence_ids\": [\"a\"], \"predictions\": [{}]}");
    ASSERT_FAILS(DT_ERR_INPUT, "without all ranks", report(NULL, empty));
    put(empty, "a_deeptaxa_predictions.json",
        "{\"sequence_ids\": [\"a\", \"b\"], \"predictions\": "
        "[{\"r\": {\"label\": \"l\", \"raw_score\": 0.5}}]}");
    ASSERT_FAILS(DT_ERR_INPUT, "not as many sequence_ids", report(NULL, empty));
    put(empty, "a_deeptaxa_predictions.json",
        "{\"sequence_ids\": [\"a\"], \"predictions\": [{\"r\": {\"label\": \"l\", \"raw_score\": "
        "2}}]}");
    ASSERT_FAILS(DT_ERR_INPUT, "no raw_score from 0 to 1", report(NULL, empty));
    put(empty, "a_deeptaxa_predictions.json", "{\"sequence_ids\": [], \"predictions\": [");
    ASSERT_FAILS(DT_ERR_INPUT, "something unexpected at byte 38", report(NULL, empty));
    put(empty, "b_deeptaxa_predictions.json", "{}");
    ASSERT_FAILS(DT_ERR_INPUT, "several predictions", report(NULL, empty));
    assert_int_equal(stat(out_path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_are_in_order_with_their_numbers),
        cmocka_unit_test(a_loss_that_falls_to_the_end_is_no_overfitting),
        cmocka_unit_test(many_steps_are_means),
        cmocka_unit_test(predictions_are_counted),
        cmocka_unit_test(small_lineages_are_merged),
        cmocka_unit_test(faults_are_named_and_the_old_report_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
