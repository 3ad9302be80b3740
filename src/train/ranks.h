/* The ranks of a run: their hosts and devices, and the checks that they are compatible. */
#ifndef DT_TRAIN_RANKS_H
#define DT_TRAIN_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "comm.h"
#include "core/limits.h"
#include "core/memory.h"

/* Information about one rank. */
typedef struct {
    char host[64];
    char device[256];          /* the backend's description */
    char kind[64];             /* backend and number format, "cuda in bf16"; plus ", gradients in
                                bf16" if gradients are communicated in bf16, and ", shared
                                moments" */
    char version[32];          /* of the program */
    int32_t processors;        /* number of processors that the process may run on */
    int32_t first_processor;   /* the lowest of them */
    uint64_t processor_set;    /* hash of their numbers */
    char quota[DT_LIMIT_NAME]; /* CPU quota of the process (core/limits.h); "": none */
} dt_rank_info;

/* The number of ranks, this one included, that share a rank's resources. */
typedef struct {
    int32_t processors; /* ranks with the same set of processors */
    int32_t quota;      /* ranks under the same CPU quota */
} dt_ranks_sharing;

/* Counts the ranks that share this rank's resources. Collective. */
dt_status dt_ranks_share(dt_comm *comm, dt_ranks_sharing *sharing);

/* Gathers the information about all ranks into *infos (world_size), on every rank; the caller frees
 * it. Returns DT_ERR_USAGE on every rank, with *agreed set, if the ranks differ in the version of
 * the program, the backend (backends synchronise at different points) or the number format (losses
 * would be scaled differently, or gradients could not be summed). Collective. */
dt_status dt_ranks_gather(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend,
                          bool *agreed);

/* Adds the description of the ranks shown before training, one line per host and device. Prints a
 * notice for each processor that several ranks are bound to. */
dt_status dt_ranks_report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos,
                          int32_t batch_size);

#endif
