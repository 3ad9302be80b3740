/* Collectives of the MPI communicator on host memory: see dt_comm_ops. They wait. */
#ifndef DT_MPI_HOST_OPS_H
#define DT_MPI_HOST_OPS_H

#include "mpi_thread.h"

dt_status dt_mpi_sum(dt_mpi_thread *thread, int32_t world_size, double *values, int64_t count);
dt_status dt_mpi_broadcast(dt_mpi_thread *thread, void *bytes, int64_t count, int32_t root);
dt_status dt_mpi_gather(dt_mpi_thread *thread, const dt_mpi_info *info, const void *bytes,
                        const int64_t *counts, void *out, int32_t root);
dt_status dt_mpi_barrier(dt_mpi_thread *thread);

#endif
