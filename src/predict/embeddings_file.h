/* The file of the predicted sequences' embeddings (predict/predictor.h):
 *
 *     <name>_deeptaxa_sequence_embeddings.h5   embeddings (n, H), fp32, seq_ids (n): a container
 *         (io/container.h) like that of `train --export-sequence-embeddings`, with the attributes
 *         run_uuid (of the prediction) and checkpoint
 *
 * Embeddings are written as they arrive; the ids, whose number and lengths are known only at the
 * end, are then copied from the spool.
 */
#ifndef DT_PREDICT_EMBEDDINGS_FILE_H
#define DT_PREDICT_EMBEDDINGS_FILE_H

#include <stdint.h>

#include "io/container.h"
#include "predict/spool.h"

/* Begins the file for embeddings of `features` numbers each. dt_container_commit() moves it to
 * `path`. */
dt_status dt_embeddings_begin(dt_container **out, const char *path, int32_t features);

dt_status dt_embeddings_add(dt_container *file, const float *embeddings, int64_t count);

/* Adds the ids of all rows of the spool, and the attributes. Follow with dt_container_commit(). */
dt_status dt_embeddings_finish(dt_container *file, dt_spool *spool, const char *run_id,
                               const char *checkpoint);

#endif
