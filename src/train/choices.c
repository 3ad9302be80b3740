/* The device's algorithms of matrix products (choices_time() in backend.h): found once, before the
 * first step, and the same on all ranks and in resumed runs. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "train/trainer_internal.h"

/* Batches of a rehearsal: enough for the shapes of most batches. A rare shape takes the choices of
 * a similar one. */
#define REHEARSED_BATCHES 128

/* Takes the device's choices into the run, for checkpoints and other ranks. */
static dt_status keep_choices(dt_trainer *t)
{
    dt_backend *backend = t->job->backend;
    const char *choices = backend->ops->choices_read(backend);
    free(t->run->choices);
    t->run->choices = NULL;
    DT_TRY(backend->ops->check(backend));
    return dt_copy_text(&t->run->choices, choices);
}

static dt_status compute_batches(dt_trainer *t)
{
    const int64_t batches = dt_batches_per_epoch(t->sampler.count, &t->run->settings);
    DT_TRY(dt_sampler_begin_epoch(&t->sampler, (uint32_t)t->run->progress.epoch));
    DT_TRY(dt_sampler_announce(&t->sampler, t->job->dataset, 0));
    for (int64_t batch = 0; batch < batches && batch < REHEARSED_BATCHES; ++batch)
        DT_TRY(dt_stepper_rehearse(&t->stepper, batch));
    return DT_OK;
}

/* Chooses by timing. Steps are not measured by the profile, since they compute nothing of use. */
static dt_status rehearse(dt_trainer *t)
{
    dt_backend *backend = t->job->backend;
    dt_profile_run(t->job->profile, false);
    backend->ops->choices_time(backend, true);
    const dt_status status = compute_batches(t);
    backend->ops->choices_time(backend, false);
    dt_profile_run(t->job->profile, true);
    return status == DT_OK ? backend->ops->check(backend) : status;
}

/* On rank 0: continues with the choices of the checkpoint if they are valid here, else chooses. */
static dt_status choose_first(dt_trainer *t)
{
    dt_backend *backend = t->job->backend;
    const char *kept = t->run->choices;
    if (kept && backend->ops->choices_write(backend, kept))
        return DT_OK;
    if (kept)
        dt_notice("the checkpoint's algorithms of matrix products are for another device or number "
                  "format (%.*s): they are chosen again, which may change the last digits",
                  (int)strcspn(kept, "\n"), kept);
    DT_TRY(rehearse(t));
    return keep_choices(t);
}

/* Sends rank 0's choices to all ranks. */
static dt_status broadcast_choices(dt_trainer *t)
{
    dt_comm *comm = t->job->comm;
    char **choices = &t->run->choices;
    const bool first = comm->world_rank == 0;
    int64_t bytes = first ? (int64_t)strlen(*choices) + 1 : 0;
    DT_TRY(comm->ops->broadcast(comm, &bytes, sizeof bytes, 0));
    if (!first) {
        free(*choices);
        DT_TRY(DT_NEW(*choices, (size_t)bytes));
    }
    return comm->ops->broadcast(comm, *choices, bytes, 0);
}

/* Takes rank 0's choices; a rank for which they are not valid chooses its own. */
static dt_status follow_first(dt_trainer *t)
{
    dt_comm *comm = t->job->comm;
    dt_backend *backend = t->job->backend;
    dt_status status = DT_OK;
    double others = 0.0;
    if (comm->world_rank != 0 && !backend->ops->choices_write(backend, t->run->choices)) {
        others = 1.0;
        status = rehearse(t);
    }
    DT_TRY(dt_agree(comm, status, &t->agreed));
    DT_TRY(comm->ops->sum(comm, &others, 1));
    if (others > 0.0)
        dt_notice("%.0f rank%s chose algorithms of matrix products for a device of %s own, which "
                  "are not stored in checkpoints: a resumed run may differ in the last digits",
                  others, others > 1.0 ? "s" : "", others > 1.0 ? "their" : "its");
    return DT_OK;
}

/* With --deterministic: the device chooses by itself, which the run keeps too. */
static dt_status choose_untimed(dt_trainer *t)
{
    char *kept = t->run->choices;
    t->run->choices = NULL;
    dt_status status = keep_choices(t);
    if (status == DT_OK && kept && strcmp(kept, t->run->choices) != 0)
        dt_notice("--deterministic: the checkpoint's algorithms of matrix products, which were "
                  "chosen by timing, are not used; this may change the last digits");
    free(kept);
    return status;
}

dt_status dt_trainer_choose(dt_trainer *t)
{
    if (!t->job->backend->ops->choices_time)
        return DT_OK;
    if (t->job->deterministic)
        return dt_agree(t->job->comm, choose_untimed(t), &t->agreed);
    const dt_status status = t->job->comm->world_rank == 0 ? choose_first(t) : DT_OK;
    DT_TRY(dt_agree(t->job->comm, status, &t->agreed));
    DT_TRY(broadcast_choices(t));
    return follow_first(t);
}
