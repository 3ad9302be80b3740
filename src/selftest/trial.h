/* One prediction and one training step of a model on made sequences, on one device. */
#ifndef DT_SELFTEST_TRIAL_H
#define DT_SELFTEST_TRIAL_H

#include "backend.h"
#include "model/model.h"

/* What a trial leaves; to be freed with dt_trial_free(). */
typedef struct {
    int64_t logits;         /* sequences · classes */
    int64_t count;          /* trained parameters */
    float *logit;           /* (logits) of the prediction */
    float *gradient;        /* (count) of the step */
    float *change;          /* (count) of the parameters by the update */
    double loss;            /* of the step */
    bool replays;           /* the step was repeated, recorded and replayed */
    int64_t replay_differs; /* gradients to which a repetition gave other bits */
    bool on_host;           /* the device is a CPU */
} dt_trial;

/* Runs the trial; config->max_length is at most 100. lineages: the model has a lineage layer. The update
 * uses `reference->gradient`, so that it can be compared by itself; NULL: the trial's own gradients. */
dt_status dt_trial_run(const char *device, const dt_backend_options *options,
                       const dt_model_config *config, bool lineages, const dt_trial *reference,
                       dt_trial *out);
void dt_trial_free(dt_trial *trial);

/* The learning rate of the update: parameters change by about as much. */
#define DT_TRIAL_LEARNING_RATE 5e-4

#endif
