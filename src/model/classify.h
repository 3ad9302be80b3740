/* Asynchronous prediction: each batch is launched before the results of the previous one are
 * collected, so that the device never waits for the host.
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

#define DT_CLASSIFY_AHEAD 2 /* maximum number of batches in progress */

/* Columns of the logits (B, C). */
typedef struct {
    int32_t first;
    int32_t count; /* 0: none */
    bool of_heads; /* before the lineage layer, if the model has one: of dt_model_head_outputs() */
} dt_logit_range;

typedef struct {
    dt_model *model;
    const double *temperature; /* (tax_ranks) divisors of the logits; NULL: all 1 */
    dt_logit_range logits;     /* downloaded with the predictions */
    bool fused;                /* download the sequence embeddings, too */
    void *predictions;         /* (max_sequences, tax_ranks) on the device */
    int64_t started, finished; /* batches */
} dt_classifier;

/* Allocates memory for batches of up to `max_sequences`, for which the model must have reserved its
 * buffers. `temperature` must outlive the classifier. A backend can have one classifier at a time.
 * Call dt_classifier_close() afterwards, also on failure. */
dt_status dt_classifier_open(dt_classifier *classifier, dt_model *model, int32_t max_sequences,
                             const double *temperature, dt_logit_range logits, bool fused);

/* Waits for the batches in progress and frees the memory. A zeroed one is allowed. */
void dt_classifier_close(dt_classifier *classifier);

/* Launches a batch, which may be reused immediately. The results are written to `predictions`, to
 * `logits` (of the backend's type for statistics) and to `fused` (activations, see
 * dt_backend_floats()), and are complete when the dt_classifier_finish() of this batch returns;
 * until then the arrays must not be freed. logits and fused are NULL if they were not requested. */
dt_status dt_classifier_start(dt_classifier *classifier, const dt_batch *batch,
                              dt_prediction *predictions /* (sequences, tax_ranks) */,
                              void *logits /* (sequences, logits.count) */,
                              void *fused /* (sequences, dt_model_features()) */);

/* Waits for the oldest batch in progress. */
dt_status dt_classifier_finish(dt_classifier *classifier);

/* Returns the number of batches in progress. */
static inline int dt_classifier_under_way(const dt_classifier *classifier)
{
    return (int)(classifier->started - classifier->finished);
}

#endif
