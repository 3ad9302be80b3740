/* The vote of neighbours. */
#include "neighbours/vote.h"
#include "test.h"

static void similar_references_vote_with_more_weight(void **state)
{
    (void)state;
    int32_t leaf[] = {4, 9, 4, 1};
    const dt_references references = {.count = 4, .leaf = leaf};
    const dt_neighbour neighbours[] = {{1, 1, 0.9}, {0, 2, 0.8}, {2, 1, 0.7}};
    dt_leaf_share share[3];
    dt_vote vote = dt_neighbour_vote(share, neighbours, 3, &references, 10);
    const double weight[] = {1, 2 * exp(-1) + exp(-2)};
    assert_int_equal(vote.count, 2);
    assert_ptr_equal(vote.share, share);
    assert_int_equal(share[0].leaf, 9);
    assert_int_equal(share[1].leaf, 4);
    for (int i = 0; i < 2; ++i)
        assert_true(fabs(share[i].share - weight[i] / (weight[0] + weight[1])) < 1e-15);

    vote = dt_neighbour_vote(share, neighbours, 3, &references, 0);
    assert_int_equal(vote.count, 2);
    assert_true(fabs(share[0].share - 0.25) < 1e-15 && fabs(share[1].share - 0.75) < 1e-15);

    vote = dt_neighbour_vote(share, neighbours, 3, &references, 1e5);
    assert_int_equal(vote.count, 1);
    assert_true(share[0].leaf == 9 && share[0].share == 1);
}

static void without_neighbours_the_vote_is_empty(void **state)
{
    (void)state;
    const dt_references references = {0};
    assert_int_equal(dt_neighbour_vote(NULL, NULL, 0, &references, 50).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(similar_references_vote_with_more_weight),
        cmocka_unit_test(without_neighbours_the_vote_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
