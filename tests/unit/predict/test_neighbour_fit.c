/* What is found for neighbours, compared with a search of the definition. */
#include "predict/neighbour_fit.h"

#include "layers.h"
#include "test.h"

#define RANKS 2
#define COLUMNS 7
#define LEAVES 4
#define SEQUENCES 150
#define NEAREST 12

static const dt_class_layout layout = {.tax_ranks = RANKS, .first = {0, 3, COLUMNS}};
static const int32_t lineage[LEAVES][RANKS] = {{0, 0}, {0, 1}, {1, 2}, {2, 3}};

static uint32_t seed;

static double draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (double)(1 << 24);
}

/* Held-out sequences of known lineages. `network`, `votes`: how often each is right. */
typedef struct {
    dt_lineage_tree tree;
    int32_t leaf[LEAVES]; /* of reference i */
    float logits[SEQUENCES * COLUMNS];
    int32_t labels[SEQUENCES * RANKS];
    dt_neighbour found[SEQUENCES * NEAREST];
    int64_t first[SEQUENCES + 1];
    dt_references references;
    dt_neighbour_heldout heldout;
} problem;

static void make_problem(problem *p, double network, double votes)
{
    *p = (problem){0};
    seed = 11;
    ASSERT_OK(dt_lineage_tree_build(&p->tree, &lineage[0][0], LEAVES, RANKS));
    for (int i = 0; i < LEAVES; ++i)
        p->leaf[i] = i;
    p->references = (dt_references){.count = LEAVES, .leaf = p->leaf};
    for (int i = 0; i < SEQUENCES; ++i) {
        const int truth = (int)(draw() * LEAVES);
        const int said = draw() < network ? truth : (int)(draw() * LEAVES);
        double similarity = 1.0;
        for (int r = 0; r < RANKS; ++r)
            p->labels[i * RANKS + r] = lineage[truth][r];
        for (int c = 0; c < COLUMNS; ++c)
            p->logits[i * COLUMNS + c] = (float)draw();
        for (int r = 0; r < RANKS; ++r)
            p->logits[i * COLUMNS + layout.first[r] + lineage[said][r]] += 6.0f;
        p->first[i + 1] = p->first[i] + (i % 10 ? NEAREST : 0); /* some have no neighbour */
        for (int64_t n = p->first[i]; n < p->first[i + 1]; ++n) {
            const int voted = draw() < votes ? truth : (int)(draw() * LEAVES);
            similarity *= 0.9 + 0.1 * draw();
            p->found[n] = (dt_neighbour){voted, 1 + (int32_t)(draw() * 2.0), similarity};
        }
    }
    p->labels[RANKS - 1] = -1; /* unknown at the last rank */
    p->heldout = (dt_neighbour_heldout){.decision = {.layout = &layout,
                                                     .statistic_size = 4,
                                                     .members = 1,
                                                     .lineage = DT_LINEAGE_SUMMED,
                                                     .lineages = &p->tree},
                                        .references = &p->references,
                                        .logits = p->logits,
                                        .labels = p->labels,
                                        .found = p->found,
                                        .first = p->first,
                                        .count = SEQUENCES};
}

/* The probabilities of the lineages of sequence i, by definition. */
static void mix(double *out, const problem *p, int i, const dt_run_neighbours *use)
{
    double vote[LEAVES] = {0};
    double sum = 0.0;
    double all = 0.0;
    int32_t left = use->count;
    for (int l = 0; l < LEAVES; ++l) {
        double score = 0.0;
        for (int r = 0; r < RANKS; ++r)
            score += (double)p->logits[i * COLUMNS + layout.first[r] + lineage[l][r]];
        out[l] = exp(score / use->temperature);
        sum += out[l];
    }
    for (int64_t n = p->first[i]; n < p->first[i + 1] && left > 0; ++n) {
        const int32_t copies = p->found[n].copies < left ? p->found[n].copies : left;
        const double weight =
            copies *
            exp(use->exponent * (p->found[n].similarity - p->found[p->first[i]].similarity));
        vote[p->found[n].reference] += weight;
        all += weight;
        left -= copies;
    }
    for (int l = 0; l < LEAVES; ++l)
        out[l] = all > 0.0 ? (1.0 - use->weight) * out[l] / sum + use->weight * vote[l] / all
                           : out[l] / sum;
}

/* The mean loss of a rank, or of all (-1). */
static double loss_of(const problem *p, const dt_run_neighbours *use, int rank)
{
    double loss = 0.0;
    int known = 0;
    for (int i = 0; i < SEQUENCES; ++i) {
        double probability[LEAVES];
        mix(probability, p, i, use);
        for (int r = 0; r < RANKS; ++r) {
            double of_label = 0.0;
            if (p->labels[i * RANKS + r] < 0 || (rank >= 0 && r != rank))
                continue;
            for (int l = 0; l < LEAVES; ++l)
                of_label += lineage[l][r] == p->labels[i * RANKS + r] ? probability[l] : 0.0;
            loss -= log(of_label > 1e-37 ? of_label : 1e-37);
            known++;
        }
    }
    return loss / known;
}

static double best_of_grid(const problem *p)
{
    static const double temperatures[] = {0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0};
    double best = HUGE_VAL;
    for (int k = 1; k <= 2 * NEAREST; k = k < 4 ? k + 1 : k * 2)
        for (int e = 0; e <= 150; e += 10)
            for (int t = 0; t < 8; ++t)
                for (int w = 0; w <= 20; ++w) {
                    const dt_run_neighbours use = {.count = k,
                                                   .exponent = e,
                                                   .temperature = temperatures[t],
                                                   .weight = w / 20.0};
                    const double loss = loss_of(p, &use, -1);
                    best = loss < best ? loss : best;
                }
    return best;
}

static dt_run_neighbours fit_with(const problem *p, int threads)
{
    dt_run_neighbours found;
    double temperature;
    dt_pool *pool;
    ASSERT_OK(dt_pool_create(&pool, threads));
    ASSERT_OK(dt_fit_lineages(&temperature, &p->heldout, pool));
    ASSERT_OK(dt_fit_neighbours(&found, &p->heldout, temperature, pool));
    dt_pool_destroy(pool);
    return found;
}

static void no_setting_of_a_grid_is_better(void **state)
{
    (void)state;
    static const double cases[][2] = {{0.7, 0.7}, {0.3, 0.8}, {0.9, 0.4}};
    for (int c = 0; c < 3; ++c) {
        static problem p;
        make_problem(&p, cases[c][0], cases[c][1]);
        const dt_run_neighbours found = fit_with(&p, 2);
        const double loss = loss_of(&p, &found, -1);
        const double best = best_of_grid(&p);
        if (!(loss < best + 0.004))
            fail_msg("case %d: loss %.4f, grid %.4f", c, loss, best);
        dt_lineage_tree_free(&p.tree);
    }
}

static void the_better_one_has_the_weight(void **state)
{
    (void)state;
    static problem p;
    make_problem(&p, 0.0, 0.9);
    assert_true(fit_with(&p, 1).weight > 0.85);
    dt_lineage_tree_free(&p.tree);
    make_problem(&p, 0.97, 0.0);
    assert_true(fit_with(&p, 1).weight < 0.15);
    dt_lineage_tree_free(&p.tree);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    static problem p;
    make_problem(&p, 0.6, 0.7);
    const dt_run_neighbours one = fit_with(&p, 1);
    const dt_run_neighbours three = fit_with(&p, 3);
    assert_true(one.count == three.count && one.weight == three.weight &&
                one.exponent == three.exponent && one.temperature == three.temperature);
    dt_lineage_tree_free(&p.tree);
}

static void the_quality_is_that_of_the_definition(void **state)
{
    (void)state;
    static problem p;
    dt_rank_quality quality[RANKS];
    dt_pool *pool;
    const dt_run_neighbours use = {.count = 9, .weight = 0.4, .exponent = 20.0, .temperature = 1.7};
    make_problem(&p, 0.6, 0.6);
    ASSERT_OK(dt_pool_create(&pool, 2));
    ASSERT_OK(dt_neighbour_quality(quality, &p.heldout, &use, pool));
    for (int r = 0; r < RANKS; ++r) {
        assert_int_equal(quality[r].known, SEQUENCES - (r == RANKS - 1));
        assert_true(fabs(quality[r].loss - loss_of(&p, &use, r)) < 1e-5);
        assert_true(quality[r].right > SEQUENCES / 2 && quality[r].error > 0.0);
    }
    dt_pool_destroy(pool);
    dt_lineage_tree_free(&p.tree);
}

static void few_sequences_find_nothing(void **state)
{
    (void)state;
    static problem p;
    dt_pool *pool;
    double temperature = 0.0;
    make_problem(&p, 0.6, 0.6);
    for (int i = DT_FIT_ENOUGH - 1; i < SEQUENCES; ++i)
        p.labels[i * RANKS] = p.labels[i * RANKS + 1] = -1;
    assert_int_equal(fit_with(&p, 1).count, 0);
    ASSERT_OK(dt_pool_create(&pool, 1));
    ASSERT_OK(dt_fit_lineages(&temperature, &p.heldout, pool));
    assert_true(temperature == 1.0);
    dt_pool_destroy(pool);
    dt_lineage_tree_free(&p.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_setting_of_a_grid_is_better),
        cmocka_unit_test(the_better_one_has_the_weight),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(the_quality_is_that_of_the_definition),
        cmocka_unit_test(few_sequences_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
