#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "data/batch.h"
#include "data/sampler.h"
#include "eval/evaluate.h"
#include "train/plan.h"
#include "train/precision.h"
#include "train/progress.h"
#include "train/run_output.h"
#include "train/step.h"

#define MOST_BAD_IN_ROW 50 /* updates skipped one after the other before a run is given up */
#define STEP_LINE_EVERY 10 /* updates from one line of the steps file to the next */

/* A training under way. */
typedef struct {
    const dt_training *job;
    dt_checkpoint *run;
    dt_model *model;
    dt_sampler sampler;
    dt_stepper stepper;
    dt_run_output output;
    double began;           /* dt_seconds() of this process's first step */
    double checkpoint_time; /* seconds spent on writing checkpoints */
    int64_t skipped_told;   /* skipped updates that were warned of or counted */
} trainer;

/* What one epoch's training came to. */
typedef struct {
    double seconds;
    int64_t sequences;
    int64_t tokens;
} epoch_work;

dt_status dt_training_schedule(dt_checkpoint *run, const dt_dataset *dataset)
{
    dt_run_settings *settings = &run->settings;
    DT_TRY(dt_split_create(&run->split, dataset->count, settings->val_split, settings->seed));
    settings->total_sequences = dataset->count;
    settings->training_sequences = run->split.training_count;
    settings->validation_sequences = run->split.validation_count;
    settings->rule.total_steps =
        settings->epochs * dt_updates_per_epoch(settings->training_sequences, settings);
    settings->rule.warmup_steps =
        (int64_t)(settings->warmup_ratio * (double)settings->rule.total_steps);
    return DT_OK;
}

/* ---- start and end -----------------------------------------------------------------------------
 */

static dt_status prepare_model(trainer *t)
{
    const dt_training *job = t->job;
    dt_run_settings *settings = &t->run->settings;
    int64_t tokens;
    DT_TRY(dt_model_create(&t->model, &t->run->config, job->backend, true));
    t->run->parameters = dt_model_params(t->model)->parameters;
    if (!job->resume_path)
        t->run->progress = (dt_run_progress){.evaluation_time = (double)NAN,
                                             .training_loss = (double)NAN,
                                             .validation_loss = (double)NAN};
    dt_training_precision(t->run, job->backend->precision, job->resume_path != NULL);
    const dt_piece_plan pieces = {.model = t->model,
                                  .dataset = job->dataset,
                                  .world_size = job->comm->world_size,
                                  .fixed = job->fixed_micro_batch,
                                  .reserve = !job->dry_run};
    DT_TRY(dt_plan_micro_batch(settings, &pieces));
    if (job->dry_run)
        return DT_OK;
    DT_TRY(dt_batch_most_tokens(job->dataset, t->run->config.max_length, settings->micro_batch,
                                &tokens));
    DT_TRY(job->comm->ops->attach(job->comm, job->backend));
    DT_TRY(dt_batch_memory_create(&t->stepper.memory, settings->micro_batch, tokens,
                                  t->run->config.tax_ranks));
    if (job->resume_path)
        return dt_checkpoint_read_tensors(job->resume_path, t->model, true);
    return dt_params_init(dt_model_params(t->model), job->backend, settings->seed, job->pool);
}

static dt_status prepare(trainer *t)
{
    const dt_training *job = t->job;
    dt_checkpoint *run = t->run;
    DT_TRY(prepare_model(t));
    DT_TRY(dt_sampler_create(&t->sampler, run->split.training, run->split.training_count,
                             run->settings.seed));
    t->stepper.model = t->model;
    t->stepper.comm = job->comm;
    t->stepper.dataset = job->dataset;
    t->stepper.sampler = &t->sampler;
    t->stepper.settings = &run->settings;
    t->stepper.loss = (dt_loss){.classes = *dt_model_classes(t->model)};
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        t->stepper.level_weight[r] = dt_level_weight(&run->settings, r);
    return DT_OK;
}

static dt_status show_plan(trainer *t)
{
    dt_text text = {0};
    dt_status status = dt_plan_parameters(&text, dt_model_params(t->model));
    if (status == DT_OK)
        status = dt_plan_run(&text, t->run, t->model, t->job->dataset);
    if (status == DT_OK && t->job->dry_run)
        fputs(text.data, stdout);
    else if (status == DT_OK)
        dt_info("%.*s", (int)text.length - 1, text.data); /* dt_info ends the last line */
    dt_text_free(&text);
    return status;
}

static void finish(trainer *t)
{
    dt_run_output_close(&t->output);
    dt_batch_memory_free(&t->stepper.memory);
    dt_sampler_free(&t->sampler);
    dt_model_destroy(t->model);
}

/* ---- an epoch ----------------------------------------------------------------------------------
 */

/* Reports skipped updates: the first three in a row, all of them by their number. Several may have
 * come since the last call, where the device is not waited for after each. */
static dt_status check_numbers(trainer *t, const dt_update_state *state)
{
    const int64_t fresh = state->skipped - t->skipped_told;
    if (fresh > 0 && state->skipped_in_row - fresh < 3)
        dt_warn("update skipped: its loss or gradient is not a finite number (%lld skipped so far)"
                "%s",
                (long long)state->skipped,
                t->run->settings.rule.dynamic_scale ? ": fp16's loss scale is lowered" : "");
    t->skipped_told = state->skipped;
    if (state->skipped_in_row >= MOST_BAD_IN_ROW)
        return dt_fail(DT_ERR_NUMERIC,
                       "%d updates in a row gave no finite loss or gradient: the training has "
                       "diverged; start again from the last checkpoint with a lower "
                       "--learning-rate",
                       state->skipped_in_row);
    return DT_OK;
}

/* This rank's sum of the loss over the good updates of the epoch → the mean of all ranks together;
 * NaN where all were skipped. */
static dt_status epoch_loss(trainer *t, const dt_update_state *state, double *loss)
{
    *loss = 0.0;
    for (int32_t r = 0; r < t->run->config.tax_ranks; ++r)
        *loss += state->loss_sum[r];
    DT_TRY(t->job->comm->ops->sum(t->job->comm, loss, 1));
    if (state->loss_updates == 0) {
        *loss = (double)NAN;
        return DT_OK;
    }
    /* each update's loss is a sum over its micro-steps, divided by accum_steps */
    const int64_t batches = dt_batches_per_epoch(t->sampler.count, &t->run->settings);
    const int64_t updates = dt_updates_per_epoch(t->sampler.count, &t->run->settings);
    const double micro_steps = (double)batches * (double)state->loss_updates / (double)updates;
    *loss *= (double)t->run->settings.accum_steps / micro_steps;
    return DT_OK;
}

static dt_status train_epoch(trainer *t, epoch_work *work)
{
    dt_backend *backend = t->job->backend;
    dt_run_progress *progress = &t->run->progress;
    const dt_run_settings *settings = &t->run->settings;
    const int64_t updates = dt_updates_per_epoch(t->sampler.count, settings);
    const int64_t per_update = (int64_t)settings->batch_size * settings->accum_steps;
    const bool first_rank = t->job->comm->world_rank == 0;
    dt_progress line = dt_progress_begin(progress->epoch + 1, settings->epochs, updates);
    const double began = dt_seconds();

    DT_TRY(dt_sampler_begin_epoch(&t->sampler, (uint32_t)progress->epoch));
    for (int32_t r = 0; r < DT_BACKEND_TAX_RANKS; ++r)
        progress->update.loss_sum[r] = 0.0;
    progress->update.loss_updates = 0;
    backend->ops->state_write(backend, &progress->update);
    for (int64_t update = 0; update < updates; ++update) {
        DT_TRY(dt_stepper_update(&t->stepper, update, &progress->micro_steps));
        const bool line_due = update % STEP_LINE_EVERY == 0 || update == updates - 1;
        if (!backend->host_memory && !line_due)
            continue; /* reading the state would make the device wait */
        backend->ops->state_read(backend, &progress->update);
        DT_TRY(backend->ops->check(backend));
        DT_TRY(check_numbers(t, &progress->update));
        double loss = progress->update.loss;
        DT_TRY(t->job->comm->ops->sum(t->job->comm, &loss, 1));
        const int64_t done = (update + 1) * per_update < t->sampler.count
                                 ? (update + 1) * per_update
                                 : t->sampler.count;
        dt_progress_show(&line, update + 1, done, loss, progress->update.last_rate);
        if (first_rank && line_due)
            DT_TRY(dt_run_output_step(&t->output, progress->epoch + 1, &progress->update, loss,
                                      (double)done / (dt_seconds() - began)));
    }
    dt_progress_end();
    work->seconds = dt_seconds() - began;
    work->sequences = t->sampler.count;
    for (int64_t i = 0; i < t->sampler.count; ++i)
        work->tokens +=
            dt_dataset_length(t->job->dataset, t->sampler.order[i], t->run->config.max_length);
    progress->epoch++;
    progress->training_time = work->seconds;
    return epoch_loss(t, &progress->update, &progress->training_loss);
}

static dt_status evaluate(trainer *t, dt_evaluation *evaluation)
{
    const dt_split *split = &t->run->split;
    const double began = dt_seconds();
    DT_TRY(dt_evaluate(evaluation, t->model, t->job->comm, t->job->dataset, split->validation,
                       split->validation_count, t->stepper.level_weight, &t->stepper.memory));
    t->run->progress.validation_loss = evaluation->loss;
    t->run->progress.evaluation_time = dt_seconds() - began;
    return DT_OK;
}

static void show_evaluation(const trainer *t, const dt_evaluation *evaluation)
{
    const dt_run_progress *progress = &t->run->progress;
    dt_info("epoch %d/%d: training loss %.4f, validation loss %.4f", progress->epoch,
            t->run->settings.epochs, progress->training_loss, progress->validation_loss);
    dt_info("  %-12s %8s %9s %8s %8s", "rank", "accuracy", "precision", "recall", "F1");
    for (int32_t r = 0; r < t->run->config.tax_ranks; ++r) {
        const dt_measures *m = &evaluation->tax_rank[r];
        dt_info("  %-12s %8.4f %9.4f %8.4f %8.4f", t->run->taxonomy.rank[r].name, m->accuracy,
                m->precision, m->recall, m->f1);
    }
}

/* Removes this run's checkpoint that has become one too many. */
static dt_status drop_old_checkpoint(const trainer *t)
{
    char path[PATH_MAX];
    const int32_t old = t->run->progress.epoch - t->job->keep_checkpoints;
    if (t->job->keep_checkpoints == 0 || old < 1)
        return DT_OK;
    DT_TRY(dt_run_checkpoint_path(&t->output, old, path));
    unlink(path);
    return DT_OK;
}

static dt_status save_checkpoint(trainer *t, char *path)
{
    const double began = dt_seconds();
    DT_TRY(dt_run_checkpoint_path(&t->output, t->run->progress.epoch, path));
    DT_TRY(dt_checkpoint_write(path, t->run, t->model, false));
    t->checkpoint_time += dt_seconds() - began;
    dt_info("checkpoint: %s", path);
    return drop_old_checkpoint(t);
}

static void show_times(const trainer *t, const epoch_work *work)
{
    const dt_run_progress *progress = &t->run->progress;
    dt_info("  training %.2f s (%.1f sequences/s, %.0f tokens/s), last evaluation %.2f s, "
            "checkpoints so far %.2f s",
            work->seconds, (double)work->sequences / work->seconds,
            (double)work->tokens / work->seconds, progress->evaluation_time, t->checkpoint_time);
}

/* Evaluates where it is due, saves the checkpoint, writes the metrics. */
static dt_status end_epoch(trainer *t, const epoch_work *work)
{
    const dt_run_settings *settings = &t->run->settings;
    const int32_t epoch = t->run->progress.epoch;
    const bool due = epoch % settings->eval_every == 0 || epoch == settings->epochs;
    const bool evaluated = due && t->run->split.validation_count > 0;
    char path[PATH_MAX];
    dt_evaluation evaluation;
    if (evaluated)
        DT_TRY(evaluate(t, &evaluation));
    if (t->job->comm->world_rank != 0)
        return DT_OK;
    if (evaluated)
        show_evaluation(t, &evaluation);
    else
        dt_info("epoch %d/%d: training loss %.4f", epoch, settings->epochs,
                t->run->progress.training_loss);
    DT_TRY(save_checkpoint(t, path));
    if (t->job->verbose)
        show_times(t, work);
    if (!evaluated)
        return DT_OK;
    const dt_epoch_report report = {
        .evaluation = &evaluation,
        .checkpoint_path = path,
        .session_time = dt_seconds() - t->began,
        .checkpoint_time = t->checkpoint_time,
        .sequences_per_second = (double)work->sequences / work->seconds,
        .tokens_per_second = (double)work->tokens / work->seconds,
    };
    return dt_run_output_metrics(&t->output, t->run, &report);
}

static dt_status run_epochs(trainer *t)
{
    const bool first_rank = t->job->comm->world_rank == 0;
    DT_TRY(prepare(t));
    if (first_rank)
        DT_TRY(show_plan(t));
    if (t->job->dry_run)
        return DT_OK;
    if (first_rank)
        DT_TRY(dt_run_output_open(&t->output, t->job->output_dir, t->run));
    t->skipped_told = t->run->progress.update.skipped;
    t->began = dt_seconds();
    while (t->run->progress.epoch < t->run->settings.epochs) {
        epoch_work work = {0};
        DT_TRY(train_epoch(t, &work));
        DT_TRY(end_epoch(t, &work));
    }
    return DT_OK;
}

dt_status dt_train(const dt_training *training)
{
    trainer t = {.job = training, .run = training->run, .output = {.lock = -1}};
    const dt_status status = run_epochs(&t);
    finish(&t);
    return status;
}
