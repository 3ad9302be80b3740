#include "train/step.h"

#include "core/clock.h"

int64_t dt_updates_per_epoch(int64_t sequences, const dt_run_settings *settings)
{
    const int64_t batches = dt_batches_per_epoch(sequences, settings);
    return (batches + settings->accum_steps - 1) / settings->accum_steps;
}

int64_t dt_update_sequences(const dt_run_settings *settings)
{
    return (int64_t)settings->batch_size * settings->accum_steps;
}

double dt_mean_update_loss(double sum, int64_t updates, int64_t sequences,
                           const dt_run_settings *settings)
{
    const double batches = (double)dt_batches_per_epoch(sequences, settings) * (double)updates /
                           (double)dt_updates_per_epoch(sequences, settings);
    return sum * ((double)settings->accum_steps / batches);
}

int64_t dt_epoch_updates_done(const dt_run_progress *progress, int64_t sequences,
                              const dt_run_settings *settings)
{
    const int64_t before = progress->epoch * dt_batches_per_epoch(sequences, settings);
    return (progress->micro_steps - before + settings->accum_steps - 1) / settings->accum_steps;
}

/* On a CPU, a stop takes effect between two micro-batches. */
static bool gives_up(const dt_stepper *stepper)
{
    return stepper->stop && atomic_load(stepper->stop) != 0 &&
           dt_model_backend(stepper->model)->host_memory;
}

static dt_status start_reduction(void *context, dt_gradient_range range)
{
    dt_stepper *stepper = context;
    return stepper->comm->ops->all_reduce_start(stepper->comm, dt_model_backend(stepper->model),
                                                range.offset, range.count, range.slot);
}

/* Replaces start_reduction() while a step is recorded: only events are recorded, no gradient is
 * final. */
static dt_status reduce_later(void *context, dt_gradient_range range)
{
    (void)context;
    (void)range;
    return DT_OK;
}

static dt_status compute(dt_stepper *stepper, const dt_device_batch *batch, dt_gradient_ready ready)
{
    dt_backend *backend = dt_model_backend(stepper->model);
    const bool replace = stepper->first && backend->ops->gradients_replace;
    dt_model_forward(stepper->model, batch, true);
    if (replace)
        backend->ops->gradients_replace(backend, true);
    const dt_status status =
        dt_model_backward(stepper->model, batch, &stepper->loss, ready, stepper);
    if (replace)
        backend->ops->gradients_replace(backend, false);
    return status;
}

/* The same, recorded or replayed if the backend supports it. Micro-batches differ only in the
 * batch, in whether they are the first of an update and in whether gradient ranges are reported:
 * these are the key. */
static dt_status compute_or_replay(dt_stepper *stepper, const dt_device_batch *batch,
                                   dt_gradient_ready ready)
{
    dt_backend *backend = dt_model_backend(stepper->model);
    const uint64_t key = (ready ? 1 : 0) | (stepper->first ? 2 : 0);
    const int mode =
        backend->ops->step_begin ? backend->ops->step_begin(backend, batch, key) : DT_STEP_RUN;
    if (mode == DT_STEP_RUN)
        return compute(stepper, batch, ready);
    if (mode == DT_STEP_RECORD) {
        const dt_status status = compute(stepper, batch, ready ? reduce_later : NULL);
        const bool started = backend->ops->step_end(backend);
        DT_TRY(status);
        if (!started)
            return compute(stepper, batch, ready);
    }
    return ready ? dt_model_report_started(stepper->model, ready, stepper) : DT_OK;
}

/* Computes the sequences items[0 … count-1], which are held: a micro-batch that starts at position
 * `first` in its global batch, which has the loss scales `scale` (tax_ranks). */
static dt_status run_micro_batch(dt_stepper *stepper, const int64_t *items, int32_t count,
                                 int64_t first, const double *scale, int64_t micro_step,
                                 dt_gradient_ready ready)
{
    dt_backend *backend = dt_model_backend(stepper->model);
    const dt_run_settings *settings = stepper->settings;
    const double began = dt_seconds();
    dt_profile_begin(stepper->profile, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    dt_batch batch = dt_batch_pack(&stepper->memory, stepper->dataset, items, count,
                                   dt_model_config_of(stepper->model)->max_length, NULL, NULL);
    batch.seed = settings->seed;
    batch.step = (uint32_t)micro_step;
    batch.first_sequence = first;
    for (int32_t r = 0; r < batch.tax_ranks; ++r)
        batch.loss_scale[r] = scale[r];
    dt_profile_end(stepper->profile, DT_TRACK_MAIN);
    const double packed = dt_seconds();
    const dt_device_batch *on_device = backend->ops->batch_upload(backend, &batch);
    const dt_status status = compute_or_replay(stepper, on_device, ready);
    stepper->first = false;
    stepper->times.data += packed - began;
    stepper->times.computing += dt_seconds() - packed;
    return status;
}

/* Reports the gradients of an update whose last batch leaves nothing to compute. */
static dt_status report_without_batch(dt_stepper *stepper)
{
    dt_backend *backend = dt_model_backend(stepper->model);
    if (stepper->first)
        backend->ops->gradients_zero(backend);
    return dt_model_report_ranges(stepper->model, start_reduction, stepper);
}

/* Sets *items to the `count` sequences from position `at` in the epoch's order, and waits until they
 * are in memory. */
static dt_status hold_batch(dt_stepper *stepper, int64_t at, int64_t count, const int64_t **items)
{
    const double began = dt_seconds();
    dt_profile_begin(stepper->profile, DT_TRACK_MAIN, DT_CATEGORY_DATA);
    DT_TRY(dt_sampler_take(stepper->sampler, at, count, items));
    DT_TRY(dt_dataset_hold(stepper->dataset, at, count));
    dt_profile_end(stepper->profile, DT_TRACK_MAIN);
    stepper->times.data += dt_seconds() - began;
    return DT_OK;
}

/* Computes this rank's share of one global batch. In the last batch of an update, the reductions of
 * the gradient ranges are started. Sets *given_up if a stop left micro-batches out. */
static dt_status run_batch(dt_stepper *stepper, int64_t batch, int64_t micro_step, bool last,
                           bool *given_up)
{
    const dt_comm *comm = stepper->comm;
    const dt_run_settings *settings = stepper->settings;
    const int64_t begin = batch * settings->batch_size;
    const int64_t left = stepper->sampler->count - begin;
    const int64_t total = left < settings->batch_size ? left : settings->batch_size;
    const int64_t *items;
    int64_t first;
    int64_t share;
    DT_TRY(hold_batch(stepper, begin, total, &items));
    dt_batch_share(stepper->dataset, items, total, dt_model_config_of(stepper->model)->max_length,
                   comm->world_size, comm->world_rank, &first, &share);
    if (share == 0)
        return last ? report_without_batch(stepper) : DT_OK;
    double scale[DT_MAX_TAX_RANKS];
    dt_objective_scale(scale, stepper->objective, stepper->dataset, items, total,
                       settings->accum_steps);
    const int64_t micro_batches = (share + settings->micro_batch - 1) / settings->micro_batch;
    for (int64_t i = 0; i < micro_batches; ++i) {
        int64_t offset;
        int64_t count;
        if (gives_up(stepper)) {
            *given_up = true;
            return last ? dt_model_report_ranges(stepper->model, start_reduction, stepper) : DT_OK;
        }
        const bool report = last && i == micro_batches - 1;
        dt_share(share, micro_batches, i, &offset, &count);
        DT_TRY(run_micro_batch(stepper, items + first + offset, (int32_t)count, first + offset,
                               scale, micro_step, report ? start_reduction : NULL));
    }
    return DT_OK;
}

static dt_status gather_parameters(dt_stepper *stepper)
{
    const double began = dt_seconds();
    const dt_status status = stepper->comm->ops->all_gather(
        stepper->comm, dt_model_backend(stepper->model), dt_model_params(stepper->model)->trained);
    stepper->times.waiting += dt_seconds() - began;
    return status;
}

/* Sets *made to whether all ranks have computed all micro-batches of this update. */
static dt_status agree_to_update(dt_stepper *stepper, bool given_up, bool *made)
{
    double any = given_up;
    *made = true;
    if (!dt_model_backend(stepper->model)->host_memory)
        return DT_OK;
    DT_TRY(stepper->comm->ops->sum(stepper->comm, &any, 1));
    *made = any == 0.0;
    return DT_OK;
}

dt_status dt_stepper_update(dt_stepper *stepper, int64_t update, int64_t *micro_steps, bool *made)
{
    dt_backend *backend = dt_model_backend(stepper->model);
    const dt_run_settings *settings = stepper->settings;
    const int64_t batches = dt_batches_per_epoch(stepper->sampler->count, settings);
    const int64_t begin = update * settings->accum_steps;
    const int64_t end =
        begin + settings->accum_steps < batches ? begin + settings->accum_steps : batches;
    bool given_up = false;
    stepper->first = true;
    if (!backend->ops->gradients_replace)
        backend->ops->gradients_zero(backend);
    for (int64_t batch = begin; batch < end; ++batch)
        DT_TRY(
            run_batch(stepper, batch, *micro_steps + batch - begin, batch == end - 1, &given_up));
    const double computed = dt_seconds();
    DT_TRY(stepper->comm->ops->all_reduce_finish(stepper->comm, backend));
    DT_TRY(agree_to_update(stepper, given_up, made));
    const double agreed = dt_seconds();
    stepper->times.waiting += agreed - computed;
    if (!*made)
        return backend->ops->check(backend);
    *micro_steps += end - begin;
    dt_update_rule rule = settings->rule;
    rule.tensors = stepper->tensors;
    rule.tensor_count = stepper->tensor_count;
    backend->ops->update(backend, dt_model_params(stepper->model)->trained, &rule);
    stepper->times.computing += dt_seconds() - agreed;
    if (stepper->shares)
        DT_TRY(gather_parameters(stepper));
    return backend->ops->check(backend);
}

dt_status dt_stepper_rehearse(dt_stepper *stepper, int64_t batch)
{
    bool given_up = false;
    stepper->first = batch % stepper->settings->accum_steps == 0;
    return run_batch(stepper, batch, 0, false, &given_up);
}
