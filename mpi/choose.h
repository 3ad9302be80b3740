/* Which way the gradients of a run go. */
#ifndef DT_MPI_CHOOSE_H
#define DT_MPI_CHOOSE_H

#include <stddef.h>

#include "reduce.h"

/* Sets *module to the one that sums gradients on the ranks' devices, the same on all ranks, or to
 * NULL: MPI sums them. `why` (at least 160 bytes) says why, for the user. Collective.
 * DT_ERR_USAGE: options->kind is NCCL, and it cannot be had. */
dt_status dt_choose_reducer(dt_comm *comm, const dt_backend *backend,
                            const dt_comm_options *options, const dt_reducer_module **module,
                            char *why, size_t why_size);

#endif
