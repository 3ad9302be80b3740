/* Ends this process when what should be over by now is not: the last resort against a rank that
 * hangs where no other thread of it gets control back (in the driver of a GPU, in a file system, in
 * MPI_Abort when this host is cut off). A thread that sleeps, and touches nothing but its clock. */
#ifndef DT_MPI_WATCHDOG_H
#define DT_MPI_WATCHDOG_H

#include <pthread.h>
#include <stdint.h>

#include "core/status.h"

typedef struct dt_watchdog dt_watchdog;

dt_status dt_watchdog_start(dt_watchdog **out, int32_t world_rank, const char *host);

/* The run cannot go on, and only the time to say so is left: ends the process with `exit_status` in
 * so many seconds, with the line `rank 3 on <host>: <message>` on standard error; "": without a
 * line. Only the first call counts. NULL is fine. */
void dt_watchdog_set(dt_watchdog *watchdog, double seconds, int exit_status, const char *message);

void dt_watchdog_stop(dt_watchdog *watchdog); /* NULL is fine */

/* Starts a thread that no signal to the process is delivered to. 0, or an error number. */
int dt_quiet_thread(pthread_t *thread, void *(*run)(void *), void *context);

#endif
