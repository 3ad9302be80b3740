/* The ranks of a run: where each computes, and the checks that they fit together. */
#ifndef DT_RANKS_RANKS_H
#define DT_RANKS_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "comm.h"
#include "core/limits.h"
#include "ranks/network.h"

#define DT_RANK_CORES 4096 /* cores with a higher number are not compared */

/* Information about one rank. */
typedef struct {
    char host[64];
    char device[256];                   /* the backend's description */
    char device_id[32];                 /* PCI address of the GPU; "": none */
    char kind[64];                      /* backend and number format, "cuda in bf16" */
    char program[96];                   /* "0.1.0 (0123456789ab)": version and commit */
    int32_t processors;                 /* number of processors that the process may run on */
    int32_t first_processor;            /* the lowest of them */
    uint64_t processor_set;             /* hash of their numbers */
    char processor_list[64];            /* "0-3,8-11"; ends with "…" if it is too long */
    uint64_t cores[DT_RANK_CORES / 64]; /* bit set: the cores of these processors, each by the
                                           number of its first hardware thread */
    char quota[DT_LIMIT_NAME];          /* CPU quota of the process (core/limits.h); "": none */
    dt_network network;                 /* of the host */
} dt_rank_info;

/* The number of ranks, this one included, that share a rank's resources. */
typedef struct {
    int32_t processors; /* ranks with the same set of processors */
    int32_t quota;      /* ranks under the same CPU quota */
} dt_ranks_sharing;

/* ---- before anything else that is collective ------------------------------------------------- */

/* Checks that all ranks run the same build: version, commit, contracts of modules (dt_agree_on()).
 * Collective. */
dt_status dt_ranks_same_program(dt_comm *comm, bool *agreed);

/* Gives a notice that names the rank that was started last, if that was seconds after the first.
 * `began`: dt_seconds() at the start of this process, before it waited for others. Collective. */
dt_status dt_ranks_started(dt_comm *comm, double began);

/* Counts the ranks that share this rank's resources. Collective. */
dt_status dt_ranks_share(dt_comm *comm, dt_ranks_sharing *sharing);

/* ---- with a backend -------------------------------------------------------------------------- */

/* Gathers the information about all ranks into *infos (world_size), on every rank; the caller frees
 * it. Collective. */
dt_status dt_ranks_gather(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend);

/* Returns DT_ERR_USAGE, equal on every rank, if the ranks differ in the backend (backends synchronise
 * at different points) or the number format (losses would be scaled differently, or gradients could
 * not be summed). */
dt_status dt_ranks_check(const dt_rank_info *infos, int32_t world_size);

/* Prints a notice if ranks share a GPU, or share cores of which there are fewer than ranks, or have
 * sets of cores that overlap. */
void dt_ranks_notice_shared(const dt_rank_info *infos, int32_t world_size);

/* Prints a notice if ranks compute with other processors, GPUs, numbers of threads or kernels than
 * rank 0: the run is right, but as slow as the slowest, and not bit for bit that of equal ranks. */
void dt_ranks_notice_unlike(const dt_rank_info *infos, int32_t world_size);

/* Returns whether two ranks run on the same host. */
bool dt_ranks_same_host(const dt_rank_info *a, const dt_rank_info *b);

#endif
