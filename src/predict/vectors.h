/* The file of the vectors that stand for predicted sequences, as predict/predictor.h gives them:
 *     <name>_deeptaxa_sequence_embeddings.h5   embeddings (n, H), fp32, seq_ids (n): a container
 *         (io/container.h) as `train --export-sequence-embeddings` writes them, with the attributes
 *         run_uuid of the prediction and checkpoint
 * It is written as the vectors come; the ids, whose number and lengths are known last, follow from
 * the spool.
 */
#ifndef DT_PREDICT_VECTORS_H
#define DT_PREDICT_VECTORS_H

#include <stdint.h>

#include "io/container.h"
#include "predict/spool.h"

/* Begins the file that dt_container_commit() puts at `path`, for vectors of `features` numbers. */
dt_status dt_vectors_begin(dt_container **out, const char *path, int32_t features);

dt_status dt_vectors_add(dt_container *file, const float *vectors, int64_t count);

/* Adds the ids of all rows of the spool, and the attributes: what is left is to commit. */
dt_status dt_vectors_finish(dt_container *file, dt_spool *spool, const char *run_id,
                            const char *checkpoint);

#endif
