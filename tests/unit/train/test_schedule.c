/* The schedule of a run, and how a resumed one changes it. */
#include "test.h"

#include "train/schedule.h"

/* 100 sequences, 80 of them to train on: ten batches of 8 an epoch, four updates of three (the last
 * of one). */
static dt_run run_of(int32_t epochs, double warmup_ratio)
{
    dt_run run = {.settings = {.epochs = epochs,
                               .batch_size = 8,
                               .accum_steps = 3,
                               .val_split = 0.2,
                               .warmup_ratio = warmup_ratio,
                               .learning_rate = 1e-3}};
    const dt_dataset dataset = {.count = 100};
    ASSERT_OK(dt_training_schedule(&run, &dataset));
    return run;
}

static void check_steps(const dt_run *run, int64_t start, int64_t warmup, int64_t total)
{
    assert_int_equal(run->settings.rule.schedule_start, start);
    assert_int_equal(run->settings.rule.warmup_steps, warmup);
    assert_int_equal(run->settings.rule.total_steps, total);
}

static void a_new_run_has_a_step_for_each_update(void **state)
{
    (void)state;
    dt_run run = run_of(5, 0.25);
    check_steps(&run, 0, 5, 20);
    assert_int_equal(run.settings.total_sequences, 100);
    assert_int_equal(run.settings.training_sequences, 80);
    assert_int_equal(run.settings.validation_sequences, 20);
    assert_int_equal(run.split.training_count, 80);
    dt_split_free(&run.split);
    run = run_of(5, 0.24); /* 4.8 steps: whole ones */
    check_steps(&run, 0, 4, 20);
    dt_split_free(&run.split);
}

/* The rate is that of the sequences of an update, 8 × 3, in 64; the warm-up is a share of the updates
 * and so, whatever their size, of the sequences. */
static void a_scaled_rate_is_that_of_the_batch(void **state)
{
    (void)state;
    dt_run run = run_of(5, 0.25);
    assert_true(run.settings.rule.learning_rate == 1e-3);
    dt_split_free(&run.split);
    run.settings.rate_scaling = DT_RATE_LINEAR;
    run.progress.update.steps = 0;
    ASSERT_OK(dt_training_restart(&run));
    assert_true(run.settings.rule.learning_rate == 1e-3 * (24.0 / 64.0));
    run.settings.rate_scaling = DT_RATE_SQRT;
    ASSERT_OK(dt_training_restart(&run));
    assert_true(run.settings.rule.learning_rate == 1e-3 * sqrt(24.0 / 64.0));
    assert_true(run.settings.learning_rate == 1e-3);
    assert_true(dt_scaled_rate(1e-3, DT_RATE_LINEAR, 64) == 1e-3);
    assert_true(dt_scaled_rate(1e-3, DT_RATE_SQRT, 256) == 2e-3);
}

static void more_epochs_have_the_schedule_of_so_many(void **state)
{
    (void)state;
    dt_run run = run_of(5, 0.25);
    dt_run longer = run_of(7, 0.25);
    dt_training_extend(&run, 7);
    assert_int_equal(run.settings.epochs, 7);
    check_steps(&run, 0, longer.settings.rule.warmup_steps, longer.settings.rule.total_steps);
    dt_split_free(&run.split);
    dt_split_free(&longer.split);
}

/* After two of five epochs and two updates of the third (six of its ten batches). */
static void a_restart_has_the_updates_that_are_left(void **state)
{
    (void)state;
    dt_run run = run_of(5, 0.25);
    run.progress.epoch = 2;
    run.progress.micro_steps = 26;
    run.progress.update.steps = 9; /* one was skipped */
    run.progress.evaluations_without_gain = 2;
    run.progress.best_epoch = 1;
    run.progress.best_loss = 1.5;
    run.progress.patience_loss = 2.5;
    ASSERT_OK(dt_training_restart(&run));
    check_steps(&run, 9, 2, 10); /* 12 - 2 updates */
    assert_int_equal(run.progress.evaluations_without_gain, 0);
    assert_true(run.progress.patience_loss == 1.5);
    assert_int_equal(run.progress.best_epoch, 1);

    /* a schedule that was reset is extended from there */
    dt_training_extend(&run, 6);
    check_steps(&run, 9, 3, 14);
    dt_split_free(&run.split);
}

static void a_restart_needs_an_update_to_make(void **state)
{
    (void)state;
    dt_run run = run_of(5, 0.0);
    run.progress.epoch = 4;
    run.progress.micro_steps = 49; /* the last update is left */
    ASSERT_OK(dt_training_restart(&run));
    check_steps(&run, 0, 0, 1);
    run.progress.epoch = 5;
    run.progress.micro_steps = 50;
    ASSERT_FAILS(DT_ERR_USAGE, "no epochs are left (trained: 5, --epochs: 5)",
                 dt_training_restart(&run));
    dt_split_free(&run.split);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_run_has_a_step_for_each_update),
        cmocka_unit_test(a_scaled_rate_is_that_of_the_batch),
        cmocka_unit_test(more_epochs_have_the_schedule_of_so_many),
        cmocka_unit_test(a_restart_has_the_updates_that_are_left),
        cmocka_unit_test(a_restart_needs_an_update_to_make),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
