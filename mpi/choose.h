/* Chooses the library that sums the gradients of a run. */
#ifndef DT_MPI_CHOOSE_H
#define DT_MPI_CHOOSE_H

#include <stddef.h>

#include "reduce.h"

/* Sets *module to the module that sums gradients on the ranks' devices, or to NULL if MPI sums
 * them; all ranks get the same choice. With a module, sets comm->link. Writes the reason, for the
 * user, to `why` (at least 160 bytes). Collective. DT_ERR_USAGE: options->kind is NCCL and NCCL is
 * not available. */
dt_status dt_choose_reducer(dt_comm *comm, const dt_backend *backend,
                            const dt_comm_options *options, const dt_reducer_module **module,
                            char *why, size_t why_size);

#endif
