/* Gradients summed by MPI, in host memory. */
#ifndef DT_MPI_REDUCE_MPI_H
#define DT_MPI_REDUCE_MPI_H

#include "mpi_thread.h"
#include "reduce.h"

/* `bucket_bytes` 0: as measured. The backend and the thread must outlive it. */
dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, dt_backend *backend, int64_t bucket_bytes,
                             dt_reducer **out);

#endif
