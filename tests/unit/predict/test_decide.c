/* Ensembles and consistent lineages of one sequence, compared with their definitions. */
#include "test.h"

#include "layers.h"
#include "predict/decide.h"

#define RANKS 3
#define COLUMNS 12
#define LINEAGES 12

static const dt_class_layout layout = {.tax_ranks = RANKS, .first = {0, 2, 6, COLUMNS}};

static uint32_t seed = 3;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void draw_logits(float *logits)
{
    for (int c = 0; c < COLUMNS; ++c)
        logits[c] = (float)draw(8000) / 1000.0f - 4.0f;
}

static void softmax_of(double *out, const float *logits, const double *temperature)
{
    for (int r = 0; r < RANKS; ++r) {
        double sum = 0.0;
        for (int c = layout.first[r]; c < layout.first[r + 1]; ++c)
            sum += exp((double)logits[c] / (temperature ? temperature[r] : 1.0));
        for (int c = layout.first[r]; c < layout.first[r + 1]; ++c)
            out[c] = exp((double)logits[c] / (temperature ? temperature[r] : 1.0)) / sum;
    }
}

/* The prediction of a backend. */
static void predict_from(dt_prediction *out, const double *probability, const int32_t *labels)
{
    for (int r = 0; r < RANKS; ++r) {
        const double *p = probability + layout.first[r];
        const int classes = layout.first[r + 1] - layout.first[r];
        double entropy = 0.0;
        out[r] = (dt_prediction){.better = labels ? 0 : -1};
        for (int c = 0; c < classes; ++c) {
            entropy -= p[c] * log(p[c]);
            out[r].label = p[c] > p[out[r].label] ? c : out[r].label;
            out[r].better += labels && p[c] > p[labels[r]];
        }
        out[r].confidence = (float)p[out[r].label];
        out[r].entropy = (float)entropy;
    }
}

static void assert_same(const dt_prediction *a, const dt_prediction *b)
{
    for (int r = 0; r < RANKS; ++r) {
        assert_int_equal(a[r].label, b[r].label);
        assert_int_equal(a[r].better, b[r].better);
        assert_true(fabsf(a[r].confidence - b[r].confidence) < 1e-6f);
        assert_true(fabsf(a[r].entropy - b[r].entropy) < 1e-6f);
    }
}

static void an_ensemble_averages_probabilities(void **state)
{
    (void)state;
    static const double warm[RANKS] = {2.0, 0.5, 1.5};
    const dt_decision decision = {
        .layout = &layout, .statistic_size = 4, .members = 3, .temperature = {NULL, warm, NULL}};
    dt_decision_memory memory;
    ASSERT_OK(dt_decision_memory_create(&memory, &decision));
    for (int trial = 0; trial < 50; ++trial) {
        float logits[3][COLUMNS];
        double mean[COLUMNS] = {0};
        const void *rows[] = {logits[0], logits[1], logits[2]};
        for (int v = 0; v < 3; ++v) {
            double probability[COLUMNS];
            draw_logits(logits[v]);
            softmax_of(probability, logits[v], v == 1 ? warm : NULL);
            for (int c = 0; c < COLUMNS; ++c)
                mean[c] += probability[c] / 3.0;
        }
        const int32_t labels[RANKS] = {(int32_t)draw(2), (int32_t)draw(4), (int32_t)draw(6)};
        dt_prediction expected[RANKS];
        dt_prediction got[RANKS] = {{0}};
        predict_from(expected, mean, labels);
        dt_decide(got, NULL, &decision, &memory, rows, labels);
        assert_same(got, expected);
        assert_true(fabs((double)got[2].loss + log(mean[layout.first[2] + labels[2]])) < 1e-5);
        for (int c = 0; c < COLUMNS; ++c)
            assert_true(fabs(memory.probability[c] - mean[c]) < 1e-12);
    }
    dt_decision_memory_free(&memory);
}

/* The first model's prediction stays, to the bit, unless one member has other temperatures. */
static void an_ensemble_of_one_model_several_times_is_not_averaged(void **state)
{
    (void)state;
    static const double one[RANKS] = {1.0, 1.0, 1.0};
    static const double warm[RANKS] = {1.0, 1.0, 1.5};
    dt_decision decision = {
        .layout = &layout, .statistic_size = 4, .members = 3, .temperature = {NULL, NULL, one}};
    dt_decision_memory memory;
    ASSERT_OK(dt_decision_memory_create(&memory, &decision));
    for (int trial = 0; trial < 50; ++trial) {
        float logits[3][COLUMNS];
        dt_prediction first[RANKS];
        dt_prediction got[RANKS];
        const void *rows[] = {logits[0], logits[1], logits[2]};
        draw_logits(logits[0]);
        memcpy(logits[1], logits[0], sizeof logits[0]);
        memcpy(logits[2], logits[0], sizeof logits[0]);
        for (int r = 0; r < RANKS; ++r)
            first[r] = (dt_prediction){.label = r, .confidence = 1.0f / 3.0f, .better = trial};
        memcpy(got, first, sizeof first);
        decision.temperature[2] = one;
        assert_false(dt_decide(got, NULL, &decision, &memory, rows, NULL));
        assert_memory_equal(got, first, sizeof first);
        decision.temperature[2] = warm;
        assert_true(dt_decide(got, NULL, &decision, &memory, rows, NULL));
        decision.temperature[2] = one;
        logits[2][COLUMNS - 1] += 1e-3f;
        assert_true(dt_decide(got, NULL, &decision, &memory, rows, NULL));
    }
    dt_decision_memory_free(&memory);
}

/* With `members` models, in single and double precision; every lineage is tried. */
static void check_consistent(int32_t members, bool doubles)
{
    static const double warm[RANKS] = {2.0, 1.0, 0.5};
    int32_t lineages[LINEAGES][RANKS];
    dt_lineage_tree tree;
    for (int i = 0; i < LINEAGES; ++i)
        for (int r = 0; r < RANKS; ++r)
            lineages[i][r] = (int32_t)draw((uint32_t)(layout.first[r + 1] - layout.first[r]));
    ASSERT_OK(dt_lineage_tree_build(&tree, lineages[0], LINEAGES, RANKS));
    const dt_decision decision = {.layout = &layout,
                                  .statistic_size = doubles ? 8 : 4,
                                  .members = members,
                                  .temperature = {warm, warm},
                                  .lineages = &tree};
    dt_decision_memory memory;
    ASSERT_OK(dt_decision_memory_create(&memory, &decision));
    int changed = 0;
    for (int trial = 0; trial < 100; ++trial) {
        float logits[2][COLUMNS];
        double wide[2][COLUMNS];
        double mean[COLUMNS] = {0};
        for (int v = 0; v < members; ++v) {
            double probability[COLUMNS];
            draw_logits(logits[v]);
            softmax_of(probability, logits[v], warm);
            for (int c = 0; c < COLUMNS; ++c) {
                wide[v][c] = (double)logits[v][c];
                mean[c] += probability[c] / members;
            }
        }
        const void *rows[2];
        for (int v = 0; v < 2; ++v)
            rows[v] = doubles ? (const void *)wide[v] : logits[v];
        dt_prediction alone[RANKS];
        dt_prediction got[RANKS];
        int32_t independent[RANKS];
        predict_from(alone, mean, NULL);
        memcpy(got, alone, sizeof got);
        dt_decide(got, independent, &decision, &memory, rows, NULL);
        int best = 0;
        double largest = -1.0;
        for (int i = 0; i < LINEAGES; ++i) {
            double product = 1.0;
            for (int r = 0; r < RANKS; ++r)
                product *= mean[layout.first[r] + lineages[i][r]];
            best = product > largest ? i : best;
            largest = product > largest ? product : largest;
        }
        for (int r = 0; r < RANKS; ++r) {
            assert_int_equal(independent[r], alone[r].label);
            assert_int_equal(got[r].label, lineages[best][r]);
            assert_true(fabs((double)got[r].confidence - mean[layout.first[r] + got[r].label]) <
                        1e-6);
            assert_true(fabsf(got[r].entropy - alone[r].entropy) < 1e-6f);
            changed += got[r].label != alone[r].label;
        }
    }
    assert_true(changed > 20);
    dt_decision_memory_free(&memory);
    dt_lineage_tree_free(&tree);
}

static void a_consistent_lineage_is_the_most_probable_one_in_the_tree(void **state)
{
    (void)state;
    for (int32_t members = 1; members <= 2; ++members)
        for (int doubles = 0; doubles <= 1; ++doubles)
            for (int tree = 0; tree < 5; ++tree)
                check_consistent(members, doubles);
}

/* dt_tally_add() refuses them because the confidence is not finite. */
static void outputs_that_are_not_finite_stay_visible(void **state)
{
    (void)state;
    static const int32_t lineage[RANKS] = {0, 0, 0};
    dt_lineage_tree tree;
    ASSERT_OK(dt_lineage_tree_build(&tree, lineage, 1, RANKS));
    for (int32_t members = 1; members <= 2; ++members) {
        const dt_decision decision = {
            .layout = &layout, .statistic_size = 4, .members = members, .lineages = &tree};
        dt_decision_memory memory;
        ASSERT_OK(dt_decision_memory_create(&memory, &decision));
        float logits[COLUMNS] = {[3] = NAN};
        const void *rows[] = {logits, logits};
        dt_prediction got[RANKS] = {{.confidence = 0.5f}, {.confidence = NAN}, {.label = 1}};
        dt_decide(got, NULL, &decision, &memory, rows, NULL);
        assert_true(isnan(got[1].confidence));
        dt_decision_memory_free(&memory);
    }
    dt_lineage_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ensemble_averages_probabilities),
        cmocka_unit_test(an_ensemble_of_one_model_several_times_is_not_averaged),
        cmocka_unit_test(a_consistent_lineage_is_the_most_probable_one_in_the_tree),
        cmocka_unit_test(outputs_that_are_not_finite_stay_visible),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
