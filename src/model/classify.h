/* What a trained model says of batches, one after the other, while the device never waits for the
 * host: a batch is asked for before the results of the one before it are taken.
 *
 *     dt_classifier_start(batch 0)
 *     dt_classifier_start(batch 1), dt_classifier_finish()   results of batch 0
 *     dt_classifier_start(batch 2), dt_classifier_finish()   results of batch 1
 *     dt_classifier_finish()                                 results of batch 2
 */
#ifndef DT_MODEL_CLASSIFY_H
#define DT_MODEL_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "model/model.h"

#define DT_CLASSIFY_AHEAD 2 /* batches that may be started and not finished */

/* Columns of the logits (B, C). */
typedef struct {
    int32_t first;
    int32_t count; /* 0: none */
} dt_logit_range;

typedef struct {
    dt_model *model;
    const double *temperature; /* (tax_ranks) divisors of the logits; NULL: all 1 */
    dt_logit_range logits;     /* that come to the host beside the predictions */
    bool fused;                /* the vectors that stand for the sequences come, too */
    void *predictions;         /* (max_sequences, tax_ranks) on the device */
    int64_t started, finished; /* batches */
} dt_classifier;

/* Takes memory for batches of up to `max_sequences`, which the model has reserved. `temperature`
 * must outlive the classifier. One classifier a backend at a time. Follow with
 * dt_classifier_close(), also on failure. */
dt_status dt_classifier_open(dt_classifier *classifier, dt_model *model, int32_t max_sequences,
                             const double *temperature, dt_logit_range logits, bool fused);

/* Waits for what is under way and frees the memory. Takes a zero-initialised one, too. */
void dt_classifier_close(dt_classifier *classifier);

/* Asks for a batch, which may be reused at once. The results stand in `predictions`, in `logits`,
 * statistics, and in `fused`, activations (dt_backend_floats()), when the dt_classifier_finish()
 * that belongs to this batch has returned; until then they must stay. Of the latter two NULL where
 * none are wanted. */
dt_status dt_classifier_start(dt_classifier *classifier, const dt_batch *batch,
                              dt_prediction *predictions /* (sequences, tax_ranks) */,
                              void *logits /* (sequences, logits.count) */,
                              void *fused /* (sequences, dt_model_features()) */);

/* Waits for the oldest batch that is under way. */
dt_status dt_classifier_finish(dt_classifier *classifier);

/* Batches that are started and not finished. */
static inline int dt_classifier_under_way(const dt_classifier *classifier)
{
    return (int)(classifier->started - classifier->finished);
}

#endif
