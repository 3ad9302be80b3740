/* When a training ends early, and which epoch is its best. */
#include <math.h>

#include "test.h"
#include "train/early_stop.h"

/* Evaluates after epochs every, 2 · every, …; returns the epoch after which the run is ended, 0
 * where it is not. */
static int32_t ended_after(dt_run_progress *progress, const dt_run_settings *settings,
                           const double *losses, int32_t count, int32_t every)
{
    *progress = (dt_run_progress){0};
    for (int32_t i = 0; i < count; ++i) {
        progress->epoch = (i + 1) * every;
        progress->validation_loss = losses[i];
        dt_early_stop_update(progress, settings);
        if (dt_early_stop_due(progress, settings))
            return progress->epoch;
    }
    return 0;
}

static void patience_counts_evaluations_in_a_row(void **state)
{
    (void)state;
    const double losses[] = {3.0, 2.0, 2.5, 2.4, 1.0, 1.5, 1.4, 1.3, 0.5};
    dt_run_progress progress;
    dt_run_settings settings = {.early_stopping_patience = 3, .early_stopping_min_delta = 0.001};
    assert_int_equal(ended_after(&progress, &settings, losses, 9, 1), 8);
    assert_int_equal(progress.best_epoch, 5);
    assert_true(progress.best_loss == 1.0);
    assert_int_equal(ended_after(&progress, &settings, losses, 9, 2), 16);
    assert_int_equal(progress.best_epoch, 10);
    settings.early_stopping_patience = 2;
    assert_int_equal(ended_after(&progress, &settings, losses, 9, 1), 4);
    settings.early_stopping_patience = 4;
    assert_int_equal(ended_after(&progress, &settings, losses, 9, 1), 0);
    assert_int_equal(progress.best_epoch, 9);
    settings.early_stopping_patience = 0;
    assert_int_equal(ended_after(&progress, &settings, losses, 4, 1), 0);
}

/* Small gains add up to one; the best epoch counts the smallest. */
static void a_gain_is_more_than_min_delta(void **state)
{
    (void)state;
    const double slow[] = {1.0, 0.75, 0.5, 0.25, 0.0};
    const double slower[] = {1.0, 0.875, 0.75, 0.625};
    dt_run_progress progress;
    const dt_run_settings settings = {.early_stopping_patience = 2,
                                      .early_stopping_min_delta = 0.25};
    assert_int_equal(ended_after(&progress, &settings, slow, 5, 1), 0);
    assert_int_equal(ended_after(&progress, &settings, slower, 4, 1), 3);
    assert_int_equal(progress.best_epoch, 3);
    assert_true(progress.patience_loss == 1.0);
}

static void no_number_is_no_gain(void **state)
{
    (void)state;
    const double losses[] = {(double)NAN, 2.0, (double)INFINITY, (double)NAN, 1.0};
    dt_run_progress progress;
    const dt_run_settings settings = {.early_stopping_patience = 2};
    assert_int_equal(ended_after(&progress, &settings, losses, 5, 1), 4);
    assert_int_equal(progress.best_epoch, 2);
    const double infinite[] = {(double)INFINITY, (double)INFINITY, 2.0};
    assert_int_equal(ended_after(&progress, &settings, infinite, 3, 1), 2);
    assert_int_equal(progress.best_epoch, 0);
}

static void of_equal_losses_the_first_is_the_best(void **state)
{
    (void)state;
    const double losses[] = {3.0, 2.0, 2.0};
    dt_run_progress progress;
    const dt_run_settings settings = {0};
    assert_int_equal(ended_after(&progress, &settings, losses, 3, 1), 0);
    assert_int_equal(progress.best_epoch, 2);
    assert_int_equal(progress.evaluations_without_gain, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_counts_evaluations_in_a_row),
        cmocka_unit_test(a_gain_is_more_than_min_delta),
        cmocka_unit_test(no_number_is_no_gain),
        cmocka_unit_test(of_equal_losses_the_first_is_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
