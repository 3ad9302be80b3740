/* Measures equal scikit-learn's, and the calibration error its definition, on the cases of
 * tests/parity/measures_reference.py. */
#include "test.h"

#include <jansson.h>

#include "core/memory.h"
#include "eval/auc.h"
#include "eval/metrics.h"

static void assert_close(double value, double expectation, double tolerance)
{
    if (!(fabs(value - expectation) <= tolerance))
        fail_msg("%.17g instead of %.17g", value, expectation);
}

static int32_t *numbers(const json_t *array, size_t *count)
{
    *count = json_array_size(array);
    int32_t *out;
    ASSERT_OK(DT_NEW(out, *count));
    for (size_t i = 0; i < *count; ++i)
        out[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return out;
}

static double expected(const json_t *test, const char *key)
{
    return json_number_value(json_object_get(json_object_get(test, "expected"), key));
}

static json_t *fixture(void)
{
    static const char path[] = "tests/parity/fixtures/measures.json";
    json_t *root = json_load_file(path, 0, NULL);
    if (!root)
        SKIP_PROGRAM("%s is missing", path);
    return root;
}

/* classes 0: the case has no vocabulary, one that is large enough does. */
static void check_labels(const json_t *test, int32_t classes)
{
    size_t count;
    int32_t *truth = numbers(json_object_get(test, "truth"), &count);
    int32_t *predicted = numbers(json_object_get(test, "predicted"), &count);
    dt_metrics m;
    ASSERT_OK(
        dt_metrics_compute(&m, truth, 1, predicted, 1, (int64_t)count, classes ? classes : 1000));
    assert_close(m.accuracy, expected(test, "accuracy"), 1e-12);
    assert_close(m.precision, expected(test, "precision"), 1e-12);
    assert_close(m.recall, expected(test, "recall"), 1e-12);
    assert_close(m.f1, expected(test, "f1_score"), 1e-12);
    free(truth);
    free(predicted);
}

static void measures_equal_scikit_learn(void **state)
{
    (void)state;
    json_t *root = fixture();
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "labels"), i, test) check_labels(test, 0);
    json_array_foreach(json_object_get(root, "probabilities"), i, test)
        check_labels(test, (int32_t)json_integer_value(json_object_get(test, "classes")));
    assert_true(i > 0);
    json_decref(root);
}

static void calibration_error_equals_its_definition(void **state)
{
    (void)state;
    json_t *root = fixture();
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "probabilities"), i, test)
    {
        const json_int_t classes = json_integer_value(json_object_get(test, "classes"));
        const json_t *rows = json_object_get(test, "probabilities");
        dt_calibration calibration = {0};
        for (size_t k = 0; k < json_array_size(rows); ++k) {
            const json_int_t truth =
                json_integer_value(json_array_get(json_object_get(test, "truth"), k));
            const json_int_t label =
                json_integer_value(json_array_get(json_object_get(test, "predicted"), k));
            const double confidence =
                json_number_value(json_array_get(json_array_get(rows, k), (size_t)label));
            if (truth >= 0 && truth < classes)
                dt_calibration_add(&calibration, confidence, truth == label);
        }
        const double error = dt_calibration_error(&calibration);
        if (json_is_null(json_object_get(json_object_get(test, "expected"), "ece")))
            assert_true(isnan(error));
        else
            assert_close(error, expected(test, "ece"), 1e-9);
    }
    json_decref(root);
}

static void auc_equals_scikit_learn(void **state)
{
    (void)state;
    json_t *root = fixture();
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "probabilities"), i, test)
    {
        const json_t *rows = json_object_get(test, "probabilities");
        const size_t classes = (size_t)json_integer_value(json_object_get(test, "classes"));
        const size_t count = json_array_size(rows);
        float *probability;
        int32_t *truth;
        size_t known = 0; /* a true label that the model does not know stays out */
        ASSERT_OK(DT_NEW(probability, count * classes));
        ASSERT_OK(DT_NEW(truth, count));
        for (size_t k = 0; k < count; ++k) {
            truth[known] =
                (int32_t)json_integer_value(json_array_get(json_object_get(test, "truth"), k));
            if (truth[known] >= (int32_t)classes)
                continue;
            for (size_t c = 0; c < classes; ++c)
                probability[known * classes + c] =
                    (float)json_number_value(json_array_get(json_array_get(rows, k), c));
            known++;
        }
        double auc;
        ASSERT_OK(dt_auc(&auc, probability, truth, (int64_t)known, (int32_t)classes));
        if (json_is_null(json_object_get(json_object_get(test, "expected"), "auc")))
            assert_true(isnan(auc));
        else
            assert_close(auc, expected(test, "auc"), 1e-9);
        free(probability);
        free(truth);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_equal_scikit_learn),
        cmocka_unit_test(calibration_error_equals_its_definition),
        cmocka_unit_test(auc_equals_scikit_learn),
    };
    return cmocka_run_group_tests_name("measures_reference", tests, NULL, NULL);
}
