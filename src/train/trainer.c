#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/shell.h"
#include "core/stop.h"
#include "data/batch.h"
#include "data/survey.h"
#include "eval/evaluate.h"
#include "run/init_weights.h"
#include "profile/profiled_backend.h"
#include "ranks/report.h"
#include "train/early_stop.h"
#include "train/exports.h"
#include "train/plan.h"
#include "train/precision.h"
#include "train/slow_ranks.h"
#include "train/store_references.h"
#include "train/tensorboard.h"
#include "train/trainer_internal.h"

/* The work of one epoch's training, over all ranks. */
typedef struct {
    double seconds;
    int64_t sequences;
    int64_t tokens;
} epoch_work;

/* ---- start ---------------------------------------------------------------------------------- */

dt_status dt_trainer_needs_validation(const dt_trainer *t, const char *flag)
{
    if (t->run->split.validation_count > 0)
        return DT_OK;
    return dt_fail(DT_ERR_USAGE,
                   "--%s requires validation sequences; this run has none "
                   "(--val-split %g)",
                   flag, t->run->settings.val_split);
}

/* Checks that options which depend on validation have validation sequences. */
static dt_status check_validation(const dt_trainer *t)
{
    const dt_run_settings *settings = &t->run->settings;
    if (settings->early_stopping_patience > 0)
        DT_TRY(dt_trainer_needs_validation(t, "early-stopping-patience"));
    if (t->job->save_best_only)
        DT_TRY(dt_trainer_needs_validation(t, "save-best-only"));
    DT_TRY(dt_exports_check(t));
    if (t->run->split.validation_count == 0)
        dt_notice("all %lld sequences are used for training (--val-split %g): there is no "
                  "evaluation, and only step metrics are written",
                  (long long)t->run->split.training_count, settings->val_split);
    return DT_OK;
}

/* Plans the run and allocates its peak memory. */
static dt_status prepare_model(dt_trainer *t, bool *copy_fits)
{
    const dt_training *job = t->job;
    dt_run_settings *settings = &t->run->settings;
    int64_t tokens;
    DT_TRY(dt_model_create(&t->model, &t->run->config, job->backend, true));
    DT_TRY(dt_run_add_lineages(t->run, t->model));
    dt_profiled_backend_parameters(job->backend, job->profile, dt_model_params(t->model));
    t->run->parameters = dt_model_params(t->model)->parameters;
    if (job->comm->shares)
        dt_moments_share(&t->moments, job->comm, job->backend, dt_model_params(t->model)->trained);
    if (!job->resume_path)
        t->run->progress = (dt_run_progress){.evaluation_time = (double)NAN,
                                             .training_loss = (double)NAN,
                                             .validation_loss = (double)NAN};
    if (!job->resume_path && job->init_path)
        DT_TRY(dt_init_weights_check(job->init_path, t->run, dt_model_params(t->model)));
    dt_training_precision(t->run, job->backend->precision, job->resume_path != NULL);
    const dt_micro_batch_plan plan = {.model = t->model,
                                      .dataset = job->dataset,
                                      .comm = job->comm,
                                      .fixed = job->fixed_micro_batch,
                                      .reserve = !job->dry_run};
    DT_TRY(dt_plan_micro_batch(settings, &plan));
    DT_TRY(dt_plan_copy_fits(copy_fits, settings, &plan));
    if (job->dry_run)
        return DT_OK;
    DT_TRY(dt_batch_max_tokens(job->dataset, t->run->config.max_length, settings->micro_batch,
                               &tokens));
    DT_TRY(dt_batch_memory_create(&t->stepper.memory, settings->micro_batch, tokens,
                                  t->run->config.tax_ranks));
    t->stepper.memory.kmer_size = dt_model_kmer_size(&t->run->config);
    if (job->resume_path)
        return dt_checkpoint_read_tensors(job->resume_path, t->model, true);
    DT_TRY(dt_params_init(dt_model_params(t->model), job->backend, settings->seed, job->pool));
    return job->init_path ? dt_init_weights_load(job->init_path, t->model) : DT_OK;
}

/* Uploads the class weights in the device's type for statistics. */
static dt_status upload_class_weights(dt_trainer *t)
{
    dt_backend *backend = t->job->backend;
    const int64_t classes = t->objective.classes.first[t->run->config.tax_ranks];
    const int64_t bytes = classes * backend->statistic_size;
    float *narrow;
    DT_TRY(backend->ops->alloc(backend, &t->class_weight, bytes));
    if (backend->statistic_size == sizeof(double)) {
        backend->ops->upload(backend, t->class_weight, t->objective.class_weight, bytes);
        return backend->ops->check(backend);
    }
    DT_TRY(DT_NEW(narrow, (size_t)classes));
    for (int64_t i = 0; i < classes; ++i)
        narrow[i] = (float)t->objective.class_weight[i];
    backend->ops->upload(backend, t->class_weight, narrow, bytes);
    free(narrow);
    return backend->ops->check(backend);
}

static dt_status prepare_loss(dt_trainer *t)
{
    DT_TRY(dt_objective_create(&t->objective, t->run, t->job->dataset));
    if (t->objective.class_weight && !t->job->dry_run)
        DT_TRY(upload_class_weights(t));
    t->stepper.objective = &t->objective;
    t->stepper.loss = (dt_loss){.classes = t->objective.classes,
                                .type = t->objective.type,
                                .gamma = t->objective.gamma,
                                .class_weight = t->class_weight};
    return DT_OK;
}

/* A streamed run of an older version has the numbers of its split, on whose order its own
 * depends. */
static dt_status create_sampler(dt_trainer *t)
{
    const dt_split *split = &t->run->split;
    const dt_run_settings *s = &t->run->settings;
    if (!split->training)
        return dt_sampler_create_streamed(&t->sampler, split->marks, t->job->dataset->count,
                                          split->training_count, s->seed, s->sequences_per_shard,
                                          s->shards_at_a_time);
    DT_TRY(dt_sampler_create(&t->sampler, split->training, split->training_count, s->seed));
    if (s->shards_at_a_time > 0)
        dt_sampler_by_shards(&t->sampler, s->sequences_per_shard, s->shards_at_a_time);
    return DT_OK;
}

static dt_status prepare(dt_trainer *t, bool *copy_fits)
{
    const dt_training *job = t->job;
    dt_run *run = t->run;
    DT_TRY(check_validation(t));
    DT_TRY(prepare_model(t, copy_fits));
    DT_TRY(create_sampler(t));
    t->stepper.model = t->model;
    t->stepper.comm = job->comm;
    t->stepper.dataset = job->dataset;
    t->stepper.sampler = &t->sampler;
    t->stepper.settings = &run->settings;
    t->stepper.stop = job->stop;
    t->stepper.profile = job->profile;
    t->stepper.shares = t->moments.elements > 0;
    if (run->settings.optimizer == DT_OPTIMIZER_LAMB)
        DT_TRY(dt_params_update_tensors(dt_model_params(t->model), &t->stepper.tensors,
                                        &t->stepper.tensor_count));
    return prepare_loss(t);
}

static dt_status show_plan(dt_trainer *t, bool copy_fits)
{
    const dt_comm *comm = t->job->comm;
    dt_text text = {0};
    if (!t->job->dry_run && t->job->settings)
        dt_info_lines(t->job->settings);
    dt_status status = dt_plan_parameters(&text, dt_model_params(t->model));
    if (status == DT_OK)
        status = dt_plan_run(&text, t->run, t->model, t->job->dataset, copy_fits);
    if (status == DT_OK)
        status = dt_moments_plan(&text, &t->moments);
    if (status == DT_OK && comm->world_size > 1)
        status = dt_ranks_report(&text, comm, t->job->ranks, t->run->settings.batch_size);
    if (status == DT_OK && t->sums.data)
        status = dt_text_addf(&text, "%s", t->sums.data);
    if (status == DT_OK)
        status = dt_plan_efficiency(&text, t->run, t->job->dataset, dt_pool_threads(t->job->pool),
                                    t->job->resume_path != NULL);
    if (status == DT_OK)
        status = dt_exports_plan(&text, t);
    if (status == DT_OK && t->job->dry_run)
        status = dt_print(text.data);
    if (status == DT_OK && !t->job->dry_run)
        dt_info_lines(text.data);
    if (status == DT_OK && t->job->thread_note)
        dt_notice("%s", t->job->thread_note);
    dt_text_free(&text);
    return status;
}

/* With --verbose, every rank but rank 0 writes its own log file in the output directory. */
static dt_status open_rank_log(const dt_trainer *t)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/train_rank%d.log", t->job->output_dir,
                   t->job->comm->world_rank));
    DT_TRY(dt_make_folder(t->job->output_dir)); /* the file system may be local to the host */
    return dt_log_open(path);
}

/* Rank 0 opens the files and broadcasts the run's id. */
static dt_status open_output(dt_trainer *t, bool copy_fits)
{
    const dt_training *job = t->job;
    const bool first = job->comm->world_rank == 0;
    char *uuid = t->run->settings.run_uuid;
    dt_status status = DT_OK;
    if (first)
        status = dt_run_output_open(&t->output, job->output_dir, t->run);
    if (first && status == DT_OK)
        status = dt_store_references(job, &t->output);
    t->output.reports = first && job->report;
    if (first && job->tensorboard && status == DT_OK)
        status =
            dt_tensorboard_open(&t->output.tensorboard, job->output_dir, t->run, job->settings);
    DT_TRY(dt_agree(job->comm, status, &t->agreed));
    DT_TRY(job->comm->ops->broadcast(job->comm, uuid, sizeof t->run->settings.run_uuid, 0));
    if (!first && job->verbose)
        status = open_rank_log(t);
    if (first && !copy_fits)
        dt_notice("not enough memory for a copy of the model: training pauses while a checkpoint "
                  "is written");
    t->saver.comm = job->comm;
    t->saver.model = t->model;
    t->saver.moments = &t->moments;
    t->saver.run = t->run;
    t->saver.output = &t->output;
    t->saver.keep = job->keep_checkpoints;
    t->saver.best_only = job->save_best_only;
    t->saver.resumed_newest = job->resumes_newest;
    t->saver.profile = job->profile;
    if (t->moments.elements > 0)
        DT_TRY(dt_moments_open(&t->moments));
    if (status == DT_OK)
        status = dt_saver_create(&t->saver, job->resume_path, copy_fits);
    return dt_agree(job->comm, status, &t->agreed);
}

/* ---- evaluation ----------------------------------------------------------------------------- */

static epoch_work whole_epoch(const dt_trainer *t)
{
    epoch_work work = {.seconds = t->run->progress.training_time, .sequences = t->sampler.count};
    const dt_dataset *dataset = t->job->dataset;
    if (dataset->survey)
        work.tokens = dataset->survey->training_tokens;
    for (int64_t i = 0; i < t->sampler.count && !dataset->survey; ++i)
        work.tokens += dt_dataset_length(dataset, t->sampler.items[i], t->run->config.max_length);
    return work;
}

/* Evaluates the model and stores the result in the run's progress; on a stop, only sets
 * t->stopping. */
static dt_status evaluate(dt_trainer *t)
{
    dt_evaluation evaluation;
    const dt_split *split = &t->run->split;
    const double began = dt_seconds();
    const dt_evaluation_job job = {.model = t->model,
                                   .comm = t->job->comm,
                                   .dataset = t->job->dataset,
                                   .indices = split->validation,
                                   .split = split->marks ? split : NULL,
                                   .count = split->validation_count,
                                   .objective = &t->objective,
                                   .memory = &t->stepper.memory,
                                   .stop = t->job->stop,
                                   .rank0_only = t->job->validate_on_rank0,
                                   .profile = t->job->profile};
    dt_profile_begin(job.profile, DT_TRACK_MAIN, DT_CATEGORY_EVALUATION);
    const dt_status status = dt_evaluate(&evaluation, &job);
    dt_profile_end(job.profile, DT_TRACK_MAIN);
    if (status == DT_STOPPED) {
        t->stopping = true;
        return DT_OK;
    }
    DT_TRY(status);
    dt_run_progress *progress = &t->run->progress;
    progress->validation_loss = evaluation.loss;
    t->diverged = evaluation.diverged;
    progress->evaluation_time = dt_seconds() - began;
    progress->evaluated_epoch = progress->epoch;
    memcpy(progress->metrics, evaluation.tax_rank, sizeof progress->metrics);
    return DT_OK;
}

static void show_evaluation(const dt_trainer *t)
{
    const dt_run_progress *progress = &t->run->progress;
    dt_info("epoch %d/%d: training loss %.4f, validation loss %.4f", progress->epoch,
            t->run->settings.epochs, progress->training_loss, progress->validation_loss);
    dt_info("%-6s  %-12s %10s %10s %10s %10s", "Level", "Rank", "Accuracy", "Precision", "Recall",
            "F1-Score");
    for (int32_t r = 0; r < t->run->config.tax_ranks; ++r) {
        const dt_metrics *m = &progress->metrics[r];
        dt_info("%-6d  %-12s %10.4f %10.4f %10.4f %10.4f", r, t->run->taxonomy.rank[r].name,
                m->accuracy, m->precision, m->recall, m->f1);
    }
}

static void show_times(const dt_trainer *t, const epoch_work *work)
{
    const dt_run_progress *progress = &t->run->progress;
    const dt_step_times *times = &t->stepper.times;
    char evaluation[64] = "";
    if (progress->evaluated_epoch > 0)
        snprintf(evaluation, sizeof evaluation, "last evaluation %.2f s, ",
                 progress->evaluation_time);
    dt_info("  training %.2f s (%.1f sequences/s, %.0f tokens/s): data %.2f s, computing %.2f s, "
            "waiting for other ranks %.2f s; %sblocked by checkpoints so far %.2f s",
            work->seconds, (double)work->sequences / work->seconds,
            (double)work->tokens / work->seconds, times->data, times->computing, times->waiting,
            evaluation, t->saver.blocked);
}

static bool is_evaluated(const dt_trainer *t, int32_t epoch)
{
    const dt_run_settings *settings = &t->run->settings;
    return t->run->split.validation_count > 0 &&
           (epoch % settings->eval_every == 0 || epoch == settings->epochs);
}

/* Returns the report of the epoch that has just ended. */
static dt_epoch_report report_of(const dt_trainer *t, const epoch_work *work)
{
    dt_epoch_report report = {.ranks = t->job->ranks,
                              .invocation = t->job->invocation,
                              .times = t->stepper.times,
                              .session_time = dt_seconds() - t->began,
                              .sequences_per_second = (double)work->sequences / work->seconds,
                              .tokens_per_second = (double)work->tokens / work->seconds};
    memcpy(report.session_start, t->session_start, sizeof report.session_start);
    memcpy(report.epoch_start, t->epoch_start, sizeof report.epoch_start);
    dt_timestamp(report.epoch_end, sizeof report.epoch_end);
    return report;
}

/* On a GPU the host does not know how long its device waits. */
static dt_status name_slow_ranks(dt_trainer *t, const epoch_work *work)
{
    const dt_training *job = t->job;
    if (job->comm->world_size == 1 || !job->backend->host_memory)
        return DT_OK;
    return dt_slow_ranks_notice(job->comm, job->ranks, t->run->progress.epoch,
                                t->stepper.times.waiting, work->seconds);
}

/* Ends a completed epoch: evaluates it if due, saves it and writes the requested exports. On a
 * stop, the rest of the evaluation and the exports is left to the resumed run. */
static dt_status end_epoch(dt_trainer *t)
{
    dt_run_progress *progress = &t->run->progress;
    const epoch_work work = whole_epoch(t);
    const bool due = is_evaluated(t, progress->epoch);
    DT_TRY(name_slow_ranks(t, &work));
    if (due && !t->stopping)
        DT_TRY(evaluate(t));
    progress->evaluation_due = due && t->stopping;
    const bool evaluated = due && !t->stopping;
    DT_TRY(dt_trainer_check_losses(t, evaluated));
    if (evaluated) {
        dt_early_stop_update(progress, &t->run->settings);
        show_evaluation(t);
    } else {
        dt_info("epoch %d/%d: training loss %.4f", progress->epoch, t->run->settings.epochs,
                progress->training_loss);
    }
    const dt_epoch_report report = report_of(t, &work);
    memcpy(t->epoch_start, report.epoch_end, sizeof t->epoch_start);
    DT_TRY(dt_saver_save(&t->saver, false, 0, evaluated ? &report : NULL, &t->agreed));
    if (t->job->verbose)
        show_times(t, &work);
    return evaluated ? dt_exports_write(t, false) : DT_OK;
}

/* On rank 0: sets *missing if the run continues in the directory of its checkpoint and the last
 * process was killed between writing the checkpoint and the epoch's metrics. */
static dt_status metrics_are_missing(const dt_trainer *t, bool *missing)
{
    char own[PATH_MAX];
    struct stat a;
    struct stat b;
    const int32_t epoch = t->run->progress.epoch;
    bool exists;
    DT_TRY(dt_run_checkpoint_path(&t->output, epoch, own));
    DT_TRY(dt_run_output_has_metrics(&t->output, epoch, &exists));
    *missing = !exists && is_evaluated(t, epoch) && stat(own, &a) == 0 &&
               stat(t->job->resume_path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    return DT_OK;
}

/* Writes the metrics of an epoch whose checkpoint exists. */
static dt_status write_missing_metrics(dt_trainer *t)
{
    const epoch_work work = whole_epoch(t);
    const dt_run_progress before = t->run->progress;
    DT_TRY(evaluate(t));
    if (t->stopping || t->job->comm->world_rank != 0)
        return DT_OK;
    show_evaluation(t);
    dt_epoch_report report = report_of(t, &work);
    report.checkpoint_path = t->job->resume_path;
    dt_status status = dt_run_output_epoch(&t->output, t->run);
    if (status == DT_OK)
        status = dt_run_output_metrics(&t->output, t->run, &report);
    t->run->progress = before;
    return status;
}

/* Completes what the previous process left undone at the end of an epoch. */
static dt_status catch_up(dt_trainer *t)
{
    const dt_run_progress *progress = &t->run->progress;
    int32_t missing = 0;
    if (t->job->resume_path && t->job->comm->world_rank == 0)
        dt_run_drop_step_checkpoints(&t->output, progress->epoch, t->job->resume_path);
    if (!t->job->resume_path || progress->epoch == 0 ||
        dt_epoch_updates_done(progress, t->sampler.count, &t->run->settings) > 0)
        return DT_OK;
    if (progress->evaluation_due)
        return end_epoch(t);
    dt_status status = DT_OK;
    if (t->job->comm->world_rank == 0) {
        bool metrics_missing = false;
        status = metrics_are_missing(t, &metrics_missing);
        missing = metrics_missing;
    }
    DT_TRY(dt_agree(t->job->comm, status, &t->agreed));
    DT_TRY(t->job->comm->ops->broadcast(t->job->comm, &missing, sizeof missing, 0));
    if (missing)
        DT_TRY(write_missing_metrics(t));
    return is_evaluated(t, progress->epoch) && !t->stopping ? dt_exports_write(t, true) : DT_OK;
}

/* ---- the run -------------------------------------------------------------------------------- */

static const char *signal_name(const dt_trainer *t)
{
    return dt_signal_name(t->job->stop ? atomic_load(t->job->stop) : 0);
}

/* Saves the progress since the last save; the error message says how to resume. */
static dt_status stop(dt_trainer *t)
{
    const dt_run_progress *progress = &t->run->progress;
    const int64_t done = dt_epoch_updates_done(progress, t->sampler.count, &t->run->settings);
    char newest[DT_PASTED_SIZE];
    if (progress->micro_steps > 0 && progress->micro_steps != t->saver.saved_micro_steps)
        DT_TRY(dt_saver_save(&t->saver, true, done, NULL, &t->agreed));
    DT_TRY(dt_saver_wait(&t->saver, &t->agreed));
    if (progress->micro_steps == 0)
        return dt_fail(DT_STOPPED, "stopped by %s before the first step was completed: start again",
                       signal_name(t));
    dt_run_output_report(&t->output);
    dt_pasted(t->saver.newest, newest);
    if (done == 0)
        return dt_fail(DT_STOPPED,
                       "stopped by %s after epoch %d of %d: continue with --resume auto, or "
                       "--resume %s",
                       signal_name(t), progress->epoch, t->run->settings.epochs, newest);
    return dt_fail(
        DT_STOPPED,
        "stopped by %s after step %lld of %lld in epoch %d: continue with --resume auto, or "
        "--resume %s",
        signal_name(t), (long long)done,
        (long long)dt_updates_per_epoch(t->sampler.count, &t->run->settings), progress->epoch + 1,
        newest);
}

/* Without dt_agree(): if a single rank fails in attach(), the others are still waiting there. */
static dt_status attach(dt_trainer *t)
{
    dt_comm *comm = t->job->comm;
    const dt_status status = comm->ops->attach(comm, t->job->backend);
    t->agreed = status == DT_ERR_USAGE;
    return status;
}

/* Not for a completed run, of which lines would be removed. Collective. */
static dt_status open_steps(dt_trainer *t)
{
    dt_status status = DT_OK;
    if (t->job->comm->world_rank == 0 && !t->complete)
        status = dt_run_output_open_steps(&t->output, &t->run->progress.update);
    return dt_agree(t->job->comm, status, &t->agreed);
}

/* Collective. */
static dt_status prepare_collectively(dt_trainer *t, bool *copy_fits)
{
    dt_profile_begin(t->job->profile, DT_TRACK_MAIN, DT_CATEGORY_MODEL);
    const dt_status status = dt_agree(t->job->comm, prepare(t, copy_fits), &t->agreed);
    dt_profile_end(t->job->profile, DT_TRACK_MAIN);
    return status;
}

static dt_status run_epochs(dt_trainer *t)
{
    dt_comm *comm = t->job->comm;
    bool copy_fits = false;
    DT_TRY(prepare_collectively(t, &copy_fits));
    if (!t->job->dry_run) {
        DT_TRY(attach(t));
        DT_TRY(dt_trainer_preflight(t));
    }
    if (t->job->preflight_only)
        return DT_OK;
    if (comm->world_rank == 0)
        DT_TRY(show_plan(t, copy_fits));
    if (t->job->dry_run)
        return DT_OK;
    DT_TRY(open_output(t, copy_fits));
    DT_TRY(dt_trainer_choose(t));
    t->skipped_seen = t->run->progress.update.skipped;
    t->began = dt_seconds();
    dt_timestamp(t->session_start, sizeof t->session_start);
    memcpy(t->epoch_start, t->session_start, sizeof t->epoch_start);
    DT_TRY(dt_trainer_find_end(t));
    DT_TRY(open_steps(t));
    DT_TRY(catch_up(t));
    while (!dt_trainer_is_over(t) && !t->stopping) {
        const int32_t before = t->run->progress.epoch;
        DT_TRY(dt_trainer_epoch(t));
        if (t->run->progress.epoch > before)
            DT_TRY(end_epoch(t));
    }
    if (t->stopping)
        return stop(t);
    DT_TRY(dt_saver_finish(&t->saver, &t->agreed));
    dt_run_output_report(&t->output);
    if (t->output.reports)
        dt_info("Report: %s/report.html", t->output.folder.path);
    dt_trainer_report_early_stop(t);
    dt_notice_references(t->run);
    return DT_OK;
}

static void finish(dt_trainer *t)
{
    dt_saver_free(&t->saver);
    dt_moments_free(&t->moments);
    dt_run_output_close(&t->output);
    dt_batch_memory_free(&t->stepper.memory);
    free(t->stepper.tensors);
    dt_sampler_free(&t->sampler);
    t->job->backend->ops->free(t->job->backend, t->class_weight);
    dt_objective_free(&t->objective);
    dt_model_destroy(t->model);
    dt_text_free(&t->sums);
}

dt_status dt_train(const dt_training *training)
{
    dt_trainer t = {.job = training, .run = training->run, .output = {.folder = {.lock = -1}}};
    const dt_status status = run_epochs(&t);
    finish(&t); /* completes a checkpoint that is being written */
    if (status != DT_OK && status != DT_STOPPED && !t.agreed)
        training->comm->ops->abort(training->comm, status, dt_error_message());
    return status;
}
