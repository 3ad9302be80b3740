/* Thresholds of similarity by taxonomic rank. */
#include "predict/novelty.h"

#include "test.h"

static void the_threshold_keeps_what_it_should_and_no_lower_one_is_needed(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static dt_novelty_cell cells[COUNT];
    dt_novelty_rank rank;
    for (int i = 0; i < COUNT; ++i) /* similarities 0, 0.005, … in another order */
        cells[i] = (dt_novelty_cell){.known = i % 4 != 0,
                                     .nearest = (float)((i * 37) % COUNT) / COUNT,
                                     .outside = (float)((i * 37) % COUNT) / (2.0f * COUNT)};
    ASSERT_OK(dt_fit_novelty(&rank, cells, COUNT, 1));
    assert_int_equal(rank.known, 150);
    int kept = 0;
    int above = 0;
    int novel = 0;
    for (int i = 0; i < COUNT; ++i) {
        kept += cells[i].known && (double)cells[i].nearest >= rank.similarity;
        above += cells[i].known && (double)cells[i].nearest > rank.similarity;
        novel += cells[i].known && (double)cells[i].outside < rank.similarity;
    }
    assert_int_equal(rank.kept, kept);
    assert_int_equal(rank.novel, novel);
    assert_true(kept >= 0.95 * 150 && above < 0.95 * 150);
}

static void thresholds_do_not_fall_and_few_sequences_have_none(void **state)
{
    (void)state;
    enum { COUNT = 60, RANKS = 3 };
    static dt_novelty_cell cells[COUNT * RANKS];
    dt_novelty_rank rank[RANKS];
    for (int i = 0; i < COUNT; ++i) {
        cells[i * RANKS] = (dt_novelty_cell){
            .known = i < DT_NOVELTY_ENOUGH - 1, .nearest = 0.9f, .outside = 0.95f};
        cells[i * RANKS + 1] = (dt_novelty_cell){.known = true, .nearest = 0.75f, .outside = 0.95f};
        cells[i * RANKS + 2] = (dt_novelty_cell){.known = true, .nearest = 0.5f, .outside = 0.95f};
    }
    ASSERT_OK(dt_fit_novelty(rank, cells, COUNT, RANKS));
    assert_true(rank[0].similarity == 0.0 && rank[1].similarity == 0.75 &&
                rank[2].similarity == 0.75);
    assert_int_equal(rank[2].kept, 0);
    assert_int_equal(rank[1].kept, COUNT);
}

static void the_threshold_is_no_larger_than_new_taxa_need(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static dt_novelty_cell cells[COUNT];
    dt_novelty_rank rank;
    for (int i = 0; i < COUNT; ++i) /* all new ones up to 0.199, known ones from 0.3 on */
        cells[i] = (dt_novelty_cell){
            .known = true, .nearest = 0.3f + (float)i / 400.0f, .outside = (float)i / 1000.0f};
    ASSERT_OK(dt_fit_novelty(&rank, cells, COUNT, 1));
    assert_int_equal(rank.kept, COUNT);
    assert_int_equal(rank.novel, 199); /* of 200, at least 99 % */
    assert_true(rank.similarity > 0.198 && rank.similarity < 0.1981);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_threshold_keeps_what_it_should_and_no_lower_one_is_needed),
        cmocka_unit_test(the_threshold_is_no_larger_than_new_taxa_need),
        cmocka_unit_test(thresholds_do_not_fall_and_few_sequences_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
