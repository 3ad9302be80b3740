/* The progress line: what it says, and what it leaves out on narrow terminals. */
#include "test.h"

#include "train/progress.h"

static const dt_progress_state half = {
    .step = 50, .sequences = 3200, .loss = 1.23456, .rate = 5e-4, .elapsed = 30.0};

static dt_progress third_of_ten(void)
{
    dt_progress progress = dt_progress_begin(3, 10, 100);
    progress.between = 5.0;
    return progress;
}

static void it_says_all_where_there_is_room(void **state)
{
    (void)state;
    const dt_progress progress = third_of_ten();
    char line[512];
    /* of the run: 30 s of this epoch, 5 of its evaluation, and seven times 65 */
    const char *whole = "epoch 3/10 [##########          ] step 50/100, loss 1.2346, lr 0.0005, "
                        "106.7 sequences/s, 0:30 left (run 8:10)";
    dt_progress_text(&progress, &half, 0, line, sizeof line);
    assert_string_equal(line, whole);
    dt_progress_text(&progress, &half, (int)strlen(whole), line, sizeof line);
    assert_string_equal(line, whole);
}

static void the_last_epoch_ends_the_run(void **state)
{
    (void)state;
    dt_progress progress = dt_progress_begin(10, 10, 100);
    char line[512];
    dt_progress_text(&progress, &half, 0, line, sizeof line);
    assert_non_null(strstr(line, ", 0:30 left (run 0:30)"));
}

/* At a quarter, where what is done and what is left differ: 30 of 120 seconds. */
static void the_time_left_is_that_of_the_steps_to_come(void **state)
{
    (void)state;
    dt_progress progress = third_of_ten();
    dt_progress_state quarter = half;
    char line[512];
    quarter.step = 25;
    dt_progress_text(&progress, &quarter, 0, line, sizeof line);
    /* of the run: 90 s of this epoch, 5 of its evaluation, and seven times 125 */
    assert_non_null(strstr(line, " [#####               ] step 25/100,"));
    assert_non_null(strstr(line, ", 1:30 left (run 16:10)"));
    progress.between = 0.0;
    dt_progress_text(&progress, &quarter, 0, line, sizeof line);
    assert_non_null(strstr(line, ", 1:30 left (run 15:30)"));
    quarter.step = 100;
    dt_progress_text(&progress, &quarter, 0, line, sizeof line);
    assert_non_null(strstr(line, ", 0:00 left (run 3:30)"));
}

static void durations_are_rounded_to_seconds(void **state)
{
    (void)state;
    const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {-1.0, "0:00"},      {0.4, "0:00"},         {9.5, "0:10"},
        {65.0, "1:05"},      {3599.4, "59:59"},     {3599.5, "1:00:00"},
        {3725.0, "1:02:05"}, {(double)NAN, "0:00"}, {1e10, "0:00"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        dt_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void a_narrow_terminal_keeps_what_matters(void **state)
{
    (void)state;
    const dt_progress progress = third_of_ten();
    char line[512];
    dt_progress_text(&progress, &half, 79, line, sizeof line);
    assert_string_equal(line, "epoch 3/10 step 50/100, loss 1.2346, 106.7 sequences/s, 0:30 left "
                              "(run 8:10)");
    dt_progress_text(&progress, &half, 39, line, sizeof line);
    assert_string_equal(line, "epoch 3/10, 0:30 left (run 8:10)");
    dt_progress_text(&progress, &half, 20, line, sizeof line);
    assert_string_equal(line, "epoch 3/10");
}

static void it_is_never_wider_than_the_terminal(void **state)
{
    (void)state;
    dt_progress progress = dt_progress_begin(999, 100000, 12345678);
    const dt_progress_state late = {
        .step = 1234567, .sequences = 98765432, .loss = 12345.678, .rate = 1.25e-7, .elapsed = 9e5};
    char line[512];
    for (int width = 16; width < 200; ++width) {
        dt_progress_text(&progress, &late, width, line, sizeof line);
        assert_in_range(strlen(line), 1, width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_all_where_there_is_room),
        cmocka_unit_test(the_last_epoch_ends_the_run),
        cmocka_unit_test(the_time_left_is_that_of_the_steps_to_come),
        cmocka_unit_test(durations_are_rounded_to_seconds),
        cmocka_unit_test(a_narrow_terminal_keeps_what_matters),
        cmocka_unit_test(it_is_never_wider_than_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
