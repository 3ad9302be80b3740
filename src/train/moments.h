/* The optimizer's moments of a run whose ranks share them (--shard-optimizer, ZeRO-1: Rajbhandari et
 * al., SC 2020): each rank of a host has an equal share of the elements (dt_local_share()), so that
 * each host has all of them.
 *
 * A checkpoint has all moments, whoever holds them, so that it is the same file as without shares
 * and can be resumed with any number of ranks. Rank 0 writes it and asks the ranks of its host for
 * the moments in pieces, while the other ranks answer. (A resumed rank reads all moments of the
 * file; its backend keeps those of its share.)
 */
#ifndef DT_TRAIN_MOMENTS_H
#define DT_TRAIN_MOMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/memory.h"
#include "run/checkpoint_tensors.h"

typedef struct {
    dt_comm *comm;
    dt_backend *backend;
    int64_t elements; /* trained elements of the flat vector; 0: nothing is shared */
    dt_range *share;  /* (world_size) of each rank of rank 0's host; of other ranks: empty */
    int64_t *bytes;   /* (world_size) that each rank sends of a piece */
    float *piece;     /* this rank's part of a piece */
    dt_status failed; /* of a read from this rank's device: it goes on to answer */
} dt_moments;

/* Gives the backend this rank's share of the moments; to be called before its vectors are allocated.
 * Does nothing if this rank is the only one of its host. Not collective. */
void dt_moments_share(dt_moments *moments, dt_comm *comm, dt_backend *backend, int64_t elements);

/* Adds a line to the plan if moments are shared. */
dt_status dt_moments_plan(dt_text *out, const dt_moments *moments);

/* Makes the ranks know what rank 0's host has of the moments. Collective. */
dt_status dt_moments_open(dt_moments *moments);
void dt_moments_free(dt_moments *moments);

/* Returns where a checkpoint on rank 0 gets moments from: `read` asks the other ranks. */
dt_moment_reader dt_moments_reader(dt_moments *moments);

/* Rank 0 calls dt_moments_end() once it has read all that it needs, or has failed; meanwhile the
 * others are in dt_moments_answer(). Returns the error of this rank, for dt_agree(). Collective. */
dt_status dt_moments_end(dt_moments *moments);
dt_status dt_moments_answer(dt_moments *moments);

#endif
