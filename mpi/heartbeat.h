/* Signs of life: how a rank whose process is stopped, or whose host is cut off, is told from one
 * that takes long.
 *
 * The program may wait for other ranks for minutes while one of them reads, validates or writes; a
 * limit on that alone would be either too short for honest work or too long for a dead host. So the
 * MPI thread of each rank sends rank 0 an empty message every few seconds, and rank 0 each of them,
 * whatever the program does meanwhile. Rank 0 that misses a rank, and a rank that misses rank 0,
 * fail; a host that is cut off thus ends by itself, and the others without it.
 *
 * Time in which this process itself stood still (stopped by a debugger, or by Slurm with all
 * others) does not count. All functions are called by the MPI thread.
 */
#ifndef DT_MPI_HEARTBEAT_H
#define DT_MPI_HEARTBEAT_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_HOST_NAME 64

typedef struct dt_heartbeat dt_heartbeat;

/* Collective over `comm`, which is duplicated. `host` (DT_HOST_NAME bytes) is this rank's;
 * `silence` seconds without a sign make a rank missing. */
dt_status dt_heartbeat_start(dt_heartbeat **out, MPI_Comm comm, const char *host, double silence);

/* Sends and receives what is due; does not wait. DT_ERR_COMM names the rank that is missing. */
dt_status dt_heartbeat_poll(dt_heartbeat *heartbeat);

/* Says that no more signs come from here. */
dt_status dt_heartbeat_farewell(dt_heartbeat *heartbeat);

/* True when all others said farewell: it can be freed. */
bool dt_heartbeat_over(const dt_heartbeat *heartbeat);

void dt_heartbeat_free(dt_heartbeat *heartbeat); /* NULL is fine */

#endif
