#include "train/saver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

#define HEARTBEAT_SECONDS 1.0 /* interval at which rank 0 reports that it is still writing */
#define LONG_WRITE 10.0       /* seconds of waiting for a write that are worth a notice */

void dt_saver_free(dt_saver *saver)
{
    dt_checkpoint_writer_destroy(saver->writer);
    free(saver->sums);
    saver->writer = NULL;
    saver->sums = NULL;
}

/* Removes this run's checkpoints of epochs 1 … last except the best; removes none if the best does
 * not exist. */
static dt_status drop_all_but_best(const dt_saver *saver, int32_t best, int32_t last)
{
    char path[PATH_MAX];
    if (best == 0)
        return DT_OK;
    DT_TRY(dt_run_checkpoint_path(saver->output, best, path));
    if (access(path, F_OK) != 0)
        return DT_OK;
    for (int32_t epoch = 1; epoch <= last; ++epoch) {
        DT_TRY(dt_run_checkpoint_path(saver->output, epoch, path));
        if (epoch != best)
            unlink(path);
    }
    return DT_OK;
}

/* Removes this run's checkpoints that exceed saver->keep after `epoch`. */
static void drop_old_epochs(const dt_saver *saver, int32_t epoch)
{
    if (saver->keep > 0)
        dt_run_drop_epoch_checkpoints(saver->output, epoch - saver->keep);
}

/* On a full disk, removes all epoch checkpoints but the newest complete one, if --keep-checkpoints lets
 * older ones go. saver->newest does not change while a checkpoint is being written. */
static bool make_room(void *context)
{
    const dt_saver *saver = context;
    const char *name = strrchr(saver->newest, '/');
    if (saver->keep == 0 || !name)
        return false;
    const int count = dt_run_drop_all_epoch_checkpoints(saver->output, name + 1);
    if (count > 0)
        dt_notice(
            "the disk is full: removed %d older checkpoint%s to write %s; the newest complete "
            "one is %s",
            count, count == 1 ? "" : "s", saver->pending.path, saver->newest);
    return count > 0;
}

dt_status dt_saver_create(dt_saver *saver, const char *resumed, bool background)
{
    saver->saved_micro_steps = resumed ? saver->run->progress.micro_steps : -1;
    if (saver->comm->world_rank != 0)
        return DT_OK;
    snprintf(saver->newest, sizeof saver->newest, "%s", resumed ? resumed : "");
    DT_TRY(DT_NEW(saver->sums, (size_t)(saver->comm->world_size * saver->run->config.tax_ranks)));
    if (resumed) /* the last process may have been killed before it removed older checkpoints */
        drop_old_epochs(saver, saver->run->progress.epoch);
    dt_tensor_source source = dt_tensors_of_model(saver->model);
    source.moments = dt_moments_reader(saver->moments);
    DT_TRY(dt_checkpoint_writer_create(&saver->writer, &source, background, saver->profile));
    dt_checkpoint_writer_on_full(saver->writer, make_room, saver);
    return DT_OK;
}

/* Sets aside checkpoints of later epochs, so that the newest one has the most progress. */
static void set_later_aside(const dt_saver *saver)
{
    const int32_t epoch = saver->pending.content.progress.epoch;
    const int count = dt_run_set_later_aside(saver->output, epoch);
    if (count > 0)
        dt_notice("renamed %d checkpoint%s of epochs after %d to ….h5.old, because the run was "
                  "resumed from an earlier one; each is removed when its epoch is trained again",
                  count, count == 1 ? "" : "s", epoch);
}

/* Logs the checkpoint with its epoch, since the next one may have begun. */
static void log_checkpoint(const dt_pending_save *done)
{
    const int32_t epoch = done->content.progress.epoch;
    const int32_t epochs = done->content.settings.epochs;
    if (done->within_epoch)
        dt_info("epoch %d/%d, step %lld, checkpoint: %s", epoch + 1, epochs, (long long)done->step,
                done->path);
    else
        dt_info("epoch %d/%d, checkpoint: %s", epoch, epochs, done->path);
}

/* Finishes the pending save, whose file is complete. */
static dt_status complete(dt_saver *saver)
{
    dt_pending_save *done = &saver->pending;
    snprintf(saver->newest, sizeof saver->newest, "%s", done->path);
    dt_run_output_saved(saver->output);
    log_checkpoint(done);
    set_later_aside(saver);
    if (done->within_epoch) {
        dt_run_drop_step_checkpoints(saver->output, INT32_MAX, done->path);
        return DT_OK;
    }
    DT_TRY(dt_run_output_epoch(saver->output, &done->content));
    if (done->has_report) {
        done->report.checkpoint_time = saver->blocked;
        done->report.checkpoint_writing = dt_checkpoint_writer_seconds(saver->writer);
        DT_TRY(dt_run_output_metrics(saver->output, &done->content, &done->report));
        dt_run_output_refresh_report(saver->output, done->content.progress.training_time);
    }
    dt_run_drop_step_checkpoints(saver->output, INT32_MAX, NULL);
    const dt_run_progress *progress = &done->content.progress;
    if (saver->best_only)
        return drop_all_but_best(saver, progress->best_epoch, progress->epoch - 1);
    drop_old_epochs(saver, progress->epoch);
    return DT_OK;
}

dt_status dt_saver_poll(dt_saver *saver)
{
    bool written;
    if (!saver->writer)
        return DT_OK;
    DT_TRY(dt_checkpoint_writer_collect(saver->writer, &written));
    return written ? complete(saver) : DT_OK;
}

static dt_status wait_for_write(dt_saver *saver, bool *agreed)
{
    const double began = dt_seconds();
    bool told = false;
    int32_t busy;
    do {
        busy = saver->writer && !dt_checkpoint_writer_wait(saver->writer, HEARTBEAT_SECONDS);
        if (busy && !told && dt_seconds() - began > LONG_WRITE) {
            dt_notice("training waits until the checkpoint is written, since %.0f s: %s",
                      dt_seconds() - began, saver->pending.path);
            told = true;
        }
        DT_TRY(saver->comm->ops->broadcast(saver->comm, &busy, sizeof busy, 0));
    } while (busy);
    return dt_agree(saver->comm, dt_saver_poll(saver), agreed);
}

dt_status dt_saver_wait(dt_saver *saver, bool *agreed)
{
    dt_profile_begin(saver->profile, DT_TRACK_MAIN, DT_CATEGORY_CHECKPOINT);
    const dt_status status = wait_for_write(saver, agreed);
    dt_profile_end(saver->profile, DT_TRACK_MAIN);
    return status;
}

dt_status dt_saver_finish(dt_saver *saver, bool *agreed)
{
    const dt_run_progress *progress = &saver->run->progress;
    const bool removes = saver->pending.path[0] != '\0' || saver->resumed_newest;
    DT_TRY(dt_saver_wait(saver, agreed));
    dt_status status = DT_OK;
    if (saver->comm->world_rank == 0 && saver->best_only && removes)
        status = drop_all_but_best(saver, progress->best_epoch, progress->epoch);
    return dt_agree(saver->comm, status, agreed);
}

/* Gathers the loss sums of all ranks in saver->sums. */
static dt_status gather_sums(dt_saver *saver)
{
    dt_comm *comm = saver->comm;
    const int64_t bytes = saver->run->config.tax_ranks * (int64_t)sizeof(double);
    int64_t *counts;
    DT_TRY(DT_NEW(counts, (size_t)comm->world_size));
    for (int32_t q = 0; q < comm->world_size; ++q)
        counts[q] = bytes;
    const dt_status status =
        comm->ops->gather(comm, saver->run->progress.update.loss_sum, counts, saver->sums, 0);
    free(counts);
    return status;
}

/* On rank 0: starts writing the current state of the run. */
static dt_status start(dt_saver *saver, bool within_epoch, int64_t step,
                       const dt_epoch_report *report)
{
    dt_pending_save *next = &saver->pending;
    const dt_run_progress *progress = &saver->run->progress;
    next->within_epoch = within_epoch;
    next->step = step;
    next->content = *saver->run;
    next->content.loss_sums = (dt_loss_sums){0};
    if (within_epoch) {
        next->content.loss_sums =
            (dt_loss_sums){.world_size = saver->comm->world_size, .sum = saver->sums};
        DT_TRY(dt_run_step_checkpoint_path(saver->output, progress->epoch + 1, step, next->path));
    } else {
        DT_TRY(dt_run_checkpoint_path(saver->output, progress->epoch, next->path));
    }
    next->has_report = report != NULL;
    if (report) {
        next->report = *report;
        next->report.checkpoint_path = next->path;
    }
    return dt_checkpoint_writer_start(saver->writer, next->path, &next->content);
}

/* Starts writing on rank 0, which the other ranks give their shares of the moments. */
static dt_status start_together(dt_saver *saver, bool within_epoch, int64_t step,
                                const dt_epoch_report *report)
{
    const bool writes = saver->comm->world_rank == 0;
    const dt_status started = writes ? start(saver, within_epoch, step, report) : DT_OK;
    const dt_status status = saver->moments->elements == 0 ? DT_OK
                             : writes                      ? dt_moments_end(saver->moments)
                                                           : dt_moments_answer(saver->moments);
    return started == DT_OK ? status : started;
}

static dt_status save(dt_saver *saver, bool within_epoch, int64_t step,
                      const dt_epoch_report *report, bool *agreed)
{
    const double began = dt_seconds();
    DT_TRY(wait_for_write(saver, agreed));
    if (within_epoch)
        DT_TRY(gather_sums(saver));
    DT_TRY(dt_agree(saver->comm, start_together(saver, within_epoch, step, report), agreed));
    saver->saved_micro_steps = saver->run->progress.micro_steps;
    saver->blocked += dt_seconds() - began;
    return DT_OK;
}

dt_status dt_saver_save(dt_saver *saver, bool within_epoch, int64_t step,
                        const dt_epoch_report *report, bool *agreed)
{
    dt_profile_begin(saver->profile, DT_TRACK_MAIN, DT_CATEGORY_CHECKPOINT);
    const dt_status status = save(saver, within_epoch, step, report, agreed);
    dt_profile_end(saver->profile, DT_TRACK_MAIN);
    return status;
}
