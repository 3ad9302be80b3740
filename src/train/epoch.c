/* The steps of an epoch. */
#include <math.h>

#include "core/clock.h"
#include "core/log.h"
#include "train/progress.h"
#include "train/trainer_internal.h"

#define MOST_BAD_IN_ROW 50 /* updates skipped one after the other before a run is given up */
#define STEP_LINE_EVERY 10 /* updates from one line of the steps file to the next */

/* Reports skipped updates: the first three in a row, all of them by their number. Several may have
 * come since the last call, where the device is not waited for after each. */
static dt_status check_numbers(dt_trainer *t, const dt_update_state *state)
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

/* The loss sums with which this rank goes on: none at the start of an epoch; within one its own, or
 * where the number of ranks has changed those of all of them on rank 0. */
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

/* What the ranks tell each other after an update, summed. */
typedef struct {
    double loss;
    double stop;   /* asked to stop */
    double save;   /* rank 0's clock says that a checkpoint is due */
    double failed; /* something went wrong */
} news;

typedef struct {
    int64_t updates; /* of the epoch */
    double began;    /* dt_seconds() of its start, what was done before a resume included */
    double saved;    /* dt_seconds() of the last save */
    dt_progress line;
} epoch_run;

static bool save_due_by_steps(const dt_trainer *t, int64_t done)
{
    return t->job->save_every_steps > 0 && done % t->job->save_every_steps == 0;
}

/* Reads the state after the update and exchanges the news; fails on all ranks alike. */
static dt_status exchange(dt_trainer *t, const epoch_run *e, news *n)
{
    const dt_training *job = t->job;
    dt_update_state *state = &t->run->progress.update;
    job->backend->ops->state_read(job->backend, state);
    DT_TRY(job->backend->ops->check(job->backend));
    dt_status status = check_numbers(t, state);
    if (status == DT_OK)
        status = dt_saver_poll(&t->saver);
    *n = (news){.loss = state->loss,
                .stop = job->stop && atomic_load(job->stop) != 0,
                .save = job->comm->world_rank == 0 && job->save_every_minutes > 0.0 &&
                        dt_seconds() - e->saved >= 60.0 * job->save_every_minutes,
                .failed = status != DT_OK};
    DT_TRY(job->comm->ops->sum(job->comm, (double *)n, sizeof *n / sizeof(double)));
    return n->failed > 0.0 ? dt_agree(job->comm, status, &t->agreed) : DT_OK;
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

/* Update number `update` and all that follows from it. */
static dt_status one_update(dt_trainer *t, epoch_run *e, int64_t update)
{
    dt_run_progress *progress = &t->run->progress;
    const int64_t done = update + 1;
    const bool line_due = update % STEP_LINE_EVERY == 0 || done == e->updates;
    bool made;
    news n;
    DT_TRY(dt_stepper_update(&t->stepper, update, &progress->micro_steps, &made));
    if (!made) {
        t->stopping = true;
        return DT_OK;
    }
    if (!t->job->backend->host_memory && !line_due && !save_due_by_steps(t, done))
        return DT_OK; /* reading the state would make the device wait */
    DT_TRY(exchange(t, e, &n));
    DT_TRY(show_step(t, e, done, n.loss, line_due));
    t->stopping = n.stop > 0.0;
    if (t->stopping || done == e->updates || !(save_due_by_steps(t, done) || n.save > 0.0))
        return DT_OK;
    progress->epoch_time = dt_seconds() - e->began;
    e->saved = dt_seconds();
    return dt_saver_save(&t->saver, true, done, NULL, &t->agreed);
}

/* The same as a step of the profile. */
static dt_status profiled_update(dt_trainer *t, epoch_run *e, int64_t update)
{
    dt_profile_begin(t->job->profile, DT_LANE_MAIN, DT_PART_STEP);
    const dt_status status = one_update(t, e, update);
    dt_profile_end(t->job->profile, DT_LANE_MAIN);
    return status;
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
    DT_TRY(dt_sampler_begin_epoch(&t->sampler, (uint32_t)progress->epoch));
    DT_TRY(dt_dataset_begin(t->job->dataset, t->sampler.order, t->sampler.count,
                            update * dt_update_sequences(settings)));
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
    return epoch_loss(t, &progress->update, &progress->training_loss);
}
