/* Whether a run is over, and whether it has learnt anything. */
#include <math.h>
#include <stdio.h>

#include "core/log.h"
#include "train/early_stop.h"
#include "train/trainer_internal.h"

/* Fails if the epoch has taught the model nothing. With fp16 an epoch in which every update was skipped
 * may only have lowered the loss scale, unless it is the last one. */
static dt_status check_losses(const dt_trainer *t, bool evaluated)
{
    static const char advice[] = "restart with a lower --learning-rate, or resume from the last "
                                 "checkpoint with it and --reset-lr-on-resume";
    const dt_run_progress *progress = &t->run->progress;
    const dt_run_settings *settings = &t->run->settings;
    const bool skipped = progress->update.loss_updates == 0;
    const bool lowers_scale = settings->rule.dynamic_scale && progress->epoch < settings->epochs;
    if (skipped && !lowers_scale)
        return dt_fail(DT_ERR_NUMERIC,
                       "training has diverged: every update of epoch %d was skipped, because its "
                       "loss or gradient is not finite; %s",
                       progress->epoch, advice);
    if (!skipped && !isfinite(progress->training_loss))
        return dt_fail(DT_ERR_NUMERIC,
                       "training has diverged: the training loss of epoch %d is not finite; %s",
                       progress->epoch, advice);
    if (evaluated && t->diverged)
        return dt_fail(DT_ERR_NUMERIC,
                       "training has diverged: the validation loss after epoch %d is not finite; "
                       "%s",
                       progress->epoch, advice);
    return DT_OK;
}

/* All ranks have the same losses. The save of an earlier epoch is completed before the failure. */
dt_status dt_trainer_check_losses(dt_trainer *t, bool evaluated)
{
    char message[512];
    const dt_status status = check_losses(t, evaluated);
    if (status == DT_OK)
        return DT_OK;
    snprintf(message, sizeof message, "%s", dt_error_message());
    DT_TRY(dt_saver_wait(&t->saver, &t->agreed));
    return dt_agree(t->job->comm, dt_fail(status, "%s", message), &t->agreed);
}

bool dt_trainer_is_over(const dt_trainer *t)
{
    return t->complete || t->run->progress.epoch >= t->run->settings.epochs ||
           dt_early_stop_due(&t->run->progress, &t->run->settings);
}

void dt_trainer_report_early_stop(const dt_trainer *t)
{
    const dt_run_progress *progress = &t->run->progress;
    const dt_run_settings *settings = &t->run->settings;
    if (!dt_early_stop_due(progress, settings) || progress->epoch >= settings->epochs)
        return;
    if (progress->best_epoch == 0)
        dt_info("early stopping: no finite validation loss in the last %d evaluation%s",
                progress->evaluations_without_gain,
                progress->evaluations_without_gain == 1 ? "" : "s");
    else
        dt_info("early stopping: the validation loss has not improved by more than %g in the last "
                "%d evaluation%s; the best was %.4f after epoch %d",
                settings->early_stopping_min_delta, progress->evaluations_without_gain,
                progress->evaluations_without_gain == 1 ? "" : "s", progress->best_loss,
                progress->best_epoch);
}

/* Of a completed run --save-best-only leaves the best epoch's checkpoint, from which --resume auto
 * would train the later epochs again. The table of epochs says how far the run came. */
dt_status dt_trainer_find_end(dt_trainer *t)
{
    const dt_run_settings *settings = &t->run->settings;
    dt_run_progress end = t->run->progress;
    dt_status status = DT_OK;
    int32_t complete = 0;
    if (!t->job->resumes_newest || !t->job->save_best_only || end.best_epoch != end.epoch)
        return DT_OK;
    if (t->job->comm->world_rank == 0) {
        int32_t evaluations = 0;
        status = dt_run_output_progress(&t->output, &end.epoch, &evaluations);
        end.evaluations_without_gain += evaluations;
        complete = end.epoch > t->run->progress.epoch &&
                   (end.epoch >= settings->epochs || dt_early_stop_due(&end, settings));
    }
    DT_TRY(dt_agree(t->job->comm, status, &t->agreed));
    DT_TRY(t->job->comm->ops->broadcast(t->job->comm, &complete, sizeof complete, 0));
    t->complete = complete;
    if (complete && t->job->comm->world_rank == 0)
        dt_info("the run was completed with epoch %d; its best epoch is %d, whose checkpoint alone "
                "is kept (--save-best-only)",
                end.epoch, end.best_epoch);
    return DT_OK;
}
