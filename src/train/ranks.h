/* The ranks of a run: who they are, what they agree on. */
#ifndef DT_TRAIN_RANKS_H
#define DT_TRAIN_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "comm.h"
#include "core/limits.h"
#include "core/memory.h"

/* What a rank says of itself. */
typedef struct {
    char host[64];
    char device[256];        /* the backend's description */
    char kind[64];           /* of backend, and its number format: "cuda in bf16"; with ", gradients
                                in bf16" where these travel so */
    char version[32];        /* of the program */
    int32_t processors;      /* that the process may run on */
    int32_t first_processor; /* the lowest of them */
    uint64_t processor_set;  /* a checksum of them all */
    char
        quota[DT_LIMIT_NAME]; /* the CPU quota that the process is under (core/limits.h); "" none */
} dt_rank_info;

/* With how many ranks, this one included, a rank divides what it may use: each should take its part
 * only. */
typedef struct {
    int32_t processors; /* that may run on just the processors that this one may run on */
    int32_t quota;      /* that are under the CPU quota that this one is under */
} dt_ranks_sharing;

/* Collective. */
dt_status dt_ranks_share(dt_comm *comm, dt_ranks_sharing *sharing);

/* Sets *infos to what all ranks say of themselves, (world_size) on every one; the caller frees it.
 * DT_ERR_USAGE, on every rank and with *agreed set, when they run different versions of the
 * program, or compute with different kinds of backend (which wait for each other at different
 * times) or number formats (whose losses are scaled differently, or
 * whose gradients cannot be added). Collective. */
dt_status dt_ranks_gather(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend,
                          bool *agreed);

/* Adds what is shown of the ranks before training, a line for each host and kind of device; gives a
 * notice of each processor that several ranks have to share. */
dt_status dt_ranks_report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos,
                          int32_t batch_size);

#endif
