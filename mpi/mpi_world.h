/* Initialises and finalises MPI, and stores information about this rank. Only the MPI thread
 * (mpi_thread.h) calls these functions. Errors are DT_ERR_COMM. */
#ifndef DT_MPI_MPI_WORLD_H
#define DT_MPI_MPI_WORLD_H

#include <mpi.h>
#include <stdint.h>

#include "core/status.h"

/* How Slurm starts ranks that this library connects. */
#ifdef OPEN_MPI
#define DT_MPI_SRUN "srun --mpi=pmix"
#else /* MPICH, Intel MPI; Cray MPICH */
#define DT_MPI_SRUN "srun --mpi=pmi2 (on a Cray: --mpi=cray_shasta)"
#endif

/* Information about this rank, valid after initialisation. */
typedef struct {
    int32_t world_rank, world_size;
    int32_t local_rank, local_size; /* among the ranks of this host */
    int32_t local_first;            /* world_rank of local rank 0 */
    int32_t hosts;
    char host[64];
    char library[128]; /* name and version, from MPI_Get_library_version() */
} dt_mpi_info;

typedef struct {
    dt_mpi_info info;
    MPI_Comm host_comm;     /* for host operations */
    MPI_Comm gradient_comm; /* for gradients; separate, so that messages cannot be mixed up */
    MPI_Comm local_comm;    /* the ranks of this host */
} dt_mpi_world;

/* Initialises MPI and fills `world` (zero-initialised), except the fields of
 * dt_mpi_world_find_hosts(). `expected`: number of ranks, 0 if unknown; fails if MPI connects
 * fewer. */
dt_status dt_mpi_world_begin(dt_mpi_world *world, int32_t expected);

/* Determines local_rank, local_size, local_first and hosts, and makes local_comm. Collective. */
dt_status dt_mpi_world_find_hosts(dt_mpi_world *world);

/* Finalises MPI. */
dt_status dt_mpi_world_end(dt_mpi_world *world);

/* Checks the result of an MPI call: DT_ERR_COMM, with MPI's text, if `code` is an error. */
dt_status dt_mpi_check(int code, const char *call);

#endif
