/* Sums gradients and exchanges parameters with MPI, in host memory. */
#ifndef DT_MPI_REDUCE_MPI_H
#define DT_MPI_REDUCE_MPI_H

#include "mpi_thread.h"
#include "reduce.h"

/* The communicator, the backend and the thread must outlive the reducer. Even on failure *out may
 * hold a reducer that the caller must destroy. */
dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, const dt_comm *comm, dt_backend *backend,
                             const dt_comm_options *options, dt_reducer **out);

#endif
