#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "taxonomy/lineage_tree.h"
#include "test.h"

#define RANKS 4
#define LINEAGES 40
#define COLUMNS 15

static const int32_t classes[RANKS] = {2, 3, 4, 6};
static const int32_t first_column[RANKS] = {0, 2, 5, 9};

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static void draw_lineages(int32_t *labels, uint32_t *state)
{
    for (int32_t i = 0; i < LINEAGES; ++i)
        for (int32_t r = 0; r < RANKS; ++r)
            labels[i * RANKS + r] = (int32_t)draw(state, (uint32_t)classes[r]);
}

static double sum_of(const int32_t *lineage, const double *score)
{
    double sum = 0.0;
    for (int32_t r = 0; r < RANKS; ++r)
        sum += score[first_column[r] + lineage[r]];
    return sum;
}

static bool is_best_of_each_rank(const int32_t *lineage, const double *score)
{
    for (int32_t r = 0; r < RANKS; ++r)
        for (int32_t c = 0; c < classes[r]; ++c)
            if (score[first_column[r] + c] > score[first_column[r] + lineage[r]])
                return false;
    return true;
}

/* Of random trees with random scores, against trying every lineage. */
static void the_best_lineage_is_the_best_of_all(void **state)
{
    (void)state;
    uint32_t seed = 5;
    int32_t differ = 0;
    for (int trial = 0; trial < 200; ++trial) {
        int32_t labels[LINEAGES * RANKS];
        double score[COLUMNS];
        draw_lineages(labels, &seed);
        for (int c = 0; c < COLUMNS; ++c)
            score[c] = -(double)draw(&seed, 1000000) * 1e-5;
        dt_lineage_tree tree;
        ASSERT_OK(dt_lineage_tree_build(&tree, labels, LINEAGES, RANKS));
        double *sum;
        ASSERT_OK(DT_NEW(sum, (size_t)dt_lineage_tree_nodes(&tree)));
        int32_t best[RANKS];
        assert_true(dt_lineage_tree_best(best, &tree, score, first_column, sum));
        const int32_t *expected = labels;
        for (int32_t i = 1; i < LINEAGES; ++i)
            if (sum_of(labels + i * RANKS, score) > sum_of(expected, score))
                expected = labels + i * RANKS;
        assert_memory_equal(best, expected, sizeof best);
        differ += !is_best_of_each_rank(best, score);
        free(sum);
        dt_lineage_tree_free(&tree);
    }
    assert_in_range(differ, 20, 200); /* rank by rank the choice is another one, often */
}

static void one_label_under_two_parents_is_two_nodes(void **state)
{
    (void)state;
    static const int32_t labels[] = {0, 1, 0, /**/ 1, 1, 1, /**/ 0, 1, 0, /**/ 0, 0, 1};
    static const int32_t parent[] = {-1, -1, 0, 0, 1, 2, 3, 4};
    static const int32_t label[] = {0, 1, 0, 1, 1, 1, 0, 1};
    dt_lineage_tree tree;
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, 4, 3));
    assert_int_equal(dt_lineage_tree_nodes(&tree), 8);
    assert_int_equal(dt_lineage_tree_lineages(&tree), 3);
    assert_int_equal(tree.first[1], 2);
    assert_int_equal(tree.first[2], 5);
    assert_memory_equal(tree.parent, parent, sizeof parent);
    assert_memory_equal(tree.label, label, sizeof label);
    assert_int_equal(dt_lineage_tree_find(&tree, 1, 0, 1), 3);
    assert_int_equal(dt_lineage_tree_find(&tree, 1, 1, 0), -1);
    assert_int_equal(dt_lineage_tree_leaf(&tree, (int32_t[]){1, 1, 1}), 2);
    assert_int_equal(dt_lineage_tree_leaf(&tree, (int32_t[]){1, 1, 0}), -1);
    assert_int_equal(dt_lineage_tree_leaf(&tree, (int32_t[]){0, -1, 0}), -1);
    dt_lineage_tree_free(&tree);
}

static void the_order_of_the_sequences_does_not_matter(void **state)
{
    (void)state;
    uint32_t seed = 9;
    int32_t labels[LINEAGES * RANKS];
    int32_t reversed[LINEAGES * RANKS];
    dt_lineage_tree tree;
    dt_lineage_tree other;
    draw_lineages(labels, &seed);
    for (int32_t i = 0; i < LINEAGES; ++i)
        memcpy(reversed + i * RANKS, labels + (LINEAGES - 1 - i) * RANKS, RANKS * sizeof *labels);
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, LINEAGES, RANKS));
    ASSERT_OK(dt_lineage_tree_build(&other, reversed, LINEAGES, RANKS));
    assert_true(dt_lineage_tree_equal(&tree, &other));
    other.label[other.first[RANKS] - 1]++;
    assert_false(dt_lineage_tree_equal(&tree, &other));
    dt_lineage_tree_free(&other);
    ASSERT_OK(dt_lineage_tree_build(&other, labels, 3, RANKS));
    assert_false(dt_lineage_tree_equal(&tree, &other));
    dt_lineage_tree_free(&other);
    dt_lineage_tree_free(&tree);
}

static void scores_that_are_no_numbers_choose_nothing(void **state)
{
    (void)state;
    static const int32_t labels[] = {0, 0, 1, 1};
    static const int32_t columns[] = {0, 2};
    double score[] = {NAN, 0.0, 0.0, 0.0};
    double sum[4];
    int32_t best[2] = {7, 7};
    dt_lineage_tree tree;
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, 2, 2));
    score[1] = NAN;
    assert_false(dt_lineage_tree_best(best, &tree, score, columns, sum));
    assert_int_equal(best[0], 7);
    dt_lineage_tree_free(&tree);
}

/* What a damaged file could hold. */
static void a_tree_that_cannot_be_is_found(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    static const int32_t labels[] = {0, 0, 0, 1, 1, 1};
    dt_taxonomy taxonomy = {0};
    dt_lineage_tree tree;
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "genus", 2, names));
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, 3, 2));
    assert_false(dt_lineage_tree_fits(&tree, &taxonomy)); /* a rank too many */
    ASSERT_OK(dt_taxonomy_add_rank(&taxonomy, "species", 2, names));
    assert_true(dt_lineage_tree_fits(&tree, &taxonomy));
    int32_t *const values[] = {&tree.parent[0], &tree.parent[2], &tree.parent[3],
                               &tree.label[1],  &tree.parent[4], &tree.label[4],
                               &tree.first[0],  &tree.first[1],  &tree.first[1]};
    static const int32_t wrong[] = {0, -1, 2, -1, 0, 2, 1, 0, 5};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        const int32_t right = *values[i];
        *values[i] = wrong[i];
        if (dt_lineage_tree_fits(&tree, &taxonomy))
            fail_msg("wrong value %zu is taken", i);
        *values[i] = right;
    }
    dt_lineage_tree_free(&tree);
    dt_taxonomy_free(&taxonomy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_lineage_is_the_best_of_all),
        cmocka_unit_test(one_label_under_two_parents_is_two_nodes),
        cmocka_unit_test(the_order_of_the_sequences_does_not_matter),
        cmocka_unit_test(scores_that_are_no_numbers_choose_nothing),
        cmocka_unit_test(a_tree_that_cannot_be_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
