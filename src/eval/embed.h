/* The vectors that stand for labelled sequences: what the heads of a model read, before dropout
 * (dt_model_fused()). */
#ifndef DT_EVAL_EMBED_H
#define DT_EVAL_EMBED_H

#include <stdint.h>

#include "eval/evaluate.h"

/* Takes the vectors of the next `count` sequences, (count, dt_model_features()), on world_rank 0. A
 * failure ends the work. */
typedef dt_status (*dt_vector_sink)(void *context, const float *vectors, int64_t count);

/* Runs the job's sequences forward and hands their vectors to the sink, in the order of
 * job->indices (which rises where the dataset is streamed). The ranks take pieces in turn, all of
 * them, whatever job->rank0_only says; memory is that of a piece a rank. job->objective is not
 * used. DT_STOPPED, on all ranks, when one was asked to stop. Collective. */
dt_status dt_embed(const dt_evaluation_job *job, dt_vector_sink sink, void *context);

#endif
