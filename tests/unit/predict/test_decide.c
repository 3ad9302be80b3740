/* Ensembles and lineages of one sequence, compared with their definitions. */
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
        dt_decide(got, NULL, &decision, &memory, rows, NULL, labels);
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
        assert_false(dt_decide(got, NULL, &decision, &memory, rows, NULL, NULL));
        assert_memory_equal(got, first, sizeof first);
        decision.temperature[2] = warm;
        assert_true(dt_decide(got, NULL, &decision, &memory, rows, NULL, NULL));
        decision.temperature[2] = one;
        logits[2][COLUMNS - 1] += 1e-3f;
        assert_true(dt_decide(got, NULL, &decision, &memory, rows, NULL, NULL));
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
                                  .lineage = DT_LINEAGE_CONSISTENT,
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
        dt_decide(got, independent, &decision, &memory, rows, NULL, NULL);
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
        const dt_decision decision = {.layout = &layout,
                                      .statistic_size = 4,
                                      .members = members,
                                      .lineage = DT_LINEAGE_CONSISTENT,
                                      .lineages = &tree};
        dt_decision_memory memory;
        ASSERT_OK(dt_decision_memory_create(&memory, &decision));
        float logits[COLUMNS] = {[3] = NAN};
        const void *rows[] = {logits, logits};
        dt_prediction got[RANKS] = {{.confidence = 0.5f}, {.confidence = NAN}, {.label = 1}};
        dt_decide(got, NULL, &decision, &memory, rows, NULL, NULL);
        assert_true(isnan(got[1].confidence));
        dt_decision_memory_free(&memory);
    }
    dt_lineage_tree_free(&tree);
}

/* Sets probability[i] to that of lineage i, 0 for repeated ones: the mean over the members of the
 * softmax over the different lineages, mixed with the vote. */
static void distribution(double *probability, int32_t lineages[][RANKS], float logits[][COLUMNS],
                         int32_t members, const double *temperature, const double *vote,
                         double weight)
{
    memset(probability, 0, LINEAGES * sizeof *probability);
    for (int v = 0; v < members; ++v) {
        double product[LINEAGES] = {0};
        double sum = 0.0;
        for (int i = 0; i < LINEAGES; ++i) {
            double score = 0.0;
            bool repeated = false;
            for (int k = 0; k < i; ++k)
                repeated |= memcmp(lineages[k], lineages[i], sizeof lineages[i]) == 0;
            for (int r = 0; r < RANKS; ++r)
                score += (double)logits[v][layout.first[r] + lineages[i][r]] / temperature[r];
            product[i] = repeated ? 0.0 : exp(score);
            sum += product[i];
        }
        for (int i = 0; i < LINEAGES; ++i)
            probability[i] += product[i] / sum / members;
    }
    for (int i = 0; vote && i < LINEAGES; ++i)
        probability[i] = (1.0 - weight) * probability[i] + weight * vote[i];
}

/* Returns the sum of the probabilities of the lineages with class c at rank r that begin with
 * path[0 … r-1]; NULL: of all with that class. */
static double sum_below(const double *probability, int32_t lineages[][RANKS], const int32_t *path,
                        int r, int32_t c)
{
    double sum = 0.0;
    for (int i = 0; i < LINEAGES; ++i)
        if (lineages[i][r] == c &&
            (!path || memcmp(lineages[i], path, (size_t)r * sizeof *path) == 0))
            sum += probability[i];
    return sum;
}

static void assert_summed(const dt_prediction *got, const double *probability,
                          int32_t lineages[][RANKS], const int32_t *labels)
{
    int32_t path[RANKS];
    for (int r = 0; r < RANKS; ++r) {
        const int classes = layout.first[r + 1] - layout.first[r];
        double marginal[COLUMNS];
        double entropy = 0.0;
        int32_t better = 0;
        path[r] = 0;
        for (int32_t c = 0; c < classes; ++c) {
            if (sum_below(probability, lineages, path, r, c) >
                sum_below(probability, lineages, path, r, path[r]))
                path[r] = c;
            marginal[c] = sum_below(probability, lineages, NULL, r, c);
            entropy -= marginal[c] > 0.0 ? marginal[c] * log(marginal[c]) : 0.0;
        }
        for (int32_t c = 0; c < classes; ++c)
            better += marginal[c] > marginal[labels[r]];
        assert_int_equal(got[r].label, path[r]);
        assert_true(fabs((double)got[r].confidence -
                         sum_below(probability, lineages, path, r, path[r])) < 1e-6);
        assert_true(r == 0 || got[r].confidence <= got[r - 1].confidence);
        assert_true(fabs((double)got[r].entropy - entropy) < 1e-6);
        assert_int_equal(got[r].better, better);
        if (marginal[labels[r]] > 0.0)
            assert_true(fabs((double)got[r].loss + log(marginal[labels[r]])) < 1e-5);
    }
}

/* Members and a vote are drawn; a vote of weight 0 or without leaves changes nothing. */
static void a_summed_lineage_follows_the_largest_sums_from_the_root(void **state)
{
    static const double warm[RANKS] = {2.0, 1.0, 0.5};
    int32_t lineages[LINEAGES][RANKS];
    dt_lineage_tree tree;
    int differ = 0; /* from the best leaf */
    (void)state;
    for (int i = 0; i < LINEAGES; ++i)
        for (int r = 0; r < RANKS; ++r)
            lineages[i][r] = (int32_t)draw((uint32_t)(layout.first[r + 1] - layout.first[r]));
    ASSERT_OK(dt_lineage_tree_build(&tree, lineages[0], LINEAGES, RANKS));
    for (int trial = 0; trial < 300; ++trial) {
        const int32_t members = 1 + trial % 2;
        const dt_decision decision = {.layout = &layout,
                                      .statistic_size = 4,
                                      .members = members,
                                      .temperature = {warm, warm},
                                      .lineage = DT_LINEAGE_SUMMED,
                                      .lineages = &tree,
                                      .neighbour_weight = trial % 3 == 2 ? 0.0 : 0.4};
        float logits[2][COLUMNS];
        double vote[LINEAGES] = {0};
        dt_leaf_share share[2];
        double probability[LINEAGES];
        dt_prediction got[RANKS] = {{.better = -1}};
        dt_decision_memory memory;
        const void *rows[2] = {logits[0], logits[1]};
        const int32_t *labels = lineages[draw(LINEAGES)];
        draw_logits(logits[0]);
        draw_logits(logits[1]);
        /* the leaves of the first and of the last lineage */
        for (int k = 0; k < 2; ++k) {
            const int i = k ? LINEAGES - 1 : 0;
            share[k] = (dt_leaf_share){dt_lineage_tree_leaf(&tree, lineages[i]), k ? 0.75 : 0.25};
            vote[i] = share[k].share;
        }
        assert_int_not_equal(share[0].leaf, share[1].leaf);
        const dt_vote votes = {.share = share, .count = trial % 3 ? 2 : 0};
        distribution(probability, lineages, logits, members, warm, votes.count ? vote : NULL,
                     decision.neighbour_weight);
        ASSERT_OK(dt_decision_memory_create(&memory, &decision));
        assert_true(dt_decide(got, NULL, &decision, &memory, rows, &votes, labels));
        assert_summed(got, probability, lineages, labels);
        int best = 0;
        for (int i = 0; i < LINEAGES; ++i)
            best = probability[i] > probability[best] ? i : best;
        differ += got[RANKS - 1].label != lineages[best][RANKS - 1];
        logits[members - 1][layout.first[1] + lineages[0][1]] = NAN;
        dt_decide(got, NULL, &decision, &memory, rows, &votes, labels);
        assert_true(isnan(got[1].confidence));
        dt_decision_memory_free(&memory);
    }
    assert_true(differ > 5);
    dt_lineage_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ensemble_averages_probabilities),
        cmocka_unit_test(an_ensemble_of_one_model_several_times_is_not_averaged),
        cmocka_unit_test(a_consistent_lineage_is_the_most_probable_one_in_the_tree),
        cmocka_unit_test(a_summed_lineage_follows_the_largest_sums_from_the_root),
        cmocka_unit_test(outputs_that_are_not_finite_stay_visible),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
