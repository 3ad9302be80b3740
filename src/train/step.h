/* One update of the parameters: forward and backward passes of its global batches, gradients summed
 * over the ranks during the backward pass, then clipping and AdamW or LAMB on the device; if the ranks
 * of a host share the moments, each updates its share of the parameters and then gets those of the
 * others.
 *
 * The result depends on the global batch only: each rank takes a contiguous share of it (equal in
 * tokens, dt_batch_share()), divides that into micro-batches of at most `micro_batch` sequences,
 * and scales their losses by the size of the global batch, or by the class weights of all its
 * sequences, so that the sum over micro-batches and ranks is the gradient of the batch's mean loss.
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

/* How this rank's time was spent, in seconds on the host's clock. A device works asynchronously:
 * with one, `computing` is the time to launch its work, and `waiting` includes its execution. */
typedef struct {
    double data;      /* packing tokens and labels */
    double computing; /* forward, backward, update */
    double waiting;   /* for the sums over the ranks, after the backward pass, and for parameters */
} dt_step_times;

/* The state shared by all updates. Pointers are borrowed. */
typedef struct {
    dt_model *model;
    dt_comm *comm;
    const dt_dataset *dataset;
    dt_sampler *sampler;
    const dt_run_settings *settings;
    const dt_objective *objective;
    dt_loss loss;              /* of the objective, with its class weights on the device */
    dt_update_tensor *tensors; /* of LAMB; NULL: AdamW */
    int32_t tensor_count;
    dt_batch_memory memory; /* of one micro-batch; owned by the caller */
    const atomic_int *stop; /* not 0: abandon the current update; NULL: never stop */
    dt_step_times times;    /* accumulated over updates; the caller may clear it */
    dt_profile *profile;    /* may be NULL */
    bool shares;            /* each rank of a host updates its share (comm's all_gather()) */
    bool first;             /* no micro-batch of the current update has been computed */
} dt_stepper;

/* Return the sequences of an update, the updates of an epoch. */
int64_t dt_update_sequences(const dt_run_settings *settings);
int64_t dt_updates_per_epoch(int64_t sequences, const dt_run_settings *settings);

/* Returns the number of completed updates of the current epoch. */
int64_t dt_epoch_updates_done(const dt_run_progress *progress, int64_t sequences,
                              const dt_run_settings *settings);

/* Returns the mean loss of `updates` updates of an epoch. sum: over their losses, each of which is
 * the sum over the update's batches divided by the number of batches of a full update. */
double dt_mean_update_loss(double sum, int64_t updates, int64_t sequences,
                           const dt_run_settings *settings);

/* Performs update number `update` (from 0) of the current epoch; the last update of an epoch may
 * have fewer batches. *micro_steps counts the batches since the start of training.
 *
 * On a CPU, a rank that receives a stop computes no further micro-batch. It still takes part in the
 * sums, and all ranks abandon the update: *made is false, and parameters, moments and *micro_steps
 * are unchanged. If all its micro-batches are computed, the update is applied. On a GPU, where the
 * host runs ahead and micro-batches are short, every update is applied. Collective. */
dt_status dt_stepper_update(dt_stepper *stepper, int64_t update, int64_t *micro_steps, bool *made);

/* Runs the operations of this rank's share of batch number `batch` of the current epoch, for
 * choices_time(): no gradients are summed over the ranks, and nothing is updated. */
dt_status dt_stepper_rehearse(dt_stepper *stepper, int64_t batch);

#endif
