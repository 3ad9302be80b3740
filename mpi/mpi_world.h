/* MPI begun and ended, and what it says of this rank. Only the thread that calls MPI (mpi_thread.h)
 * uses these. Errors are DT_ERR_COMM. */
#ifndef DT_MPI_MPI_WORLD_H
#define DT_MPI_MPI_WORLD_H

#include <mpi.h>
#include <stdint.h>

#include "core/status.h"

/* What MPI says about this rank once it is initialised. */
typedef struct {
    int32_t world_rank, world_size;
    int32_t local_rank, local_size; /* among ranks that share memory: this host's */
    int32_t hosts;
    char host[64];
    char library[128]; /* name and version, first line of MPI_Get_library_version() */
} dt_mpi_facts;

typedef struct {
    dt_mpi_facts facts;
    MPI_Comm host_comm;     /* of host operations, */
    MPI_Comm gradient_comm; /* and of gradients, so that neither meets the other's messages */
} dt_mpi_world;

/* Initialises MPI and fills `world` (zero-initialised) but for what the hosts tell. `expected`:
 * ranks that there should be, 0: not known; where MPI connects fewer, that is an error. */
dt_status dt_mpi_world_begin(dt_mpi_world *world, int32_t expected);

/* Finds local_rank, local_size and hosts. Every rank calls it. */
dt_status dt_mpi_world_find_neighbours(dt_mpi_world *world);

/* Finalises MPI. */
dt_status dt_mpi_world_end(dt_mpi_world *world);

/* DT_OK, or the error that an MPI call returned, with MPI's text. */
dt_status dt_mpi_check(int code, const char *call);

#endif
