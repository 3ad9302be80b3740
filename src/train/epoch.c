/* The steps of an epoch. */
#include <math.h>

#include "core/clock.h"
#include "core/log.h"
#include "train/progress.h"
#include "train/schedule.h"
#include "train/trainer_internal.h"

#define MOST_BAD_IN_ROW 50 /* the run fails after this many skipped updates in a row */
#define STEP_LINE_EVERY 10 /* updates per line of the steps file */

/* Warns of the first three skipped updates in a row, with the total number. There may be several
 * since the last call, because the state of a GPU is not read after each update. */
static dt_status check_numbers(dt_trainer *t, const dt_update_state *state)
{
    const int64_t fresh = state->skipped - t->skipped_seen;
    if (fresh > 0 && state->skipped_in_row - fresh < 3)
        dt_warn("update skipped: its loss or gradient is not finite (%lld skipped so far)%s",
                (long long)state->skipped,
                t->run->settings.rule.dynamic_scale ? "; the fp16 loss scale is lowered" : "");
    t->skipped_seen = state->skipped;
    if (state->skipped_in_row >= MOST_BAD_IN_ROW)
        return dt_fail(DT_ERR_NUMERIC,
                       "training has diverged: %d updates in a row without a finite loss or "
                       "gradient; restart with a lower --learning-rate, or resume from the last "
                       "checkpoint with it and --reset-lr-on-resume",
                       state->skipped_in_row);
    return DT_OK;
}

/* Computes the mean loss of the epoch's applied updates over all ranks; NaN if all updates were
 * skipped. */
static dt_status epoch_loss(dt_trainer *t, const dt_update_state *state, double *loss)
{
    *loss = 0.0;
    for (int32_t r = 0; r < t->run->config.tax_ranks; ++r)
        *loss += state->loss_sum[r];
    DT_TRY(t->job->comm->ops->sum(t->job->comm, loss, 1));
    if (state->loss_updates == 0) {
        *loss = (double)NAN;
        return DT_OK;
    }
    *loss = dt_mean_update_loss(*loss, state->loss_updates, t->sampler.count, &t->run->settings);
    return DT_OK;
}

/* Restores this rank's loss sums: zero at the start of an epoch; within one, its own sums or, if
 * the number of ranks has changed, those of all ranks on rank 0. */
static void restore_loss_sums(dt_trainer *t, bool within)
{
    const dt_comm *comm = t->job->comm;
    const dt_loss_sums *saved = &t->run->loss_sums;
    const int32_t tax_ranks = t->run->config.tax_ranks;
    dt_update_state *state = &t->run->progress.update;
    const bool own = saved->world_size == comm->world_size;
    if (!within)
        state->loss_updates = 0;
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r)
        state->loss_sum[r] = 0.0;
    for (int32_t q = 0; within && q < saved->world_size; ++q)
        if (own ? q == comm->world_rank : comm->world_rank == 0)
            for (int32_t r = 0; r < tax_ranks; ++r)
                state->loss_sum[r] += saved->sum[q * tax_ranks + r];
}

/* The ranks' status after an update, summed over all ranks. Flags are 0 or 1 on each rank. */
typedef struct {
    double loss;
    double stop;   /* a stop was requested */
    double save;   /* a checkpoint is due by rank 0's clock */
    double failed; /* an error occurred */
} step_status;

typedef struct {
    int64_t updates; /* of the epoch */
    double began;    /* dt_seconds() of its start, shifted by the time spent before a resume */
    double saved;    /* dt_seconds() of the last save */
    dt_progress line;
} epoch_run;

static bool save_due_by_steps(const dt_trainer *t, int64_t done)
{
    return t->job->save_every_steps > 0 && done % t->job->save_every_steps == 0;
}

/* Reads the state after the update and sums the step status over the ranks; an error of any rank is
 * returned on all of them. */
static dt_status exchange(dt_trainer *t, const epoch_run *e, step_status *step)
{
    const dt_training *job = t->job;
    dt_update_state *state = &t->run->progress.update;
    job->backend->ops->state_read(job->backend, state);
    DT_TRY(job->backend->ops->check(job->backend));
    dt_status status = check_numbers(t, state);
    if (status == DT_OK)
        status = dt_saver_poll(&t->saver);
    *step = (step_status){.loss = state->loss,
                          .stop = job->stop && atomic_load(job->stop) != 0,
                          .save = job->comm->world_rank == 0 && job->save_every_minutes > 0.0 &&
                                  dt_seconds() - e->saved >= 60.0 * job->save_every_minutes,
                          .failed = status != DT_OK};
    DT_TRY(job->comm->ops->sum(job->comm, (double *)step, sizeof *step / sizeof(double)));
    return step->failed > 0.0 ? dt_agree(job->comm, status, &t->agreed) : DT_OK;
}

static dt_status show_step(dt_trainer *t, epoch_run *e, int64_t done, double loss, bool line_due)
{
    const dt_run_progress *progress = &t->run->progress;
    const int64_t per_update = dt_update_sequences(&t->run->settings);
    const int64_t sequences =
        done * per_update < t->sampler.count ? done * per_update : t->sampler.count;
    if (t->job->comm->world_rank != 0)
        return DT_OK;
    dt_progress_show(&e->line, done, sequences, loss, progress->update.last_rate);
    if (!line_due)
        return DT_OK;
    return dt_run_output_step(&t->output, progress->epoch + 1, &progress->update, loss,
                              (double)sequences / (dt_seconds() - e->began));
}

/* Performs update number `update`, reports it, and saves if due. */
static dt_status one_update(dt_trainer *t, epoch_run *e, int64_t update)
{
    dt_run_progress *progress = &t->run->progress;
    const int64_t done = update + 1;
    const bool line_due = update % STEP_LINE_EVERY == 0 || done == e->updates;
    bool made;
    step_status step;
    DT_TRY(dt_stepper_update(&t->stepper, update, &progress->micro_steps, &made));
    if (!made) {
        t->stopping = true;
        return DT_OK;
    }
    if (!t->job->backend->host_memory && !line_due && !save_due_by_steps(t, done))
        return DT_OK; /* reading the state would synchronise with the device */
    DT_TRY(exchange(t, e, &step));
    DT_TRY(show_step(t, e, done, step.loss, line_due));
    t->stopping = step.stop > 0.0;
    if (t->stopping || done == e->updates || !(save_due_by_steps(t, done) || step.save > 0.0))
        return DT_OK;
    progress->epoch_time = dt_seconds() - e->began;
    e->saved = dt_seconds();
    return dt_saver_save(&t->saver, true, done, NULL, &t->agreed);
}

/* The same, recorded as a step in the profile. */
static dt_status profiled_update(dt_trainer *t, epoch_run *e, int64_t update)
{
    dt_profile_begin(t->job->profile, DT_TRACK_MAIN, DT_CATEGORY_STEP);
    const dt_status status = one_update(t, e, update);
    dt_profile_end(t->job->profile, DT_TRACK_MAIN);
    return status;
}

static void show_rate(const dt_trainer *t, int32_t epoch, const char *when)
{
    dt_info("Learning rate at the %s of epoch %d: %.8f", when, epoch,
            dt_training_next_rate(t->run));
}

dt_status dt_trainer_epoch(dt_trainer *t)
{
    dt_run_progress *progress = &t->run->progress;
    const dt_run_settings *settings = &t->run->settings;
    dt_backend *backend = t->job->backend;
    int64_t update = dt_epoch_updates_done(progress, t->sampler.count, settings);
    epoch_run e = {.updates = dt_updates_per_epoch(t->sampler.count, settings),
                   .began = dt_seconds() - progress->epoch_time,
                   .saved = dt_seconds()};
    e.line = dt_progress_begin(progress->epoch + 1, settings->epochs, e.updates);
    e.line.started = e.began;
    if (progress->evaluated_epoch > 0)
        e.line.between = progress->evaluation_time / settings->eval_every;
    t->stepper.times = (dt_step_times){0};
    if (update == 0)
        show_rate(t, progress->epoch + 1, "start");
    DT_TRY(dt_sampler_begin_epoch(&t->sampler, (uint32_t)progress->epoch));
    DT_TRY(
        dt_sampler_announce(&t->sampler, t->job->dataset, update * dt_update_sequences(settings)));
    restore_loss_sums(t, update > 0);
    backend->ops->state_write(backend, &progress->update);
    for (; update < e.updates && !t->stopping; ++update)
        DT_TRY(profiled_update(t, &e, update));
    dt_progress_end();
    progress->epoch_time = dt_seconds() - e.began;
    if (dt_epoch_updates_done(progress, t->sampler.count, settings) < e.updates)
        return DT_OK; /* stopped */
    progress->epoch++;
    progress->training_time = progress->epoch_time;
    progress->epoch_time = 0.0;
    show_rate(t, progress->epoch, "end");
    return epoch_loss(t, &progress->update, &progress->training_loss);
}
