#include "train/schedule.h"

#include "core/log.h"
#include "core/update_rule.h"
#include "train/step.h"

static void set_steps(dt_run_settings *settings, int64_t total)
{
    settings->rule.total_steps = total;
    settings->rule.warmup_steps = (int64_t)(settings->warmup_ratio * (double)total);
}

dt_status dt_training_schedule(dt_run *run, const dt_dataset *dataset)
{
    dt_run_settings *settings = &run->settings;
    DT_TRY(dt_run_split(run, dataset->count, dataset->stream != NULL));
    dt_set_rate(settings);
    settings->total_sequences = dataset->count;
    settings->training_sequences = run->split.training_count;
    settings->validation_sequences = run->split.validation_count;
    set_steps(settings,
              settings->epochs * dt_updates_per_epoch(settings->training_sequences, settings));
    return DT_OK;
}

/* The learning rate of an update of the schedule; the first one has number 0. */
static double rate_of(const dt_update_rule *rule, int64_t update)
{
    return dt_scheduled_rate(rule->learning_rate, update, rule->warmup_steps, rule->total_steps);
}

double dt_training_next_rate(const dt_run *run)
{
    const dt_update_rule *rule = &run->settings.rule;
    return rate_of(rule, run->progress.update.steps - rule->schedule_start);
}

double dt_training_last_rate(const dt_run *run)
{
    const dt_update_rule *rule = &run->settings.rule;
    const int64_t done = run->progress.update.steps - rule->schedule_start;
    return done > 0 ? rate_of(rule, done - 1) : 0;
}

void dt_training_extend(dt_run *run, int32_t epochs)
{
    dt_run_settings *settings = &run->settings;
    const double before = dt_training_next_rate(run);
    const int32_t more = epochs - settings->epochs;
    settings->epochs = epochs;
    set_steps(settings, settings->rule.total_steps +
                            more * dt_updates_per_epoch(settings->training_sequences, settings));
    dt_notice("--epochs: the run is extended to %d epochs, and so is its learning-rate schedule: "
              "the next learning rate is %g instead of %g",
              epochs, dt_training_next_rate(run), before);
}

dt_status dt_training_restart(dt_run *run)
{
    dt_run_settings *settings = &run->settings;
    const int64_t done =
        dt_epoch_updates_done(&run->progress, settings->training_sequences, settings);
    const int64_t updates = dt_updates_per_epoch(settings->training_sequences, settings);
    const int64_t left = (settings->epochs - run->progress.epoch) * updates - done;
    if (left <= 0)
        return dt_fail(DT_ERR_USAGE,
                       "--reset-lr-on-resume: no epochs are left (trained: %d, --epochs: %d): "
                       "raise --epochs",
                       run->progress.epoch, settings->epochs);
    settings->rule.schedule_start = run->progress.update.steps;
    dt_set_rate(settings);
    set_steps(settings, left);
    run->progress.evaluations_without_gain = 0;
    run->progress.patience_loss = run->progress.best_loss;
    dt_notice("--reset-lr-on-resume: starting a new schedule of %lld steps with learning rate %g",
              (long long)left, settings->rule.learning_rate);
    return DT_OK;
}
