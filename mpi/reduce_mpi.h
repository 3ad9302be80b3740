/* Gradients summed by MPI, in host memory. */
#ifndef DT_MPI_REDUCE_MPI_H
#define DT_MPI_REDUCE_MPI_H

#include "mpi_thread.h"
#include "reduce.h"

/* The backend and the thread must outlive it. Who fails may leave a reducer in *out all the same,
 * to be destroyed. */
dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, dt_backend *backend,
                             const dt_comm_options *options, dt_reducer **out);

#endif
