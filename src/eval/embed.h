/* Sequence embeddings of labelled sequences: the input of the model's heads, before dropout
 * (dt_model_fused()). */
#ifndef DT_EVAL_EMBED_H
#define DT_EVAL_EMBED_H

#include <stdint.h>

#include "eval/evaluate.h"

/* Receives the embeddings of the next `count` sequences, (count, dt_model_features()), on
 * world_rank 0. An error ends dt_embed(). */
typedef dt_status (*dt_vector_sink)(void *context, const float *vectors, int64_t count);

/* Computes the embeddings of the job's sequences and passes them to the sink in the order of
 * job->indices, which must be ascending if the dataset is streamed. Micro-batches are assigned to
 * the ranks round-robin; each rank needs memory for one. job->rank0_only and job->objective are
 * ignored. Returns DT_STOPPED on all ranks if any of them was stopped. Collective. */
dt_status dt_embed(const dt_evaluation_job *job, dt_vector_sink sink, void *context);

#endif
