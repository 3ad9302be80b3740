/* Heartbeats: distinguish a rank that is stopped or unreachable from one that is busy.
 *
 * A rank may wait for others for minutes while one of them reads, validates or writes; a timeout on
 * that wait would be too short for legitimate work or too long for a dead host. Therefore the MPI
 * thread of each rank sends a message to rank 0 every few seconds, and rank 0 to each of them,
 * whatever the program is doing. Rank 0 fails when a rank's heartbeat stops, and the others fail
 * when rank 0's stops; both sides of a lost connection thus end.
 *
 * The message says what its sender does (dt_report). While rank 0 waits for others, it sends one
 * every second, which the others answer at once; with the answers it names the late ranks (late.h).
 *
 * Time during which this process itself was stopped (by a debugger, or by Slurm together with all
 * others) does not count. Only the MPI thread calls these functions.
 */
#ifndef DT_MPI_HEARTBEAT_H
#define DT_MPI_HEARTBEAT_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "late.h"

typedef struct dt_heartbeat dt_heartbeat;

/* Collective over `comm`, which is duplicated. `host` (DT_HOST_NAME bytes) is the host of this
 * rank; a rank is considered dead after `timeout` seconds without a heartbeat. */
dt_status dt_heartbeat_start(dt_heartbeat **out, MPI_Comm comm, const char *host, double timeout);

/* Sends and receives the heartbeats that are due; does not wait. `mine`: what this rank does.
 * DT_ERR_COMM names a dead rank. */
dt_status dt_heartbeat_poll(dt_heartbeat *heartbeat, const dt_activity *mine);

/* On rank 0: writes the names of the ranks that have not begun the operation in which this rank
 * waits, "rank 5 on node7". Returns their number; 0 on other ranks. */
int dt_heartbeat_late(const dt_heartbeat *heartbeat, const dt_activity *mine, char *names,
                      size_t size);

/* Announces that this rank sends no more heartbeats. */
dt_status dt_heartbeat_shutdown(dt_heartbeat *heartbeat);

/* Returns true once all other ranks have announced their shutdown; it can then be freed. */
bool dt_heartbeat_is_shut_down(const dt_heartbeat *heartbeat);

void dt_heartbeat_free(dt_heartbeat *heartbeat); /* NULL is allowed */

#endif
