/* One update of the parameters: global batches forward and backward, gradients summed over the
 * ranks while the backward pass runs, then clipping and AdamW on the device.
 *
 * What an update computes depends on the global batch only: each rank takes a contiguous share of
 * it (dt_batch_share: equal in tokens), works through that in pieces of at most `micro_batch`
 * sequences, and scales its loss by the size of the whole batch, or the class weights of all its
 * sequences, so that the sum over pieces and ranks is the gradient of the batch's mean loss.
 */
#ifndef DT_TRAIN_STEP_H
#define DT_TRAIN_STEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/sampler.h"
#include "eval/objective.h"
#include "run/run.h"
#include "model/model.h"
#include "profile/profile.h"

/* Where this rank's time went, in seconds by the host's clock: on a device, whose work goes on
 * while the host asks for more, `computing` is the asking, and `waiting` includes the device's
 * work. */
typedef struct {
    double data;      /* taking tokens and labels together */
    double computing; /* forward, backward, update */
    double waiting;   /* for the sums over the ranks, beyond the backward pass */
} dt_step_times;

/* What stays the same from step to step. Not owned, but for what dt_stepper_free() says. */
typedef struct {
    dt_model *model;
    dt_comm *comm;
    const dt_dataset *dataset;
    const dt_sampler *sampler;
    const dt_run_settings *settings;
    const dt_objective *objective;
    dt_loss loss;           /* the objective's, with its class weights on the device */
    dt_batch_memory memory; /* of one piece */
    const atomic_int *stop; /* not 0: give up the running update; NULL: never asked to */
    dt_step_times times;    /* grows from update to update; the caller may clear it */
    dt_profile *profile;    /* NULL: none */
} dt_stepper;

/* Sequences of an update; global batches of an epoch, and updates of them. */
int64_t dt_update_sequences(const dt_run_settings *settings);
int64_t dt_batches_per_epoch(int64_t sequences, const dt_run_settings *settings);
int64_t dt_updates_per_epoch(int64_t sequences, const dt_run_settings *settings);

/* Updates of the running epoch that are done. */
int64_t dt_epoch_updates_done(const dt_run_progress *progress, int64_t sequences,
                              const dt_run_settings *settings);

/* The mean loss of `updates` updates of an epoch from the sum of their losses, each of which is a
 * sum over the update's batches, divided by the number of batches that an update has. */
double dt_mean_update_loss(double sum, int64_t updates, int64_t sequences,
                           const dt_run_settings *settings);

/* Makes the update number `update` (from 0) of the current epoch: its global batches, of which the
 * last update of an epoch may have fewer. *micro_steps counts the batches since the start of
 * training.
 *
 * On a host, a rank that is asked to stop computes no further piece; it still takes part in the
 * sums, and all ranks agree to leave the update out: *made is false then, parameters, moments and
 * *micro_steps are what they were. An update whose pieces are all computed is made. On a device,
 * where the host runs ahead and the pieces are short, every update is made. Collective. */
dt_status dt_stepper_update(dt_stepper *stepper, int64_t update, int64_t *micro_steps, bool *made);

#endif
