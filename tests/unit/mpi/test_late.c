/* Late ranks: when rank 0 names one, when it does not, and when it says that one is back. */
#include "test.h"

#include "mpi/late.c"

enum { RANKS = 4 };

static dt_rank_seen seen[RANKS];
static dt_activity mine;
static dt_late late;
static char line[320];

/* Rank 0 has waited in operation 100 since second 1000; the others have begun it, too. */
static int all_wait(void **state)
{
    static const char *const hosts[RANKS] = {"a", "a", "b", "b"};
    (void)state;
    late = (dt_late){0};
    mine = (dt_activity){.begun = 100,
                         .what = "the sum of gradients",
                         .gradients = true,
                         .since = 1000,
                         .step = 0.1};
    for (int q = 0; q < RANKS; ++q)
        seen[q] = (dt_rank_seen){.host = hosts[q], .report = {.begun = 100, .waits = 1}};
    return 0;
}

/* Looks every quarter second from `from` to `to`; all ranks answer but those in `silent` (bits).
 * Returns the number of lines; `line` is the last. */
static int look(double from, double to, unsigned silent)
{
    char fresh[320];
    int lines = 0;
    for (double now = from; now <= to; now += 0.25) {
        for (int q = 1; q < RANKS; ++q)
            if (!(silent >> q & 1))
                seen[q].heard = now;
        if (dt_late_look(&late, &mine, seen, RANKS, now, fresh, sizeof fresh)) {
            memcpy(line, fresh, sizeof line);
            ++lines;
        }
    }
    return lines;
}

static void is_busy(int q)
{
    seen[q].report = (dt_report){.begun = 99};
}

static void a_rank_that_has_not_come_is_named_once(void **state)
{
    (void)state;
    is_busy(2);
    assert_int_equal(look(1000, 1002.75, 0), 0);
    assert_int_equal(look(1003, 1003, 0), 1);
    assert_string_equal(line, "waiting for rank 2 on b since 3 s (the sum of gradients)");
    assert_int_equal(look(1003.25, 1100, 0), 0);
    mine.what = NULL;
    assert_int_equal(look(1100.25, 1110, 0), 1);
    assert_string_equal(line, "rank 2 on b is back after 100 s");
}

static void a_rank_that_no_longer_answers_is_late(void **state)
{
    (void)state;
    seen[3].heard = 999;
    seen[3].report = (dt_report){.begun = 99, .waits = 1}; /* stopped before the operation */
    assert_int_equal(look(1000, 1003, 1 << 3), 1);
    assert_string_equal(line, "waiting for rank 3 on b since 3 s (the sum of gradients)");
    all_wait(NULL);
    seen[3].heard = 1000; /* stopped in it, or a slow network */
    assert_int_equal(look(1000, 1010, 1 << 3), 0);
    assert_int_equal(look(1010.25, 1010.25, 1 << 3), 1);
}

static void short_waits_are_not_told(void **state)
{
    (void)state;
    is_busy(1);
    for (int i = 0; i < 20; ++i) {
        mine.since = 1000 + 3.0 * i;
        assert_int_equal(look(mine.since, mine.since + 2.75, 0), 0);
    }
}

/* Ranks with unequal shares of long steps. */
static void a_wait_is_long_by_the_time_of_a_step(void **state)
{
    (void)state;
    is_busy(1);
    mine.step = 20;
    assert_int_equal(look(1000, 1039.75, 0), 0);
    assert_int_equal(look(1040, 1040, 0), 1);
    mine.step = 0;
    all_wait(NULL);
    is_busy(1);
    mine.step = 0;
    assert_int_equal(look(1000, 1009.75, 0), 0);
    assert_int_equal(look(1010, 1010, 0), 1);
}

/* Rank 1 has finished the operation already; rank 2 waits in an earlier one, for rank 3. */
static void only_those_that_others_wait_for_are_named(void **state)
{
    (void)state;
    seen[1].report = (dt_report){.begun = 100};
    seen[2].report = (dt_report){.begun = 98, .waits = 1};
    seen[3].report = (dt_report){.begun = 97};
    assert_int_equal(look(1000, 1003, 0), 1);
    assert_string_equal(line, "waiting for rank 3 on b since 3 s (the sum of gradients)");
}

static void a_rank_that_has_finished_is_not_late(void **state)
{
    (void)state;
    seen[1].left = true;
    is_busy(1);
    assert_int_equal(look(1000, 1020, 1 << 1), 0);
}

static void several_ranks_are_named_together(void **state)
{
    (void)state;
    for (int q = 1; q < RANKS; ++q)
        is_busy(q);
    assert_int_equal(look(1000, 1003, 0), 1);
    assert_string_equal(line,
                        "waiting for rank 1 on a, rank 2 on b, rank 3 on b since 3 s (the sum "
                        "of gradients)");
    mine.what = NULL;
    assert_int_equal(look(1004, 1004, 0), 1);
    assert_string_equal(line, "rank 1 on a, rank 2 on b, rank 3 on b are back after 4 s");
}

/* A rank that is stopped for 4 s of every 5: one line in ten seconds, and one when it is back. */
static void lines_are_seconds_apart(void **state)
{
    (void)state;
    int lines = 0;
    is_busy(1);
    for (int i = 0; i < 12; ++i) {
        mine.since = 1000 + 5.0 * i;
        mine.what = "a sum over the ranks";
        lines += look(mine.since, mine.since + 4, 0);
        mine.what = NULL;
        lines += look(mine.since + 4.25, mine.since + 4.75, 0);
    }
    assert_in_range(lines, 8, 12);
}

/* The next wait has begun when rank 0 looks again. */
static void a_rank_is_back_although_the_next_wait_has_begun(void **state)
{
    (void)state;
    is_busy(1);
    assert_int_equal(look(1000, 1005, 0), 1);
    mine.since = 1005.1;
    mine.begun = 101;
    seen[1].report = (dt_report){.begun = 101, .waits = 1};
    assert_int_equal(look(1005.25, 1020, 0), 1);
    assert_string_equal(line, "rank 1 on a is back after 5 s");
}

static void a_slow_network_is_no_late_rank(void **state)
{
    (void)state;
    assert_int_equal(look(1000, 1029.75, 0), 0);
    assert_int_equal(look(1030, 1090, 0), 1);
    assert_string_equal(line, "the sum of gradients has lasted for 30 s, and no rank is late: the "
                              "network or a device is slow");
    mine.what = NULL;
    assert_int_equal(look(1090.25, 1100, 0), 0);
}

/* Others wait for rank 0 in an evaluation: no line; in a step: one. */
static void rank_0_is_named_in_steps_only(void **state)
{
    (void)state;
    mine.what = NULL;
    mine.begun = 99;
    assert_int_equal(look(1000, 1100, 0), 0);
    seen[2].report.gradients = 1;
    assert_int_equal(look(1200, 1203, 0), 1);
    assert_string_equal(line, "waiting for rank 0 on a since 3 s (the sum of gradients)");
    mine = (dt_activity){.begun = 100, .what = "the sum of gradients", .since = 1204, .step = 0.1};
    assert_int_equal(look(1204, 1206, 0), 1);
    assert_string_equal(line, "rank 0 on a is back after 4 s");
}

static void more_ranks_than_have_room(void **state)
{
    enum { MANY = 1000 };
    static dt_rank_seen all[MANY];
    char names[160];
    char tight[40];
    (void)state;
    for (int q = 0; q < MANY; ++q)
        all[q] = (dt_rank_seen){.host = "a-host-with-a-long-name", .heard = 1003};
    assert_int_equal(dt_late_names(&mine, all, MANY, 1003, names, sizeof names), MANY - 1);
    assert_string_equal(names,
                        "rank 1 on a-host-with-a-long-name, rank 2 on a-host-with-a-long-name, "
                        "rank 3 on a-host-with-a-long-name and 996 more");
    dt_late_names(&mine, all, MANY, 1003, tight, sizeof tight);
    assert_string_equal(tight, "rank 1 on a-host-with-a-long-name, rank");
}

#define CASE(name) cmocka_unit_test_setup(name, all_wait)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_rank_that_has_not_come_is_named_once),
        CASE(a_rank_that_no_longer_answers_is_late),
        CASE(short_waits_are_not_told),
        CASE(a_wait_is_long_by_the_time_of_a_step),
        CASE(only_those_that_others_wait_for_are_named),
        CASE(a_rank_that_has_finished_is_not_late),
        CASE(several_ranks_are_named_together),
        CASE(lines_are_seconds_apart),
        CASE(a_rank_is_back_although_the_next_wait_has_begun),
        CASE(a_slow_network_is_no_late_rank),
        CASE(rank_0_is_named_in_steps_only),
        CASE(more_ranks_than_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
